"""What a run measures: the metrics of its task, and those of a person's own beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lrbench.errors import ConfigError
from lrbench.experiment import Component, Experiment
from lrbench.metrics import Metric, Mode, metric_of, mode_of
from lrbench.targets import resolve
from lrbench.tasks import Meter, Model, Task
from lrbench.tasks.returns import MEASURES, declared, measured, require_sight


@dataclass(frozen=True)
class Own:
    """A metric of a person's own: an object with `metrics` and `meter`, as a task has them; what it declares."""

    option: str
    component: Component
    made: Any
    metrics: Mapping[str, Metric]


def task_of(experiment: Experiment, spec: Mapping[str, Any]) -> Task:
    """The task, which measures the person's own metrics too where there are some. spec: of the data it is asked about.
    Raises ConfigError for a metric that is none, and for one with a name that is there already."""
    task: Task = resolve(experiment.task.target, "task")(**experiment.task.args)
    if experiment.own_metrics is None:
        return task
    found = declared(task, spec, experiment.task.target)
    own: list[Own] = []
    for i, component in enumerate(experiment.own_metrics):
        option = f"own_metrics[{i}]"
        made = resolve(component.target, option)(**component.args)
        more = declared(made, spec, component.target, option, MEASURES)
        if twice := sorted(found.keys() & more.keys()):
            why = f"{twice[0]} is measured already"
            raise ConfigError(f"{option}._target_", component.target, why, "give the metric a name of its own")
        found |= more
        own.append(Own(option, component, made, more))
    return WithOwn(task, tuple(found.values()), own)


@dataclass(frozen=True)
class WithOwn:
    """A task, and metrics that are measured beside its own, declared for the data that it was made for."""

    task: Task
    declared: tuple[Metric, ...]
    own: Sequence[Own]

    @property
    def ghost_normaliser(self) -> bool:
        return getattr(self.task, "ghost_normaliser", False)

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        return self.declared

    def loss(self, model: Model, batch: Any) -> Tensor:
        return self.task.loss(model, batch)

    def weight(self, batch: Any) -> Tensor | float:
        return self.task.weight(batch)

    def meter(self) -> Meter:
        return Meters(self.task.meter(), [(own, own.made.meter()) for own in self.own])


@dataclass(frozen=True)
class Meters:
    """The task's meter, and those beside it, each of which asks the model by itself."""

    first: Meter
    others: Sequence[tuple[Own, Meter]]

    def add(self, model: Model, batch: Any) -> None:
        for meter in (self.first, *(meter for _, meter in self.others)):
            meter.add(model, batch)

    def result(self) -> dict[str, float]:
        found = self.first.result()
        for own, meter in self.others:
            found = {**found, **measured(meter, own.metrics, own.component.target, own.option)}
        return found


def measured_by(experiment: Experiment) -> dict[str, Metric]:
    """What a run measures on its way, by name: `train/loss`, `val/accuracy`. Raises ConfigError for a task or a metric
    that the data are not for."""
    data, task = experiment.data, experiment.task
    spec = resolve(data.target, "data")(**data.args).info().spec
    model = experiment.model
    require_sight(resolve(task.target, "task")(**task.args), resolve(model.target, "model"), model.target)
    metrics = declared(task_of(experiment, spec), spec, task.target)
    return {"train/loss": metric_of("loss", metrics), **{f"val/{name}": m for name, m in metrics.items()}}


def mode_of_monitor(monitor: str | None, metrics: Mapping[str, Metric], option: str) -> Mode:
    """Which way the monitor is better, for an option that goes by what is evaluated on the way. `metrics` by their
    names in the record. Raises ConfigError for a monitor that is not evaluated, or of which nobody knows."""
    known = [name for name in metrics if name.startswith("val/")]
    if monitor not in known:
        why = f"{option} goes by the monitor, and this is not evaluated on the way"
        raise ConfigError("monitor", monitor, why, f"choose one of {', '.join(known)}")
    mode = mode_of(metrics[monitor])
    if mode is None:
        why = f"{option} goes by the monitor, and neither its task nor its name tells which way it is better"
        others = ", ".join(name for name in known if mode_of(metrics[name])) or "another metric"
        raise ConfigError("monitor", monitor, why, f"declare higher_is_better in its Metric, or choose {others}")
    return mode
