"""Schedules that hear a metric (plateau, or a user's class whose step() takes one), live during training."""

import inspect
from collections.abc import Sequence
from functools import lru_cache

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.schedules.build import arguments, build, torch_refuses
from lrbench.targets import resolve


def hears_metric(experiment: Experiment) -> bool:
    """Whether the scheduler's step() requires a metric."""
    return _step_takes_metric(experiment.scheduler.target)


@lru_cache
def _step_takes_metric(target: str) -> bool:
    step = getattr(resolve(target, "scheduler"), "step", None)
    if step is None:  # a function that returns a scheduler
        return False
    _self, *rest = inspect.signature(step).parameters.values()
    return any(p.default is inspect.Parameter.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in rest)


def check_feedback(experiment: Experiment, measured: Sequence[str]) -> None:
    """Refuse a metric schedule that would never hear its metric, and interval=metric for one that hears none.

    `measured` are the names of the metrics that this experiment will measure.
    """
    scheduler, monitor = experiment.scheduler, experiment.monitor
    name = scheduler.target.rpartition(".")[2]
    if not hears_metric(experiment):
        if scheduler.interval == "metric":
            raise ConfigError(f"scheduler.interval=metric: {name}.step() takes no metric; choose epoch or batch.")
        return
    if monitor is None:
        raise ConfigError(f"monitor=null: {name} is stepped with a metric; name one of {', '.join(measured)}.")
    if monitor not in measured:
        raise ConfigError(f"monitor={monitor}: never measured in this run; choose one of {', '.join(measured)}.")
    if scheduler.interval == "epoch":
        raise ConfigError(
            f"scheduler.interval=epoch: {name} is stepped after an evaluation; use interval=metric, and "
            "eval_every=1ep for once an epoch."
        )
    if scheduler.interval == "metric" and monitor == "train/loss":
        raise ConfigError(
            "monitor=train/loss: known after every update, not at an evaluation; use scheduler.interval=batch, or "
            f"one of {', '.join(m for m in measured if m != monitor)}."
        )
    if scheduler.interval == "batch" and monitor != "train/loss":
        raise ConfigError(
            f"monitor={monitor}: with interval=batch the metric must exist at every update, which only train/loss "
            "does; or use interval=metric."
        )


class Feedback:
    """The main phase of a metric schedule, stepped as metrics arrive.

    Its state is `metrics`, the list heard so far: building it again with that list is resuming, forking and dry run.
    """

    def __init__(self, experiment: Experiment, metrics: Sequence[float] = ()) -> None:
        spec, phase = experiment.scheduler, experiment.phases[1]
        self.metrics: list[float] = []
        self._live = []
        for group in experiment.peaks:
            args = arguments(spec, phase, group, experiment, "scheduler")
            with torch_refuses(spec, args, "scheduler"):
                self._live.append(build(spec, args, group, experiment, "scheduler"))
        for metric in metrics:
            self.step(metric)

    def step(self, metric: float) -> None:
        self.metrics.append(metric)
        for live in self._live:
            live.scheduler.step(metric)

    @property
    def row(self) -> list[float]:
        """The rate of every group, as the metrics heard so far leave it."""
        return [float(live.group["lr"]) for live in self._live]
