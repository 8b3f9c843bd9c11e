"""The noisy quadratic: a problem that trains in milliseconds and whose expected result is known exactly.

The mean m = (distance, ..., distance) of a normal distribution is estimated from samples z ~ N(m, noise^2 H^-1), where
H = diag(h), by the loss 1/2 (theta - z)' H (theta - z). In expectation that is 1/2 (theta - m)' H (theta - m), called
`excess`, and a constant, noise^2 dimensions / 2. The gradient of a batch of B has the covariance noise^2 H / B wherever
theta is: the model of Zhang et al. 2019, "Which Algorithmic Choices Matter at Which Batch Sizes? Insights From a Noisy
Quadratic Model" (NeurIPS), with their h_i = 1/i where `condition` equals `dimensions`.

Every update draws samples of its own, so an epoch is a length of time and no more: nothing is seen twice, and the
moments follow their recursion exactly (`expected_excess`). The excess is measured exactly too: a validation or a test
set is the one sample that has no noise, z = m.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from math import isfinite, log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.data import UNCHANGED, DataInfo, Reading, Split, Splits, Stream, require_whole
from lrbench.errors import ConfigError
from lrbench.numbers import is_number
from lrbench.randomness import generator

if TYPE_CHECKING:
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters a sample.
NUMERICS = 1

MOST = 10**9


class NoisyQuadratic:
    """Samples without end around one point.

    dimensions: of a sample, 2 or more. condition: the largest curvature over the smallest; they fall as a power of
    i = 1 .. dimensions, from 1 to 1 / condition. noise: standard deviation of a sample where the curvature is 1.
    distance: of the samples' mean from 0, where theta begins, in every dimension. train_size: samples of an epoch.
    Raises `ConfigError` on a bad value.
    """

    def __init__(
        self,
        dimensions: int = 100,
        condition: float = 100.0,
        noise: float = 1.0,
        distance: float = 1.0,
        train_size: int = 80,
    ) -> None:
        require_whole("data.args.dimensions", dimensions, 2, MOST)
        require_whole("data.args.train_size", train_size, 1, MOST)
        _require_number("condition", condition, 1.0)
        _require_number("noise", noise, 0.0)
        _require_number("distance", distance, 0.0)
        self.dimensions, self.noise, self.distance, self.train_size = dimensions, noise, distance, train_size
        power = log(condition) / log(dimensions)
        self.curvatures: NDArray[np.float64] = np.arange(1.0, dimensions + 1) ** -power  # (dimensions,)

    def info(self) -> DataInfo:
        """The spec has `dimensions`, and `excess`, that of theta = 0."""
        spec = {"dimensions": self.dimensions, "excess": float(self.curvatures.sum()) * self.distance**2 / 2}
        return DataInfo(self.train_size, 1, 1, spec, sha256(b"normal samples").hexdigest())

    def load(self, seed: int) -> Splits[Split]:
        """The samples of this seed, and twice the one without noise."""
        import torch

        curvatures = torch.tensor(self.curvatures)
        mean = torch.full((self.dimensions,), float(self.distance), dtype=torch.float64)
        truth = Normal(mean, torch.zeros_like(mean), curvatures, self.train_size, seed)
        return Splits(truth._replace(deviations=self.noise / curvatures.sqrt()), truth, truth)


class Normal(NamedTuple):
    """Normal samples: mean, standard deviations and curvatures of their dimensions, each (dimensions,) float64."""

    means: Tensor
    deviations: Tensor
    curvatures: Tensor
    train_size: int
    seed: int

    def stream(self, reading: Reading) -> Stream:
        return NormalStream(self, reading)


class NormalStream:
    """A batch: samples (n, dimensions) and curvatures (dimensions,), both float32. In order there is the mean alone."""

    def __init__(self, split: Normal, reading: Reading) -> None:
        if reading.augment != UNCHANGED:
            why = "only images are augmented, and these data are none"
            raise ConfigError("data.augment", "", why, "leave it as it is")
        self._size, self._seed, self._device = reading.batch_size, split.seed, reading.device
        self._means, self._deviations = split.means.float(), split.deviations.float()
        self._curvatures = split.curvatures.float().to(reading.device)
        self.per_epoch = split.train_size // reading.batch_size

    def batch(self, update: int, part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
        import torch

        draws = generator("normal", self._seed, update)
        z = torch.randn(self._size, len(self._means), generator=draws).mul_(self._deviations).add_(self._means)
        mine = z if parts == 1 else z.chunk(parts)[part]
        return mine.to(self._device), self._curvatures

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self._means[None].to(self._device), self._curvatures


def expected_excess(
    data: NoisyQuadratic, rates: NDArray[np.float64], batch_size: int, momentum: float = 0.0
) -> NDArray[np.float64]:
    """The expected excess before every update and after the last, (updates + 1,), of SGD without weight decay.

    rates: of every update, (updates,). momentum: as torch's SGD has it, velocity = momentum * velocity + gradient,
    without dampening or Nesterov's step. In each dimension, with d = theta - distance and the gradient h d + n, the
    noise n is new at every update, so that the second moments of (d, velocity) follow from those before: without
    momentum, E[d^2] becomes (1 - rate h)^2 E[d^2] + rate^2 noise^2 h / batch_size (Zhang et al. 2019, section 3).
    """
    h = data.curvatures
    noise = data.noise**2 * h / batch_size
    dd = np.full_like(h, data.distance**2)  # E[d^2]
    dv, vv = np.zeros_like(h), np.zeros_like(h)  # E[d velocity], E[velocity^2]
    excess = [h @ dd / 2]
    for rate in rates:
        cross = h * dd + momentum * dv  # of d and the new velocity
        vv = h**2 * dd + 2 * momentum * h * dv + momentum**2 * vv + noise
        dd = dd - 2 * rate * cross + rate**2 * vv
        dv = cross - rate * vv
        excess.append(h @ dd / 2)
    return np.array(excess)


def _require_number(name: str, value: float, low: float) -> None:
    if not is_number(value) or not (isfinite(value) and value >= low):
        raise ConfigError(f"data.args.{name}", repr(value), f"give a number of at least {low:g}")
