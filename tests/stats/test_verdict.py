"""The rule on intervals that stand for every case, and what holds of it whatever the interval."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.verdict import VERDICTS, ClaimedEffect, verdict, verdicts

SIZED = ClaimedEffect(low=1.0, high=2.0, margin=0.3)
KINDS: list[Any] = ["difference", "no worse", "equal"]


@pytest.mark.parametrize(
    ("interval", "equivalence", "expected"),
    [
        ((-0.3, 0.28), (-0.2, 0.25), "practically null"),
        ((0.05, 0.29), (0.1, 0.28), "practically null"),  # significant and too small to matter
        ((-0.29, -0.05), (-0.28, -0.1), "practically null"),  # before contradicted
        ((-0.5, -0.1), (-0.4, -0.15), "contradicted"),
        ((1.0, 2.0), (1.1, 1.9), "supported"),  # the ends belong to the range
        ((2.1, 2.5), (2.2, 2.4), "larger than claimed"),
        ((0.2, 0.9), (0.3, 0.8), "smaller than claimed"),
        ((0.2, 1.5), (0.3, 1.4), "direction supported, size unresolved"),
        ((1.5, 2.5), (1.6, 2.4), "direction supported, size unresolved"),
        ((0.5, 2.5), (0.6, 2.4), "direction supported, size unresolved"),
        ((0.0, 1.5), (0.1, 1.4), "inconclusive"),
        ((-1.0, 3.0), (-0.9, 2.9), "inconclusive"),
    ],
)
def test_a_claimed_size(interval: tuple[float, float], equivalence: tuple[float, float], expected: str) -> None:
    assert verdict("difference", ConfidenceInterval(*interval), ConfidenceInterval(*equivalence), SIZED) == expected


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.01, 9.0), "supported"), ((0.0, 9.0), "inconclusive"), ((-1.0, 1.0), "inconclusive"),
        ((-1.0, -0.1), "contradicted"), ((-0.1, 0.1), "inconclusive"),
    ],
)  # fmt: skip
def test_a_claimed_direction(interval: tuple[float, float], expected: str) -> None:
    """No size: nothing is too small to matter, even where a margin stands."""
    for claim in (ClaimedEffect(), ClaimedEffect(margin=0.3)):
        assert verdict("difference", ConfidenceInterval(*interval), ConfidenceInterval(*interval), claim) == expected


def test_a_range_that_is_open_upwards_or_down_to_nothing() -> None:
    assert verdict("difference", ConfidenceInterval(1.0, 50.0), None, ClaimedEffect(low=1.0)) == "supported"
    assert verdict("difference", ConfidenceInterval(0.1, 0.9), None, ClaimedEffect(high=1.0)) == "supported"
    assert (
        verdict("difference", ConfidenceInterval(0.1, 1.1), None, ClaimedEffect(high=1.0))
        == "direction supported, size unresolved"
    )
    assert verdict("difference", ConfidenceInterval(1.1, 1.2), None, ClaimedEffect(high=1.0)) == "larger than claimed"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.905, 0.945, "supported"), (0.96, 0.99, "larger than claimed"), (0.7, 0.89, "smaller than claimed"),
        (0.89, 0.94, "inconclusive"), (0.91, 1.2, "inconclusive"), (0.8, 1.2, "inconclusive"),
        (1.1, 1.3, "larger than claimed"),
    ],
)  # fmt: skip
def test_a_fraction_lies_within_its_range_or_on_one_side(low: float, high: float, expected: str) -> None:
    """Of a fraction 1 is no null: 0.7 to 0.89 contradicts nothing."""
    interval = ConfidenceInterval(math.log(low), math.log(high))
    assert verdict("fraction", interval, None, ClaimedEffect(low=0.9, high=0.95)) == expected


def test_a_fraction_of_one_end() -> None:
    interval = ConfidenceInterval(math.log(0.2), math.log(0.24))
    assert verdict("fraction", interval, None, ClaimedEffect(high=0.25)) == "supported"
    assert verdict("fraction", interval, None, ClaimedEffect(high=0.19)) == "larger than claimed"
    assert verdict("fraction", interval, None, ClaimedEffect(low=0.25)) == "smaller than claimed"
    assert verdict("fraction", None, None, ClaimedEffect(low=0.25)) == "inconclusive"


def test_no_worse_and_equal() -> None:
    claim, inner = ClaimedEffect(margin=0.5), ConfidenceInterval(-0.4, 0.4)
    assert verdict("no worse", ConfidenceInterval(-0.4, 0.1), None, claim) == "supported"
    assert verdict("no worse", ConfidenceInterval(-0.5, 3.0), None, claim) == "inconclusive"
    assert verdict("no worse", ConfidenceInterval(-2.0, -0.6), None, claim) == "contradicted"
    assert verdict("equal", ConfidenceInterval(-0.6, 0.6), inner, claim) == "supported"
    assert verdict("equal", ConfidenceInterval(-0.6, 0.6), ConfidenceInterval(-0.5, 0.4), claim) == "inconclusive"
    for interval in (ConfidenceInterval(0.6, 2.0), ConfidenceInterval(-2.0, -0.6)):
        assert verdict("equal", interval, interval, claim) == "contradicted"
    for kind in KINDS[1:]:
        with pytest.raises(ValueError, match="margin"):
            verdict(kind, inner, inner, ClaimedEffect())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_from_no_interval(kind: Any) -> None:
    assert verdict(kind, None, None, SIZED) == "inconclusive"


def test_an_interval_that_must_not_be_read_leaves_the_other_one() -> None:
    assert verdict("difference", None, ConfidenceInterval(-0.1, 0.2), SIZED) == "practically null"
    assert verdict("equal", ConfidenceInterval(0.6, 1.0), None, ClaimedEffect(margin=0.5)) == "contradicted"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"low": -1.0}, "0 or more"), ({"low": math.nan}, "0 or more"),
        ({"low": 2.0, "high": 1.0}, "ends where it begins"), ({"high": 0.0}, "equality"),
        ({"margin": 0.0}, "above 0"), ({"margin": -1.0}, "above 0"),
        ({"low": 1.0, "margin": 1.0}, "as large as the claim"),
    ],
)  # fmt: skip
def test_claims_that_no_interval_settles(arguments: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ClaimedEffect(**arguments)


ENDS = st.floats(-3, 3).flatmap(lambda low: st.floats(low, 4).map(lambda high: (low, high)))


@given(st.sampled_from(KINDS), st.lists(ENDS, min_size=1, max_size=5))
def test_many_at_once_are_as_one_by_one(kind: Any, ends: list[tuple[float, float]]) -> None:
    low, high = np.array(ends).T
    middle, quarter = (low + high) / 2, (high - low) / 4
    many = verdicts(kind, low, high, middle - quarter, middle + quarter, SIZED)
    assert [VERDICTS[i] for i in many] == [
        verdict(kind, ConfidenceInterval(*wide), ConfidenceInterval(*narrow), SIZED)
        for wide, narrow in zip(ends, zip(middle - quarter, middle + quarter, strict=True), strict=True)
    ]


@given(ENDS, ENDS)
def test_who_knows_more_never_turns_a_direction_round(outer: tuple[float, float], inner: tuple[float, float]) -> None:
    """An interval within another one is never contradicted where the other one had a direction supported."""
    low, high = max(outer[0], inner[0]), min(outer[1], inner[1])
    if low > high:
        return
    for_it = {"supported", "larger than claimed", "smaller than claimed", "direction supported, size unresolved"}
    before, after = (
        verdict("difference", i, i, ClaimedEffect(1.0, 2.0))
        for i in (ConfidenceInterval(*outer), ConfidenceInterval(low, high))
    )
    if before in for_it:
        assert after in for_it
    if before == "contradicted":
        assert after == "contradicted"
