"""What a task gives back, refused where it is not what `Task` says: one error that names the task and what is meant."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.tasks import Meter

METHODS = ("metrics", "loss", "weight", "meter")
MEASURES = ("metrics", "meter")  # of them, what a metric of one's own has


def declared(
    task: Any, spec: Mapping[str, Any], target: str, option: str = "task", methods: Sequence[str] = METHODS
) -> dict[str, Metric]:
    """The metrics that a task declares for data of this spec, by name.

    target, option: where the task comes from, or a metric of one's own, which has fewer `methods`. Raises ConfigError
    for what is no task, for what are no metrics, and for a name that it looks for in the spec and that is not there.
    """
    lacking = [name for name in methods if not callable(getattr(task, name, None))]
    if lacking:
        what = "a task" if methods is METHODS else "a metric of your own"
        raise _refused(target, f"it has no method {lacking[0]}", f"{what} has {', '.join(methods)}", option)
    try:
        found = task.metrics(spec)
    except KeyError as error:
        if (name := error.args[0]) in spec:
            raise
        why = f"it needs {name}, which the data do not give (they give {', '.join(spec) or 'nothing'})"
        what = "task" if methods is METHODS else "metric"
        raise _refused(target, why, f"choose data for this {what}, or the {what} of these", option) from error
    cure = 'return a tuple of Metric, such as (Metric("loss", higher_is_better=False),)'
    if not isinstance(found, tuple | list):
        raise _refused(target, f"its metrics are {kind_of(found)}", cure, option)
    for i, metric in enumerate(found):
        if not isinstance(metric, Metric):
            raise _refused(target, f"of its metrics, number {i + 1} is {kind_of(metric)}", cure, option)
        if not isinstance(metric.name, str) or not metric.name or "/" in metric.name:
            why = f"it names a metric {metric.name!r}"
            raise _refused(
                target, why, "give a name without a slash: the split is put before it, as in val/loss", option
            )
        if metric.name in [m.name for m in found[:i]]:
            raise _refused(target, f"it declares {metric.name} twice", "give every metric a name of its own", option)
    return {m.name: m for m in found}


def require_sight(task: Any, model: Any, of_model: str) -> None:
    """Refuse a model that sees what its task asks for (its loss would fall to nothing), or that does not see what it
    needs, where both say so in `causal`. of_model: where that comes from. Raises ConfigError."""
    needs, has = getattr(task, "causal", None), getattr(model, "causal", None)
    if None in (needs, has) or needs == has:
        return
    why = "sees the tokens that it is to predict" if needs else "does not see what follows a gap"
    cure = "give a model such as model=gpt_micro" if needs else "give a model such as model=bert_micro"
    name = task.__class__.__name__
    raise ConfigError("model._target_", of_model, f"under {name} this model {why}", f"{cure}, or another task")


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


def measured(meter: Meter, declared: Mapping[str, Metric], target: str, option: str = "task") -> dict[str, float]:
    """The result of a meter, by metric. Raises ConfigError where that is not a number for each that is declared."""
    found: Any = meter.result()
    if not isinstance(found, Mapping):
        cure = "return a mapping from every metric to its number"
        raise _refused(target, f"the result of its meter is {kind_of(found)}", cure, option)
    if found.keys() != declared.keys():
        why = f"its meter gives {', '.join(map(str, found))}, and it declares {', '.join(declared)}"
        raise _refused(target, why, "make the two the same", option)
    for name, value in found.items():
        if not _is_number(value):
            raise _refused(target, f"its meter's {name} is {kind_of(value)}", "return a number", option)
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


def _refused(target: str, why: str, cure: str, option: str = "task") -> ConfigError:
    return ConfigError(f"{option}._target_", target, why, cure)
