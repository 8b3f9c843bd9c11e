"""How far apart one arm's results lie from seed to seed, against another's."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mean_difference(values: ArrayLike) -> float:
    """By how much two of the values differ in the mean (Gini's mean difference), in their own unit. Raises ValueError
    for fewer than two."""
    x = np.asarray(values, np.float64)
    if x.size < 2:
        raise ValueError(f"of {x.size} values no two differ")
    return float(np.abs(np.subtract.outer(x, x)).sum() / (x.size * (x.size - 1)))


def spread_gains(arm: ArrayLike, baseline: ArrayLike) -> NDArray[np.float64]:
    """Shape (pairs,): the jackknife's pseudo-values, in doublings, of how much further apart the arm's results lie than
    the baseline's on the same seeds. Their mean is the logarithm to base 2 of the ratio of the two mean differences,
    less its bias, and they differ about as independent gains do, so that intervals and tests of gains are its own.
    Empty where the results of either do not differ, and so no ratio exists.

    Source: Arvesen (1969), Annals of Mathematical Statistics 40, 2076-2100: jackknifing U-statistics, of which Gini's
    mean difference is one. (Of standard deviations, runs that lie far out make such an interval too narrow.)
    """
    ours, theirs = np.asarray(arm, np.float64), np.asarray(baseline, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} results of the arm and {theirs.size} of the baseline are no pairs")
    n = ours.size
    if n < 3:
        return np.empty(0)
    (whole, without), (of_base, without_base) = _left_out(ours), _left_out(theirs)
    if min(whole, of_base, without.min(), without_base.min()) <= 0:
        return np.empty(0)
    pseudo: NDArray[np.float64] = n * np.log2(whole / of_base) - (n - 1) * np.log2(without / without_base)
    return pseudo


def _left_out(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The mean difference of all, and of all but each, shape (n,)."""
    n, apart = x.size, np.abs(np.subtract.outer(x, x)).sum(axis=1)
    return float(apart.sum() / (n * (n - 1))), (apart.sum() - 2 * apart) / ((n - 1) * (n - 2))
