"""What is told of lengths and positions: those that a schedule has no time for, and what its bare numbers mean."""

from collections.abc import Iterator, Sequence
from math import ceil

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.horizon import Phase
from lrbench.numbers import is_count
from lrbench.schedules.beside import UNITS
from lrbench.schedules.build import call
from lrbench.schedules.compose import LRTable, traced
from lrbench.schedules.feedback import hears_metric
from lrbench.schedules.remark import Remark, given

SHARES = ("@30%", "@60%", "@90%")  # where a multistep drops, whatever the horizon (He et al. 2015)


def standing_still(plan: SchedulePlan, table: LRTable) -> Iterator[Remark]:
    """A schedule that is supposed to move, and does not within the run: a plateau even if nothing ever improves."""
    spec, phase = plan.scheduler, plan.main.phase
    if spec.still:
        return
    unit, rule = UNITS[spec.interval], "check.never-moves"
    if hears_metric(plan):
        table = traced(plan, [0.0] * (phase.steps - 1))
    if (table.lr[table.warmup :] != table.lr[table.warmup]).any():
        return
    shown, cures = call(plan.main, plan.arguments(plan.main, table.groups[0])), sooner(plan)
    if phase.steps == 1:
        why = f"never changes the rate: it is stepped every {phase.tick} updates, and the run ends before the first"
        cure, cures = "; scheduler.interval=batch steps it at each", (("scheduler.interval=batch",),)
    elif hears_metric(plan):
        why, cure = f"never lowers the rate in {phase.steps} {unit}, even if {plan.monitor} never improves", ""
        rule = "check.patience-too-long"
    else:
        why, cure = f"never changes the rate in the {phase.steps} {unit} that it has", ""
    yield Remark(rule, f"scheduler: {shown} {why}{cure}.", cures)


def sooner(plan: SchedulePlan) -> tuple[tuple[str, ...], ...]:
    """Each length of a schedule cut down to the horizon: the shares of a multistep, or a share, or as many steps."""
    cures = []
    for option, value in given(plan.main):
        name = option.partition("=")[0]
        if isinstance(value, list | tuple):
            cures += [(f"{name}=[{','.join(SHARES)}]",), (f"{name}=[@50%]",)]
        elif is_count(value):
            cures += [(f"{name}=30%",), (f"{name}=10%",), (f"{name}={max(1, plan.main.phase.steps // 10)}",)]
    return tuple(cures)


def positions(plan: SchedulePlan) -> Iterator[Remark]:
    """Bare numbers in a list go to torch untouched, which counts them from the end of the warmup."""
    phase, unit = plan.main.phase, UNITS[plan.scheduler.interval]
    shift = phase.start // phase.tick
    for option, value in given(plan.main):
        if not (isinstance(value, list | tuple) and value and all(map(is_count, value))):
            continue
        name = option.partition("=")[0]
        from_the_start = _positions(value, phase)
        if shift:
            says = (
                f"{option}: bare numbers count from the end of the warmup, so these are {unit} "
                f"{_and([v + shift for v in value])} of the run; {from_the_start} count from its start."
            )
            cure = (f"{name}=[{','.join(from_the_start)}]",)
            yield Remark("check.milestones-shifted-by-warmup", says, (cure,))
        if never := [v for v in value if v > phase.steps]:  # one at the very end costs nothing
            says = f"{option}: the schedule has {phase.steps} {unit}, so that it never comes to {_and(never)}."
            left = ",".join(p for v, p in zip(value, from_the_start, strict=True) if v + shift < phase.steps)
            shares = (f"{name}=[{','.join(SHARES)}]",)
            cures = ((f"{name}=[{left}]",), shares) if left else (shares,)
            yield Remark("check.drops-beyond-horizon", says, cures)


def lengths(plan: SchedulePlan) -> Iterator[Remark]:
    """Steps that the schedule does not have: most often those of the warmup, which nobody took off."""
    phase, unit = plan.main.phase, UNITS[plan.scheduler.interval]
    whole = ceil(phase.stop / phase.tick)
    for option, value in given(plan.main):
        if not is_count(value) or value <= phase.steps:
            continue
        rule, cures = "check.schedule-ends-elsewhere", ((f"{option.partition('=')[0]}=end",),)
        if value <= whole:
            says = f"{option}: the warmup leaves {phase.steps} of the {whole} {unit}; write end for all of them."
            yield Remark(rule, says, cures)
        elif plan.scheduler.only_falls:  # of another kind, it may be no time at all
            says = f"{option}: the schedule has {phase.steps} {unit}, and is cut off there; end is all of them."
            yield Remark(rule, says, cures)


def _positions(steps: Sequence[int], phase: Phase) -> list[str]:
    """Steps of the run as positions, which a warmup does not shift."""
    return [f"@{n}ep" if phase.interval == "epoch" else f"@{n * phase.tick}ba" for n in steps]


def _and(numbers: list[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
