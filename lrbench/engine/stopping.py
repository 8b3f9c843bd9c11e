"""Early stopping: a function of what the monitor came to so far, so that a resumed run ends where it would have."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lrbench.experiment import EarlyStop, Experiment


@dataclass
class Stopping:
    """What the monitor came to at every evaluation so far, and whether that ends the run. patience: evaluations in a
    row that may be no better."""

    rule: EarlyStop
    patience: int
    heard: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the last evaluations were no better than one before them, for as long as there is patience."""
        return len(self.heard) - 1 - self._last_better() >= self.patience

    def _last_better(self) -> int:
        """Which evaluation was the last to be better than all that counted before it; the first one is."""
        sign = 1.0 if self.rule.mode == "max" else -1.0
        best, at = float("-inf"), 0
        for i, value in enumerate(self.heard):
            if sign * value - best > self.rule.min_delta:
                best, at = sign * value, i
        return at


def stopping_of(experiment: Experiment, heard: list[float] | None = None) -> Stopping | None:
    """None for a run that goes to the end of its horizon. heard: at the evaluations so far."""
    if experiment.early_stop is None or experiment.patience is None:
        return None
    return Stopping(experiment.early_stop, experiment.patience, [] if heard is None else heard)


def last_update(experiment: Experiment, evaluated: Mapping[int, Mapping[str, float]]) -> int:
    """How many updates the run is to have, by its evaluations, update by update in their order: those of its horizon,
    or fewer where it ends early."""
    stopping, clock = stopping_of(experiment), experiment.clock
    if stopping is not None:
        for update, metrics in evaluated.items():
            if update % clock.per_eval == 0:
                stopping.heard.append(metrics[stopping.rule.monitor])
                if stopping.over:
                    return update
    return clock.updates
