"""The rules on curves whose answer can be worked out by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest

from lrbench.claims.code import finder
from lrbench.find_lr.curve import RangeTestCurve
from lrbench.find_lr.names import NAMES, RULES
from lrbench.find_lr.range_test import GUIDE, RangeTest
from lrbench.find_lr.rules import (
    GUIDES,
    OURS,
    answers,
    guide_steepest,
    minimum_tenth,
    printed,
    slide,
    steepest,
    times,
    valley,
)

DECADES = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0])
DENSE = np.geomspace(1e-6, 10, 100)


def logistic(rates: np.ndarray) -> np.ndarray:
    """Falls fastest over log(rate) at exactly 0.01."""
    return 1 / (1 + rates / 0.01)


def test_every_rule_has_a_name_and_every_name_a_rule() -> None:
    assert tuple(OURS) == NAMES["lrbench"] == tuple(RULES)
    assert tuple(GUIDES) == NAMES["guide"]
    assert {RangeTest().rule, GUIDE.rule} <= {*RULES}


def test_steepest_by_hand() -> None:
    losses = np.array([2.3, 2.3, 2.2, 1.2, 1.0, 4.0])
    # Central differences over a decade each: (2.2 - 2.3) / 2, (1.2 - 2.3) / 2 = -0.55, (1.0 - 2.2) / 2 = -0.6, ...
    assert steepest(DECADES, losses) == 0.1


def test_steepest_does_not_depend_on_how_dense_the_rates_are() -> None:
    for many in (50, 100, 400):
        rates = np.geomspace(1e-6, 10, many)
        factor = rates[1] / rates[0]
        assert 0.01 / factor <= steepest(rates, logistic(rates)) <= 0.01 * factor
    uneven = np.concatenate([np.geomspace(1e-6, 1e-3, 100), np.geomspace(1.1e-3, 10, 60)])
    assert steepest(uneven, logistic(uneven)) == pytest.approx(0.01, rel=0.16)


def test_a_fall_from_an_explosion_is_not_the_steepest() -> None:
    losses = np.array([2.0, 1.8, 1.5, 9.0, 4.0, 3.0])
    assert steepest(DECADES, losses) == 1e-3  # (1.5 - 2.0) / 2, where the fall from 9.0 is twelve times as steep
    assert guide_steepest(DECADES, losses) == 1.0


def test_a_tenth_of_the_minimum() -> None:
    assert minimum_tenth(DECADES, np.array([2.3, 2.3, 2.2, 1.2, 1.0, 4.0])) == 0.1


def test_the_valley_by_hand() -> None:
    # 5, 4, 3, 2, 1 is the longest fall, five points up to place 5; a third and half a third of it, rounded down, is 1.
    assert valley(np.arange(1.0, 9), np.array([5, 5, 4, 3, 2, 1, 2, 3])) == 2
    # Twelve points without a gap, the last at place 11: 4 and 2 behind place -1.
    assert valley(np.arange(12.0), np.arange(12.0)[::-1]) == 5
    # It need not be without gaps: 9, 7, 5, 3 is longer than 4, 3.
    assert valley(np.arange(8.0), np.array([9, 4, 7, 8, 5, 8, 3, 8])) == 3  # 6 - 4 + 1 + 0


def longest_fall(losses: np.ndarray) -> int:
    """By trying all of them."""
    best = 0
    for chosen in range(1, 2 ** len(losses)):
        picked = [x for i, x in enumerate(losses) if chosen >> i & 1]
        if all(a > b for a, b in pairwise(picked)):
            best = max(best, len(picked))
    return best


def test_the_valley_is_the_longest_there_is() -> None:
    draws = np.random.default_rng(0)
    for _ in range(20):
        losses = draws.integers(0, 9, 9).astype(float)
        length = longest_fall(losses)
        found = valley(np.arange(9.0), losses)
        ends = {max(0, last - length + length // 3 + length // 6) for last in range(9)}
        assert (found is None) == (length < 2)
        assert found is None or found in ends


def test_the_slide_by_hand() -> None:
    # Flat up to place 20, then a slope of 0.01 for each place after it. (At the corner, 20, it is 0.0025.)
    i = np.arange(40.0)
    losses = 1 + 0.005 * np.maximum(i - 20, 0) ** 2
    # The window from 5 ends at 20, whose slope differs by 0.0025 from 0; that from 6 ends at 21: by 0.01.
    assert slide(i, losses) == 6


def test_the_printed_one() -> None:
    assert printed(DENSE, np.abs(np.arange(100.0) - 60)) == DENSE[55]
    assert printed(DENSE, np.arange(100.0)) == DENSE[0]


def test_multiples() -> None:
    assert times(steepest, 0.1)(DENSE, logistic(DENSE)) == pytest.approx(steepest(DENSE, logistic(DENSE)) / 10)
    assert times(steepest, 5)(DENSE, np.ones(100)) is None


@pytest.mark.parametrize("rule", [steepest, minimum_tenth, valley, slide])
@pytest.mark.parametrize("losses", [np.ones(100), np.linspace(1, 2, 100)], ids=["flat", "rising"])
def test_a_curve_that_never_falls_has_no_answer(rule, losses) -> None:
    assert rule(DENSE, losses) is None


@pytest.mark.parametrize("rule", [*OURS.values(), *GUIDES.values()])
def test_no_point_or_one(rule) -> None:
    assert rule(np.empty(0), np.empty(0)) is None
    assert rule(np.ones(1), np.ones(1)) in (None, 1.0, 0.1)


def raw(test: RangeTest) -> list[float]:
    """Flat at 2.3, fastest around 0.01, lowest near 0.14, and up from there."""
    return [finder.valley(rate) for rate in test.rates]


def test_all_of_them_on_one_sweep() -> None:
    said = answers(RangeTest(stop=None), raw(RangeTest()))
    assert said["steepest"] == pytest.approx(0.006, rel=0.1)  # of a steepest loss at 0.01, as `curve_of` says
    assert 0.007 < said["minimum_tenth"] < 0.028  # of a lowest loss at 0.14
    assert said["steepest_tenth"] == pytest.approx(said["steepest"] / 10)
    assert said["steepest_x10"] == pytest.approx(said["steepest"] * 10)
    assert 1e-4 < said["valley"] < 0.14
    assert None not in said.values()


def test_noise_alone_has_no_answer() -> None:
    draws = np.random.default_rng(1)
    said = [answers(RangeTest(), (2.3 + 0.1 * draws.standard_normal(100)).tolist()) for _ in range(50)]
    assert sum(s["steepest"] is None for s in said) >= 40
    falling = [answers(RangeTest(stop=None), (np.array(raw(RangeTest())) + 0.1 * draws.standard_normal(100)).tolist())
               for _ in range(50)]  # fmt: skip
    assert sum(s["steepest"] is not None for s in falling) == 50


def test_the_guides_are_those_of_its_claims() -> None:
    losses = raw(GUIDE)
    averages = finder.curve(losses)
    said = answers(GUIDE, losses)
    assert said["steepest"] == pytest.approx(finder.RATES[finder.steepest(averages)], rel=1e-12)
    assert said["printed"] == pytest.approx(finder.RATES[int(np.argmin(averages)) - 5], rel=1e-12)


def test_the_guide_takes_what_is_no_number_for_the_lowest() -> None:
    losses = [*raw(GUIDE)[:85], math.nan]
    assert answers(GUIDE, losses)["printed"] == pytest.approx(GUIDE.rates[80])
    assert guide_steepest(DENSE, np.linspace(1, 2, 100)) is not None  # on a curve that never falls too


def test_a_curve_without_its_ends() -> None:
    kept = RangeTestCurve(np.arange(100.0), np.arange(100.0), False).settled(100)
    assert (kept.rates[0], kept.rates[-1]) == (10, 94)
    assert not len(RangeTestCurve(np.arange(4.0), np.arange(4.0), False).settled(100).rates)
