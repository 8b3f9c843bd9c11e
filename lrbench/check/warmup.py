"""Warmups that are missing, too long, or too short."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.case import SMALL, Case
from lrbench.check.finding import Severity
from lrbench.check.proposed import Proposed
from lrbench.check.remarks import remarked
from lrbench.schedules.trace import Floats

WARMUPS = (("warmup=linear_10pct",), ("warmup=linear_5pct",), ("warmup=linear5",))
SHORTER = (("warmup.length=10%",), ("warmup=linear_10pct",), ("warmup=linear_5pct",))
LARGE_BATCH = 512  # samples; the guide's line in most places
LARGE_MODEL = 100e6  # parameters
SMALL_MODEL = 10e6  # parameters, below which the guide lets one do without
USUAL = 1e-3  # an adaptive optimizer's rate
OF_THE_SIGN = 1e-4  # that of one that steps by the sign alone: 3 to 10 times below AdamW's (Lion: Chen et al. 2023)
ORTHOGONAL = 0.02  # Muon's, whose steps are made orthogonal, where they are not scaled to AdamW's (Jordan et al. 2024)
PER_SAMPLE = 0.1 / 256  # SGD's rate for each sample of a batch, with momentum 0.9 (Goyal et al. 2017)


def transformer_without_warmup(case: Case) -> Iterator[Proposed]:
    """A model with attention is trained from random weights at the full rate from the first update on."""
    if case.warms or (case.adaptive and case.peak < SMALL) or not case.begins or not case.traits.attention:
        return
    first = max(f.first for f in case.facts)
    says = (
        f"The model has attention and begins from random weights, and its first update uses {first:.4g}, "
        f"{first / case.peak:.0%} of the peak of {case.peak:.4g}, under {case.optimizer}."
    )
    yield Proposed(severity="warning", says=says, cures=WARMUPS, claim="transformer-without-warmup-diverges")


def large_batch_without_warmup(case: Case) -> Iterator[Proposed]:
    """A batch of more than 512 samples is trained from random weights without a warmup.

    A warning where the rate is one that was raised with the batch, else a note: at the rate of a small batch a large
    one is no more dangerous."""
    batch = case.experiment.batch_size
    if batch <= LARGE_BATCH or case.warms or not case.begins:
        return
    raised = case.peak >= SMALL if case.adaptive else case.peak >= 0.5 * PER_SAMPLE * batch
    says = f"A batch of {batch:,} samples (above {LARGE_BATCH}) meets the full rate of {case.peak:.4g} at once."
    severity: Severity = "warning" if raised else "note"
    yield Proposed(severity=severity, says=says, cures=WARMUPS, claim="large-batch-warmup-prevents-divergence")


def large_model_or_adamw_without_warmup(case: Case) -> Iterator[Proposed]:
    """More than 100 million parameters without a warmup; or an adaptive optimizer with more than 10 million, or at more
    than twice its usual rate."""
    if case.warms or (case.adaptive and case.peak < SMALL) or not case.begins:
        return
    parameters = case.traits.parameters
    wide = parameters > (SMALL_MODEL if case.adaptive else LARGE_MODEL)
    if not (wide or (case.adaptive and case.peak > 2 * usual_rate(case))):
        return
    says = (
        f"{parameters / 1e6:.3g} million parameters begin from random weights under {case.optimizer} at the full rate "
        f"of {case.peak:.4g}."
    )
    severity: Severity = "warning" if parameters > LARGE_MODEL else "note"
    yield Proposed(severity=severity, says=says, cures=WARMUPS, claim="adamw-needs-warmup-more-than-sgd")


def high_rate_without_warmup(case: Case) -> Iterator[Proposed]:
    """A rate ten times the usual of its kind of optimizer, from the first update on.

    The guide draws the line at 0.001, above which several of its own recipes lie."""
    usual = usual_rate(case)
    if case.warms or case.peak < 10 * usual * (1 - 1e-9) or not case.begins:
        return
    says = (
        f"The first update uses {case.facts[0].first:.4g}, {case.peak / usual:.0f} times what is usual under "
        f"{case.optimizer} (about {usual:.1g}), without a warmup."
    )
    if case.peak >= 100 * usual:  # no warmup makes that a rate
        yield Proposed(severity="warning", says=says, cures=((f"optimizer.lr={usual:.1g}",),))
        return
    yield Proposed(severity="note", says=says, cures=WARMUPS, claim="warmup-allows-higher-peak-lr")


def usual_rate(case: Case) -> float:
    """0.1 of SGD with a momentum of 0.9, and 1.0 without (the step that a gradient makes in the end); of others by what
    their settings show them to do."""
    if not case.adaptive:
        return 1.0 * (1 - min(case.momentum, 0.99))
    if "ns_steps" in case.settings:
        return USUAL if case.settings.get("adjust_lr_fn") == "match_rms_adamw" else ORTHOGONAL
    return USUAL if "eps" in case.settings else OF_THE_SIGN


def warmup_length(case: Case) -> Iterator[Proposed]:
    """The warmup takes more than a quarter of the run."""
    share, updates = case.facts[0].warmup, case.table.warmup
    if share <= 0.25:
        return
    says = f"The warmup takes {updates:,} of {len(case.table.lr):,} updates, {share:.0%}; 5 to 10 % are usual."
    yield Proposed(severity="note", says=says, cures=SHORTER, claim="warmup-fraction-5-10-pct-optimal")


def warmup_shorter_than_adam_memory(case: Case) -> Iterator[Proposed]:
    """The warmup is shorter than Adam's second moment takes to fill, 2 / (1 - beta2) updates (Ma & Yarats 2021), where
    a fifth of the run would hold that many.

    In a shorter run no warmup can be that long and leave room to train. What is left there is a share, and no share
    tells a mistake from practice: DeiT warms up for 5 of 300 epochs (1.7 %; Touvron et al. 2021), instruction tuning
    for 3 %. So nothing is said there."""
    betas = case.settings.get("betas")
    warmup, updates = case.table.warmup, len(case.table.lr)
    if not (warmup and betas and "eps" in case.settings and len(betas) > 1 and 0 < betas[1] < 1):
        return
    memory = round(2 / (1 - betas[1]))
    if warmup >= memory or memory > 0.2 * updates or case.peak < SMALL or not case.begins:
        return
    says = (
        f"The warmup ends after {warmup:,} updates, and {case.optimizer}'s second moment (beta2 {betas[1]:g}) needs "
        f"2 / (1 - beta2) = {memory:,} to fill: {memory / updates:.1%} of this run."
    )
    cures = (("warmup.interval=batch", f"warmup.length={memory}ba"), ("warmup=linear_10pct",))
    yield Proposed(severity="note", says=says, cures=cures)


def jump_at_seam(case: Case) -> Iterator[Proposed]:
    """The warmup comes to another rate than the one that the main schedule begins at.

    A jump upwards is one of more than a quarter of the peak, and of more than twice the warmup's own stairs. Where the
    warmup climbs it was to arrive; one that stays at a rate is practice (He et al. 2015, section 4.2), and a note."""
    said = list(remarked(case, "check.jump-at-seam"))
    yield from said
    end = case.table.warmup
    if said or not end:
        return
    for group, lr in zip(case.table.groups, case.table.lr.T, strict=True):
        jump, least = float(lr[end] - lr[end - 1]), max(0.25 * case.plan.peaks[group], 2 * _stair(lr[:end]))
        if abs(jump) > least and not (jump > 0 and _by_factors(lr[: end + 1])):
            yield _jump(case, group, float(lr[end - 1]), float(lr[end]), constant=bool((lr[:end] == lr[0]).all()))
            return


def _stair(lr: Floats) -> float:
    return float(np.abs(np.diff(lr)).max(initial=0.0))


def _by_factors(lr: Floats) -> bool:
    """Whether the last step of a rise multiplies no more than the one before it did: stairs of an exponential grow."""
    steps = lr[np.flatnonzero(np.diff(lr, append=np.inf))]
    return len(steps) > 2 and bool(steps[-1] * steps[-3] <= 1.1 * steps[-2] ** 2)


def _jump(case: Case, group: str, last: float, begins: float, constant: bool) -> Proposed:
    where = f"at its end, {case.at(case.table.warmup)}, the rate of the group '{group}'"
    if begins < last:
        says = f"The warmup climbs to {last:.4g}, and {where} falls to {begins:.4g}, where the main schedule begins."
        return Proposed(severity="warning", says=says, cures=(("warmup.join=product",), ("warmup=none",)))
    if constant:
        says = f"The warmup stays at {last:.4g}, and {where} jumps to {begins:.4g}: one step makes all of its climb."
        return Proposed(severity="note", says=says, cures=(("warmup=linear5",), *WARMUPS))
    says = f"The warmup climbs to {last:.4g} only, and {where} jumps to {begins:.4g}."
    return Proposed(severity="warning", says=says, cures=(("warmup=linear5",), *WARMUPS))
