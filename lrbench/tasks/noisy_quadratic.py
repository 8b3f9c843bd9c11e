"""Estimate the mean of normal samples by a quadratic loss. (What for: `lrbench.data.noisy_quadratic`.)"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lrbench.metrics import Metric
from lrbench.tasks import Model

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 1

Batch = tuple[Tensor, Tensor]  # samples (n, dimensions); curvatures (dimensions,)


class Quadratic:
    """1/2 (theta - z)' diag(curvatures) (theta - z) of every sample z, where the model gives theta, (dimensions,)."""

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """The excess: the expected loss of a sample above its least. Where training begins, it is `chance`."""
        return (Metric("excess", higher_is_better=False, low=0.0, chance=spec["excess"]),)

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum over the samples: a scalar."""
        z, curvatures = batch
        return ((model() - z).square() @ curvatures).sum() / 2

    def weight(self, batch: Batch) -> int:
        """The samples."""
        return len(batch[0])

    def meter(self) -> "Excess":
        return Excess()


class Excess:
    """The mean loss of what is added, in double precision: of the sample without noise, it is the excess."""

    def __init__(self) -> None:
        self._n, self._sum = 0, 0.0

    def add(self, model: Model, batch: Batch) -> None:
        z, curvatures = (tensor.cpu().double() for tensor in batch)
        self._n += len(z)
        self._sum += float(((model().cpu().double() - z).square() @ curvatures).sum() / 2)

    def result(self) -> dict[str, float]:
        return {"excess": self._sum / self._n}
