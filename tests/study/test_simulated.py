"""Whole studies, many of them: the tool's own errors, by simulation. `python tests/benchmarks/run.py study_null` and
its like have the figures; here are the bounds."""

import numpy as np
import pytest
from scipy import stats
from simulated import Runs, Scene, judged, result, simulate, wrong

from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.cells import Cell, Needed
from lrbench.study.step import next_step


def share_wrong(scene, studies, **given):
    rng, rules = np.random.default_rng(0), scene.rules(**given)
    found = [simulate(scene, rules, rng) for _ in range(studies)]
    found = [study for study in found if any(map(judged, study))]
    return np.mean([any(wrong(scene, c) for c in study) for study in found])


def test_all_at_once_is_stage_by_stage():
    scene = Scene(gains=(0.7,))
    runs, made = Runs(scene, np.random.default_rng(1)), {}
    rules = scene.rules(looks=2)
    whole = result(rules, runs.look)
    while isinstance(step := next_step(rules, made.get), Needed):
        made |= {cell: runs.look(cell) for cell in step.cells}
    assert step.to_plain() == whole.to_plain()


def test_the_interval_of_a_tuned_gain_reaches_further_than_that_at_the_values():
    scene = Scene(curvature=0.0)
    contrast = result(scene.rules(), Runs(scene, np.random.default_rng(0)).look).tasks[0].contrasts[0]
    below, above = contrast.reach
    assert below > 0
    assert above > 0
    middle, at, tuned = contrast.tested.mean, contrast.at_values, contrast.tested.interval
    assert middle - tuned.low == pytest.approx(np.hypot(middle - at.low, below))
    assert tuned.high - middle == pytest.approx(np.hypot(at.high - middle, above))


def test_the_best_value_of_the_grid_is_the_truth():
    values = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]
    for scene in (Scene(), Scene(off=(0.5,)), Scene(shape="cliff"), Scene(off=(0.0, 1.0), gains=(0.4,))):
        for arm in scene.arms:
            assert max(scene.mean(arm, v) for v in values) == pytest.approx(scene.gain(arm))


def test_the_truth_of_a_fraction_is_at_the_best_values_too():
    """A cell's values have the fraction of their geometric means."""
    scene = Scene(gains=(-2.0,), relative=0.05, correlation=0.0)
    runs, best = Runs(scene, np.random.default_rng(0)), 0.4
    cells = [[Cell("", arm, best, 2_000_000 + i, True) for i in range(200)] for arm in "ab"]
    base, arm = (np.log([runs.look(c).metric for c in row]) for row in cells)
    assert scene.fraction("b") == pytest.approx(np.exp(-0.1))
    assert np.exp((arm - base).mean()) == pytest.approx(scene.fraction("b"), abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [10, pytest.param(30, marks=pytest.mark.full)])
@pytest.mark.parametrize("relative", [0.05, -0.05])
@pytest.mark.parametrize(
    "range_of", [lambda x: ClaimedEffect(low=x, high=x), lambda x: ClaimedEffect(high=x * (1 - 1e-9))]
)
def test_a_fraction_is_rarely_put_where_it_is_not(range_of, relative, pairs):
    """The truth is all of the claimed range, where every verdict is false that is not inconclusive; and just above it,
    where supported is. Of a loss, which is better lower, as of an accuracy."""
    scene = Scene(curvature=0.5, gains=(-2.0,), relative=relative)
    given = {"kind": "fraction", "claims": {"b": range_of(scene.fraction("b"))}, "higher": relative > 0}
    found = share_wrong(scene, 300, pairs=pairs, **given)
    assert found <= stats.binom.ppf(0.999, 300, 0.06) / 300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "pairs"),
    [
        ("square", 30),
        ("cliff", 10),
        *(pytest.param(*more, marks=pytest.mark.full) for more in (("square", 10), ("cliff", 30))),
    ],
)
def test_equal_arms_are_rarely_told_apart(shape, pairs):
    """Where the choice matters most. With 30 pairs and the variance of the choice alone, 11 % were."""
    found = share_wrong(Scene(curvature=0.5, shape=shape), 300, pairs=pairs)
    assert found <= stats.binom.ppf(0.999, 300, 0.06) / 300
