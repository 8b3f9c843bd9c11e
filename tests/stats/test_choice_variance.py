"""The variance of a choice: exactly where all resamples can be listed, at its limits, and by simulation."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from lrbench.stats.selection import Pick, Values, choice_variance, regret_limit

ONE = {1.0: np.zeros(3)}  # an arm with nothing to choose


def one_by_one(pick: Callable[[dict[float, Values]], float]) -> Pick:
    """What choices are asked of: many tables at once."""

    def picks(tables: dict[float, Values]) -> Values:
        many = len(next(iter(tables.values())))
        return np.array([pick({rate: values[b] for rate, values in tables.items()}) for b in range(many)])

    return picks


@one_by_one
def best_mean(values: dict[float, Values]) -> float:
    """Failures last, then the highest mean, then the lower rate."""

    def order(rate: float) -> tuple[float, float, float]:
        v = values[rate]
        return np.isnan(v).mean(), -v[np.isfinite(v)].mean() if np.isfinite(v).any() else 0.0, rate

    return min(values, key=order)


def in_two_rounds(values: dict[float, Values]) -> float:
    first = sorted(values, key=lambda r: (-values[r][:3].mean(), r))[:3]
    return min(first, key=lambda r: (-values[r].mean(), r))


@pytest.mark.slow
def test_against_all_resamples_of_three_seeds() -> None:
    a, b = np.array([0.5, 1.0, 0.9]), np.array([0.9, 0.7, 0.65])
    stretch = 1.5**0.5
    chosen = []
    for seeds in itertools.product(range(3), repeat=3):
        means = [v.mean() + stretch * (v[list(seeds)].mean() - v.mean()) for v in (a, b)]
        chosen.append(a.mean() if means[0] >= means[1] else b.mean())
    exact = np.var(chosen)
    assert exact > 0
    found = choice_variance({0.1: a, 0.2: b}, ONE, best_mean, resamples=8000)
    assert found == pytest.approx(exact, rel=0.05)


def test_a_choice_that_nothing_could_change_has_no_variance() -> None:
    a, b = np.array([0.5, 0.6, 0.7]), np.array([1.5, 1.6, 1.7])
    assert choice_variance({0.1: a, 0.2: b}, {0.1: b, 0.2: a}, best_mean) == 0
    assert choice_variance(ONE, ONE, best_mean) == 0


def test_arms_that_choose_alike_take_nothing_from_each_other() -> None:
    """The same seeds are drawn for both: two arms with the same curve always choose the same rate."""
    curve = {0.1: np.array([0.5, 1.0, 0.9]), 0.2: np.array([0.9, 0.7, 0.65])}
    assert choice_variance(curve, ONE, best_mean) > 0
    assert choice_variance(curve, curve, best_mean) == 0


def test_rates_that_ended_early_may_go_on_in_a_resample() -> None:
    rng = np.random.default_rng(0)
    seen: list[int] = []

    def pick(values: dict[float, Values]) -> float:
        seen.extend(v.size for v in values.values())
        return in_two_rounds(values)

    curve = {0.1 * 2**i: 1 + rng.normal(0, 0.1, 9 if 1 <= i <= 3 else 3) for i in range(5)}
    assert choice_variance(curve, ONE, one_by_one(pick), resamples=50) >= 0
    assert set(seen) == {9}
    assert choice_variance(curve, ONE, one_by_one(pick), 50) == choice_variance(curve, ONE, one_by_one(pick), 50)


def test_failures() -> None:
    """A rate that diverged on two seeds was not tried on the third; one that failed on one of three is last."""
    nan = math.nan
    curve = {0.1: np.array([0.9, 0.8, 0.7]), 0.2: np.array([1.0, nan, 1.0]), 0.4: np.array([nan, nan])}
    assert choice_variance({0.1: curve[0.1], 0.4: curve[0.4]}, ONE, best_mean) == 0
    assert choice_variance(curve, ONE, best_mean) > 0  # in some resamples the second seed is not drawn
    with pytest.raises(ValueError, match="every seed failed"):
        choice_variance({0.4: curve[0.4]}, ONE, best_mean)
    with pytest.raises(ValueError, match="every seed failed"):
        choice_variance({0.4: curve[0.4]}, {0.4: curve[0.4]}, best_mean)


def test_the_limit_of_a_regret_is_that_of_a_paired_t_interval() -> None:
    """Student's sleep data: the second drug gives 1.58 hours more, 95 % between 0.70 and 2.46. Who chose the first may
    have lost up to 2.46; who chose the second, nothing: the upper limit of its rival's gain is -0.70."""
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    curve = {0.1: first, 0.2: second}
    assert regret_limit(curve, 0.1, curve, 0.05, higher_is_better=True) == pytest.approx(2.46, abs=0.005)
    assert regret_limit(curve, 0.2, curve, 0.05, higher_is_better=True) == 0
    assert regret_limit(curve, 0.1, curve, 0.05, higher_is_better=False) == 0
    assert regret_limit(curve, 0.2, curve, 0.05, higher_is_better=False) == pytest.approx(2.46, abs=0.005)
    assert regret_limit(curve, 0.1, [0.1], 0.05, higher_is_better=True) == 0


