"""Sample sizes as published, and the probabilities of verdicts against what is known of them exactly."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from lrbench.stats.paired import detectable_effect
from lrbench.stats.power import (
    Agreement,
    pairs_for,
    power,
    rerun_agreement,
    success_probabilities,
    upper_sd,
    verdict_probabilities,
)
from lrbench.stats.verdict import VERDICTS, ClaimedEffect


def test_the_example_of_gpower() -> None:
    """Faul et al. (2007), matched pairs, after Cohen (1969, p. 48): dz = 0.421637, 50 pairs."""
    assert power(0.421637, 1.0, 50) == pytest.approx(0.832114, abs=1e-6)


@pytest.mark.parametrize(("d", "aim", "n"), [(0.2, 0.8, 199), (0.5, 0.8, 34), (0.8, 0.8, 15), (0.5, 0.95, 54)])
def test_pairs_as_gpower_gives_them(d: float, aim: float, n: int) -> None:
    assert pairs_for(d, 1.0, power=aim) == n
    assert pairs_for(3 * d, 3.0, power=aim) == n  # whatever the unit


@pytest.mark.parametrize("d", [0.05, 0.3, 1.0, 2.5, 10.0, 100.0])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.9902])
def test_pairs_are_the_fewest(d: float, level: float) -> None:
    n = pairs_for(d, 1.0, level)
    assert power(d, 1.0, n, level) >= 0.8
    assert n == 2 or power(d, 1.0, n - 1, level) < 0.8
    if d < 5:
        assert power(d, 1.0, n, level) == pytest.approx(TTestPower().power(d, n, 1 - level), abs=1e-6)


@pytest.mark.parametrize("n", [2, 10, 200])
def test_power_is_that_of_the_detectable_effect(n: int) -> None:
    effect = detectable_effect(1.3, n)
    assert effect is not None
    assert power(effect, 1.3, n) == pytest.approx(0.8, abs=1e-6)


def test_power_where_there_is_little_to_know() -> None:
    assert power(1.0, 1.0, 1) == 0.0
    assert power(0.0, 1.0, 12) == pytest.approx(0.05)
    assert (power(0.1, 0.0, 5), power(0.0, 0.0, 5)) == (1.0, 0.0)
    assert pairs_for(0.1, 0.0) == 2
    # Of such effects scipy's own lower tail is not a number.
    assert all(power(d, 1.0, n) > 0.8 for d in (30.0, 100.0, 300.0) for n in (2, 3, 5, 50))


def test_effects_that_cannot_be_found() -> None:
    with pytest.raises(ValueError, match="more than 500 pairs"):
        pairs_for(0.1, 1.0, most=500)
    with pytest.raises(ValueError, match="above 0"):
        pairs_for(0.0, 1.0)
    with pytest.raises(ValueError, match="more than"):  # the choice of rates alone moves it by as much
        pairs_for(0.5, 1.0, added=0.25)
    assert pairs_for(0.5, 1.0, added=0.01) > 34


@pytest.mark.parametrize(("df", "chi2"), [(9, 5.380), (19, 13.716), (29, 22.475)])
def test_the_upper_limit_of_a_spread(df: int, chi2: float) -> None:
    """By the printed table's 20 % points of chi-square."""
    assert upper_sd(2.0, df) == pytest.approx(2 * (df / chi2) ** 0.5, abs=1e-4)
    with pytest.raises(ValueError, match="degree of freedom"):
        upper_sd(2.0, 0)


@pytest.mark.slow
def test_a_sample_size_from_it_reaches_its_power_as_often_as_promised() -> None:
    sds = np.sqrt(np.random.default_rng(0).chisquare(9, 300) / 9)
    reached = [power(0.8, 1.0, pairs_for(0.8, upper_sd(sd, 9))) >= 0.8 for sd in sds]
    assert stats.binom.ppf(0.001, 300, 0.8) <= sum(reached) <= stats.binom.ppf(0.999, 300, 0.82)


def test_the_probabilities_of_verdicts_are_those_of_the_t_test() -> None:
    claimed = verdict_probabilities("difference", ClaimedEffect(), 0.5, 1.0, 34)
    assert sum(claimed.values()) == pytest.approx(1)
    assert list(claimed) == list(VERDICTS)
    assert claimed["supported"] == pytest.approx(power(0.5, 1.0, 34), abs=0.01)
    null = verdict_probabilities("difference", ClaimedEffect(), 0.0, 1.0, 12)
    assert null["supported"] == pytest.approx(0.025, abs=0.005)
    assert null["contradicted"] == pytest.approx(0.025, abs=0.005)
    assert verdict_probabilities("difference", ClaimedEffect(), 0.5, 1.0, 1)["inconclusive"] == 1
    assert verdict_probabilities("difference", ClaimedEffect(), 0.5, 0.0, 10)["supported"] == 1


