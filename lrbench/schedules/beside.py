"""What is told of the parts beside the main schedule: a warmup that misses the peak, a weight decay that turns around.

Neither has a kind that a level could state, so nothing here is refused: the rates are just what was asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import Part, SchedulePlan
from lrbench.schedules.build import call
from lrbench.schedules.compose import LRTable
from lrbench.schedules.trace import Floats, trace

MATTERS = 1e-9  # of the peak: a rise of less is rounding
UNITS = {"epoch": "epochs", "batch": "updates", "metric": "evaluations"}


def of_warmup(plan: SchedulePlan, table: LRTable) -> Iterator[str]:
    """Of the first group whose warmup goes above the peak, stands at it, or ends elsewhere."""
    if plan.warm is None:
        return
    for column, group in enumerate(table.groups):
        found = _high(plan, table, column) or _off_the_peak(
            plan, plan.warm, group, float(table.lr[table.warmup, column])
        )
        if found:
            yield f"warmup: {found}."
            return


def _high(plan: SchedulePlan, table: LRTable, column: int) -> str:
    group, top = table.groups[column], float(table.lr[: table.warmup, column].max())
    peak = plan.peaks[group]
    return f"it goes up to {top:.4g}, above the peak {peak:.4g} of group '{group}'" if _above(top, peak) else ""


def _off_the_peak(plan: SchedulePlan, warm: Part, group: str, begins: float) -> str:
    """How the warmup of a group misses the peak, at which `begins` the main schedule; '' where it does not."""
    peak, phase = plan.peaks[group], warm.phase
    unit, shown = UNITS[phase.interval], call(warm, plan.arguments(warm, group))
    try:
        ramp = trace(plan, warm, group, beyond=1).lr
    except ConfigError:  # one that cannot be stepped past its end does not say where it would go
        return ""
    end, inside = float(ramp[-1]), ramp[:-1]
    below = np.flatnonzero(abs(inside - peak) > MATTERS * peak)
    if not below.size:
        return f"{shown} never moves: the rate is the peak {peak:.4g} from the first update on"
    if (done := int(below[-1]) + 1) < phase.steps - 1:
        return f"{shown} is at the peak after {done} of its {phase.steps} {unit}, and stands there for the others"
    if abs(end - peak) > MATTERS * peak and abs(end - begins) > MATTERS * peak:
        why = f"{shown} comes to {end:.4g} at its end, and there the rate jumps to {begins:.4g}"
        return f"{why}{_cut_off(warm)}"
    return _one_step(plan, warm, group, shown) if phase.steps == 1 else ""


def _cut_off(warm: Part) -> str:
    """The bare lengths that a warmup has no time for."""
    steps, unit = warm.phase.steps, UNITS[warm.phase.interval]
    longer = [option for option, value in given(warm) if is_count(value) and value > steps]
    return f": {longer[0]} is cut off after {steps} {unit}, and end is all of them" if longer else ""


def _one_step(plan: SchedulePlan, warm: Part, group: str, shown: str) -> str:
    """Of a warmup that would climb if it were stepped more often than once; a constant never does."""
    often = warm._replace(phase=replace(warm.phase, interval="batch"))
    if often.phase.steps == 1 or not _moves(trace(plan, often, group).lr):
        return ""
    return (
        f"{shown} never climbs: it is stepped every {warm.phase.tick} updates, and ends at the first; "
        "warmup.interval=batch steps it at each"
    )


def of_weight_decay(plan: SchedulePlan, table: LRTable) -> Iterator[str]:
    """Of a schedule of the weight decay that never moves, turns around, or is cut off by the end of the run."""
    part, values = plan.decay, table.weight_decay
    if part is None or values is None:
        return
    unit, steps = UNITS[part.phase.interval], part.phase.steps
    decaying = [c for c, group in enumerate(table.groups) if part.own[group] > 0]
    still = not any(_moves(values[:, c]) for c in decaying)
    for column in decaying[:1] if still else decaying:
        shown = call(part, plan.arguments(part, table.groups[column]))
        if still:
            why = f"never changes the weight decay in the {steps} {unit} that it has"
            more = "; weight_decay.interval=batch steps it at each update" if part.phase.interval == "epoch" else ""
            yield f"weight_decay: {shown} {why}{more}."
        elif (turn := _turn(values[:, column])) is not None:
            why = f"moves to {values[turn, column]:.4g} (update {turn}) and back to {values[-1, column]:.4g}"
            yield f"weight_decay: {shown} {why}. If it should not, let its length reach the end (end)."
            return
    for option, value in given(part):
        if is_count(value) and value > steps:
            yield f"{option}: the schedule has {steps} {unit}, and is cut off there; end is all of them."


def _moves(values: Floats) -> bool:
    return bool((values != values[0]).any())


def _turn(values: Floats) -> int | None:
    """The extreme at which values that went one way begin to go the other; None where they never do."""
    rise = (values - np.minimum.accumulate(values)).max()
    fall = (np.maximum.accumulate(values) - values).max()
    if min(rise, fall) <= MATTERS * values.max():
        return None
    return min(int(at) for at in (values.argmin(), values.argmax()) if at > 0)


def given(part: Part) -> Iterator[tuple[str, Any]]:
    """The arguments of a part as they were written, for each group where they are."""
    for name, raw in part.spec.args.items():
        for value in raw.values() if isinstance(raw, Mapping) else [raw]:
            yield f"{part.option}.args.{name}={value}", value


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _above(value: float, peak: float) -> bool:
    return value > peak * (1 + MATTERS)
