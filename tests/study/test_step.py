"""The whole procedure on worlds whose truth is known."""

import math
import random

import numpy as np
import pytest
from study_world import World, rules

from lrbench.errors import ConfigError
from lrbench.stats.selection import regret_limit
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.result import DEPENDS
from lrbench.study.size import pairs_to_find
from lrbench.study.tuning import ChosenValue, GridPoint, choice_variance_of, reach_of
from lrbench.study.tuning_rules import TuningRules


def values(result, task=0):
    return {t.choice.arm: t.choice.value for t in result.tasks[task].tuning}


def standings(result):
    return {t.choice.arm: t.choice.standing for t in result.tasks[0].tuning}


def only(result):
    (contrast,) = result.tasks[0].contrasts
    return contrast


def test_both_arms_are_tuned_then_paired_on_fresh_seeds():
    world = World({"a": 0.80, "b": 0.82}, sd=0.001)
    found = world.run(rules())
    assert values(found) == {"a": 0.4, "b": 0.4}
    assert only(found).verdict == "supported"
    assert only(found).tested.mean == pytest.approx(0.02, abs=0.002)
    # 2 arms x 5 values x 2 seeds, the third seed, 2 arms x 3 best x 6 more, 10 pairs
    assert [runs for _, runs in world.stages] == [20, 10, 36, 20]
    seeds = {c.seed for c in world.made if c.measured}
    assert seeds == set(range(2_000_000, 2_000_010))
    assert not seeds & {c.seed for c in world.made if not c.measured}


def test_runs_that_finish_in_another_order_give_the_same_result():
    world, other = World({"a": 0.8, "b": 0.803}, sd=0.004), World({"a": 0.8, "b": 0.803}, sd=0.004)
    shuffled = random.Random(0)
    assert (
        world.run(rules()).to_plain() == other.run(rules(), lambda n: shuffled.sample(n.cells, len(n.cells))).to_plain()
    )


def test_what_nobody_asked_for_changes_nothing():
    world = World({"a": 0.8, "b": 0.803}, sd=0.004)
    found = world.run(rules()).to_plain()
    for cell in list(world.made):
        world.make(cell._replace(value=6.4, seed=cell.seed + 500))
        world.make(cell._replace(seed=cell.seed + 100))
    assert world.run(rules()).to_plain() == found


@pytest.mark.parametrize(("best", "low", "high"), [(0.05, 0.025, 1.6), (3.2, 0.1, 6.4), (0.4, 0.1, 1.6)])
def test_the_grid_grows_for_all_arms_until_each_best_has_a_worse_value_on_both_sides(best, low, high):
    found = World({"a": 0.8, "b": 0.8}, {"b": best}).run(rules())
    grids = {t.choice.arm: [p.value for p in t.choice.points] for t in found.tasks[0].tuning}
    assert grids["a"] == grids["b"]
    assert (grids["a"][0], grids["a"][-1]) == (low, high)
    assert values(found) == {"a": 0.4, "b": best}
    assert standings(found) == {"a": "tuned", "b": "tuned"}


def test_an_arm_at_the_edge_of_the_largest_grid_gets_no_verdict_and_no_confirmation():
    world = World({"a": 0.8, "b": 0.9}, {"b": 12.8})
    found = world.run(rules(tuning=TuningRules(first=0.1, at_most=6)))
    assert standings(found) == {"a": "tuned", "b": "edge"}
    assert only(found).verdict is None
    assert "b is not tuned: its best value 3.2 is the highest of 6" in only(found).remarks
    assert not any(c.measured for c in world.made)


def test_equal_values_are_no_edge_and_the_lower_one_is_chosen():
    found = World({"a": 0.8, "b": 0.8}, {"a": 0.4 * 2**0.5, "b": 0.4}).run(rules())
    assert values(found) == {"a": 0.4, "b": 0.4}