@pytest.mark.slow
def test_the_limit_of_a_regret_holds_for_the_rate_that_looked_best() -> None:
    """Four equal rates and one that is better by what 9 seeds often hide: 2,000 choices of the best mean."""
    rng = np.random.default_rng(0)
    truth = np.array([0.0, 0.0, 0.3, 0.0, 0.0])
    missed = 0
    for _ in range(2000):
        curve = {float(k): m + rng.normal(0, 1, 9) for k, m in enumerate(truth)}
        chosen = max(curve, key=lambda rate: curve[rate].mean())
        regret = truth.max() - truth[int(chosen)]
        missed += regret > regret_limit(curve, chosen, curve, 0.05, higher_is_better=True)
    assert missed / 2000 <= 0.05


def test_one_run_that_went_wrong_does_not_make_a_rate_that_was_always_worse_the_best() -> None:
    worse = np.array([-0.01, -0.02, -0.01, -0.013, -0.016, -0.011, -0.008, -0.022, -0.67])
    curve = {0.2: np.full(9, 0.97), 0.4: 0.97 + worse}
    assert regret_limit(curve, 0.2, curve, 0.05, higher_is_better=True) == 0
    short = {rate: v[-3:] for rate, v in curve.items()}  # three seeds do not say so
    assert regret_limit(short, 0.2, short, 0.05, higher_is_better=True) > 0.5


def test_the_limit_of_a_regret_takes_the_seeds_where_both_succeeded() -> None:
    nan = math.nan
    curve = {1.0: np.array([0.5, 0.6, nan, 0.4]), 2.0: np.array([0.4, 0.7, 0.5]), 3.0: np.array([9.0, nan, 9.0])}
    gap, n = np.array([-0.1, 0.1]), 2
    limit = gap.mean() + stats.t.ppf(0.975, n - 1) * gap.std(ddof=1) / n**0.5
    assert regret_limit(curve, 1.0, (2.0, 3.0), 0.05, higher_is_better=True) == pytest.approx(limit)  # 3: one seed


@pytest.mark.slow
@pytest.mark.parametrize(("curvature", "centre"), [(0.0, 0.0), (0.1, 0.0), (0.3, 0.0), (0.3, 0.5)])
def test_equal_arms_are_rarely_told_apart(curvature: float, centre: float) -> None:
    """Two arms of one curve over seven rates, seeds' sd 0.6, tuned in two rounds, then 12 fresh pairs: 300 times. At
    a curvature of 0.3 around a rate of the grid the choice matters most, and t alone would tell 11 % apart."""
    rng = np.random.default_rng(0)
    curve = -curvature * (np.arange(7) - 3 - centre) ** 2
    told = 0
    for _ in range(300):
        shared = rng.normal(0, 0.6 * 0.3**0.5, 9)
        arms = [curve[:, None] + shared + rng.normal(0, 0.6 * 0.7**0.5, (7, 9)) for _ in range(2)]
        curves = []
        for v in arms:
            on = np.argsort(-v[:, :3].mean(1))[:3]
            curves.append({2.0**i: v[i] if i in on else v[i, :3] for i in range(7)})
        first, second = (int(math.log2(in_two_rounds({r: v for r, v in c.items() if v.size == 9}))) for c in curves)
        d = curve[first] - curve[second] + rng.normal(0, 0.6 * 1.4**0.5, 12)
        se = math.sqrt(d.var(ddof=1) / 12 + choice_variance(*curves, one_by_one(in_two_rounds), resamples=100))
        told += abs(d.mean()) / se > stats.t.ppf(0.975, 11)
    assert told / 300 <= stats.binom.ppf(0.999, 300, 0.06) / 300


@pytest.mark.parametrize("shift", range(3))
def test_resamples_in_which_nothing_succeeded_are_left_out(shift: int) -> None:
    """0.4 has a single success of three: in 8 of 27 resamples it has none, and then 0.1, which never had one, is
    picked. What is left has one choice, and no variance."""
    curve = {0.1: np.full(3, math.nan), 0.4: np.roll([0.5, math.nan, math.nan], shift)}
    assert choice_variance(curve, ONE, best_mean) == 0