def test_holm_and_the_choice_of_rates_cost_power() -> None:
    def supported(**more: float) -> float:
        return verdict_probabilities("difference", ClaimedEffect(), 0.5, 1.0, 34, **more)["supported"]  # type: ignore[arg-type]

    assert supported(tests=3) == pytest.approx(power(0.5, 1.0, 34, 1 - 0.05 / 3), abs=0.01)
    assert supported(alpha=0.0294) == pytest.approx(power(0.5, 1.0, 34, 1 - 0.0294), abs=0.01)
    reach = 0.2  # the interval's lower half is then sqrt(half^2 + 0.2^2)
    t, mean = stats.t.isf(0.025, 33), np.random.default_rng(1).normal(size=20_000)
    half = t * np.sqrt(stats.chi2.rvs(33, size=20_000, random_state=2) / 33 / 34)
    expected = np.mean(0.5 + mean / 34**0.5 > np.hypot(half, reach))
    assert supported(reach=(reach, 0.0)) == pytest.approx(expected, abs=0.015)
    assert supported(reach=(0.0, 9.0)) == supported()  # what lies above does not count


@pytest.mark.slow
def test_verdicts_on_rates_of_success_are_mcnemars_where_one_arm_never_fails() -> None:
    """The other succeeds with 0.5: of 10 pairs 6 have to differ for p = 2 / 2^6 <= 0.05, a binomial's upper tail; with
    4 contrasts 8, for 2 / 2^8 <= 0.0125 < 2 / 2^7."""
    for tests, least in ((1, 6), (4, 8)):
        found = success_probabilities(ClaimedEffect(), 0.5, 1.0, 10, tests=tests)
        assert found["supported"] == pytest.approx(stats.binom.sf(least - 1, 10, 0.5), abs=0.03)
        assert sum(found.values()) == pytest.approx(1)
    same = success_probabilities(ClaimedEffect(), 0.7, 0.7, 50)
    assert same["supported"] + same["contradicted"] <= 0.05
    other = success_probabilities(ClaimedEffect(), 1.0, 0.5, 10)
    assert other["contradicted"] == pytest.approx(stats.binom.sf(5, 10, 0.5), abs=0.03)
    sized = success_probabilities(ClaimedEffect(low=0.2, margin=0.1), 0.95, 0.95, 300)
    assert sized["practically null"] > 0.99


def test_a_null_within_a_fifth_of_a_spread_takes_many_pairs() -> None:
    """TOST at a true 0 with margin sd/3: 78 pairs for 80 %, by z: (1.645 + 1.282)^2 * 9 = 77."""
    found = verdict_probabilities("equal", ClaimedEffect(margin=1 / 3), 0.0, 1.0, 79)
    assert found["supported"] == pytest.approx(0.8, abs=0.02)


def test_what_is_barely_significant_comes_out_again_in_half_of_the_reruns() -> None:
    """Goodman (1992), Statistics in Medicine 11: of p = 0.05 half of the replications are significant; of p = 0.01,
    by what the first study says of the effect, Phi((2.576 - 1.960) / sqrt 2) = 0.67."""
    for p, chance in ((0.05, 0.5), (0.01, 0.668)):
        mean = (stats.t.isf(p / 2, 199) + 1e-9) / 200**0.5
        again = rerun_agreement("difference", ClaimedEffect(), mean, 1.0, 200)
        assert again.same_values == pytest.approx(chance, abs=0.015)
        assert again.tuned_again == again.same_values  # no choice, no difference


def test_a_rerun_that_tunes_again_agrees_less() -> None:
    again = rerun_agreement("difference", ClaimedEffect(), 1.5, 1.0, 10, selection_variance=0.2)
    assert again.tuned_again < again.same_values - 0.05
    plain = rerun_agreement("difference", ClaimedEffect(), 1.5, 1.0, 10)
    assert again.same_values < plain.same_values  # a wider interval


def test_agreement_with_a_verdict_that_is_given() -> None:
    none = rerun_agreement("difference", ClaimedEffect(), 0.0, 1.0, 12)
    assert rerun_agreement("difference", ClaimedEffect(), 0.0, 1.0, 12, reached="inconclusive") == none
    other = rerun_agreement("difference", ClaimedEffect(), 0.0, 1.0, 12, reached="supported")
    assert 0.05 < other.same_values < 0.15
    assert rerun_agreement("difference", ClaimedEffect(), 0.0, 1.0, 1) == Agreement(1.0, 1.0)
