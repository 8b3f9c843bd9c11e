"""What a rule looks at: an Experiment, its traced table and its facts, each found once and only where a rule asks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lrbench.check.traits import Traits, traits_of
from lrbench.engine.measuring import task_of
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.metrics import Metric, metric_of
from lrbench.plural import plural
from lrbench.schedules import LRTable, RateFacts, check, facts, hears_metric, lr_table
from lrbench.schedules.build import momentum_of, settings_of
from lrbench.schedules.remark import Remark
from lrbench.schedules.trace import trace
from lrbench.targets import resolve
from lrbench.tasks.returns import declared

SAME = 0.01  # of the peak: what two rates may differ by that are to be one
SMALL = 1e-4  # a peak rate of an adaptive optimizer below which nobody warms up (fine-tuning)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """look: how the model's traits are found (a linter of many runs remembers them)."""

    experiment: Experiment
    look: Callable[[Experiment], Traits] = traits_of

    @cached_property
    def plan(self) -> SchedulePlan:
        return self.experiment.schedule

    @cached_property
    def table(self) -> LRTable:
        return lr_table(self.plan)

    @cached_property
    def facts(self) -> tuple[RateFacts, ...]:
        """Of every parameter group, in the optimizer's order."""
        return tuple(facts(self.plan, self.table).values())

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What `lrbench.schedules` tells of the plan already."""
        return check(self.plan)

    @cached_property
    def traits(self) -> Traits:
        return self.look(self.experiment)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Of the optimizer's groups, its defaults included."""
        return settings_of(self.plan)

    @cached_property
    def hears(self) -> bool:
        """Whether the schedule waits for a metric, so that its table is not known before the run."""
        return hears_metric(self.plan)

    @cached_property
    def metric(self) -> Metric | None:
        """The metric that it waits for, as the task declares it."""
        e = self.experiment
        if e.monitor is None:
            return None
        spec = resolve(e.data.target, "data")(**e.data.args).info().spec
        return metric_of(e.monitor, declared(task_of(e, spec), spec, e.task.target))

    @property
    def optimizer(self) -> str:
        return self.experiment.optimizer.name

    @property
    def adaptive(self) -> bool:
        """Whether the rate is the size of the optimizer's steps (Adam's by its second moment, Lion's by the sign): told
        by the settings that only such optimizers have."""
        return "betas" in self.settings or "eps" in self.settings

    @property
    def momentum(self) -> float:
        """The optimizer's own."""
        return momentum_of(self.settings) or 0.0

    @property
    def peak(self) -> float:
        """The highest rate of any group."""
        return max(f.peak for f in self.facts)

    @property
    def epochs(self) -> float | None:
        """None for a stream without end."""
        clock = self.experiment.clock
        return None if clock.per_epoch is None else clock.updates / clock.per_epoch

    @property
    def epoch(self) -> str:
        """The length of an epoch in words, for texts."""
        per_epoch = self.experiment.clock.per_epoch
        return "no epochs" if per_epoch is None else f"{plural(per_epoch, 'update', ',')} an epoch"

    @cached_property
    def warms(self) -> bool:
        """Whether every group climbs to its peak from half of it or less."""
        return all(f.peak > 0 and f.first <= 0.5 * f.peak for f in self.facts)

    @cached_property
    def begins(self) -> bool:
        """Whether the weights are drawn anew: neither a fork's nor pretrained."""
        return self.experiment.start is None and not self.traits.pretrained

    @cached_property
    def constant(self) -> bool:
        """Whether no group's rate falls once the warmup is over, and each stands at its peak for most of the run."""
        lr = self.table.lr[self.table.warmup :]
        stays = (np.diff(lr, axis=0) >= 0).all() and (lr == lr.max(axis=0)).mean(axis=0).min() > 0.5
        return not self.hears and bool(stays)

    @cached_property
    def finer(self) -> bool:
        """Whether a schedule that is stepped once an epoch goes the same way when it is stepped at every update, in
        smaller stairs: where its numbers count steps, it would be over in as many updates."""
        main = self.plan.main
        if main.phase.interval != "epoch" or self.hears:
            return False
        often = main._replace(phase=replace(main.phase, interval="batch"))
        batch = replace(self.plan, scheduler=replace(self.plan.scheduler, interval="batch"))
        try:
            coarse = trace(self.plan, main, self.facts[0].group, beyond=1).lr
            fine = trace(batch, often, self.facts[0].group, beyond=main.phase.tick).lr[:: main.phase.tick]
        except ConfigError:
            return False
        shared = min(len(coarse), len(fine))
        return bool(abs(coarse[:shared] - fine[:shared]).max() <= SAME * self.peak)

    @cached_property
    def averages(self) -> bool:
        """Whether the optimizer averages weights, which does what a decay does (schedule-free methods)."""
        target = resolve(self.experiment.optimizer.target, "optimizer")
        return hasattr(target, "train") and hasattr(target, "eval")

    @cached_property
    def one_cycle(self) -> bool:
        """Up and down once with the momentum against the rate, as the level declares or as the table shows."""
        spec, table = self.plan.scheduler, self.table
        if spec.own_warmup and spec.peak_arg:
            return True
        if self.plan.warm is not None or table.momentum is None:
            return False
        f, lr, momentum = self.facts[0], table.lr[:, 0], table.momentum[:, 0]
        once = not (f.rises.size and f.drops.size and f.rises[-1] > f.drops[0])
        against = np.diff(lr) * np.diff(momentum)
        return once and f.rises.size > 0 and bool((against <= 0).all() and (against < 0).any())

    def at(self, update: int) -> str:
        """Where an update is, in words."""
        per_epoch = self.experiment.clock.per_epoch
        return f"update {update:,}" if per_epoch is None else f"update {update:,} (epoch {update / per_epoch:.3g})"
