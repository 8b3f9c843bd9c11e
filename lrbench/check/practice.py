"""Rates that do not fit the batch, the parameter groups or the formula that they are for."""

from collections.abc import Iterator

from lrbench.check.case import Case
from lrbench.check.proposed import Cure, Proposed
from lrbench.check.remarks import remarked
from lrbench.check.warmup import PER_SAMPLE

FAR = 20  # times the rate that a sample of a batch usually has
SMALL_BATCH, SCALED = 32, 8  # samples; times that an adaptive optimizer's rate was multiplied


def rate_for_another_batch(case: Case) -> Iterator[Proposed]:
    """A rate that is one for a far larger batch, one that is scaled twice, or an adaptive optimizer's that was
    multiplied as SGD's would be."""
    e, batch, claim = case.experiment, case.experiment.batch_size, "linear-lr-scaling-rule"
    shown = f"{case.peak:.4g} under {case.optimizer} with a batch of {batch:,}"
    times = e.lr_scaling.factor(batch) if e.lr_scaling else 1.0
    if e.lr_scaling and case.adaptive:
        if e.lr_scaling.rule == "linear" and times >= SCALED:
            says = f"{shown}: {times:.3g} times {e.optimizer.lr:.4g}. Adaptive rates grow with the root of the batch."
            yield Proposed(severity="note", says=says, cures=(("lr_scaling.rule=sqrt",),))
        return
    if case.adaptive or case.momentum < 0.5 or not case.begins or not case.traits.convolution:
        return
    if e.lr_scaling and times >= 2 and e.optimizer.lr >= 0.75 * PER_SAMPLE * batch:
        says = f"{shown}: {e.optimizer.lr:.4g} is for that batch already, and is scaled by {times:.3g} once more."
        yield Proposed(severity="warning", says=says, cures=(("lr_scaling.rule=none",),), claim=claim)
    elif not e.lr_scaling and batch <= SMALL_BATCH and case.peak >= FAR * PER_SAMPLE * batch:
        says = f"{shown}: a rate for {case.peak / PER_SAMPLE:,.0f} samples, as most papers have it (0.1 for 256)."
        yield Proposed(severity="note", says=says, cures=(("lr_scaling.rule=linear",),), claim=claim)


def inverse_sqrt_base_rate(case: Case) -> Iterator[Proposed]:
    """A schedule that multiplies the rate by a formula that is itself a rate: what is left is next to nothing."""
    peak = max(case.plan.peaks.values())
    if case.hears or case.peak >= 0.02 * peak or case.peak >= 1e-5:
        return
    says = f"Of the rate of {peak:.4g} the schedule leaves {case.peak:.3g} at most: {case.peak / peak:.2g} of it."
    cures: tuple[Cure, ...] = (("optimizer.lr=1.0",), *_without_factors(case))
    yield Proposed(severity="warning", says=says, cures=cures)


def _without_factors(case: Case) -> Iterator[Cure]:
    """Each argument that may be left out, left out."""
    for name, value in case.plan.scheduler.args.items():
        if isinstance(value, int | float):
            yield (f"scheduler.args.{name}=null",)


def floor_above_peak(case: Case) -> Iterator[Proposed]:
    """A floor at or above the rate of a group, which then rises or hardly falls."""
    said = list(remarked(case, "check.floor-above-peak"))
    yield from said
    name, falls = case.plan.scheduler.floor_arg, [f.ratio for f in case.facts]
    if said or name is None or case.hears or case.constant or min(falls) > 0.1:
        return
    for f in case.facts:
        floor = case.plan.arguments(case.plan.main, f.group).get(name)
        if isinstance(floor, int | float) and floor > 0.5 * case.plan.peaks[f.group]:
            says = f"The group '{f.group}' falls from {f.peak:.4g} to its floor of {floor:.4g} only."
            yield Proposed(severity="warning", says=says, cures=((f"scheduler.args.{name}=0.01x",),))
            return


def pretrained_and_new_at_one_rate(case: Case) -> Iterator[Proposed]:
    """Pretrained layers and a new classifier share one rate."""
    e, start = case.experiment, case.experiment.start
    frozen = e.param_groups is not None and e.param_groups.target == "lrbench.param_groups.frozen"
    if len(set(case.plan.peaks.values())) > 1 or frozen or (start is not None and not start.new_head):
        return
    traits = case.traits
    if (traits.pretrained or start) and traits.new:
        says = (
            f"{traits.parameters - traits.new:,} pretrained parameters and a classifier of {traits.new:,} train at one "
            f"rate, {case.peak:.4g}."
        )
        cure, claim = "param_groups=backbone_head", "uniform-lr-worse-for-finetune"
        if traits.pretrained:
            otherwise = f"{cure} (not tried here: that loads the weights)"
            yield Proposed(severity="note", says=says, otherwise=otherwise, claim=claim)
        else:
            yield Proposed(severity="note", says=says, cures=((cure,),), claim=claim)


def ghost_batch(case: Case) -> Iterator[Proposed]:
    """BatchNorm sees a part of each batch only, where it is cut into micro-batches or shared out over ranks."""
    e = case.experiment
    if e.parts > 1 and case.traits.batch_norm:
        ghost = e.batch_size // e.parts
        says = f"ghost batch = {ghost}: BatchNorm sees {ghost} of the {e.batch_size} samples of an update at a time."
        yield Proposed(severity="note", says=says, cures=(("accumulate=1",),) if e.ranks is None else ())
