"""How many pairs a question takes, which verdicts a design can reach, and how often a rerun would agree."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lrbench.stats.intervals import LEVEL, newcombe_paired
from lrbench.stats.paired import POWER
from lrbench.stats.verdict import VERDICTS, ClaimedEffect, Kind, Verdict, verdict, verdicts

ALPHA = 0.05
NO_WRONG_SIDE = 5.0  # standard errors


@dataclass(frozen=True)
class Agreement:
    """The chance that a rerun of as many fresh pairs reaches the same verdict."""

    same_values: float  # at the values that were chosen
    tuned_again: float  # at values that are chosen anew, on fresh tuning seeds


def power(effect: float, sd: float, n: int, level: float = LEVEL, added: float = 0.0) -> float:
    """The chance that the two-sided paired t test at 1 - level rejects 0, whichever way, by the noncentral t.

    effect, sd: of the differences, in one unit. added: a variance added to sd^2 / n, as in `family`; the shift is then
    that over the whole standard error. 0 for fewer than two pairs. Source: Cohen (1988), Statistical Power Analysis,
    ch. 2.
    """
    if n < 2:
        return 0.0
    se = math.sqrt(sd**2 / n + added)
    if se == 0:
        return float(effect != 0)
    critical, shift = stats.t.ppf((1 + level) / 2, n - 1), abs(effect) / se
    # Beyond, the wrong side has less than 1e-6, and scipy may answer nan.
    wrong_side = stats.nct.cdf(-critical, n - 1, shift) if shift < NO_WRONG_SIDE else 0.0
    return float(stats.nct.sf(critical, n - 1, shift) + wrong_side)


def pairs_for(
    effect: float, sd: float, level: float = LEVEL, power: float = POWER, most: int = 100_000, added: float = 0.0
) -> int:
    """The fewest pairs with which an effect of this size is found with this power; 2 at least.

    effect, sd, level, added: as in `power`. ValueError for an effect of 0, and where even `most` pairs do not reach it,
    which an added variance can bring about by itself.
    """
    if not effect > 0:
        raise ValueError(f"an effect to be found is above 0, not {effect}")

    def enough(n: int) -> bool:
        return _power(effect, sd, n, level, added) >= power

    low, high = 1, 2
    while not enough(high):
        if high >= most:
            raise ValueError(f"more than {most} pairs: the effect {effect} is too small beside its spread {sd}")
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


_power = power  # `pairs_for` calls its aim by the same word


def upper_sd(sd: float, df: float, confidence: float = 0.8) -> float:
    """The limit below which the true standard deviation lies with this confidence, by chi-square.

    A sample size that rests on it reaches its power with that confidence; one that rests on sd does so in half of the
    cases. Source: Browne (1995), Statistics in Medicine 14, 1933-1940.
    """
    if not df > 0:
        raise ValueError(f"a standard deviation has one degree of freedom or more, not {df}")
    return sd * math.sqrt(df / float(stats.chi2.ppf(1 - confidence, df)))


def verdict_probabilities(
    kind: Kind,
    claim: ClaimedEffect,
    effect: float,
    sd: float,
    n: int,
    alpha: float = ALPHA,
    tests: int = 1,
    reach: tuple[float, float] = (0.0, 0.0),
    draws: int = 20_000,
) -> dict[Verdict, float]:
    """How often a study of n pairs ends in each verdict where the true effect is this one.

    Of one contrast at the strictest of Holm's steps for so many tests, so that those of a family are no less likely.
    sd: of the differences. reach: how far the choice of rates lengthens the interval below and above, at
    1 - alpha / tests, as in `family`; the pairs are taken to be at rates whose effect is the true one. By simulation of
    mean and sd of normal differences, the same draws each time; the standard error of a probability is at most
    0.5 / sqrt(draws). The sign-flip test is taken to agree.
    """
    rng = np.random.default_rng(0)
    step = alpha / tests
    means = rng.normal(effect, sd / math.sqrt(max(n, 1)), draws)
    found = _simulated(kind, claim, means, _sds(rng, np.full(draws, sd), n), n, step, _added(reach, step, n))
    return _shares(found, np.ones(draws))


def success_probabilities(
    claim: ClaimedEffect, first: float, second: float, n: int, alpha: float = ALPHA, tests: int = 1, draws: int = 4000
) -> dict[Verdict, float]:
    """How often n pairs end in each verdict on the difference of two rates of success, second minus first, where these
    are the true ones and the two runs of a pair succeed independently.

    The verdict is Newcombe's interval's at 1 - alpha / tests, a direction only where McNemar's exact test agrees. By
    simulation of the pairs' table, the same draws each time; the standard error is at most 0.5 / sqrt(draws).
    """
    chances = [first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)]
    drawn = np.random.default_rng(0).multinomial(n, chances, draws)
    tables, times = np.unique(drawn, axis=0, return_counts=True)
    found = np.array([_of_table(claim, table, alpha / tests) for table in tables.tolist()])
    return _shares(found, times)


def _of_table(claim: ClaimedEffect, table: list[int], alpha: float) -> int:
    """The verdict, as an index, on pairs of which so many had both succeed, the first alone, the second, neither."""
    both, first, second, neither = table
    wide, narrow = (newcombe_paired(both, second, first, neither, level) for level in (1 - alpha, 1 - 2 * alpha))
    found = verdict("difference", wide, narrow, claim)
    p = float(stats.binomtest(second, first + second).pvalue) if first + second else 1.0
    free = found in ("practically null", "inconclusive")
    return VERDICTS.index(found if free or p <= alpha else "inconclusive")


def _shares(found: NDArray[np.intp], times: NDArray[Any]) -> dict[Verdict, float]:
    counts = np.bincount(found, times, len(VERDICTS))
    return {name: float(counts[i] / times.sum()) for i, name in enumerate(VERDICTS)}


def _added(reach: tuple[float, float], alpha: float, n: int) -> tuple[float, float]:
    """What a reach at 1 - alpha adds to the variance of a mean of n, below and above."""
    t = float(stats.t.isf(alpha / 2, n - 1)) if n > 1 else math.inf
    return (reach[0] / t) ** 2, (reach[1] / t) ** 2


def rerun_agreement(
    kind: Kind,
    claim: ClaimedEffect,
    mean: float,
    sd: float,
    n: int,
    selection_variance: float = 0.0,
    alpha: float = ALPHA,
    tests: int = 1,
    reached: Verdict | None = None,
    draws: int = 20_000,
    reach: tuple[float, float] | None = None,
) -> Agreement:
    """The chance that n fresh pairs give the verdict that these gave: `reached`, or what mean and sd say by themselves.

    Nobody knows the true effect, so it is drawn from what the study says of it (sd from its chi-square, the effect
    around the mean), and then a study is drawn. At the same rates only the pairs are fresh. One that tunes again also
    draws its choice of rates, and knows less of the effect of tuning, since the study saw one choice of it. Both have
    `reach` in their intervals, as in `family`: below and above, at 1 - alpha / tests (by default selection_variance,
    as a variance). An effect that was barely significant comes out so again in about half of the reruns (Goodman 1992,
    Statistics in Medicine 11, 875-879). For fewer than two pairs every rerun agrees.
    """
    if n < 2:
        return Agreement(1.0, 1.0)
    v, step = selection_variance, alpha / tests
    added = (v, v) if reach is None else _added(reach, step, n)
    if reached is None:
        reached = VERDICTS[int(_simulated(kind, claim, np.array([mean]), np.array([sd]), n, step, added)[0])]
    rng = np.random.default_rng(0)
    true_sds = sd * np.sqrt((n - 1) / rng.chisquare(n - 1, draws))
    sds, z = _sds(rng, true_sds, n), rng.standard_normal(draws)

    def agreement(chosen_anew: float) -> float:
        # The unknown effect and the fresh mean each add one such variance.
        means = mean + z * np.sqrt(2 * (true_sds**2 / n + chosen_anew))
        return float(np.mean(_simulated(kind, claim, means, sds, n, step, added) == VERDICTS.index(reached)))

    return Agreement(agreement(0.0), agreement(v))


def _sds(rng: np.random.Generator, sds: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """What samples of n normal values find for their standard deviations."""
    return sds * np.sqrt(rng.chisquare(n - 1, sds.size) / (n - 1)) if n > 1 else np.full(sds.size, np.nan)


def _simulated(
    kind: Kind,
    claim: ClaimedEffect,
    means: NDArray[np.float64],
    sds: NDArray[np.float64],
    n: int,
    alpha: float,
    added: tuple[float, float],
) -> NDArray[np.intp]:
    """The verdicts, as indices of VERDICTS, on studies of n pairs that found these means and sds, shape (draws,)."""
    if n < 2:
        none = np.full(means.size, np.nan)
        return verdicts(kind, none, none, none, none, claim)
    below, above = (np.sqrt(sds**2 / n + v) for v in added)
    wide, narrow = (float(stats.t.isf(tail, n - 1)) for tail in (alpha / 2, alpha))
    ends = (means - wide * below, means + wide * above, means - narrow * below, means + narrow * above)
    return verdicts(kind, *ends, claim)
