"""What a task gives back, refused where it is not what `Task` says: one error that names the task and what is meant."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.tasks import Meter, Task

METHODS = ("metrics", "loss", "weight", "meter")


def declared(task: Task, spec: Mapping[str, Any], target: str) -> dict[str, Metric]:
    """The metrics that a task declares for data of this spec, by name.

    target: where the task comes from. Raises ConfigError for what is no task, and for what are no metrics.
    """
    lacking = [name for name in METHODS if not callable(getattr(task, name, None))]
    if lacking:
        raise _refused(target, f"it has no method {lacking[0]}", f"a task has {', '.join(METHODS)}")
    found = task.metrics(spec)
    cure = 'return a tuple of Metric, such as (Metric("loss", higher_is_better=False),)'
    if not isinstance(found, tuple | list):
        raise _refused(target, f"its metrics are {kind_of(found)}", cure)
    for i, metric in enumerate(found):
        if not isinstance(metric, Metric):
            raise _refused(target, f"of its metrics, number {i + 1} is {kind_of(metric)}", cure)
        if not isinstance(metric.name, str) or not metric.name or "/" in metric.name:
            why = f"it names a metric {metric.name!r}"
            raise _refused(target, why, "give a name without a slash: the split is put before it, as in val/loss")
        if metric.name in [m.name for m in found[:i]]:
            raise _refused(target, f"it declares {metric.name} twice", "give every metric a name of its own")
    return {m.name: m for m in found}


def require_loss(loss: Any, target: str) -> None:
    """Refuse what `backward` could not begin from. Raises ConfigError."""
    if isinstance(loss, Tensor) and not loss.ndim and loss.requires_grad:
        return
    cure = "return the sum over the batch, a tensor of one number that the model's parameters lead to"
    raise _refused(target, f"its loss is {kind_of(loss)}", cure)


def require_weights(weights: Iterable[Any], target: str) -> None:
    """Refuse what a loss cannot be divided by. Raises ConfigError."""
    for weight in weights:
        if not _is_number(weight):
            cure = "return what the loss was summed over: a number, or a tensor of one"
            raise _refused(target, f"its weight is {kind_of(weight)}", cure)


def measured(meter: Meter, declared: Mapping[str, Metric], target: str) -> dict[str, float]:
    """The result of a meter, by metric. Raises ConfigError where that is not a number for each that is declared."""
    found: Any = meter.result()
    if not isinstance(found, Mapping):
        cure = "return a mapping from every metric to its number"
        raise _refused(target, f"the result of its meter is {kind_of(found)}", cure)
    if found.keys() != declared.keys():
        why = f"its meter gives {', '.join(map(str, found))}, and it declares {', '.join(declared)}"
        raise _refused(target, why, "make the two the same")
    for name, value in found.items():
        if not _is_number(value):
            raise _refused(target, f"its meter's {name} is {kind_of(value)}", "return a number")
    return {name: float(value) for name, value in found.items()}


def kind_of(value: Any) -> str:
    """A value in words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}" if value.ndim else "a tensor that needs no gradient"
    return "None" if value is None else f"of type {type(value).__name__}"


def _is_number(value: Any) -> bool:
    """A number, or an array of one without axes (numpy's scalars are such)."""
    if isinstance(value, int | float):
        return True
    return not isinstance(value, str) and getattr(value, "ndim", None) == 0 and hasattr(value, "__float__")


def _refused(target: str, why: str, cure: str) -> ConfigError:
    return ConfigError("task._target_", target, why, cure)
