"""What the choice of rates adds to the uncertainty of a difference between two tuned arms."""

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
ValuesByRate = Mapping[float, Values]  # of the tuning seeds, in their order; nan where one failed
Pick = Callable[[dict[float, Values]], Values]  # of each rate (tables, seeds) -> the rate that each table chooses


def choice_variance(first: ValuesByRate, second: ValuesByRate, pick: Pick, resamples: int = 1000) -> float:
    """The variance of m1(r1) - m2(r2) over what other tuning seeds would have made of the choices r1 and r2, where m is
    a rate's mean over all its seeds: a bootstrap over seeds, the same ones for both arms, that redoes both choices.

    pick: the whole choice, every round of it, of many tables at once. It gets each rate's values for all seeds (those
    of the first round first), shape (tables, seeds), as if every rate had gone on to the last round, and answers with
    one of the rates for each table.

    Seeds are resampled within the round that they were added in. A rate that ended early has no values of the later
    seeds: they are drawn from those it has, for a resample may let it go on. Deviations from the mean are stretched by
    sqrt(n / (n - 1)), since three seeds resampled vary by a third less than three seeds do (Efron 1982, The Jackknife,
    the Bootstrap and Other Resampling Plans, ch. 5). Without these two, false verdicts on equal arms reach 8 % on
    curves whose best rate stands above its neighbours by half the spread of seeds; with them they stay about 6 % there
    and below 5 % on flat and on steep ones, where the noise of the means makes the variance too large. That holds for
    10 pairs and 9 tuning seeds. It is what another tuning would change, and no measure of the error of this one: with
    30 pairs false verdicts reach 11 % (see `regret_limit`).
    A rate with a failure may have no values in a resample, which is for pick to deal with; where it has to pick a rate
    of which no seed has a value, nothing was tuned in that resample, and it is left out. ValueError where that is so in
    all of them.
    """
    sizes = {v.size for curve in (first, second) for v in curve.values() if np.isfinite(v).any()}
    ends = sorted({0, *sizes})  # where each round's seeds begin, and where the last one's end
    rng = np.random.default_rng(0)
    if len(ends) == 1:
        raise ValueError("every seed failed at every rate of both arms: there is no choice to speak of")
    shared = np.concatenate([rng.integers(a, b, (resamples, b - a)) for a, b in pairwise(ends)], axis=1)
    difference = _of_choices(first, pick, shared, ends, rng) - _of_choices(second, pick, shared, ends, rng)
    known = difference[np.isfinite(difference)]
    if not known.size:
        raise ValueError("a rate was picked at which every seed failed: there is no choice to speak of")
    return float((known - known[0]).var())  # exactly 0 where no choice changes


def regret_limit(
    curve: ValuesByRate, chosen: float, among: Iterable[float], alpha: float, *, higher_is_better: bool
) -> float:
    """By how much the best of these rates may be better than the chosen one: an upper limit that is too low with a
    chance of at most alpha, 0 at least.

    It is the largest upper limit of the rates' paired t intervals against the chosen one, over the seeds where both
    succeeded, each with a one-sided error of alpha over the number of rivals (of alpha / 2 for a single one). If the
    best rate's differences from all others hold within these errors, as they do together with 1 - alpha (Bonferroni),
    the limit holds whichever rate was chosen, and so for the one that looked best. A rate with fewer than two such
    seeds is left out; so is one that was no better on any seed, of so many that the sign test allows that no chance
    above its error (nine seeds: 0.2 %). One run that went wrong would make Student's limit of such a rate the largest
    of all. Source: Hsu (1984), Annals of Statistics 12, 1136-1144 (multiple comparisons with the best).
    """
    gaps = [_gaps(curve, rate, chosen) for rate in among if rate != chosen]
    gaps = [g if higher_is_better else -g for g in gaps if g.size > 1]
    tail = alpha / max(len(gaps), 2)
    return max([0.0, *(_upper(g, tail) for g in gaps)])


def reach_variance(reach: float, alpha: float) -> float:
    """The variance that, added to that of a mean of many pairs, lengthens its interval at 1 - alpha by this reach, as
    `family` combines the two."""
    return (reach / float(stats.norm.isf(alpha / 2))) ** 2


def _gaps(curve: ValuesByRate, rate: float, chosen: float) -> Values:
    """By seed, where both succeeded."""
    n = min(curve[rate].size, curve[chosen].size)
    gaps = curve[rate][:n] - curve[chosen][:n]
    return gaps[np.isfinite(gaps)]


def _upper(gaps: Values, tail: float) -> float:
    if gaps.max() <= 0 and 0.5**gaps.size <= tail:
        return 0.0
    return float(gaps.mean() + stats.t.isf(tail, gaps.size - 1) * gaps.std(ddof=1) / math.sqrt(gaps.size))


def _of_choices(
    curve: ValuesByRate, pick: Pick, shared: NDArray[np.intp], ends: list[int], rng: np.random.Generator
) -> Values:
    """The mean, over all its seeds, of the rate chosen in each resample, shape (resamples,); nan where none has one."""
    means = {rate: float(np.mean(v[np.isfinite(v)])) if np.isfinite(v).any() else math.nan for rate, v in curve.items()}
    drawn = {rate: _drawn(np.asarray(v, float), shared, ends, rng) for rate, v in curve.items()}
    return np.array([means[rate] for rate in pick(drawn).tolist()])


def _drawn(values: Values, shared: NDArray[np.intp], ends: list[int], rng: np.random.Generator) -> Values:
    """One rate's values in each resample, shape (resamples, seeds)."""
    if not np.isfinite(values).any():
        return np.full(shared.shape, math.nan)
    missing = shared.shape[1] - values.size
    own = np.concatenate([_stretched(values[a:b]) for a, b in pairwise(ends) if b <= values.size])
    return np.concatenate(
        [own[shared[:, : values.size]], rng.choice(_stretched(values), (len(shared), missing))], axis=1
    )


def _stretched(values: Values) -> Values:
    """Deviations from the mean, larger by sqrt(n / (n - 1)); one value, and a failure, stay what they are."""
    n = int(np.isfinite(values).sum())
    if n < 2:
        return values
    mean = np.nanmean(values)
    return np.asarray(mean + math.sqrt(n / (n - 1)) * (values - mean))
