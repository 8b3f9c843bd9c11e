"""Warmup and main schedule, each on its own clock, joined as tables.

No SequentialLR: it refuses plateau, counts milestones from the switch, and cannot mix intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrbench.experiment import Experiment
from lrbench.horizon import Phase
from lrbench.schedules.build import momentum_of
from lrbench.schedules.feedback import hears_metric
from lrbench.schedules.trace import Floats, trace
from lrbench.targets import with_defaults


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


def lr_table(experiment: Experiment, metrics: Sequence[float] = ()) -> LRTable:
    """Trace the experiment's schedule into its table of rates, before any data or device is touched.

    `metrics` are the monitored values that a feedback schedule has heard so far, in order, those measured during
    the warmup left out (design 4.7); they are ignored by every other schedule. Raises ConfigError.
    """
    clock, (warm, main) = experiment.clock, experiment.phases
    feedback = hears_metric(experiment)
    lr = np.empty((clock.updates, len(experiment.peaks)))
    momentum: Floats | None = None
    for column, group in enumerate(experiment.peaks):
        if warm is not None and experiment.warmup is not None:
            ramp = trace(experiment.warmup, warm, group, experiment, "warmup")
            lr[warm.start : warm.stop, column] = _stretch(ramp.lr, warm)
        values = trace(experiment.scheduler, main, group, experiment, "scheduler", metrics if feedback else None)
        lr[main.start : main.stop, column] = _stretch(values.lr, main)
        if values.momentum is not None:
            if momentum is None:
                settings = with_defaults(experiment.optimizer.target, experiment.optimizer.args, "optimizer")
                momentum = np.full_like(lr, momentum_of(settings))
            momentum[main.start : main.stop, column] = _stretch(values.momentum, main)
    known = clock.updates
    if feedback:
        known = min(known, (main.start // main.tick + len(metrics) + 1) * main.tick)
    return LRTable(tuple(experiment.peaks), lr, momentum, main.start, known)


def _stretch(values: Floats, phase: Phase) -> Floats:
    """The values of a phase's steps, each repeated for the updates it holds. Shape (stop - start,)."""
    if phase.tick == 1:
        return values
    return np.repeat(values, phase.tick)[phase.start % phase.tick :][: phase.stop - phase.start]
