"""The runs of a study under the question of a claim: as many pairs and looks as it took, whatever they say now."""

from dataclasses import replace

import pytest
from study_world import World, rules

from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.cells import Cell, Needed
from lrbench.study.step import asked_again, next_step
from lrbench.study.tuning_rules import TuningRules

THREE = {
    "arms": ("a", "b", "c"),
    "tasks": ("easy", "hard"),
    "pairs": None,
    "detect": 0.02,
    "looks": 2,
    "tuning": TuningRules(first=0.1, more=15),
}


def of(task, arm):
    (found,) = [c for c in task.contrasts if c.arm == arm]
    return found


@pytest.fixture(scope="module")
def study():
    """On the hard task there is more noise, so that it takes more pairs."""

    class Two(World):
        def make(self, cell: Cell) -> None:
            self.sd = 0.016 if cell.task == "hard" else 0.004
            super().make(cell)

    world = Two({"a": 0.80, "b": 0.84, "c": 0.841})
    return world, rules(**THREE), world.run(rules(**THREE))


def test_each_task_keeps_its_own_pairs_and_looks_under_another_baseline_and_kind(study):
    world, asked, own = study
    easy, hard = (t.size.pairs for t in own.tasks)
    assert easy < hard
    other = replace(asked, baseline="b", claims={"c": ClaimedEffect(low=0.01)})
    found = asked_again(other, own, world.made.get)
    assert [(t.size, t.looks) for t in found.tasks] == [(t.size, t.looks) for t in own.tasks]
    assert [of(t, "c").tested.n for t in found.tasks] == [t.looks * t.size.pairs for t in own.tasks]
    share = replace(asked, kind="fraction", claims=dict.fromkeys("bc", ClaimedEffect(low=0.9, high=1.1)))
    found = asked_again(share, own, world.made.get)
    assert [t.size for t in found.tasks] == [t.size for t in own.tasks]
    assert of(found.tasks[0], "b").verdict == "supported"


def test_how_far_apart_the_same_runs_lie(study):
    """As much noise in both arms; the study was made for a gain, and no noise was measured of this."""
    world, asked, own = study
    rules_of_it = replace(asked, kind="spread", detect=None, pairs=asked.most_pairs, claims={})
    found = asked_again(rules_of_it, own, world.made.get)
    assert [of(t, "b").tested.n for t in found.tasks] == [t.looks * t.size.pairs for t in own.tasks]
    assert all(abs(of(t, "b").tested.mean) < 1 for t in found.tasks)
    assert {of(t, "b").verdict for t in found.tasks} == {"inconclusive"}
    assert {of(t, "b").choice_sd for t in found.tasks} == {None}


def test_a_question_that_is_left_open_asks_for_no_further_look(study):
    world, asked, own = study
    assert own.tasks[0].looks == 1
    close = replace(asked, baseline="b", claims={})  # b and c differ by less than the noise
    assert isinstance(next_step(close, world.made.get), Needed)
    found = asked_again(close, own, world.made.get)
    assert (found.tasks[0].looks, of(found.tasks[0], "c").verdict) == (1, "inconclusive")


def test_a_turned_contrast_is_the_frozen_one_from_the_other_side(study):
    world, asked, own = study
    turned = asked_again(asked, own, world.made.get, turned=True)
    for before, after in zip(own.tasks, turned.tasks, strict=True):
        for arm in "bc":
            was, now = of(before, arm), of(after, arm)
            assert now.tested.mean == pytest.approx(-was.tested.mean)
            assert now.tested.interval.low == pytest.approx(-was.tested.interval.high)
            assert now.tested.interval.high == pytest.approx(-was.tested.interval.low)
            assert (now.tested.p, now.tested.rank, now.tested.level) == (
                was.tested.p,
                was.tested.rank,
                was.tested.level,
            )
            assert now.reach == (was.reach[1], was.reach[0])
    assert of(turned.tasks[0], "b").verdict == "contradicted"


def test_a_loss_may_be_no_worse_up_to_its_margin(study):
    world, asked, own = study
    for margin, verdict in ((0.1, "supported"), (0.01, "contradicted")):
        claims = dict.fromkeys("bc", ClaimedEffect(margin=margin))
        found = asked_again(replace(asked, kind="no worse", claims=claims), own, world.made.get, turned=True)
        assert of(found.tasks[0], "b").verdict == verdict  # of a, which loses 0.04 to b


def test_which_of_two_succeeds_is_turned_too():
    world = World({"a": 0.8, "b": 0.8}, fails=lambda cell: cell.arm == "b" and cell.seed % 2 == 0)
    asked = rules(kind="success", estimand="swap", tuning=None, pairs=40, looks=1)
    own = world.run(asked)
    assert own.tasks[0].contrasts[0].verdict == "contradicted"
    (found,) = asked_again(asked, own, world.made.get, turned=True).tasks[0].contrasts
    assert (found.verdict, found.tested.mean) == ("supported", 0.5)
