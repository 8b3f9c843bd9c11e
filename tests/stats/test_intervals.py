"""Intervals by hand, against statsmodels and published examples, and their coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from lrbench.stats.intervals import ConfidenceInterval, bca, newcombe_paired, t_interval, wilson


def test_t_interval_by_hand() -> None:
    """1, 2, 3: mean 2, sd 1, t(2) = 4.3027, so 2 +- 4.3027 / sqrt(3)."""
    assert t_interval([1, 2, 3]) == pytest.approx((2 - 2.48414, 2 + 2.48414), abs=1e-5)
    assert t_interval([1, 2, 3], 0.9) == pytest.approx((2 - 1.68585, 2 + 1.68585), abs=1e-5)  # t(2) = 2.91999
    assert t_interval([5, 5]) == (5, 5)


def test_no_interval_without_spread() -> None:
    assert t_interval([1.0]) is None
    assert t_interval([]) is None
    assert wilson(0, 0) is None
    assert newcombe_paired(0, 0, 0, 0) is None
    assert bca(np.arange(19)) is None
    assert bca(np.ones(20)) is None


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_wilson_against_statsmodels(trials: tuple[int, int], level: float) -> None:
    successes, n = trials
    assert wilson(successes, n, level) == pytest.approx(
        proportion_confint(successes, n, alpha=1 - level, method="wilson"), abs=1e-12
    )


def test_wilson_of_a_clean_record() -> None:
    """73 clean runs of 73: the rate is above 95 % (n / (n + z^2))."""
    found = wilson(73, 73)
    assert found == ConfidenceInterval(pytest.approx(73 / (73 + 1.959964**2)), 1.0)
    assert found.low > 0.95
    assert wilson(72, 72).low < 0.95  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe (1998), table II
        (
            (1, 1, 7, 12),
            -0.507,
            -0.026,
        ),  # Bentur et al. (2009), in Fagerland et al. (2017)
    ],
)
def test_newcombe_as_published(table: tuple[int, int, int, int], low: float, high: float) -> None:
    assert newcombe_paired(*table) == pytest.approx((low, high), abs=6e-4 if abs(low) > 0.1 else 6e-5)


@given(st.integers(1, 30), st.integers(0, 30))
def test_newcombe_without_correlation_is_the_unpaired_one(wins: int, losses: int) -> None:
    """With one arm always succeeding the outcomes have no correlation: Newcombe's interval of independent samples."""
    n = wins + losses
    ours = newcombe_paired(losses, wins, 0, 0)
    assert ours == pytest.approx(confint_proportions_2indep(n, n, losses, n, method="newcomb"), abs=1e-9)


@given(*[st.integers(0, 20)] * 4)
def test_newcombe_swaps_its_sign_with_the_arms(both: int, first: int, second: int, neither: int) -> None:
    one, other = newcombe_paired(both, first, second, neither), newcombe_paired(both, second, first, neither)
    if one is None or other is None:
        assert both + first + second + neither == 0
        return
    assert one == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert -1 - 1e-9 <= one.low <= (first - second) / (both + first + second + neither) <= one.high <= 1 + 1e-9


def test_bca_is_repeatable_and_follows_the_skew() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    found = bca(values)
    assert found is not None
    assert found == bca(values)
    assert found.high - values.mean() > values.mean() - found.low


# Coverage: how often the interval holds the true value, over simulated experiments with a fixed seed. 2,000 of them
# give a standard error of 0.5 points, so the bounds are 95 % +- 4 of those; the score intervals, being of counts,
# are allowed what their sources report.

ROUNDS = 2000


def covered(intervals: list[ConfidenceInterval | None], truth: float) -> float:
    return float(np.mean([i is not None and i.low <= truth <= i.high for i in intervals]))


@pytest.mark.parametrize("n", [2, 3, 10])
def test_coverage_of_the_mean(n: int) -> None:
    draws = np.random.default_rng(n).normal(0.3, 1, (ROUNDS, n))
    assert covered([t_interval(x) for x in draws], 0.3) == pytest.approx(0.95, abs=0.02)


def test_coverage_of_paired_differences_with_a_shared_seed_effect() -> None:
    """Two arms with correlation 0.8 over seeds and a true difference of 0.5."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(ROUNDS, 8)) * 2
    a, b = shared + rng.normal(size=(ROUNDS, 8)), shared + 0.5 + rng.normal(size=(ROUNDS, 8))
    assert covered([t_interval(x) for x in b - a], 0.5) == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
def test_coverage_of_bca_at_its_smallest_sample() -> None:
    draws = np.random.default_rng(2).normal(size=(300, 20))
    assert 0.89 < covered([bca(x) for x in draws], 0.0) < 0.98


@pytest.mark.parametrize(("n", "p"), [(10, 0.9), (10, 0.5), (30, 0.95), (73, 0.95)])
def test_coverage_of_wilson(n: int, p: float) -> None:
    """Exact, over all counts; the score interval's mean coverage is nominal and its dips are known."""
    exact = sum(stats.binom.pmf(k, n, p) for k in range(n + 1) if wilson(k, n).low <= p <= wilson(k, n).high)  # type: ignore[union-attr]
    assert 0.92 < exact < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("correlated", [0.0, 0.5])
def test_coverage_of_newcombe(correlated: float) -> None:
    """Rates 0.9 and 0.7 on the same 20 seeds, part of the luck shared."""
    rng = np.random.default_rng(3)
    luck = rng.random((ROUNDS, 20, 1))
    own = rng.random((ROUNDS, 20, 2))
    u = np.where(rng.random((ROUNDS, 20, 1)) < correlated, luck, own)
    a, b = u[..., 0] < 0.9, u[..., 1] < 0.7
    found = [
        newcombe_paired(int((x & y).sum()), int((x & ~y).sum()), int((~x & y).sum()), int((~x & ~y).sum()))
        for x, y in zip(a, b, strict=True)
    ]
    assert 0.93 < covered(found, 0.2) < 0.99
    assert all(i is None or math.isfinite(i.low + i.high) for i in found)