def test_a_value_that_fails_twice_is_not_tried_again_and_comes_last():
    world = World({"a": 0.8, "b": 0.8}, {"b": 0.8}, fails=lambda c: c.arm == "b" and c.value >= 0.8)
    found = world.run(rules())
    assert values(found)["b"] == 0.4
    tried = [c.seed for c in world.made if (c.arm, c.value) == ("b", 0.8)]
    assert tried == [1_000_000, 1_000_001]
    (b,) = [t for t in found.tasks[0].tuning if t.choice.arm == "b"]
    assert b.failures == 4
    assert b.stable == (0.4, 0.4)


def test_an_arm_that_fails_at_every_value_is_a_verdict_about_failures():
    found = World({"a": 0.8, "b": 0.8}, fails=lambda c: c.arm == "b").run(
        rules(tuning=TuningRules(first=0.1, at_most=6))
    )
    assert standings(found)["b"] == "failed"
    assert only(found).verdict is None
    assert only(found).remarks == ("b was unsuccessful at every value from 0.05 to 1.6 (12 of 12 runs)",)
    assert (only(found).success.only_first, only(found).success.both) == (2, 0)


def test_a_second_look_is_taken_for_all_if_one_is_inconclusive():
    tops = {"a": 0.80, "b": 0.83, "c": 0.8001}
    world = World(tops, sd=0.01)
    three = rules(arms=("a", "b", "c"))
    found = world.run(three)
    assert found.tasks[0].looks == 2
    assert {len(c.pairs) for c in found.tasks[0].contrasts} == {20}
    assert [c.verdict for c in found.tasks[0].contrasts] == ["supported", "inconclusive"]
    assert found.tasks[0].contrasts[0].tested.level == pytest.approx(1 - 0.0294 / 2)
    seeds = sorted({c.seed for c in world.made if c.measured})
    assert seeds == [*range(2_000_000, 2_000_010), *range(3_000_000, 3_000_010)]
    one = World(tops, sd=0.01).run(rules(arms=("a", "b", "c"), looks=1))
    assert one.tasks[0].looks == 1
    assert one.tasks[0].contrasts[0].tested.level == pytest.approx(1 - 0.05 / 2)


def test_pairs_follow_from_what_is_to_be_detected():
    found = World({"a": 0.80, "b": 0.82}, sd=0.01).run(rules(pairs=None, detect=0.01))
    size = found.tasks[0].size
    assert size.sd == pytest.approx(0.01 * (2 * 0.7) ** 0.5, rel=0.7)
    assert 10 <= size.pairs == len(only(found).pairs) <= 60
    much = World({"a": 0.80, "b": 0.82}, sd=0.01).run(rules(pairs=None, detect=0.0001))
    assert not much.tasks[0].size.enough
    assert much.tasks[0].size.pairs is None
    assert "no number of pairs that anybody runs finds a gain of" in much.tasks[0].size.why
    assert only(much).verdict is None


def test_a_swap_as_given_tunes_nothing():
    world = World({"a": 0.80, "b": 0.82}, sd=0.001)
    found = world.run(rules(estimand="swap", tuning=None))
    assert [runs for _, runs in world.stages] == [20]
    assert {c.value for c in world.made} == {None}
    assert only(found).verdict == "supported"


def test_a_swap_at_the_tuned_baseline_tunes_the_baseline_alone():
    world = World({"a": 0.80, "b": 0.82}, {"b": 0.8}, sd=0.001)
    found = world.run(rules(estimand="swap", rate="baseline tuned"))
    assert {c.arm for c in world.made if not c.measured} == {"a"}
    assert only(found).values == (0.4, 0.4)
    assert only(found).choice_sd is None


