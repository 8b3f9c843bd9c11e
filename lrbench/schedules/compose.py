"""Warmup and main schedule, each on its own clock, joined as tables.

No SequentialLR: it refuses plateau, counts milestones from the switch, and cannot mix intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lrbench.experiment import Experiment
from lrbench.horizon import Phase
from lrbench.schedule_plan import SchedulePlan
from lrbench.schedules.build import momentum_of, settings_of
from lrbench.schedules.feedback import hears_metric
from lrbench.schedules.trace import Floats, trace


@dataclass(frozen=True)
class LRTable:
    """The planned rates of a run: row t is what update t uses.

    `lr` has shape (updates, groups), float64; `momentum` the same, or None where the schedule leaves it alone.
    `warmup` = updates of warmup. `known` = rows that are certain; a feedback schedule's later rows depend on
    metrics not yet heard, and stand at the last rate.
    """

    groups: tuple[str, ...]
    lr: Floats
    momentum: Floats | None
    warmup: int
    known: int

    @property
    def names(self) -> tuple[str, ...]:
        """What an update sets, in the order of `rows`: `lr/<group>`, then `momentum/<group>` where it is cycled."""
        cycled = ("lr", *(() if self.momentum is None else ("momentum",)))
        return tuple(f"{what}/{group}" for what in cycled for group in self.groups)

    def rows(self, start: int, stop: int) -> Floats:
        """What the updates [start, stop) set, shape (updates, names)."""
        parts = [self.lr, *([] if self.momentum is None else [self.momentum])]
        return np.hstack([part[start:stop] for part in parts])


def lr_table(schedule: SchedulePlan | Experiment, metrics: Sequence[float] = ()) -> LRTable:
    """Trace a schedule into its table of rates, before any data or device is touched.

    schedule: a plan, or the experiment whose plan it is. `metrics` are the monitored values that a feedback schedule
    has heard so far, in order, those measured during the warmup left out (design 4.7); they are ignored by every other
    schedule. Its arrays cannot be written to. Raises ConfigError.
    """
    plan = schedule.schedule if isinstance(schedule, Experiment) else schedule
    return traced(plan, metrics) if metrics and hears_metric(plan) else _planned(plan)


# The last one is kept, so that a run trains by the very table that was checked. A table of a million updates has 8 MB a
# group: more are not.
@lru_cache(maxsize=1)
def _planned(plan: SchedulePlan) -> LRTable:
    return traced(plan, () if hears_metric(plan) else None)


def traced(plan: SchedulePlan, metrics: Sequence[float] | None) -> LRTable:
    """A plan's table, traced anew. With `metrics` None, the schedule hears none."""
    updates, main = plan.clock.updates, plan.main.phase
    lr = np.empty((updates, len(plan.peaks)))
    momentum: Floats | None = None
    for column, group in enumerate(plan.peaks):
        if plan.warm is not None:
            ramp, phase = trace(plan, plan.warm, group), plan.warm.phase
            lr[phase.start : phase.stop, column] = _stretch(ramp.lr, phase)
        values = trace(plan, plan.main, group, metrics)
        lr[main.start : main.stop, column] = _stretch(values.lr, main)
        if values.momentum is not None:
            if momentum is None:
                momentum = np.full_like(lr, momentum_of(settings_of(plan)))
            momentum[main.start : main.stop, column] = _stretch(values.momentum, main)
    known = updates if metrics is None else min(updates, (main.start // main.tick + len(metrics) + 1) * main.tick)
    lr.flags.writeable = False
    if momentum is not None:
        momentum.flags.writeable = False
    return LRTable(tuple(plan.peaks), lr, momentum, main.start, known)


def _stretch(values: Floats, phase: Phase) -> Floats:
    """The values of a phase's steps, each repeated for the updates it holds. Shape (stop - start,)."""
    if phase.tick == 1:
        return values
    return np.repeat(values, phase.tick)[phase.start % phase.tick :][: phase.stop - phase.start]
