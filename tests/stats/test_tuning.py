"""What tuning costs: by hand, and against every subset."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.tuning import expected_best, sensitivity, stable_range


def test_the_expected_best_by_hand() -> None:
    """Of 1, 2, 3 the pairs have the best 2, 3, 3."""
    assert [expected_best([3, 1, 2], k) for k in (1, 2, 3)] == pytest.approx([2, 8 / 3, 3])
    assert [expected_best([3, 1, 2], k, higher_is_better=False) for k in (1, 2, 3)] == pytest.approx([2, 4 / 3, 1])


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=7), st.booleans())
def test_the_expected_best_is_the_mean_over_all_subsets(values: list[float], higher: bool) -> None:
    best = max if higher else min
    for k in range(1, len(values) + 1):
        subsets = [best(s) for s in itertools.combinations(values, k)]
        assert expected_best(values, k, higher_is_better=higher) == pytest.approx(np.mean(subsets), abs=1e-9)


def test_the_expected_best_of_a_draw_with_replacement_is_less() -> None:
    """The formula of Dodge et al. (2019): sum of v_i (i^k - (i-1)^k) / n^k."""
    values, n = [0.5, 0.6, 0.7, 0.9], 4
    for k in (2, 3, 4):
        theirs = sum(v * (i**k - (i - 1) ** k) / n**k for i, v in enumerate(values, 1))
        assert theirs < expected_best(values, k)


def test_no_expected_best() -> None:
    for k in (0, 4):
        with pytest.raises(ValueError, match="1 to 3"):
            expected_best([1, 2, 3], k)
    with pytest.raises(ValueError, match="finite"):
        expected_best([1, math.nan], 1)


def test_sensitivity_by_hand() -> None:
    """Losses 2, 1, 1.5, diverged, from 2.5 at the start: excess 1, 0, 0.5, 1.5; a loss above the start counts as it."""
    assert sensitivity([0.1, 0.2, 0.4, 0.8], [2, 1, 1.5, math.nan], 2.5) == pytest.approx(0.75)
    assert sensitivity([0.8, 0.2, 0.4, 0.1], [math.inf, 1, 1.5, 2], 2.5) == pytest.approx(0.75)
    assert sensitivity([0.1, 0.2, 0.4, 0.8], [2, 1, 1.5, 99], 2.5) == pytest.approx(0.75)
    assert sensitivity([0.1], [2], 2.5) == 0
    assert sensitivity([0.1, 0.2], [math.nan, math.nan], 2.5) == 0


def test_sensitivity_is_over_the_logarithm() -> None:
    assert sensitivity([0.0333333, 0.0666666, 0.133333], [1, 1, 1], 2.5) == 0  # six digits
    with pytest.raises(ValueError, match="evenly"):
        sensitivity([0.1, 0.2, 0.3], [1, 1, 1], 2.5)
    with pytest.raises(ValueError, match="one length"):
        sensitivity([0.1, 0.2], [1], 2.5)


def test_the_stable_range() -> None:
    rates, means = [0.1, 0.2, 0.4, 0.8, 1.6], [0.85, 0.90, 0.91, 0.88, 0.905]
    none = [0] * 5
    assert stable_range(rates, means, none, 0.011) == (0.2, 0.4)  # 1.6 is as good, and beyond a gap
    assert stable_range(rates, means, none, 0.05) == (0.2, 1.6)
    assert stable_range(rates, means, none, 0.0) == (0.4, 0.4)
    assert stable_range(rates, means, [0, 0, 0, 1, 0], 0.05) == (0.2, 0.4)
    assert stable_range(rates[::-1], means[::-1], none, 0.011) == (0.2, 0.4)
    losses = [-m for m in means]
    assert stable_range(rates, losses, none, 0.011, higher_is_better=False) == (0.2, 0.4)


def test_failures_in_the_stable_range() -> None:
    assert stable_range([1, 2], [0.9, math.nan], [0, 3], 0.5) == (1, 1)
    assert stable_range([1, 2], [0.8, 0.9], [0, 1], 0.5) == (1, 1)  # the best is of those that never fail
    assert stable_range([1, 2], [math.nan, math.nan], [3, 3], 0.5) is None