def test_swap_and_tuned_may_disagree_in_sign():
    """b is better at its own rate and worse at the baseline's: the protocol decides."""
    tops, bests = {"a": 0.80, "b": 0.81}, {"a": 0.2, "b": 0.8}
    swap = World(tops, bests, sd=0.001).run(rules(estimand="swap", rate="baseline tuned"))
    tuned = World(tops, bests, sd=0.001).run(rules(estimand="both"))
    assert (only(swap).verdict, only(tuned).verdict) == ("contradicted", "supported")
    paths = only(tuned).paths
    assert paths.total.mean == pytest.approx(0.01, abs=0.001)
    assert [e.mean for e in paths.swap_first] == pytest.approx([-0.03, 0.04], abs=0.002)
    assert [e.mean for e in paths.retune_first] == pytest.approx([-0.04, 0.05], abs=0.002)
    for way in (paths.swap_first, paths.retune_first):
        assert sum(e.mean for e in way) == pytest.approx(paths.total.mean)


def test_how_often_an_arm_succeeds_may_be_the_question():
    def fails(cell):
        return cell.arm == "a" and cell.seed % 10 < 7

    world = World({"a": 0.9, "b": 0.2}, fails=fails)
    contrast = only(world.run(rules(kind="success", estimand="swap", tuning=None, pairs=20, looks=1)))
    assert contrast.verdict == "supported"
    assert contrast.remarks == ()
    assert (contrast.tested.n, contrast.tested.mean) == (20, pytest.approx(0.7))
    assert contrast.tested.p == pytest.approx(2 / 2**14)  # 14 pairs that differ, all one way
    assert 0.4 < contrast.tested.interval.low < 0.5 < 0.8 < contrast.tested.interval.high < 0.9
    assert only(World({"a": 0.9, "b": 0.2}).run(rules(kind="success", estimand="swap", tuning=None))).verdict == (
        "inconclusive"
    )


def test_success_is_supported_only_where_the_exact_test_agrees():
    """5 of 10 pairs differ, all one way: McNemar's p is 2 / 2^5, though Newcombe's interval is without 0."""
    world = World({"a": 0.9, "b": 0.9}, fails=lambda c: c.arm == "a" and c.seed % 10 < 5)
    contrast = only(world.run(rules(kind="success", estimand="swap", tuning=None, looks=1)))
    assert contrast.tested.p == pytest.approx(0.0625)
    assert contrast.tested.interval.low > 0
    assert contrast.verdict == "inconclusive"
    assert contrast.remarks == ("McNemar's exact test disagrees with Newcombe's interval (p = 0.0625)",)


@pytest.mark.parametrize("higher", [True, False])
def test_a_value_that_never_succeeds_is_not_chosen_over_one_that_sometimes_does(higher):
    """It is given up after two failures, and the other may have more of them on nine seeds."""

    def fails(cell):
        place = cell.seed - 1_000_000
        return cell.arm == "b" and not cell.measured and (cell.value != 0.4 or place in (2, 4, 6, 8))

    top = 0.8 if higher else -0.8
    world = World({"a": top, "b": top}, curvature=0.01 if higher else -0.01, fails=fails)
    found = world.run(rules(higher=higher, metric="test/x", judge="val/x", chance=None))
    assert standings(found)["b"] == "tuned"
    assert values(found)["b"] == 0.4


def test_seeds_that_spread_over_decades_do_not_move_the_choice():
    """What the noisy quadratic came to (val/excess, lower is better) at rates up to the edge of stability: the 0.329 of
    rate 2 never makes it the best, so another tuning moves the gain by less than the second-best rate loses."""
    scores = {
        0.125: (0.3198, 0.2968, 0.2864),
        0.25: (0.1824, 0.1438, 0.1241, 0.1968, 0.1394, 0.1319, 0.1743, 0.1696, 0.1663),
        0.5: (0.1398, 0.095, 0.0649, 0.2068, 0.0851, 0.0708, 0.124, 0.1235, 0.1225),
        1.0: (0.2412, 0.1428, 0.0999, 0.4286, 0.153, 0.1259, 0.219, 0.1869, 0.2262),
        2.0: (12.1686, 0.329, 59.5709),
    }
    points = tuple(GridPoint(value, found) for value, found in scores.items())
    base = ChosenValue("a", 0.5, "tuned", points, (0.5, 0.25, 1.0))
    best = ChosenValue(
        "b", 1.0, "tuned", tuple(GridPoint(v, (0.05,) * len(s)) for v, s in scores.items()), (0.25, 0.5, 1.0)
    )
    variance = choice_variance_of(rules(higher=False), {"a": base, "b": best}, "b")
    assert 0 <= variance**0.5 < 0.044


