"""Tasks: the loss that is minimised and the metrics that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lrbench.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """What a task offers. Its constructor takes the options under `args` of its config level.

    `output` is what the model returned for a batch of n samples, `target` the labels that came with it.
    """

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """What is measured, declared for data of this spec (chance depends on the number of classes).

        Raises `ConfigError` for data that this task is not for.
        """
        ...

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss to minimise: a scalar, the mean over the n samples."""
        ...

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every metric of every sample, (n,) float32, so that any set of samples can be averaged."""
        ...
