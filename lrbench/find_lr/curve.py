"""From the losses of a sweep to a curve: smoothed, ended where it rises, and whether it falls at all. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.find_lr.range_test import RangeTest

Floats = NDArray[np.float64]
LAST = 5  # points left out at the end, where the loss explodes (as fastai does), and
FIRST = 10  # the first in so many, of which the running mean has few losses yet
MAD = 1.4826  # standard deviations in a median absolute deviation of a normal distribution
ROUNDING = 1e-9  # of a loss: what a flat curve may seem to fall by, in all and a decade
FALL = 1.5  # standard deviations of a loss that a curve must fall by


class RangeTestCurve(NamedTuple):
    """Rates and the smoothed losses at them, (n,) each, and whether the curve ends for it rose above the limit."""

    rates: Floats
    losses: Floats
    rose: bool

    def settled(self, iterations: int) -> "RangeTestCurve":
        """Without the points at both ends that say little. iterations: those of the whole sweep."""
        kept = slice(iterations // FIRST, max(len(self.rates) - LAST, 0))
        return self._replace(rates=self.rates[kept], losses=self.losses[kept])


def curve_of(test: RangeTest, losses: Sequence[float]) -> RangeTestCurve:
    """The curve of a sweep's losses, in their order, up to the point that ends it. Only the last may be not finite.

    Each point is a mean of losses and stands at the mean of the logarithms of their rates, with the same weights: a
    mean of losses that stood at the last rate would lag behind it, by a factor of 4.3 with 0.9 and 14 updates a decade.
    (A bend is still seen early, for older losses weigh on: a steepest point at 0.01 at 0.006.)
    """
    if test.variant == "guide":
        return guide_curve(test, losses)
    finite = finite_ones(losses)
    smooth = means(finite, test.smoothing)
    n = ended(smooth, test.stop)
    at = np.exp(means(np.log(test.rates[: len(finite)]), test.smoothing))
    return RangeTestCurve(at[:n], smooth[:n], rises(smooth, test.stop))


class CurveEnd:
    """Hears the losses of a sweep one by one, and says whether its curve has reached its end: in one step each, what
    `curve_of` says of all of them."""

    def __init__(self, test: RangeTest) -> None:
        self._test, self._total, self._share, self._lowest = test, 0.0, 0.0, math.inf
        self._plain = test.variant == "guide"  # whose mean begins at the first loss, and is not corrected

    def __call__(self, loss: float) -> bool:
        weight, stop = self._test.smoothing, self._test.stop
        if self._plain and not self._share:
            self._total, self._share = loss, 1.0
        else:
            self._total = weight * self._total + (1 - weight) * loss
            self._share = weight * self._share + (1 - weight)
        mean = self._total if self._plain else self._total / self._share
        if mean < self._lowest:
            self._lowest = mean
        if stop is None:
            return False
        limit = stop * self._lowest if self._plain else self._lowest + (stop - 1) * abs(self._lowest)
        return mean > limit


def finite_ones(losses: Sequence[float]) -> Sequence[float]:
    """A sweep's losses without the last where that is not finite."""
    return losses if len(losses) and np.isfinite(losses[-1]) else losses[:-1]


def means(values: Sequence[float] | Floats, weight: float) -> Floats:
    """Running means in which a value weighs `weight` times the next one, whose weights add up to 1 from the first on
    (the bias correction of Kingma and Ba 2015, section 3): the means of a constant are that constant."""
    total = share = 0.0
    found = []
    for value in values:
        total, share = weight * total + (1 - weight) * value, weight * share + (1 - weight)
        found.append(total / share)
    return np.array(found)


def rises(smooth: Floats, stop: float | None) -> bool:
    """Whether a point lies above `stop` times the lowest one before it."""
    return bool(_above(smooth, stop).any())


def ended(smooth: Floats, stop: float | None) -> int:
    """How many points there are up to the first that does, which is the last."""
    above = _above(smooth, stop)
    return int(above.argmax()) + 1 if above.any() else len(smooth)


def _above(smooth: Floats, stop: float | None) -> NDArray[np.bool_]:
    if stop is None or not len(smooth):
        return np.zeros(len(smooth), bool)
    lowest = np.minimum.accumulate(smooth)
    above: NDArray[np.bool_] = smooth > lowest + (stop - 1) * np.abs(lowest)  # a loss may be below 0
    return above


def falls(test: RangeTest, losses: Sequence[float], curve: RangeTestCurve) -> bool:
    """Whether the curve of these losses falls by more than its noise: from the median of its first tenth to its lowest
    point by 1.5 standard deviations of a single loss, which the differences of neighbours up to there tell. (Of 100
    losses that only vary, one curve of 17 does.)"""
    begin = max(test.iterations // FIRST, 1)
    low = int(np.argmin(curve.losses)) if len(curve.losses) else 0
    if low < begin:
        return False
    steps = np.abs(np.diff(finite_ones(losses)[: low + 1]))
    noise, first = MAD * float(np.median(steps)) / np.sqrt(2), float(np.median(curve.losses[:begin]))
    return bool(first - curve.losses[low] > FALL * noise + ROUNDING * abs(first))


def guide_curve(test: RangeTest, losses: Sequence[float]) -> RangeTestCurve:
    """The guide's own: the mean begins at the first loss and keeps it for long, a point stands at the rate of its
    newest loss, and one that is no number ends nothing, for it is above nothing. After it there are no others."""
    points: list[float] = []
    lowest = np.inf
    for loss in [*losses, *[np.nan] * (test.iterations - len(losses))]:
        points.append((1 - test.smoothing) * loss + test.smoothing * points[-1] if points else loss)
        if points[-1] < lowest:
            lowest = points[-1]
        if test.stop is not None and points[-1] > test.stop * lowest:
            return RangeTestCurve(np.array(test.rates[: len(points)]), np.array(points), True)
    return RangeTestCurve(np.array(test.rates[: len(points)]), np.array(points), False)