@pytest.mark.parametrize(
    ("kind", "gain", "away"), [("difference", 0.01, 0.01), ("no worse", -0.015, 0.005), ("no worse", -0.03, -0.01)]
)
def test_more_pairs_are_counted_from_what_the_verdict_is_read_against(kind, gain, away):
    from lrbench.study.analysis import away_from_null

    claims = {} if kind == "difference" else {"b": ClaimedEffect(margin=0.02)}
    assert away_from_null(rules(kind=kind, claims=claims), "b", gain) == (pytest.approx(away), away > 0)


def test_all_arms_of_a_family_may_be_equal():
    """No difference is found, so the second step of the differences is closed; equality is a family of its own."""
    claims = {arm: ClaimedEffect(margin=0.01) for arm in ("b", "c")}
    asked = rules(arms=("a", "b", "c"), kind="equal", claims=claims, estimand="swap", tuning=None, pairs=20, looks=1)
    found = World({"a": 0.8, "b": 0.8, "c": 0.8}, sd=0.003).run(asked)
    assert [c.verdict for c in found.tasks[0].contrasts] == ["supported", "supported"]
    assert {c.tested.open for c in found.tasks[0].contrasts} == {True, False}


def test_equality_is_counted_from_the_nearer_margin():
    from lrbench.study.analysis import away_from_null

    equal = rules(kind="equal", claims={"b": ClaimedEffect(margin=0.02)})
    found = [away_from_null(equal, "b", gain) for gain in (0.015, -0.015, 0.03, -0.03)]
    # Inside, the end of the interval that lies towards the nearer margin decides; outside, the one towards 0.
    assert found == [
        (pytest.approx(a), below) for a, below in ((0.005, False), (0.005, True), (-0.01, True), (-0.01, False))
    ]


def test_failures_that_differ_forbid_support():
    world = World({"a": 0.80, "b": 0.82}, sd=0.001, fails=lambda c: c.measured and c.arm == "b" and c.seed % 10 < 6)
    contrast = only(world.run(rules(pairs=20, looks=1)))
    assert contrast.verdict == "inconclusive"
    assert contrast.remarks == (
        "12 of 20 pairs are left out: one of the two was unsuccessful",
        "the unsuccessful runs differ: 12 of the arm's, 0 of the baseline's; that is a verdict too",
    )


def fraction(**given):
    claim = {k: given.pop(k) for k in ("low", "high") if k in given}
    return rules(kind="fraction", claims={"b": ClaimedEffect(**claim)}, **given)


@pytest.mark.parametrize("higher", [True, False])
def test_a_fraction_has_no_direction(higher):
    """0.72 of 0.80 is 90 %, whichever way is better, and never contradicted."""
    world = World({"a": 0.80, "b": 0.72}, curvature=0.01 if higher else -0.01, sd=0.002)
    lower = {} if higher else {"metric": "test/x", "judge": "val/x", "chance": None, "higher": False}

    def found(**claim):
        return only(world.run(fraction(**claim, **lower)))

    assert found(low=0.8, high=0.95).tested.mean == pytest.approx(math.log(0.9), abs=0.005)
    verdicts = [found(**c).verdict for c in ({"low": 0.8, "high": 0.95}, {"low": 0.95}, {"high": 0.8})]
    assert verdicts == ["supported", "smaller than claimed", "larger than claimed"]


def test_the_inverse_fraction_is_the_inverse():
    world = World({"a": 0.80, "b": 0.72}, sd=0.01)
    one = only(world.run(fraction(low=0.5, estimand="swap", tuning=None)))
    other = only(world.run(rules(kind="fraction", baseline="b", claims={"a": ClaimedEffect(low=0.5)}, estimand="swap",
                                 tuning=None)))  # fmt: skip
    assert other.tested.mean == pytest.approx(-one.tested.mean)
    assert other.tested.interval.low == pytest.approx(-one.tested.interval.high)


