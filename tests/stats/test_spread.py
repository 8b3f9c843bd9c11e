"""How far apart results lie from seed to seed: by hand, against the definition, and where the truth is known."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.intervals import t_interval
from lrbench.stats.spread import mean_difference, spread_gains

VALUES = st.lists(st.integers(0, 50), min_size=4, max_size=12, unique=True)


def test_the_mean_difference_by_hand():
    assert mean_difference([0, 1, 3]) == pytest.approx((1 + 3 + 2) / 3)
    with pytest.raises(ValueError, match="of 1 values"):
        mean_difference([0.5])


@given(VALUES)
def test_pseudo_values_are_those_of_leaving_one_out(values):
    rng = np.random.default_rng(values)
    arm, base = np.array(values, float), rng.normal(size=len(values))

    def ratio(keep):
        first, second = ([abs(x[i] - x[j]) for i, j in combinations(keep, 2)] for x in (arm, base))
        return math.log2(np.mean(first) / np.mean(second))

    n = len(values)
    left_out = [ratio([j for j in range(n) if j != i]) for i in range(n)]
    expected = [n * ratio(range(n)) - (n - 1) * r for r in left_out]
    assert spread_gains(arm, base) == pytest.approx(expected, abs=1e-9)


@given(VALUES)
def test_four_times_as_far_apart_is_two_doublings_wherever_they_lie(values):
    base = np.array(values, float)
    assert spread_gains(4 * base + 7, base) == pytest.approx(np.full(len(values), 2.0))
    assert spread_gains(base, 4 * base + 7) == pytest.approx(np.full(len(values), -2.0))


@pytest.mark.parametrize("few", [[0.5, 0.6], [0.5] * 10, [0.5] * 9 + [0.6]])
def test_of_results_that_do_not_differ_there_is_no_ratio(few):
    assert spread_gains(few, np.arange(len(few))).size == 0
    assert spread_gains(np.arange(len(few)), few).size == 0


def test_what_is_no_pairs_is_refused():
    with pytest.raises(ValueError, match="3 results of the arm and 4 of the baseline"):
        spread_gains([1, 2, 3], [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("draw", "most"),
    [
        (lambda rng, shape: rng.normal(size=shape), 0.035),
        (lambda rng, shape: -rng.gamma(2, size=shape), 0.04),  # a long tail below, as accuracies have
        (lambda rng, shape: rng.normal(size=shape) - 6 * (rng.random(shape) < 0.05), 0.04),  # one in twenty far out
    ],
    ids=["normal", "skewed", "outliers"],
)
def test_intervals_hold_the_truth(draw, most):
    """At 97.06 % and 20 pairs, of which each two share half of their variance: how often one lies on a wrong side."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        shared, first, second = (draw(rng, 20) for _ in range(3))
        found = t_interval(spread_gains(2 * (shared + first), shared + second), 0.9706)
        wrong += not found.low <= 1 <= found.high
    assert wrong / 2000 <= most
