"""Semantic segmentation: a class for every pixel."""

from collections.abc import Mapping
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.numbers import is_number
from lrbench.tasks import Model

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 1

IGNORED = 255  # the class of pixels that have none, as VOC and Cityscapes have it

Batch = tuple[Tensor, Tensor]  # images (n, C, H, W); classes of their pixels (n, H, W) int64


class Segmentation:
    """Cross-entropy of the logits (n, classes, H, W) of every pixel that is not IGNORED.

    The model gives the logits, or as torchvision's a mapping of them, `out` and where there is one `aux`, whose loss
    counts by `aux_weight` in training (0.5 in torchvision's reference script). Raises `ConfigError` on a bad value.
    """

    def __init__(self, aux_weight: float = 0.5) -> None:
        if not is_number(aux_weight) or not 0 <= aux_weight <= 1:
            raise ConfigError("task.args.aux_weight", repr(aux_weight), "give a number from 0 to 1 (0.5 is usual)")
        self.aux_weight = aux_weight

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """The loss of a pixel, the share of right pixels, and the mean IoU. One class everywhere reaches an IoU of at
        most 1, and 0 of the others: a mean of at most 1 / classes, which is `chance`."""
        classes = spec["pixel_classes"]
        return (
            Metric("loss", "nats", higher_is_better=False, low=0.0, chance=log(classes)),
            Metric("pixel_accuracy", "%", higher_is_better=True, low=0.0, high=1.0),
            Metric("miou", "%", higher_is_better=True, low=0.0, high=1.0, chance=1 / classes),
        )

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum over the pixels that have a class, in nats: a scalar."""
        x, mask = batch
        given = model(x)
        if not isinstance(given, Mapping):
            return _summed(given, mask)
        loss = _summed(given["out"], mask)
        return loss + self.aux_weight * _summed(given["aux"], mask) if "aux" in given else loss

    def weight(self, batch: Batch) -> Tensor:
        """The pixels that have a class."""
        return (batch[1] != IGNORED).sum()

    def meter(self) -> "Confusion":
        return Confusion()


class Confusion:
    """Counts of every pair of true and predicted class.

    The IoU of a class is its right pixels over those that are or are called so; `miou` is its mean over the classes
    that occur in either, as torchmetrics has it, of all images at once.
    """

    def __init__(self) -> None:
        self._loss, self._counts = 0.0, torch.zeros(0, 0, dtype=torch.int64)

    def add(self, model: Model, batch: Batch) -> None:
        x, mask = batch
        given = model(x)
        output = (given["out"] if isinstance(given, Mapping) else given).float()  # under autocast it may be bfloat16
        self._loss += cross_entropy(output, mask, ignore_index=IGNORED, reduction="none").double().sum().item()
        classes, known = output.shape[1], mask != IGNORED
        pairs = mask[known] * classes + output.argmax(1)[known]
        counts = torch.bincount(pairs, minlength=classes**2).view(classes, classes).cpu()
        self._counts = counts if not self._counts.numel() else self._counts + counts

    def result(self) -> dict[str, float]:
        counts = self._counts.double()
        right, either = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
        met = either > 0
        pixels = counts.sum()
        return {
            "loss": self._loss / float(pixels),
            "pixel_accuracy": float(right.sum() / pixels),
            "miou": float((right[met] / either[met]).mean()),
        }


def _summed(logits: Tensor, mask: Tensor) -> Tensor:
    return cross_entropy(logits, mask, ignore_index=IGNORED, reduction="sum")
