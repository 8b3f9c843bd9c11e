"""Confidence intervals of a mean, of a proportion and of a difference of two proportions.

None stands where the data cannot give an interval (one value has no spread).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
BCA_FROM = 20  # values; below, the bootstrap's tails are made of a handful of resamples and cover too little
BCA_RESAMPLES = 9999


class ConfidenceInterval(NamedTuple):
    """Both ends, in the unit of what is estimated."""

    low: float
    high: float


def t_interval(values: ArrayLike, level: float = LEVEL) -> ConfidenceInterval | None:
    """Student's interval of a mean: mean +- t(n-1) sd / sqrt(n). None for fewer than two values.

    Of differences between pairs it is the paired t interval. Source: Student (1908), Biometrika 6.
    """
    x = np.asarray(values, float)
    if x.size < 2:
        return None
    half = stats.t.ppf((1 + level) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size)
    return ConfidenceInterval(float(x.mean() - half), float(x.mean() + half))


def bca(values: ArrayLike, level: float = LEVEL) -> ConfidenceInterval | None:
    """Bias-corrected accelerated bootstrap interval of a mean; the same resamples each time it is asked.

    None below 20 values, and for values that do not vary. Source: Efron (1987), JASA 82.
    """
    x = np.asarray(values, float)
    if x.size < BCA_FROM or np.ptp(x) == 0:
        return None
    found = stats.bootstrap(
        (x,), np.mean, confidence_level=level, n_resamples=BCA_RESAMPLES, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    return ConfidenceInterval(float(found.low), float(found.high))


def wilson(successes: int, n: int, level: float = LEVEL) -> ConfidenceInterval | None:
    """Wilson's score interval of a proportion. None for no trials. Source: Wilson (1927), JASA 22."""
    if n == 0:
        return None
    z = float(stats.norm.ppf((1 + level) / 2))
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # Without a failure (or a success) the end is exactly 1 (or 0), but for rounding.
    return ConfidenceInterval(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def newcombe_paired(
    both: int, first: int, second: int, neither: int, level: float = LEVEL
) -> ConfidenceInterval | None:
    """Newcombe's interval of the difference of two proportions (first minus second) seen on the same pairs.

    Paired, for two arms share each seed's data and initial weights: the Wilson limits of both rates are combined with
    the correlation of the two outcomes, where the interval for independent samples would be too wide.
    both, first, second, neither: numbers of pairs in which both succeeded, only the first, only the second, neither.
    None for no pairs. Source: Newcombe (1998), Statistics in Medicine 17, 2635-2650, method 10.
    """
    n = both + first + second + neither
    if n == 0:
        return None
    a, b = wilson(both + first, n, level), wilson(both + second, n, level)
    assert a is not None
    assert b is not None
    p, q = (both + first) / n, (both + second) / n
    phi = _correlation(both, first, second, neither)
    below, above = (p - a.low, b.high - q), (a.high - p, q - b.low)

    def spread(u: float, v: float) -> float:
        return math.sqrt(max(0.0, u * u - 2 * phi * u * v + v * v))

    return ConfidenceInterval(p - q - spread(*below), p - q + spread(*above))


def _correlation(both: int, first: int, second: int, neither: int) -> float:
    """Phi of the two outcomes as method 10 wants it: a positive one corrected for continuity, 0 where a margin is."""
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins == 0:
        return 0.0
    n = both + first + second + neither
    cross = both * neither - first * second
    corrected = max(cross - n / 2, 0.0) if cross > 0 else cross
    return corrected / math.sqrt(margins)
