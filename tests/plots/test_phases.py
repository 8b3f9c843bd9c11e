"""The phases of a schedule, by hand: 160 updates in 10 epochs of 16."""

from itertools import pairwise

import pytest

from lrbench.config.experiments import experiment
from lrbench.plots.phases import MOST, phases, warmup_of
from lrbench.schedules import lr_table

BATCH = "scheduler.interval=batch"


def found(*overrides, metrics=()):
    plan = experiment("model=mlp", "horizon=10ep", *overrides).schedule
    return phases(plan, lr_table(plan, metrics), 0)


EXPECTED = [
    (("scheduler=constant",), [("hold", 0, 160)]),
    (("scheduler=cosine",), [("fall", 0, 160)]),
    (("scheduler=cosine", "warmup=linear5"), [("warmup", 0, 80), ("fall", 80, 160)]),
    (("scheduler=constant", "warmup=linear5"), [("warmup", 0, 80), ("hold", 80, 160)]),
    (("scheduler=cosine", BATCH, "warmup=linear_10pct"), [("warmup", 0, 16), ("fall", 16, 160)]),
    (("scheduler=linear", "warmup=linear5_one_over_w"), [("warmup", 0, 80), ("fall", 80, 160)]),
    (
        ("scheduler=multistep", "scheduler.args.milestones=['@5ep','@8ep']"),
        [("hold", 0, 80), ("hold", 80, 128), ("hold", 128, 160)],
    ),
    (("scheduler=exponential", "scheduler.args.gamma=0.9"), [("fall", 0, 160)]),
    (("scheduler=wsd", "warmup=linear_5pct"), [("warmup", 0, 8), ("hold", 8, 128), ("fall", 128, 160)]),
    (("scheduler=cosine_hold", "scheduler.args.T_max=6ep"), [("fall", 0, 96), ("hold", 96, 160)]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "expected"), EXPECTED, ids=lambda v: " ".join(v) if type(v[0]) is str else "")
def test_by_hand(overrides, expected):
    assert [tuple(p) for p in found(*overrides)] == expected


def test_a_schedule_that_warms_up_by_itself():
    """OneCycle: up to the highest rate, which its own formula has at update 0.3 x 160 - 1, then down."""
    (warmup, fall) = found("scheduler=onecycle")
    assert warmup == ("warmup", 0, 47)
    assert fall == ("fall", 47, 160)


def test_every_restart_begins_one():
    restarts = found("scheduler=cosine_restarts", "scheduler.args.T_0=2ep", "scheduler.args.T_mult=2")
    assert [tuple(p) for p in restarts] == [("fall", 0, 32), ("fall", 32, 96), ("fall", 96, 160)]


def test_more_than_can_be_told_apart_are_one():
    """Triangles of two updates up and two down."""
    cyclic = found("scheduler=cyclic", "scheduler.args.step_size_up=2")
    assert cyclic == (("main", 0, 160),)
    assert MOST < 160 / 4
    warm = found("scheduler=step", "scheduler.args.step_size=1", "scheduler.args.gamma=0.9", "warmup=linear5")
    assert [p.name for p in warm] == ["warmup", "fall"]


def test_what_a_metric_decides_is_not_known():
    plateau = found("scheduler=plateau", "warmup=linear5")
    assert [tuple(p) for p in plateau] == [("warmup", 0, 80), ("hold", 80, 96), ("by metric", 96, 160)]


@pytest.mark.parametrize("overrides", [o for o, _ in EXPECTED[::3]])
def test_they_are_the_whole_run_in_order(overrides):
    parts = found(*overrides)
    assert parts[0].start == 0
    assert parts[-1].stop == 160
    assert all(a.stop == b.start for a, b in pairwise(parts))
    assert warmup_of(parts) in (0, parts[0].stop)


def test_one_single_update():
    plan = experiment("model=mlp", "horizon=1ba", "eval_every=1ba").schedule
    assert phases(plan, lr_table(plan), 0) == (("hold", 0, 1),)
