"""Two arms on the same seeds: their difference, how sure it is, and what could have been seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from lrbench.stats.intervals import LEVEL, ConfidenceInterval, bca, newcombe_paired, t_interval

ROUNDING = 1e-12  # of the values: differences that vary by less are equal
EXACT_UP_TO = 40  # pairs; beyond, sign patterns are drawn at random
FLIPS = 99_999
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """Second arm minus first, over n pairs. None: not to be had from so few pairs."""

    n: int
    mean: float | None
    interval: ConfidenceInterval | None  # paired t, the primary one
    t_p: float | None  # of the same t test, two-sided; None where the differences do not vary
    sign_flip_p: float | None  # two-sided, its check
    sign_flip_exact: bool
    bca: ConfidenceInterval | None  # from 20 pairs
    sd: float | None  # of the differences; 0 where they are equal but for rounding
    correlation: float | None  # of the arms over the seeds: what pairing gains
    detectable: float | None  # the true difference found with 80 % power at this n, sd and level


@dataclass(frozen=True)
class Success:
    """How often each arm's run of a pair succeeded, and the difference of the two rates (second minus first)."""

    both: int
    only_first: int
    only_second: int
    neither: int
    difference: float | None
    interval: ConfidenceInterval | None  # Newcombe's for pairs
    mcnemar_p: float | None  # exact, two-sided


def difference(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Difference:
    """The paired difference of two arms' values, shape (pairs,) each, in the same order of seeds."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"pairs need two lists of one length, not shapes {a.shape} and {b.shape}")
    d = b - a
    n = d.size
    equal = n > 1 and np.ptp(d) <= ROUNDING * max(np.abs(a).max(), np.abs(b).max())
    sd = 0.0 if equal else float(d.std(ddof=1)) if n > 1 else None
    return Difference(
        n=n,
        mean=float(d.mean()) if n else None,
        interval=t_interval(d, level),
        t_p=2 * float(stats.t.sf(abs(d.mean()) / (sd / math.sqrt(n)), n - 1)) if sd else None,
        sign_flip_p=sign_flip_p(d) if n else None,
        sign_flip_exact=n <= EXACT_UP_TO,
        bca=None if equal else bca(d, level),
        sd=sd,
        correlation=correlation(a, b),
        detectable=detectable_effect(sd, n, level) if sd is not None else None,
    )


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p of a mean difference when each pair's sign is a coin's throw: exact over all 2^n patterns up to 40
    pairs, else over 99,999 random ones. It cannot be below 2 / 2^n.
    Source: Fisher (1935), The Design of Experiments, section 21.
    """
    d = np.asarray(differences, float)
    bound = abs(d.sum()) - 1e-12 * np.abs(d).sum()  # equal sums differ in their last bits
    if d.size > EXACT_UP_TO:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (FLIPS, d.size))
        return float((1 + (np.abs(signs @ d) >= bound).sum()) / (1 + FLIPS))
    # Every pattern is one of the first half of the pairs and one of the second; |first + second| >= bound is counted
    # by sorting the second's sums: 2^(n/2) of them instead of 2^n.
    first, second = _sums(d[: d.size // 2]), np.sort(_sums(d[d.size // 2 :]))
    above = second.size - np.searchsorted(second, bound - first, "left")
    below = np.searchsorted(second, -bound - first, "right")
    return min(1.0, float(above.sum() + below.sum()) / 2.0**d.size)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p of each of m tests, adjusted for all of them: whoever takes an effect for found where it is at most alpha
    finds one that is not there, among all m, with a chance of at most alpha, however the tests depend on each other.

    The k-th smallest is (m - k + 1) p, and no smaller than the one before. Source: Holm (1979), Scandinavian Journal
    of Statistics 6, 65-70.
    """
    adjusted, least = [0.0] * len(p_values), 0.0
    for k, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - k) * p_values[i]))
        adjusted[i] = least
    return adjusted


def pairs_needed(tests: int, level: float = LEVEL) -> int:
    """The fewest pairs with which the exact sign-flip test, whose p is at least 2 / 2^n, can pass the strictest step of
    Holm's correction for that many tests; never fewer than 10, below which a t interval hangs on its assumption."""
    return max(10, math.ceil(1 + math.log2(max(1, tests) / (1 - level))))


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of the values under each pattern of signs, shape (2^n,)."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson's, over the pairs. None below three pairs (two always lie on a line) or where an arm does not vary."""
    if first.size < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def detectable_effect(sd: float, n: int, level: float = LEVEL, power: float = POWER) -> float | None:
    """The true mean difference whose two-sided paired t test at 1 - level has this power, by the noncentral t.

    In the unit of `sd`, the standard deviation of the differences. None for fewer than two pairs.
    Source: Cohen (1988), Statistical Power Analysis, ch. 2.
    """
    if n < 2:
        return None
    if sd == 0:
        return 0.0
    critical = stats.t.ppf((1 + level) / 2, n - 1)
    # The chance to reject on the wrong side is left out: at this power it is below 1e-6.
    shift = optimize.brentq(lambda shift: stats.nct.sf(critical, n - 1, shift) - power, 0.0, 3 * critical)
    return float(shift) * sd / math.sqrt(n)


def success(first: ArrayLike, second: ArrayLike, level: float = LEVEL) -> Success:
    """Two arms' outcomes, boolean (pairs,) each, in the same order of seeds.

    McNemar's test is the exact one: of the pairs that differ, each is equally likely to favour either arm.
    Source: McNemar (1947), Psychometrika 12.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    both, only_first = int((a & b).sum()), int((a & ~b).sum())
    only_second, neither = int((~a & b).sum()), int((~a & ~b).sum())
    discordant = only_first + only_second
    p = float(stats.binomtest(only_second, discordant).pvalue) if discordant else 1.0
    return Success(
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        difference=(only_second - only_first) / a.size if a.size else None,
        interval=newcombe_paired(both, only_second, only_first, neither, level),
        mcnemar_p=p if a.size else None,
    )
