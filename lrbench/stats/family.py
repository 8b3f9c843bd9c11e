"""The contrasts that one design asks about together: their intervals, at the level that Holm's step leaves to each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.paired import ROUNDING, sign_flip_p

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """One contrast of a family. None: not to be had from so few pairs."""

    mean: float | None  # of the differences
    sd: float | None  # of the differences; 0 where they are equal but for rounding
    n: int
    se: float | None  # on the side of the mean where the (nearest) null is: sqrt(sd^2 / n + what its reach adds)
    p: float  # two-sided, by t; of several nulls the largest; 1 where there is no se
    sign_flip_p: float  # two-sided, of the differences alone
    level: float  # of the interval: 1 - alpha / (m - rank + 1)
    interval: ConfidenceInterval | None
    equivalence_level: float  # 1 - 2 alpha / (m - k + 1), k the step in the family of equivalences
    equivalence: ConfidenceInterval | None
    rank: int  # Holm's step, from 1
    open: bool  # False: an earlier step failed, so that nothing may be said of a direction
    disagrees: bool  # the sign-flip test and the t test of the same differences, at this step's alpha


class _Estimate(NamedTuple):
    mean: float | None
    sd: float | None
    n: int
    below: float | None  # the standard error towards lower values, and towards higher ones
    above: float | None

    def towards(self, nulls: Sequence[float]) -> float | None:
        """On the side where the nearest of them lies."""
        if self.mean is None:
            return self.above
        nearest = min(nulls, key=lambda null: abs(null - self.mean))  # type: ignore[operator]
        return self.below if self.mean > nearest else self.above


def family(
    differences: Sequence[ArrayLike],
    alpha: float = 0.05,
    reach: Sequence[tuple[float, float]] = (),
    *,
    nulls: Sequence[Sequence[float]] = (),
    margin: float | None = None,
) -> list[Tested]:
    """Test m contrasts together. differences: of each, its pairs' differences, shape (pairs,); the answers come in the
    same order.

    reach: of each contrast, how far its true value may lie below and above that of the rates it was measured at, since
    others may be better: one-sided limits at 1 - alpha / m, 0 or more (zeros by default; `selection.regret_limit`).
    They are combined with the half-width of the t interval as the roots of sums of squares, exactly so at that level;
    at the others a reach grows and shrinks as the half-width does. Limits at half that error bring false directions to
    3 % of studies where 5 % are allowed, these to 5 % (study_null_30 in tests/benchmarks). Source: Zou & Donner (2008),
    Statistics in Medicine 27 (MOVER: limits of a sum from limits of its parts).
    nulls: of each contrast, the difference that is tested: 0 (by default), or minus the margin where the question is
    whether an arm is no worse; or both ends of a range, all of which have to be rejected before it is known on which
    side of each the difference lies: p is the largest of theirs, an intersection-union test (Berger 1982,
    Technometrics 24, 295-300).
    margin: where given, equivalence within it is a second family, ordered by the larger p of its two one-sided tests;
    without one there is no order, and each interval is at Bonferroni's 1 - 2 alpha / m.

    Holm: contrasts are taken by rising p, the k-th at alpha / (m - k + 1), until one fails, whether by its p or because
    the sign-flip test disagrees; the chance that any true null is rejected is then at most alpha. This holds for
    directions. A size (an interval that lies within a claimed range) is read off the same interval, whose level is its
    contrast's own. In the family of equivalences the contrasts after the first that fails keep the level of that step,
    at which none of them can pass, so that the interval alone decides. Sources: Holm (1979), Scand. J. Stat. 6;
    Schuirmann (1987), J. Pharmacokinet. Biopharm. 15.

    All have n - 1 degrees of freedom.
    """
    samples = _samples(differences, reach, alpha)
    against = nulls or [(0.0,)] * len(samples)
    alphas = _equivalence_alphas([e for _, e in samples], alpha, margin)
    order = sorted(range(len(samples)), key=lambda i: _largest_p(samples[i][1], against[i]))
    found: dict[int, Tested] = {}
    still_open = True
    for k, i in enumerate(order):
        step = alpha / (len(samples) - k)
        found[i] = _tested(*samples[i], against[i], step, alphas[i], k + 1, still_open)
        still_open = still_open and found[i].p <= step and not found[i].disagrees
    return [found[i] for i in range(len(samples))]


def _samples(
    differences: Sequence[ArrayLike], reach: Sequence[tuple[float, float]], alpha: float
) -> list[tuple[Values, _Estimate]]:
    both = reach or [(0.0, 0.0)] * len(differences)
    if len(both) != len(differences) or not all(r >= 0 for pair in both for r in pair):
        raise ValueError(f"each of {len(differences)} contrasts needs two reaches of 0 or more, not {list(both)}")
    samples = [np.asarray(d, float) for d in differences]
    if any(d.ndim != 1 or not np.isfinite(d).all() for d in samples):
        raise ValueError("a contrast is a list of finite differences, one a pair; leave out the pairs that failed")
    step = alpha / max(len(samples), 1)
    return [(d, _estimate(d, pair, step)) for d, pair in zip(samples, both, strict=True)]


def _tested(
    d: Values, e: _Estimate, nulls: Sequence[float], alpha: float, equivalence_alpha: float, rank: int, is_open: bool
) -> Tested:
    """One contrast at the alphas of its steps."""
    flipped = max(sign_flip_p(d - null) for null in nulls) if d.size else 1.0
    by_t = _largest_p(_estimate(d), nulls)  # of what the signs are flipped of: the differences alone
    return Tested(
        mean=e.mean, sd=e.sd, n=e.n, se=e.towards(nulls), p=_largest_p(e, nulls), sign_flip_p=flipped,
        level=1 - alpha, interval=_interval(e, alpha / 2),
        equivalence_level=1 - 2 * equivalence_alpha, equivalence=_interval(e, equivalence_alpha),
        rank=rank, open=is_open, disagrees=(flipped <= alpha) != (by_t <= alpha),
    )  # fmt: skip


def _estimate(d: Values, reach: tuple[float, float] = (0.0, 0.0), alpha: float = 0.05) -> _Estimate:
    """reach is at 1 - alpha."""
    if d.size < 2:
        return _Estimate(float(d[0]) if d.size else None, None, d.size, None, None)
    sd = 0.0 if np.ptp(d) <= ROUNDING * np.abs(d).max() else float(d.std(ddof=1))
    t = float(stats.t.isf(alpha / 2, d.size - 1))
    below, above = (math.sqrt(sd**2 / d.size + (r / t) ** 2) for r in reach)
    return _Estimate(float(d.mean()), sd, d.size, below, above)


def _largest_p(e: _Estimate, nulls: Sequence[float]) -> float:
    return max(_two_sided(e, null) for null in nulls)


def _two_sided(e: _Estimate, null: float) -> float:
    """Of t = (mean - null) / se. Without any spread a mean is the null or is not."""
    se = e.towards((null,))
    if e.mean is None or se is None:
        return 1.0
    away = abs(e.mean - null)
    if se == 0:
        return 0.0 if away > 0 else 1.0
    return 2 * float(stats.t.sf(away / se, e.n - 1))


def _interval(e: _Estimate, tail: float) -> ConfidenceInterval | None:
    if e.mean is None or e.below is None or e.above is None:
        return None
    t = float(stats.t.isf(tail, e.n - 1))
    return ConfidenceInterval(e.mean - t * e.below, e.mean + t * e.above)


def _equivalence_alphas(estimates: Sequence[_Estimate], alpha: float, margin: float | None) -> list[float]:
    """Of each contrast, the alpha of its two one-sided tests."""
    m = len(estimates)
    step = alpha / max(m, 1)
    alphas = [step] * m
    if margin is None:
        return alphas
    p_values = [_outside(e, margin) for e in estimates]
    failed = False
    for k, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        alphas[i] = step = step if failed else alpha / (m - k)
        failed = failed or p_values[i] >= step
    return alphas


def _outside(e: _Estimate, margin: float) -> float:
    """The larger p of the two one-sided tests of a mean outside +-margin."""
    if e.mean is None or e.below is None or e.above is None:
        return 1.0

    def p(room: float, se: float) -> float:
        if se == 0:
            return 0.0 if room > 0 else 1.0
        return float(stats.t.sf(room / se, e.n - 1))

    return max(p(margin + e.mean, e.below), p(margin - e.mean, e.above))
