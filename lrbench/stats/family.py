"""The contrasts that one design asks about together: their intervals, at the level that Holm's step leaves to each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lrbench.stats.intervals import Interval
from lrbench.stats.paired import ROUNDING, sign_flip_p

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """One contrast of a family. None: not to be had from so few pairs."""

    mean: float | None  # of the differences
    sd: float | None  # of the differences; 0 where they are equal but for rounding
    n: int
    se: float | None  # of the mean: sqrt(sd^2 / n + what was added)
    p: float  # two-sided, by t with this se; 1 where there is no se
    sign_flip_p: float  # two-sided, of the differences alone
    level: float  # of the interval: 1 - alpha / (m - rank + 1)
    interval: Interval | None
    equivalence_level: float  # 1 - 2 alpha / (m - k + 1), k the step in the family of equivalences
    equivalence: Interval | None
    rank: int  # Holm's step, from 1
    open: bool  # False: an earlier step failed, so that nothing may be said of a direction
    disagrees: bool  # the sign-flip test and the t test of the same differences, at this step's alpha


class _Estimate(NamedTuple):
    mean: float | None
    sd: float | None
    n: int
    se: float | None


def family(
    differences: Sequence[ArrayLike],
    alpha: float = 0.05,
    added: Sequence[float] = (),
    *,
    null: float = 0.0,
    margin: float | None = None,
) -> list[Tested]:
    """Test m contrasts together. differences: of each, its pairs' differences, shape (pairs,); the answers come in the
    same order.

    added: of each contrast, a variance to add to sd^2 / n, that of its choice of rates (zeros by default).
    null: the difference that is tested, 0, or minus the margin where the question is whether an arm is no worse.
    margin: where given, equivalence within it is a second family, ordered by the larger p of its two one-sided tests;
    without one there is no order, and each interval is at Bonferroni's 1 - 2 alpha / m.

    Holm: contrasts are taken by rising p, the k-th at alpha / (m - k + 1), until one fails, whether by its p or because
    the sign-flip test disagrees; the chance that any true null is rejected is then at most alpha. This holds for
    directions. A size (an interval that lies within a claimed range) is read off the same interval, whose level is its
    contrast's own. In the family of equivalences the contrasts after the first that fails keep the level of that step,
    at which none of them can pass, so that the interval alone decides. Sources: Holm (1979), Scand. J. Stat. 6;
    Schuirmann (1987), J. Pharmacokinet. Biopharm. 15.

    All have n - 1 degrees of freedom. The part that is added is known better or worse than sd by an amount that nobody
    has shown; were it known exactly, there would be more of them, so that n - 1 errs towards wider intervals.
    """
    samples = _samples(differences, added)
    alphas = _equivalence_alphas([e for _, e in samples], alpha, margin)
    order = sorted(range(len(samples)), key=lambda i: _two_sided(samples[i][1], null))
    found: dict[int, Tested] = {}
    still_open = True
    for k, i in enumerate(order):
        step = alpha / (len(samples) - k)
        found[i] = _tested(*samples[i], null, step, alphas[i], k + 1, still_open)
        still_open = still_open and found[i].p <= step and not found[i].disagrees
    return [found[i] for i in range(len(samples))]


def _samples(differences: Sequence[ArrayLike], added: Sequence[float]) -> list[tuple[Values, _Estimate]]:
    variances = added or [0.0] * len(differences)
    if len(variances) != len(differences) or not all(v >= 0 for v in variances):
        raise ValueError(f"each of {len(differences)} contrasts needs a variance of 0 or more, not {list(variances)}")
    samples = [np.asarray(d, float) for d in differences]
    if any(d.ndim != 1 or not np.isfinite(d).all() for d in samples):
        raise ValueError("a contrast is a list of finite differences, one a pair; leave out the pairs that failed")
    return [(d, _estimate(d, v)) for d, v in zip(samples, variances, strict=True)]


def _tested(
    d: Values, e: _Estimate, null: float, alpha: float, equivalence_alpha: float, rank: int, is_open: bool
) -> Tested:
    """One contrast at the alphas of its steps."""
    flipped = sign_flip_p(d - null) if d.size else 1.0
    by_t = _two_sided(_estimate(d, 0.0), null)  # of what the signs are flipped of: the differences alone
    return Tested(
        mean=e.mean, sd=e.sd, n=e.n, se=e.se, p=_two_sided(e, null), sign_flip_p=flipped,
        level=1 - alpha, interval=_interval(e, alpha / 2),
        equivalence_level=1 - 2 * equivalence_alpha, equivalence=_interval(e, equivalence_alpha),
        rank=rank, open=is_open, disagrees=(flipped <= alpha) != (by_t <= alpha),
    )  # fmt: skip


def _estimate(d: Values, added: float) -> _Estimate:
    if d.size < 2:
        return _Estimate(float(d[0]) if d.size else None, None, d.size, None)
    sd = 0.0 if np.ptp(d) <= ROUNDING * np.abs(d).max() else float(d.std(ddof=1))
    return _Estimate(float(d.mean()), sd, d.size, math.sqrt(sd**2 / d.size + added))


def _two_sided(e: _Estimate, null: float) -> float:
    """Of t = (mean - null) / se. Without any spread a mean is the null or is not."""
    if e.mean is None or e.se is None:
        return 1.0
    away = abs(e.mean - null)
    if e.se == 0:
        return 0.0 if away > 0 else 1.0
    return 2 * float(stats.t.sf(away / e.se, e.n - 1))


def _interval(e: _Estimate, tail: float) -> Interval | None:
    if e.mean is None or e.se is None:
        return None
    half = float(stats.t.isf(tail, e.n - 1)) * e.se
    return Interval(e.mean - half, e.mean + half)


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
    if e.mean is None or e.se is None:
        return 1.0
    room = margin - abs(e.mean)
    if e.se == 0:
        return 0.0 if room > 0 else 1.0
    return float(stats.t.sf(room / e.se, e.n - 1))