def test_the_reach_of_a_fraction_is_of_logarithms_and_turns_round_with_the_metric():
    """Of a loss a better value of the arm makes the fraction smaller."""
    scores = {0.1: (0.50, 0.55, 0.60), 0.2: (0.40, 0.48, 0.50), 0.4: (0.41, 0.42, 0.50)}
    points = tuple(GridPoint(value, found) for value, found in scores.items())
    flat = tuple(GridPoint(value, (found,) * 3) for value, found in ((0.1, 0.9), (0.2, 0.4), (0.4, 0.9)))
    chosen = ChosenValue("b", 0.4, "tuned", points, (0.4, 0.2, 0.1))
    sure = ChosenValue("a", 0.2, "tuned", flat, (0.2, 0.1, 0.4))
    below, above = reach_of(fraction(low=0.9, higher=False), {"a": sure, "b": chosen}, "b", 0.05)
    logs = {value: np.log(found) for value, found in scores.items()}
    assert above == 0
    assert below == regret_limit(logs, 0.4, [0.4, 0.2, 0.1], 0.05, higher_is_better=False) > 0


def test_pairs_that_place_a_fraction_follow_from_what_is_to_be_detected():
    """A fraction that lies 2 % off the end; between two ends it has to be told from both, so that it takes more."""
    world = World({"a": 0.80, "b": 0.72}, sd=0.005)
    one, two = (
        world.run(fraction(pairs=None, detect=0.02, **c)).tasks[0].size for c in ({"low": 0.8}, {"low": 0.8, "high": 1})
    )
    assert one.sd == pytest.approx(0.005 * (1 / 0.8**2 + 1 / 0.72**2 - 0.6 / 0.8 / 0.72) ** 0.5, rel=0.7)
    assert "a fraction 2% off what it is held against is found with 80 % power" in one.why
    assert one.pairs <= two.pairs


def test_pairs_that_cannot_place_a_fraction_are_not_run():
    """A range of 0.2 % around 1, of differences that spread over 2 %."""
    world = World({"a": 0.80, "b": 0.80}, sd=0.02)
    found = world.run(fraction(low=0.999, high=1.001))
    assert not any(c.measured for c in world.made)
    assert "10 pairs cannot decide what is claimed of b" in found.tasks[0].size.why


def test_lower_is_better_turns_gains_round():
    found = World({"a": 0.30, "b": 0.28}, curvature=-0.01, sd=0.001).run(rules(higher=False))
    assert only(found).tested.mean == pytest.approx(0.02, abs=0.002)
    assert only(found).verdict == "supported"


def test_two_tasks_may_depend():
    class Two(World):
        def mean(self, arm, value):
            return super().mean(arm, value)

        def make(self, cell):
            self.tops = {"a": 0.8, "b": 0.82 if cell.task == "x" else 0.78}
            super().make(cell)

    found = Two({}, sd=0.001).run(rules(tasks=("x", "y")))
    assert found.headline("b") == DEPENDS
    assert [t.contrasts[0].verdict for t in found.tasks] == ["supported", "contradicted"]


def test_replicates_have_seeds_of_their_own():
    world = World({"a": 0.8, "b": 0.82}, sd=0.001)
    world.run(rules())
    before = {c.seed for c in world.made}
    world.run(rules(replicate=1))
    assert not before & {c.seed for c in world.made if c.seed % 1_000_000 >= 1000}
    assert {c.seed for c in world.made if c.measured} >= set(range(2_001_000, 2_001_010))


def test_a_null_is_found_where_a_size_was_claimed():
    claims = {"b": ClaimedEffect(low=0.01, margin=0.005)}
    found = World({"a": 0.8, "b": 0.8002}, sd=0.001).run(rules(claims=claims))
    assert only(found).verdict == "practically null"


