"""A schedule as a value of its own."""

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
import torch
from handmade import GROUPS, SCHEDULERS, experiment, optimizer, ramp, scheduler

from lrbench.config import experiments as config
from lrbench.engine.state import set_up
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.schedules import check, compose, lr_table

OTHERS: dict[str, Any] = {
    "clock": experiment("cosine", horizon="41ep").clock,
    "peaks": {"all": 0.2},
    "optimizer": optimizer(args={"momentum": 0.8}),
    "scheduler": scheduler("cosine", {"eta_min": 0.01}),
    "warmup": ramp("5ep", "batch"),
    "monitor": "val/accuracy",
}


def test_an_experiment_has_one_that_knows_nothing_else_of_it() -> None:
    one = experiment("cosine", "linear5")
    other = replace(one, seed=7, clip=1.0, threads=2, accumulate=2)
    assert one.schedule == other.schedule
    assert hash(one.schedule) == hash(other.schedule)
    assert one.schedule.digest == pickle.loads(pickle.dumps(one.schedule)).digest


@pytest.mark.parametrize("field", OTHERS)
def test_each_of_its_fields_counts(field: str) -> None:
    plan = experiment("cosine").schedule
    other = replace(plan, **{field: OTHERS[field]})
    assert other != plan
    assert len({plan, other, replace(other)}) == 2


def test_it_is_frozen_and_so_is_its_table() -> None:
    plan = experiment("onecycle").schedule
    with pytest.raises(FrozenInstanceError):
        plan.monitor = None  # type: ignore[misc]
    table = lr_table(plan)
    for array in (table.lr, table.momentum):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_table_needs_no_more_than_the_plan(name: str) -> None:
    made = experiment(name, horizon="300ep", param_groups=GROUPS)
    plan = made.schedule
    alone = SchedulePlan(
        clock=plan.clock, peaks={"decay": 0.1, "no_decay": 0.1}, optimizer=optimizer(), scheduler=made.scheduler,
        monitor="val/loss",
    )  # fmt: skip
    assert (lr_table(alone).lr == lr_table(made).lr).all()


def test_two_halves_share_the_updates() -> None:
    plan = experiment("cosine", ramp("25ba", "batch")).schedule
    warm, main = plan.parts
    assert (warm.option, warm.phase.start, warm.phase.stop, warm.phase.steps) == ("warmup", 0, 25, 25)
    assert (main.option, main.phase.start, main.phase.stop, main.phase.steps) == ("scheduler", 25, 400, 38)
    assert plan.arguments(main, "all") == {"T_max": 38, "eta_min": 0.0}


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[SchedulePlan]:
    """The plans that were traced."""
    made: list[SchedulePlan] = []
    real: Callable[..., Any] = compose.traced

    def traced(plan: SchedulePlan, metrics: Any) -> Any:
        made.append(plan)
        return real(plan, metrics)

    monkeypatch.setattr(compose, "traced", traced)
    return made


def test_a_run_trains_by_the_very_table_that_was_checked(traces: list[SchedulePlan]) -> None:
    made = config.experiment("tracker=none", "model=mlp", "optimizer.lr=0.0987")
    table = set_up(made, torch.device("cpu")).table
    assert traces == [made.schedule]
    assert table is lr_table(made)


def test_a_sweep_traces_each_of_its_schedules_once(traces: list[SchedulePlan]) -> None:
    for seed in range(5):
        for lr in (0.0986, 0.0985):
            check(experiment("cosine", optimizer=optimizer(lr=lr), seed=seed).schedule)
    assert [plan.peaks["all"] for plan in traces] == [0.0986, 0.0985]


def test_the_order_of_the_groups_is_part_of_a_plan() -> None:
    """A mapping's hash forgets it; a table's columns do not."""
    groups = {"a": 1.0, "b": 0.1}
    plans = [
        experiment("cosine", param_groups=replace(GROUPS, lr_scales=dict(order))).schedule
        for order in (groups.items(), reversed(groups.items()))
    ]
    assert plans[0] != plans[1]
    assert [lr_table(plan).groups for plan in plans] == [("a", "b"), ("b", "a")]
