"""A schedule as a value of its own: all that its table of rates depends on, and nothing else.

It knows no model and no data, only the clock that they make. What it comes to (`resolved`) is what a run's identity
is made of, so that two ways of writing one schedule are one run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lrbench.errors import ConfigError
from lrbench.experiment.arguments import value
from lrbench.experiment.components import Component, Optimizer, Scheduler, Warmup, WeightDecay
from lrbench.experiment.hashing import canonical, digest, names_set
from lrbench.horizon import Clock, Phase, warmup_updates
from lrbench.metrics import Mode, metric_of, mode_of

# Of a warmup and a scheduler, what `resolved` has in other words: arguments, times, and what their level says of them.
_SAID_OTHERWISE = (
    "args",
    "interval",
    "length",
    "own_warmup",
    "peak_arg",
    "floor_arg",
    "mode_arg",
    "only_falls",
    "still",
)


class SchedulePart(NamedTuple):
    """A part of the schedule: the option it is set by, the class, the updates under it, and what its scheduler finds in
    each parameter group: the peak rate, or the weight decay to begin with."""

    option: str
    spec: Component
    phase: Phase
    own: Mapping[str, float]

    @property
    def moves(self) -> str:
        """What the scheduler moves, in a word."""
        return "weight decay" if self.option == "weight_decay" else "rate"


@dataclass(frozen=True, kw_only=True)
class SchedulePlan:
    """`peaks` is the peak rate of every parameter group, in the optimizer's order. `monitor` is the metric that a
    feedback schedule hears, `monitor_mode` which way its task declares it better. `weight_decay` moves that of each
    group from its value in `decays`.

    Plans are told apart by their content, words and all: equal ones have equal tables, and a plan can be the key of a
    cache. (Two that differ in words alone, `30ep` and `480ba`, have one `resolved`.)
    """

    clock: Clock
    peaks: Mapping[str, float]
    optimizer: Optimizer
    scheduler: Scheduler
    warmup: Warmup | None = None
    monitor: str | None = None
    monitor_mode: Mode | None = None
    weight_decay: WeightDecay | None = None
    decays: Mapping[str, float] | None = None

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SchedulePlan) and self.digest == other.digest

    @cached_property
    def digest(self) -> str:
        """16 hex digits that name the plan by its content."""
        return digest([canonical(self), [*self.peaks]])  # a hash of a mapping forgets the order of its groups

    @cached_property
    def warm(self) -> SchedulePart | None:
        """The warmup, from update 0; None where there is none. Raises ConfigError for a length that does not fit."""
        if self.warmup is None:
            return None
        stop = warmup_updates(self.warmup.length, self.clock, self.warmup.interval)
        return SchedulePart("warmup", self.warmup, Phase(self.clock, 0, stop, self.warmup.interval), self.peaks)

    @cached_property
    def main(self) -> SchedulePart:
        """The scheduler, from the warmup's end to the horizon, or from update 0 where it runs under the warmup."""
        start = self.warm.phase.stop if self.warm and not (self.warmup and self.warmup.join) else 0
        phase = Phase(self.clock, start, self.clock.updates, self.scheduler.interval)
        return SchedulePart("scheduler", self.scheduler, phase, self.peaks)

    @cached_property
    def skipped(self) -> int:
        """The updates by which every rate comes too early, where the scheduler is stepped before the optimizer; else 0.

        A person has one scheduler, and a warmup goes on with it: both are stepped at once. Raises ConfigError where
        they are not."""
        first, warmup = self.scheduler.first_row, self.warmup
        if first is None:
            return 0
        if warmup is not None and warmup.interval != self.scheduler.interval:
            why = f"warmup and scheduler are stepped together, and here one by {warmup.interval}, the other not"
            cure = f"set warmup.interval={self.scheduler.interval}, or leave it out"
            raise ConfigError("scheduler.first_row", first, why, cure)
        return first * self.main.phase.tick

    @cached_property
    def decay(self) -> SchedulePart | None:
        """The schedule of the weight decay, over the whole run; None where it stays."""
        if self.weight_decay is None or self.decays is None:
            return None
        phase = Phase(self.clock, 0, self.clock.updates, self.weight_decay.interval)
        return SchedulePart("weight_decay", self.weight_decay, phase, self.decays)

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """What the plan comes to, as plain data: for each part its steps' calendar, what is built, and with which
        arguments for which group. Raises ConfigError where the words come to nothing."""
        clock = {name: getattr(self.clock, name) for name in ("updates", "per_epoch", "per_eval")}  # samples are words
        return {"clock": clock, "peaks": self.peaks, **{p.option: self._resolved(p) for p in self.parts}}

    def _resolved(self, part: SchedulePart) -> dict[str, Any]:
        spec, phase = part.spec, part.phase
        return {
            **{name: getattr(spec, name) for name in names_set(spec) if name not in _SAID_OTHERWISE},
            "args": {group: self.arguments(part, group) for group in self.peaks},
            "start": phase.start,
            "tick": phase.tick,
        }

    @property
    def parts(self) -> list[SchedulePart]:
        """Those there are, the rate's in the order of time."""
        return [part for part in (self.warm, self.main, self.decay) if part]

    def arguments(self, part: SchedulePart, group: str) -> dict[str, Any]:
        """The arguments of a part for one parameter group, ready for its class. Raises ConfigError."""
        option, spec, phase, own = part
        args = {k: value(v, phase, group, own, f"{option}.args.{k}") for k, v in spec.args.items()}
        if isinstance(spec, Scheduler):
            if spec.peak_arg:
                args[spec.peak_arg] = own[group]
            if spec.mode_arg and args.get(spec.mode_arg) is None:
                args = {k: v for k, v in args.items() if k != spec.mode_arg} | self._mode(spec.mode_arg)
        return args

    def _mode(self, argument: str) -> dict[str, str]:
        """The argument that follows the monitored metric; none without a metric to follow. Raises ConfigError."""
        if self.monitor is None:
            return {}
        if self.mode is None:
            why = f"it follows the monitored metric, and which way {self.monitor} is better is not known"
            raise ConfigError(f"scheduler.args.{argument}", None, why, "give min or max")
        return {argument: self.mode}

    @property
    def mode(self) -> Mode | None:
        """`min` where less of the monitored metric is better, `max` where more is: as its task declares it, else as its
        name tells; None where neither does."""
        return self.monitor_mode or (mode_of(metric_of(self.monitor, {})) if self.monitor else None)


def require_fit(scheduler: Scheduler, warmup: Warmup | None, per_epoch: int | None) -> None:
    """Refuse to step once an epoch where there are none, and a warmup before a schedule that warms up by itself. Raises
    ConfigError."""
    for option, part in (("scheduler", scheduler), ("warmup", warmup)):
        if per_epoch is None and part is not None and part.interval == "epoch":
            why = "there are no epochs here: nothing says how long one is"
            cure = f"use {option}.interval=batch, or give the updates of an epoch (--per-epoch, per_epoch=)"
            raise ConfigError(f"{option}.interval", "epoch", why, cure)
    if scheduler.own_warmup and warmup is not None:
        why = f"{scheduler.name} warms up by itself"
        raise ConfigError("warmup.length", warmup.length, why, "use warmup=none with this scheduler")
