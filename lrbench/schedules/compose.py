"""Warmup and main schedule, each on its own clock, joined as tables.

No SequentialLR: it refuses plateau, counts milestones from the switch, and cannot mix intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.horizon import Phase
from lrbench.plural import plural
from lrbench.schedules.build import momentum_of, settings_of
from lrbench.schedules.feedback import hears_metric
from lrbench.schedules.trace import Floats, trace

SHOWN = 4  # groups in the words of a table


@dataclass(frozen=True)
class LRTable:
    """The planned rates of a run: row t is what update t uses.

    `lr` has shape (updates, groups), float64; `momentum` and `weight_decay` the same, or None where nothing moves them.
    `warmup` = updates of warmup. `known` = rows that are certain; a feedback schedule's later rows depend on metrics
    not yet heard, and stand at the last rate.
    """

    groups: tuple[str, ...]
    lr: Floats
    momentum: Floats | None
    warmup: int
    known: int
    weight_decay: Floats | None = None

    def __repr__(self) -> str:
        """Few words for however many rates: where each group's begin and end, and the highest."""
        groups = [
            f"{g} {lr[0]:g} to {lr[-1]:g}, highest {lr.max():g}" for g, lr in zip(self.groups, self.lr.T, strict=True)
        ]
        more = f"; and {len(groups) - SHOWN} groups more" if len(groups) > SHOWN else ""
        known = "" if self.known == len(self.lr) else f", {self.known} known"
        head = f"{plural(len(self.lr), 'update')}, {self.warmup} of warmup{known}"
        return f"LRTable({head}: {'; '.join(groups[:SHOWN])}{more}; {', '.join(self.kinds)} of shape {self.lr.shape})"

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What moves of the optimizer's groups, in the order of the columns."""
        return tuple(k for k in ("lr", "momentum", "weight_decay") if getattr(self, k) is not None)

    @property
    def names(self) -> list[str]:
        """The columns' names: `lr/all`; with two groups and a cycled momentum, two of each."""
        return [f"{kind}/{group}" for kind in self.kinds for group in self.groups]

    @cached_property
    def columns(self) -> Floats:
        """All that moves side by side, the rates first. Shape (updates, kinds x groups)."""
        parts = [getattr(self, kind) for kind in self.kinds]
        return np.concatenate(parts, axis=1) if len(parts) > 1 else self.lr


def lr_table(schedule: SchedulePlan | Experiment, metrics: Sequence[float] = ()) -> LRTable:
    """Trace a schedule into its table of rates, before any data or device is touched.

    schedule: a plan, or the experiment whose plan it is. `metrics` are the monitored values that a feedback schedule
    has heard so far, in order, those measured during the warmup left out, which it does not hear; every other schedule
    ignores them. Its arrays cannot be written to. Raises ConfigError.
    """
    plan = schedule.schedule if isinstance(schedule, Experiment) else schedule
    return traced(plan, metrics) if len(metrics) and hears_metric(plan) else _planned(plan)


# The last one is kept, so that a run trains by the very table that was checked. A table of a million updates has 8 MB a
# group: more are not.
@lru_cache(maxsize=1)
def _planned(plan: SchedulePlan) -> LRTable:
    return traced(plan, () if hears_metric(plan) else None)


def traced(plan: SchedulePlan, metrics: Sequence[float] | None) -> LRTable:
    """A plan's table, traced anew. With `metrics` None, the schedule hears none."""
    updates, main, skipped = plan.clock.updates, plan.main.phase, plan.skipped
    longer = replace(main, stop=main.stop + skipped)
    lr = np.empty((updates + skipped, len(plan.peaks)))
    momentum: Floats | None = None
    warmup = plan.warm.phase.stop if plan.warm else 0
    for column, group in enumerate(plan.peaks):
        ramp = _stretch(trace(plan, plan.warm, group).lr, plan.warm.phase) if plan.warm else np.empty(0)
        values = trace(plan, plan.main, group, metrics, beyond=plan.scheduler.first_row or 0)
        lr[main.start :, column] = _stretch(values.lr, longer)
        lr[:warmup, column] = _joined(plan, ramp, lr[:warmup, column], plan.peaks[group])
        if values.momentum is not None:
            if momentum is None:
                momentum = np.full_like(lr, momentum_of(settings_of(plan)))
            momentum[main.start :, column] = _stretch(values.momentum, longer)
    lr, momentum, warmup = lr[skipped:], None if momentum is None else momentum[skipped:], max(warmup - skipped, 0)
    known = updates if metrics is None else min(updates, (main.start // main.tick + len(metrics) + 1) * main.tick)
    weight_decay = _weight_decay(plan, plan.decay) if plan.decay else None
    for array in (lr, momentum, weight_decay):
        if array is not None:
            array.flags.writeable = False
    return LRTable(tuple(plan.peaks), lr, momentum, warmup, known, weight_decay)


def _weight_decay(plan: SchedulePlan, part: SchedulePart) -> Floats:
    """Of every update and group; a group that begins without weight decay keeps none. Shape (updates, groups)."""
    values = np.zeros((plan.clock.updates, len(part.own)))
    for column, (group, start) in enumerate(part.own.items()):
        if start > 0:
            found = trace(plan, part, group)
            if found.momentum is not None:
                why = f"{part.spec.target} also changes the momentum"
                raise ConfigError(part.option, "", why, "only the weight decay may move here")
            values[:, column] = _stretch(found.lr, part.phase)
    return values


def _joined(plan: SchedulePlan, ramp: Floats, under: Floats, peak: float) -> Floats:
    """The rows of the warmup, `under` which the main schedule may have run already."""
    join = plan.warmup.join if plan.warmup else None
    if join == "min":
        return np.minimum(ramp, under)
    return under * (ramp / peak) if join == "product" else ramp


def _stretch(values: Floats, phase: Phase) -> Floats:
    """The values of a phase's steps, each repeated for the updates it holds. Shape (stop - start,)."""
    if phase.tick == 1:
        return values
    return np.repeat(values, phase.tick)[phase.start % phase.tick :][: phase.stop - phase.start]
