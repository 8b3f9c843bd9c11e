"""Tasks: the loss that is minimised and the metrics that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Task(Protocol):
    """What a task offers. Its constructor takes the options under `args` of its config level.

    `output` is what the model returned for a batch of n samples, `target` the labels that came with it.
    """

    metrics: tuple[str, ...]  # the names of the metrics, "loss" among them

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss to minimise: a scalar, the mean over the n samples."""
        ...

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every metric of every sample, (n,) float32, so that any set of samples can be averaged."""
        ...
