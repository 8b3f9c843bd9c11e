"""What is told of the parts beside the main schedule: a warmup that misses the peak, a weight decay that turns around.

Neither has a kind that a level could state, so nothing here is refused: the rates are just what was asked for.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.numbers import is_count
from lrbench.plural import plural
from lrbench.schedules.build import call
from lrbench.schedules.compose import LRTable
from lrbench.schedules.remark import Remark, given, to_the_end
from lrbench.schedules.trace import Floats, trace

MATTERS = 1e-9  # of the peak: a rise of less is rounding
UNITS = {"epoch": "epochs", "batch": "updates", "metric": "evaluations"}


def of_warmup(plan: SchedulePlan, table: LRTable) -> Iterator[Remark]:
    """Of the first group whose warmup goes above the peak, stands at it, or ends elsewhere."""
    if plan.warm is None or table.warmup == 0:  # a step of it, which is never used
        return
    for column, group in enumerate(table.groups):
        begins = float(table.lr[table.warmup, column])
        found = _high(plan, table, column) or _off_the_peak(plan, plan.warm, group, begins)
        if found:
            yield found._replace(says=f"warmup: {found.says}.")
            return


def _high(plan: SchedulePlan, table: LRTable, column: int) -> Remark | None:
    group, top = table.groups[column], float(table.lr[: table.warmup, column].max())
    peak = plan.peaks[group]
    if not _above(top, peak):
        return None
    return Remark("check.warmup-above-peak", f"it goes up to {top:.4g}, above the peak {peak:.4g} of group '{group}'")


def _off_the_peak(plan: SchedulePlan, warm: SchedulePart, group: str, begins: float) -> Remark | None:
    """How the warmup of a group misses the peak, at which `begins` the main schedule; None where it does not."""
    peak, phase = plan.peaks[group], warm.phase
    unit, shown = UNITS[phase.interval], call(warm, plan.arguments(warm, group))
    try:
        ramp = trace(plan, warm, group, beyond=1).lr
    except ConfigError:  # one that cannot be stepped past its end does not say where it would go
        return None
    end, inside = float(ramp[-1]), ramp[:-1]
    below = np.flatnonzero(abs(inside - peak) > MATTERS * peak)
    if not below.size:
        why = f"{shown} never moves: the rate is the peak {peak:.4g} from the first update on"
        return Remark("check.warmup-never-climbs", why, _shares(warm, 0.01))
    if (done := int(below[-1]) + 1) < phase.steps - 1:
        why = f"{shown} is at the peak after {done} of its {phase.steps} {unit}, and stands there for the others"
        return Remark("check.warmup-ends-early", why, to_the_end(warm))
    if abs(end - peak) > MATTERS * peak and abs(end - begins) > MATTERS * peak:
        why = f"{shown} comes to {end:.4g} at its end, and there the rate jumps to {begins:.4g}"
        return Remark("check.jump-at-seam", f"{why}{_cut_off(warm)}", (*to_the_end(warm), *_shares(warm, 1.0)))
    return _one_step(plan, warm, group, shown) if phase.steps == 1 else None


def _shares(part: SchedulePart, share: float) -> tuple[tuple[str, ...], ...]:
    """Each share of the peak among the arguments, set to another."""
    options = [option.partition("=")[0] for option, value in given(part) if isinstance(value, float)]
    return tuple((f"{option}={share}",) for option in options)


def _cut_off(warm: SchedulePart) -> str:
    """The bare lengths that a warmup has no time for."""
    steps, unit = warm.phase.steps, UNITS[warm.phase.interval]
    longer = [option for option, value in given(warm) if is_count(value) and value > steps]
    return f": {longer[0]} is cut off after {steps} {unit}, and end is all of them" if longer else ""


def _one_step(plan: SchedulePlan, warm: SchedulePart, group: str, shown: str) -> Remark | None:
    """Of a warmup that would climb if it were stepped more often than once; a constant never does."""
    often = warm._replace(phase=replace(warm.phase, interval="batch"))
    if often.phase.steps == 1 or not _moves(trace(plan, often, group).lr):
        return None
    why = (
        f"{shown} never climbs: it is stepped every {plural(warm.phase.tick, 'update')}, and ends at the first; "
        "warmup.interval=batch steps it at each"
    )
    return Remark("check.warmup-never-climbs", why, (("warmup.interval=batch",),))


def of_weight_decay(plan: SchedulePlan, table: LRTable) -> Iterator[Remark]:
    """Of a schedule of the weight decay that never moves, turns around, or is cut off by the end of the run."""
    part, values, rule = plan.decay, table.weight_decay, "check.weight-decay-schedule"
    if part is None or values is None:
        return
    unit, steps = UNITS[part.phase.interval], part.phase.steps
    decaying = [c for c, group in enumerate(table.groups) if part.own[group] > 0]
    still = not any(_moves(values[:, c]) for c in decaying)
    for column in decaying[:1] if still else decaying:
        shown = call(part, plan.arguments(part, table.groups[column]))
        if still:
            often = part.phase.interval == "epoch"
            why = f"never changes the weight decay in the {steps} {unit} that it has"
            more = "; weight_decay.interval=batch steps it at each update" if often else ""
            cures = (("weight_decay.interval=batch",),) if often else ()
            yield Remark(rule, f"weight_decay: {shown} {why}{more}.", cures)
        elif (turn := _turn(values[:, column])) is not None:
            why = f"moves to {values[turn, column]:.4g} (update {turn}) and back to {values[-1, column]:.4g}"
            says = f"weight_decay: {shown} {why}. If it should not, let its length reach the end (end)."
            yield Remark(rule, says, to_the_end(part))
            return
    for option, value in given(part):
        if is_count(value) and value > steps:
            says = f"{option}: the schedule has {steps} {unit}, and is cut off there; end is all of them."
            yield Remark(rule, says, to_the_end(part))


def _moves(values: Floats) -> bool:
    return bool((values != values[0]).any())


def _turn(values: Floats) -> int | None:
    """The extreme at which values that went one way begin to go the other; None where they never do."""
    rise = (values - np.minimum.accumulate(values)).max()
    fall = (np.maximum.accumulate(values) - values).max()
    if min(rise, fall) <= MATTERS * values.max():
        return None
    return min(int(at) for at in (values.argmin(), values.argmax()) if at > 0)


def _above(value: float, peak: float) -> bool:
    return value > peak * (1 + MATTERS)
