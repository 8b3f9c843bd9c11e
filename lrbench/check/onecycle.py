"""One cycle, up and down with the momentum against the rate: what it is known by stands in `Case.one_cycle`."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.case import Case
from lrbench.check.finding import Severity
from lrbench.check.proposed import Cure, Proposed
from lrbench.plural import plural
from lrbench.schedules.remark import to_the_end

LONG = 50  # epochs, from which on the guide would rather have a cosine


def onecycle_stepped_by_epoch(case: Case) -> Iterator[Proposed]:
    """A cycle that is made for every update is stepped once an epoch."""
    main, f = case.plan.main, case.facts[0]
    if not case.one_cycle or main.phase.interval != "epoch" or main.phase.tick == 1 or main.phase.steps == 1:
        return
    shown = f"It is stepped {plural(main.phase.steps, 'time')}, once in {plural(main.phase.tick, 'update', ',')}"
    cut = f.last > max(0.1 * f.peak, f.first)
    end = f"the run ends within its cycle, at {f.last:.4g} of {case.plan.peaks[f.group]:.4g}"
    says = f"{shown}, and {end}." if cut else f"{shown}: its largest stair is {_stair(case):.0%} of the peak."
    cures: tuple[Cure, ...] = (("scheduler.interval=batch",),)
    cures += tuple(("scheduler.interval=batch", *cure) for cure in to_the_end(main))
    severity: Severity = "error" if cut else "warning"
    yield Proposed(severity=severity, says=says, cures=cures, claim="onecycle-per-batch-step")


def _stair(case: Case) -> float:
    lr, peak = case.table.lr[:, 0], case.facts[0].peak
    return float(abs(lr[1:] - lr[:-1]).max() / peak)


def onecycle_steps_differ(case: Case) -> Iterator[Proposed]:
    """The cycle has more steps than the run, which ends within it at a high rate."""
    f = case.facts[0]
    if case.one_cycle and f.last > max(0.1 * f.peak, f.first):
        where = "before the peak" if not f.drops.size else f"{f.ratio:.0%} of the peak"
        says = f"The run ends within the cycle after {case.plan.main.phase.steps:,} steps, at {f.last:.4g}: {where}."
        severity: Severity = "warning" if f.drops.size else "error"
        yield Proposed(severity=severity, says=says, cures=to_the_end(case.plan.main))


def onecycle_for_long(case: Case) -> Iterator[Proposed]:
    """One cycle over more than 50 epochs; it is made for short trainings."""
    if case.one_cycle and case.epochs is not None and case.epochs > LONG:
        says = f"One cycle takes {case.epochs:g} epochs; its authors' trainings, and most others', have 10 to 30."
        cures = (("scheduler=cosine", "warmup=linear5"), ("scheduler=cosine", "warmup=linear_5pct"))
        yield Proposed(severity="note", says=says, cures=cures, claim="onecycle-not-for-long-training")


def onecycle_peak_untuned(case: Case) -> Iterator[Proposed]:
    """The peak of one cycle is none that a range test gives: far above what such an optimizer stands, or the power of
    ten that stands in every example."""
    if not case.one_cycle:
        return
    most = 5e-3 if case.adaptive else 10 * (1 - min(case.momentum, 0.99))
    peak = max(case.plan.peaks.values())
    high = peak >= 10 * most * (1 - 1e-9)
    printed = abs(np.log10(peak) - round(np.log10(peak))) < 1e-9
    why = f"under {case.optimizer} a range test seldom gives more than {most:g}" if high else "a power of ten"
    if high or printed:
        says = f"The cycle's peak is {peak:.4g}: {why}."
        otherwise = "lrbench find-lr with the same overrides finds one; give it as optimizer.lr"
        claim = "onecycle-sensitive-to-max-lr"
        yield Proposed(severity="warning" if high else "note", says=says, otherwise=otherwise, claim=claim)


def onecycle_brings_momentum(case: Case) -> Iterator[Proposed]:
    """The schedule cycles the momentum of an optimizer that had none."""
    if case.table.momentum is None or case.momentum:
        return
    low, high = case.table.momentum.min(), case.table.momentum.max()
    says = f"{case.optimizer} has no momentum, and the schedule trains it with {low:.3g} to {high:.3g}."
    yield Proposed(severity="warning", says=says, cures=(("scheduler.args.cycle_momentum=false",),))


def onecycle_one_peak_for_groups(case: Case) -> Iterator[Proposed]:
    """One cycle, or several, take all parameter groups up to one peak, although their rates differ."""
    given, found = set(case.plan.peaks.values()), {f.peak for f in case.facts}
    if not case.hears and len(given) > 1 and len(found) == 1:
        shown = ", ".join(f"{group} {peak:.4g}" for group, peak in case.plan.peaks.items())
        says = f"All groups go up to {case.peak:.4g}, although their own rates differ ({shown})."
        yield Proposed(severity="warning", says=says, cures=(("scheduler=onecycle",),))
