"""Paired differences by hand and against scipy and statsmodels."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from lrbench.stats.paired import (
    EXACT_UP_TO,
    detectable_effect,
    difference,
    holm,
    pairs_needed,
    sign_flip_p,
    success,
)


def test_a_difference_by_hand() -> None:
    """Differences 1, 1, 2: mean 4/3, sd 1/sqrt(3), t(2) = 4.3027; all of one sign: p = 2/8."""
    found = difference([1, 2, 3], [2, 3, 5])
    assert found.n == 3
    assert found.mean == pytest.approx(4 / 3)
    assert found.sd == pytest.approx(3**-0.5)
    assert found.interval == pytest.approx((4 / 3 - 4.30265 / 3, 4 / 3 + 4.30265 / 3), abs=1e-5)
    assert found.sign_flip_p == 0.25
    assert found.sign_flip_exact
    assert found.bca is None
    assert found.correlation == pytest.approx(np.corrcoef([1, 2, 3], [2, 3, 5])[0, 1])


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=12), rng.normal(size=12)
    found, theirs = difference(a, b), stats.ttest_rel(b, a)
    assert found.interval == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.t_p == pytest.approx(theirs.pvalue)


def test_few_pairs_and_equal_ones() -> None:
    none = difference([], [])
    assert (none.n, none.mean, none.interval, none.sign_flip_p, none.detectable) == (0, None, None, None, None)
    one = difference([1], [3])
    assert (one.n, one.mean, one.interval, one.sign_flip_p, one.sd) == (1, 2, None, 1.0, None)
    same = difference([1, 2, 3], [1, 2, 3])
    assert (same.mean, same.interval, same.sign_flip_p, same.detectable) == (0, (0, 0), 1.0, 0)
    assert difference([1, 2], [5, 9]).correlation is None  # two points always lie on a line
    assert difference([1, 1, 1], [1, 2, 3]).correlation is None
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        difference([1, 2], [1, 2, 3])


def test_differences_that_are_equal_but_for_rounding_have_no_spread() -> None:
    """Twenty pairs three images of 360 apart: their floats differ in the last bits."""
    images = np.arange(300, 320)
    found = difference(images / 360, (images + 3) / 360)
    assert np.ptp((images + 3) / 360 - images / 360) > 0
    assert (found.sd, found.detectable, found.bca, found.t_p) == (0, 0, None, None)
    assert found.interval == pytest.approx((3 / 360, 3 / 360))
    assert difference(images / 360, (images + np.arange(20) % 2) / 360).sd > 1e-3  # one image is a spread


def test_bca_comes_in_at_twenty_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20), rng.normal(size=20)
    assert difference(a[:19], b[:19]).bca is None
    assert difference(a, b).bca is not None


# Whole numbers of test images over their number, as accuracies are: many sums are equal, and rounding must not tear
# them apart. The oracle counts in whole numbers.
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_sign_flips_counted_exactly(images: list[int]) -> None:
    as_far = [
        abs(sum(s * d for s, d in zip(signs, images, strict=True))) >= abs(sum(images))
        for signs in itertools.product((-1, 1), repeat=len(images))
    ]
    assert sign_flip_p(np.array(images) / 360) == np.mean(as_far)


def test_sign_flips_against_scipy() -> None:
    for d in np.random.default_rng(0).normal(0.3, 1, (5, 11)):
        theirs = stats.permutation_test(
            (d,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
        )
        assert sign_flip_p(d) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_sign_flips_of_many_pairs() -> None:
    """Exact for 30 pairs of one sign (2 / 2^30) and for one dissenter; drawn at random beyond 40, and then close."""
    assert sign_flip_p(np.ones(30)) == 2 / 2**30
    assert sign_flip_p(np.append(np.ones(29), -1)) == pytest.approx(2 * (1 + 30) / 2**30)
    rng = np.random.default_rng(0)
    d = rng.normal(0.2, 1, EXACT_UP_TO + 20)
    assert not difference(np.zeros(d.size), d).sign_flip_exact
    assert sign_flip_p(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=0.1)
    assert sign_flip_p(np.ones(EXACT_UP_TO + 20)) == pytest.approx(1e-5)  # of 100,000, the one that was seen


def test_sign_flips_reject_at_their_rate() -> None:
    """Without an effect, p <= 0.05 in at most 5 % of 1,000 samples, and in most of them with one."""
    rng = np.random.default_rng(0)
    null = [sign_flip_p(x) for x in rng.standard_t(3, (1000, 10))]
    assert np.mean(np.array(null) <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean([sign_flip_p(x) <= 0.05 for x in rng.normal(1, 1, (200, 10))]) > 0.7


def test_holm_by_hand() -> None:
    """4 x 0.01, 3 x 0.02, 2 x 0.015 -> no less than the one before; the largest as it is, or that one."""
    assert holm([0.02, 0.01, 0.03, 0.9]) == pytest.approx([0.06, 0.04, 0.06, 0.9])
    assert holm([0.5, 0.4]) == [0.8, 0.8]
    assert holm([0.7, 0.9, 0.8]) == [1.0, 1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.slow
def test_holm_against_statsmodels() -> None:
    for p_values in np.random.default_rng(0).integers(0, 40, (30, 12)) / 200:  # with ties
        assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


@pytest.mark.parametrize(("tests", "pairs"), [(0, 10), (1, 10), (25, 10), (26, 11), (99, 12)])
def test_pairs_with_which_a_sign_flip_can_pass(tests: int, pairs: int) -> None:
    assert pairs_needed(tests) == pairs
    assert 2 / 2**pairs <= 0.05 / max(1, tests)


@pytest.mark.parametrize("n", [2, 3, 4, 10, 60, 500])
def test_detectable_effect_against_statsmodels(n: int) -> None:
    theirs = TTestPower().solve_power(None, nobs=n, alpha=0.05, power=0.8)
    assert detectable_effect(1.0, n) == pytest.approx(theirs, rel=1e-4)
    assert detectable_effect(2.0, n) == pytest.approx(2 * theirs, rel=1e-4)


def test_detectable_effect_is_detected_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    shift = detectable_effect(1.0, 6)
    assert shift is not None
    found = stats.ttest_1samp(rng.normal(shift, 1, (4000, 6)), 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.025)
    assert detectable_effect(1.0, 1) is None


outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(outcomes)
def test_mcnemar_against_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    found = success([a for a, _ in pairs], [b for _, b in pairs])
    table = [[found.both, found.only_first], [found.only_second, found.neither]]
    assert np.sum(table) == len(pairs)
    if found.only_first + found.only_second:
        assert found.mcnemar_p == pytest.approx(mcnemar(table, exact=True).pvalue)
    else:
        assert found.mcnemar_p == 1


def test_success_by_hand() -> None:
    """Ten seeds, the first arm loses six that the second wins, none the other way: 2 / 2^6."""
    found = success([False] * 6 + [True] * 4, [True] * 10)
    assert (found.both, found.only_first, found.only_second, found.neither) == (4, 0, 6, 0)
    assert found.difference == 0.6
    assert found.mcnemar_p == 2 / 2**6
    assert found.interval is not None
    assert 0 < found.interval.low < 0.6 < found.interval.high
    nothing = success([], [])
    assert (nothing.difference, nothing.interval, nothing.mcnemar_p) == (None, None, None)
