"""Classification of images into one of several classes."""

from collections.abc import Mapping
from math import log
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.numbers import is_number
from lrbench.tasks import Model

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 2

Batch = tuple[Tensor, Tensor]  # images or what the model takes, (n, ...); targets


class Classification:
    """Of batches (x, target): cross-entropy of the model's logits (n, classes) against labels (n,) int64, or in the
    loss against soft targets (n, classes) float32, which mixup and cutmix make.

    label_smoothing: share of the target spread evenly over all classes, in [0, 1) (Szegedy et al. 2015,
    section 7). It is part of the training loss alone; the measured loss is without it, so that runs with and
    without compare. Raises `ConfigError` on a bad value.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        if not is_number(label_smoothing) or not 0 <= label_smoothing < 1:
            raise ConfigError(
                "task.args.label_smoothing",
                repr(label_smoothing),
                "give a number of at least 0 and below 1 (0.1 is usual)",
            )
        self.label_smoothing = label_smoothing

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """The cross-entropy, log(classes) where all are equally likely, and the share of right classes."""
        classes = spec["num_classes"]
        if classes < 2:
            why = "the data have one class, so there is nothing to tell apart"
            raise ConfigError("task", "classification", why, "give data of two classes or more, or a task of your own")
        return (
            Metric("loss", "nats", higher_is_better=False, low=0.0, chance=log(classes)),
            Metric("accuracy", "%", higher_is_better=True, low=0.0, high=1.0, chance=1 / classes),
        )

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum of the samples' cross-entropies in nats, with label smoothing: a scalar."""
        x, target = batch
        return cross_entropy(model(x), target, reduction="sum", label_smoothing=self.label_smoothing)

    def weight(self, batch: Batch) -> int:
        """The samples."""
        return len(batch[1])

    def meter(self) -> "Means":
        return Means()


class Means:
    """Means over samples: cross-entropy in nats, not smoothed, and the share of right classes."""

    def __init__(self) -> None:
        self._n, self._loss, self._right = 0, 0.0, 0.0

    def add(self, model: Model, batch: Batch) -> None:
        x, target = batch
        output = model(x).float()  # under autocast the logits may be bfloat16
        self._n += len(target)
        self._loss += cross_entropy(output, target, reduction="none").double().sum().item()
        self._right += (output.argmax(1) == target).double().sum().item()

    def result(self) -> dict[str, float]:
        return {"loss": self._loss / self._n, "accuracy": self._right / self._n}
