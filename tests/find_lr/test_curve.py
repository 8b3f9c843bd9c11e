"""Smoothing, the end of a sweep, and whether a curve falls."""

import math

import numpy as np
import pytest

from lrbench.claims.code import finder
from lrbench.find_lr.curve import CurveEnd, curve_of, ended, falls, means, rises
from lrbench.find_lr.range_test import GUIDE, RangeTest

INF, NAN = math.inf, math.nan


def test_means_by_hand() -> None:
    # (0.5 * 1 + 1 * 4) / 1.5 = 3; (0.25 * 1 + 0.5 * 4 + 1 * 10) / 1.75 = 7
    assert means([1, 4, 10], 0.5) == pytest.approx([1, 3, 7])


@pytest.mark.parametrize("weight", [0, 0.5, 0.9, 0.98])
def test_a_constant_is_its_own_mean_from_the_first_on(weight: float) -> None:
    assert means([3.0] * 20, weight) == pytest.approx([3.0] * 20, rel=1e-12)
    assert means([1.0, 2.0, 3.0], 0).tolist() == [1, 2, 3]


def test_a_point_stands_at_the_mean_of_its_rates() -> None:
    """So that a loss which falls evenly over log(rate) has that very curve, without a lag."""
    test = RangeTest(stop=None)
    curve = curve_of(test, (-np.log10(test.rates)).tolist())
    assert curve.losses == pytest.approx(-np.log10(curve.rates))
    assert (np.diff(curve.rates) > 0).all()
    lag = test.rates[99] / curve.rates[99]
    assert lag == pytest.approx(4.3, abs=0.05)  # what the text of `curve_of` says a point at its last rate lags behind


@pytest.mark.parametrize(
    ("losses", "stop", "points"),
    [
        ([2.0, 1.0, 3.9, 4.1, 1.0], 4, 4),  # the one above four times the lowest is the last
        ([2.0, 1.0, 3.9], 4, 3),
        ([2.0, 1.0, 99.0], None, 3),
        ([-2.0, -3.0, 5.9, 6.1], 4, 4),  # -3 + 3 x 3
        ([], 4, 0),
    ],
)
def test_the_end(losses: list[float], stop: float | None, points: int) -> None:
    smooth = means(losses, 0)
    assert ended(smooth, stop) == points
    assert rises(smooth, stop) == (points < len(losses) or losses[-1:] in ([4.1], [6.1]))


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_what_is_not_finite_is_no_point(bad: float) -> None:
    test = RangeTest()
    assert len(curve_of(test, [2.3, 2.2, bad]).losses) == 2
    assert np.isfinite(curve_of(test, [2.3, 2.2, bad]).losses).all()


def raw(test: RangeTest, many: int = 100) -> list[float]:
    return [finder.valley(rate) for rate in test.rates[:many]]


@pytest.mark.parametrize(
    "losses",
    [raw(GUIDE), [1.0] * 50 + [100.0] * 50, [1.0] * 50 + [5.0] * 50, [*raw(GUIDE, 85), *[INF] * 15],
     [*raw(GUIDE, 85), *[NAN] * 15]],
    ids=["valley", "jump", "small jump", "infinite", "no number"],
)  # fmt: skip
def test_the_guides_curve_is_that_of_its_claims(losses: list[float]) -> None:
    assert GUIDE.rates == pytest.approx(finder.RATES, rel=1e-12)
    theirs, ours = finder.curve(losses), curve_of(GUIDE, losses)
    np.testing.assert_allclose(ours.losses, theirs, rtol=1e-12)
    assert ours.rates == pytest.approx(finder.RATES[: len(theirs)])
    assert heard(GUIDE, losses) == (len(theirs) if len(theirs) < 100 else None)


def test_after_no_number_there_are_only_such_as_in_the_guides_loop() -> None:
    cut = curve_of(GUIDE, [*raw(GUIDE, 85), NAN])
    assert len(cut.losses) == 100
    assert np.isnan(cut.losses[85:]).all()
    assert len(curve_of(GUIDE, [*raw(GUIDE, 85), INF]).losses) == 86  # above four times anything


def heard(test: RangeTest, losses: list[float]) -> int | None:
    """After how many losses a watch says that the curve has ended."""
    watch = CurveEnd(test)
    return next((i for i, loss in enumerate(losses, 1) if watch(loss)), None)


@pytest.mark.parametrize(
    "test", [RangeTest(), RangeTest(smoothing=0), RangeTest(stop=None), RangeTest(stop=1.5), GUIDE]
)
def test_a_watch_says_what_the_whole_curve_does(test: RangeTest) -> None:
    draws = np.random.default_rng(0)
    for _ in range(20):
        losses = (np.exp(draws.normal(0, 1, 100)) * np.geomspace(1, 30, 100)).tolist()
        curve = curve_of(test, losses)
        assert heard(test, losses) == (len(curve.losses) if curve.rose else None)


def test_falling() -> None:
    test = RangeTest(stop=None)
    for losses, expected in ((raw(test), True), ([2.3] * 100, False), (np.linspace(1, 2, 100).tolist(), False)):
        assert falls(test, losses, curve_of(test, losses)) == expected
    assert not falls(test, [2.3] * 5, curve_of(test, [2.3] * 5))
