"""What is read off each seed's grid: the highest value that succeeds, the best one, the width of the good range."""

import math

import pytest
from study_world import World, rules

from lrbench.errors import ConfigError
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.cells import CellOutcome
from lrbench.study.readings import HIGHEST, LOWEST, optimum, threshold, width
from lrbench.study.tuning_rules import TuningRules

VALUES = (0.1, 0.2, 0.4, 0.8)


def outcomes(*judges: float | None) -> list[CellOutcome]:
    """Of runs at VALUES, None of one that diverged."""
    return [CellOutcome(str(i), j, None, None if j is not None else "diverged") for i, j in enumerate(judges)]


def only(result):
    (contrast,) = result.tasks[0].contrasts
    return contrast


@pytest.mark.parametrize(
    ("judges", "value", "beyond"),
    [
        ((0.5, 0.5, None, None), 0.2, None),
        ((0.5, None, 0.5, None), 0.4, None),  # the highest, whatever failed below it
        ((0.5, 0.5, 0.5, 0.5), 0.8, HIGHEST),
        ((None, None, None, None), None, LOWEST),
    ],
)
def test_a_threshold_is_the_highest_value_that_succeeds(judges, value, beyond):
    found = threshold(rules(kind="threshold"), VALUES, outcomes(*judges))
    assert (found.metric, found.failure) == (value and math.log2(value), beyond)


@pytest.mark.parametrize(
    ("judges", "doublings", "beyond"),
    [
        ((0.5, 0.6, 0.5, 0.4), 0.0, None),  # from 0.2, the best of the four
        ((0.5, 0.6, 0.6, 0.4), 0.5, None),  # of two that are alike, half way
        ((0.2, 0.6, 0.5, 0.4), 0.3, None),  # (0.5 - 0.2) / (2 (2 x 0.6 - 0.2 - 0.5))
        ((0.5, 0.6, None, None), 0.0, None),  # through a failure there is no parabola
        ((0.7, 0.6, 0.5, 0.4), None, LOWEST),
        ((None, 0.5, 0.6, 0.7), None, HIGHEST),
        ((None, None, None, None), None, LOWEST),
    ],
)
def test_an_optimum_lies_on_the_parabola_through_the_best_and_its_neighbours(judges, doublings, beyond):
    found = optimum(rules(kind="optimum"), VALUES, outcomes(*judges))
    assert found.failure == beyond
    assert found.metric == (None if doublings is None else pytest.approx(math.log2(0.2) + doublings))


def test_of_a_loss_the_lowest_is_best():
    found = optimum(rules(kind="optimum", higher=False), VALUES, outcomes(0.9, 0.5, 0.7, 0.8))
    assert found.run_id == "1"


@pytest.mark.parametrize(
    ("judges", "doublings", "beyond"),
    [
        ((0.5, 0.6, 0.595, 0.4), 1.0, None),
        ((0.5, 0.6, 0.4, None), 0.0, None),
        ((0.595, 0.6, 0.4, None), 1.0, LOWEST),
        ((0.5, 0.6, 0.595, 0.591), 2.0, HIGHEST),
        ((None, 0.6, None, 0.6), 0.0, None),  # what is good again beyond a failure is another range
        ((None, None, None, None), None, LOWEST),
    ],
)
def test_a_width_is_of_the_values_around_the_best_that_are_no_worse_by_more_than_is_said(judges, doublings, beyond):
    found = width(rules(kind="width", within=0.01), VALUES, outcomes(*judges))
    assert found.failure == beyond
    assert found.metric == (None if doublings is None else pytest.approx(doublings))


@pytest.mark.parametrize("claim", [ClaimedEffect(low=1.6, high=2.4), ClaimedEffect(low=2.5)])
def test_a_best_value_four_times_as_high_is_two_doublings_off(claim):
    world = World({"a": 0.8, "b": 0.8}, {"a": 0.3, "b": 1.2}, sd=0.001)
    found = only(world.run(rules(kind="optimum", claims={"b": claim}, looks=1)))
    assert found.tested.mean == pytest.approx(2.0, abs=0.1)
    assert found.verdict == ("supported" if claim.low < 2 else "smaller than claimed")
    assert not any(cell.measured for cell in world.made)  # the test set is not touched
    assert world.stages[0] == ("optimum, 5 values on 10 seeds", 100)


def test_a_range_half_as_wide():
    """Within 0.04 of the top are two values on either side where a point is lost a squared doubling, one where four."""
    world = World({"a": 0.8, "b": 0.8})
    world.mean = lambda arm, value: 0.8 - (0.01 if arm == "a" else 0.04) * math.log2(value / 0.4) ** 2
    found = only(world.run(rules(kind="width", within=0.0401, baseline="b", looks=1)))
    assert (found.tested.mean, found.verdict) == (pytest.approx(2.0), "supported")


def test_the_grid_grows_for_all_arms_and_what_lies_beyond_the_largest_is_left_out():
    world = World({"a": 0.8, "b": 0.8}, {"b": 0.1})
    found = only(world.run(rules(kind="optimum", looks=1)))
    assert [stage for stage, _ in world.stages] == ["optimum, 5 values on 10 seeds", "optimum, 6 values on 10 seeds"]
    assert found.tested.mean == pytest.approx(-2.0)
    far = only(
        World({"a": 0.8, "b": 0.8}, {"b": 0.01}).run(
            rules(kind="optimum", looks=1, tuning=TuningRules(first=0.1, at_most=6))
        )
    )
    assert (far.verdict, far.tested.n) == ("inconclusive", 0)
    assert "10 of 10 pairs are left out: the optimum lies beyond the grid" in far.remarks


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "width"}, "within"),
        ({"kind": "width", "within": -0.01}, "within=-0.01"),
        ({"kind": "optimum", "within": 0.01}, "it is of a width"),
        ({"kind": "optimum", "tuning": None, "estimand": "swap"}, "tuning"),
        ({"kind": "optimum", "detect": 0.5, "pairs": None}, "detect"),
    ],
)
def test_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        rules(**given)


def test_the_result_tells_what_every_value_came_to():
    found = World({"a": 0.8, "b": 0.8}, {"b": 0.2}).run(rules(kind="optimum", looks=1))
    told = {t.choice.arm: t.choice for t in found.tasks[0].tuning}
    assert {arm: (choice.value, choice.standing) for arm, choice in told.items()} == {
        "a": (0.4, "tuned"),
        "b": (0.2, "tuned"),
    }
    assert [len(point.scores) for point in told["a"].points] == [10] * 5