def test_what_no_pairs_detect_for_the_choice_of_values_is_tried_all_the_same():
    """As many as detect it at the chosen values; a larger gain is found."""
    asked = rules(pairs=None, detect=0.002, tuning=TuningRules(first=0.1, more=0))
    found = World({"a": 0.8, "b": 0.95}, sd=0.002, curvature=0.001).run(asked)
    size = found.tasks[0].size
    assert size.enough
    assert size.pairs == pairs_to_find(asked, size.sd)
    assert "at the best ones it may stay open" in size.why
    assert only(found).verdict == "supported"


def test_pairs_that_cannot_decide_a_claim_are_not_run():
    claims = {"b": ClaimedEffect(low=0.002, high=0.003, margin=0.001)}
    world = World({"a": 0.8, "b": 0.802}, sd=0.01)
    found = world.run(rules(claims=claims))
    assert not any(c.measured for c in world.made)
    assert "10 pairs cannot decide what is claimed of b" in found.tasks[0].size.why
    assert "would" in found.tasks[0].size.why


@pytest.mark.slow
def test_a_choice_that_leaves_a_claim_open_is_said_and_stops_nothing():
    """Rates that differ by less than seeds do, of which three say little: more pairs do not tell which is best."""
    claims = {"b": ClaimedEffect(low=0.02, high=0.03, margin=0.01)}
    world = World({"a": 0.8, "b": 0.82}, sd=0.01, curvature=0.001)
    found = world.run(rules(claims=claims, tuning=TuningRules(first=0.1, more=0), pairs=60))
    assert standings(found) == {"a": "tuned", "b": "tuned"}
    assert "may stay open: the choice of values leaves 0.0494, of which more tuning" in found.tasks[0].size.why
    assert only(found).tested.n == 120  # both looks were taken
    sure = World({"a": 0.8, "b": 0.82}, sd=0.01, curvature=0.1).run(rules(claims=claims, pairs=60))
    assert sure.tasks[0].size.enough


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arms": ("a",)}, ["one arm is compared with nothing"]),
        ({"baseline": "x"}, ["baseline=x", "a, b"]),
        ({"pairs": 5}, ["pairs=5", "10"]),
        ({"pairs": 10, "detect": 0.1}, ["either"]),
        ({"pairs": None}, ["either"]),
        ({"pairs": None, "detect": 0}, ["detect=0"]),
        ({"tuning": None}, ["tuning", "first"]),
        ({"looks": 3}, ["looks=3"]),
        ({"claims": {"a": ClaimedEffect()}}, ["claims=a", "b"]),
        ({"primary": ("c",)}, ["primary=c"]),
        ({"kind": "equal"}, ["margin"]),
        ({"kind": "better"}, ["kind=better", "no worse"]),
        ({"estimand": "swap", "tuning": None, "pairs": None, "detect": 0.1}, ["detect", "pairs"]),
        ({"replicate": 1000}, ["replicate=1000"]),
        ({"kind": "fraction"}, ["claims=b", "low: 0.9"]),
        (
            {"kind": "fraction", "claims": {"b": ClaimedEffect(low=0.9, margin=0.1)}},
            ["claims.b.margin", "no direction"],
        ),
        (
            {"kind": "fraction", "claims": {"b": ClaimedEffect(low=0.9)}, "estimand": "both"},
            ["estimand=both", "tuned or swap"],
        ),
        ({"kind": "spread", "estimand": "both"}, ["estimand=both", "tuned or swap"]),
        ({"kind": "spread", "pairs": None, "detect": 0.1}, ["detect", "how far apart", "pairs"]),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(given, words):
    with pytest.raises(ConfigError) as error:
        rules(**given)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    "given", [{"points": 1}, {"points": 2}, {"at_most": 4}, {"factor": 1}, {"first": 0}, {"seeds": 1}]
)
def test_a_grid_that_tunes_nothing_is_refused(given):
    with pytest.raises(ConfigError, match="tuning"):
        TuningRules(**{"first": 0.1, **given})
