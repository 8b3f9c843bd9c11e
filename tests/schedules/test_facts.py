"""What a table says of its schedule, against numbers worked out by hand. The peak is 0.1, an epoch has 10 updates."""

import numpy as np
import pytest
from handmade import experiment, ramp, scheduler

from lrbench.experiment import LRScaling, ParamGroups
from lrbench.schedules import RateFacts, facts, lr_table


def of(*args, group="all", metrics=(), **fields) -> RateFacts:
    plan = experiment(*args, **fields).schedule
    return facts(plan, lr_table(plan, metrics))[group]


def test_a_constant_rate():
    told = of("constant", horizon="4ep")
    assert (told.first, told.peak, told.peak_at, told.last, told.ratio) == (0.1, 0.1, 0, 0.1, 1.0)
    assert told.rises.size == told.drops.size == 0
    assert (told.warmup, told.can_move) == (0.0, True)
    assert told.area == pytest.approx(1.0)


def test_three_drops():
    """0.1 for 3 epochs of 10, 0.01 for 3, 0.001 for 3, 0.0001 for one: an area of (3 + 0.3 + 0.03 + 0.001) / 10."""
    told = of("multistep", horizon="10ep")
    assert told.drops.tolist() == [30, 60, 90]
    assert told.rises.size == 0
    assert told.last == pytest.approx(1e-4)
    assert told.ratio == pytest.approx(1e-3)
    assert told.area == pytest.approx(0.3331)


def test_a_line_after_a_warmup():
    """A warmup of 2 epochs: 0.001 and 0.0505, then 0.1, 0.075, 0.05, 0.025, each for 10 updates."""
    told = of("linear", ramp("2ep", "epoch"), horizon="6ep")
    assert told.rises.tolist() == [10, 20]
    assert told.drops.tolist() == [30, 40, 50]
    assert (told.first, told.peak_at) == (pytest.approx(0.001), 20)
    assert told.last == pytest.approx(0.025)
    assert told.warmup == pytest.approx(1 / 3)
    assert told.area == pytest.approx((0.01 + 0.505 + 1 + 0.75 + 0.5 + 0.25) / 6)


def test_restarts_rise_where_they_begin():
    told = of("cosine_restarts", horizon="20ep")  # every 4 epochs
    assert told.rises.tolist() == [40, 80, 120, 160]


@pytest.mark.parametrize("updates", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_cosine_of_many_updates_falls_from_its_first(updates):
    told = of(scheduler("cosine", interval="batch"), horizon=f"{updates}ba")
    assert told.drops.tolist() == list(range(1, updates))
    assert told.area == pytest.approx(0.5, abs=1 / updates)


def test_each_group_has_its_own():
    groups = ParamGroups(target="g", lr_scales={"backbone": 0.1, "head": 1.0})
    fields = {"param_groups": groups, "lr_scaling": LRScaling(rule="linear", base_batch=4), "horizon": "2ep"}
    told = facts(plan := experiment(scheduler("cosine", {"eta_min": 0.01}), **fields).schedule, lr_table(plan))
    assert list(told) == ["backbone", "head"]
    assert told["backbone"].peak == pytest.approx(0.02)  # a tenth of 0.1 * 8 / 4
    assert told["head"].peak == pytest.approx(0.2)
    assert told["backbone"].last == pytest.approx((0.02 + 0.01) / 2)


def test_one_epoch_stepped_per_epoch_cannot_move():
    assert not of("cosine", horizon="1ep").can_move
    assert of("cosine", horizon="11ba").can_move  # the second epoch begins
    assert of(scheduler("cosine", interval="batch"), horizon="1ep").can_move


def test_a_plateau_stands_at_what_is_known():
    told = of(scheduler("plateau", {"patience": 0}), metrics=[1.0, 1.0], horizon="5ep")
    assert told.drops.tolist() == [20]
    assert told.last == pytest.approx(0.01)


def test_a_line_that_ends_at_zero():
    told = of(scheduler("linear", {"start_factor": 1.0, "total_iters": 1}), ramp("1ep", "epoch"), horizon="3ep")
    assert told.last == 0
    assert told.ratio == 0
    assert np.isfinite(told.area)
