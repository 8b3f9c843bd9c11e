"""A scheduler that is stepped before the optimizer, against live loops of torch that do just that."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from handmade import experiment, optimizer, ramp, scheduler
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.schedules import check, facts, lr_table
from lrbench.schedules.feedback import check_feedback

PER_EPOCH, EPOCHS = 4, 12
Make = Callable[[torch.optim.Optimizer, int], Any]  # of the steps that the schedule has
MAIN: dict[str, Make] = {
    "cosine": lambda o, n: CosineAnnealingLR(o, T_max=n),
    "exponential": lambda o, n: ExponentialLR(o, gamma=0.8),
    "step": lambda o, n: StepLR(o, step_size=4, gamma=0.1),
    "multistep": lambda o, n: MultiStepLR(o, milestones=[3, 7], gamma=0.1),
    "linear": lambda o, n: LinearLR(o, 1.0, 0.0, total_iters=n),
    "onecycle": lambda o, n: OneCycleLR(o, max_lr=0.1, total_steps=n),
}
ARGS = {"exponential": {"gamma": 0.8}, "step": {"step_size": 4}, "multistep": {"milestones": [3, 7]}}


def live(make: Make, interval: str, warm: int = 0) -> tuple[list[float], list[float]]:
    """The rate and momentum of every update, and a warmup of so many steps before, in a loop in the wrong order."""
    weight = torch.nn.Parameter(torch.ones(3))
    sgd = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    steps = EPOCHS * (1 if interval == "epoch" else PER_EPOCH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's: the order, and its own calls within SequentialLR
        main = make(sgd, steps - warm)
        if warm:
            up = LinearLR(sgd, start_factor=0.01, total_iters=warm)
            main = SequentialLR(sgd, [up, make(sgd, steps - warm)], milestones=[warm])
        used = []
        for update in range(EPOCHS * PER_EPOCH):
            if interval == "batch" or update % PER_EPOCH == 0:
                main.step()  # before the optimizer
            weight.grad = torch.ones(3)
            sgd.step()
            used.append((sgd.param_groups[0]["lr"], sgd.param_groups[0]["momentum"]))
    rates, momenta = zip(*used, strict=True)
    return [*map(float, rates)], [*map(float, momenta)]


def mistaken(name: str, interval: str, warm: str | None = None, **fields: Any) -> Experiment:
    spec = scheduler(name, ARGS.get(name), interval=interval, first_row=1)
    return experiment(
        spec, ramp(warm, interval) if warm else None, per_epoch=PER_EPOCH, horizon=f"{EPOCHS}ep", **fields
    )


@pytest.mark.parametrize("interval", ["epoch", "batch"])
@pytest.mark.parametrize("name", MAIN)
def test_to_the_bit_what_a_live_loop_uses(name: str, interval: str) -> None:
    rates, momenta = live(MAIN[name], interval)
    table = lr_table(mistaken(name, interval))
    assert table.lr[:, 0].tolist() == rates
    if table.momentum is not None:
        assert table.momentum[:, 0].tolist() == momenta


@pytest.mark.parametrize(("interval", "warm"), [("epoch", 3), ("batch", 2 * PER_EPOCH), ("batch", 5)])
@pytest.mark.parametrize("name", ["cosine", "exponential", "multistep", "linear"])
def test_a_warmup_comes_too_early_with_it(name: str, interval: str, warm: int) -> None:
    """As in SequentialLR, of which a person steps the whole."""
    rates, _ = live(MAIN[name], interval, warm)
    length = f"{warm}ep" if interval == "epoch" else f"{warm}ba"
    table = lr_table(mistaken(name, interval, length))
    assert table.lr[:, 0].tolist() == rates
    assert table.warmup == warm * (PER_EPOCH if interval == "epoch" else 1) - (PER_EPOCH if interval == "epoch" else 1)


def test_every_row_is_the_next_one() -> None:
    wrong = mistaken("cosine", "batch")
    right = replace(wrong, scheduler=replace(wrong.scheduler, first_row=None))
    assert np.array_equal(lr_table(wrong).lr[:-1], lr_table(right).lr[1:])
    assert lr_table(wrong).lr.shape == lr_table(right).lr.shape
    assert run_id(wrong) != run_id(right)


def test_an_epoch_that_the_run_does_not_end_with() -> None:
    """Of 10 updates in epochs of 4, the last two use the rate of the epoch after."""
    made = replace(mistaken("exponential", "epoch"), horizon="10ba")
    assert [round(float(x), 5) for x in lr_table(made).lr[:, 0]] == [0.08] * 4 + [0.064] * 4 + [0.0512] * 2


def test_the_whole_of_a_warmup_of_one_step_is_skipped() -> None:
    made = mistaken("cosine", "epoch", "1ep")
    table = lr_table(made)
    assert table.warmup == 0
    assert table.lr[0, 0] == 0.1
    assert check(made.schedule) == ()
    assert facts(made.schedule, table)["all"].peak_at == 0


@pytest.mark.parametrize("row", [0, -1])
def test_a_row_that_is_none(row: int) -> None:
    with pytest.raises(ConfigError, match=rf"scheduler\.first_row={row}.*give 1"):
        scheduler("cosine", first_row=row)


def test_a_warmup_that_is_stepped_otherwise() -> None:
    made = experiment(scheduler("cosine", interval="batch", first_row=1), ramp("2ep", "epoch"), horizon="12ep")
    with pytest.raises(ConfigError, match=r"scheduler\.first_row=1.*set warmup\.interval=batch"):
        lr_table(made)


def test_a_schedule_that_hears_a_metric_has_no_order() -> None:
    made = experiment(scheduler("plateau", first_row=1), horizon="40ep")
    with pytest.raises(ConfigError, match=r"scheduler\.first_row=1.*after an evaluation"):
        check_feedback(made.schedule, ["val/loss"])


def test_null_is_the_experiment_without_it() -> None:
    plain = config.experiment("model=mlp", "scheduler=step")
    assert config.experiment("model=mlp", "scheduler=step", "scheduler.first_row=null") == plain
    assert "first_row" not in plain.schedule.resolved["scheduler"]
    assert config.experiment("model=mlp", "scheduler=step", "scheduler.first_row=1").schedule.resolved["scheduler"][
        "first_row"
    ] == 1  # fmt: skip


def test_adam_is_no_other() -> None:
    made = mistaken("cosine", "batch", optimizer=optimizer("adamw"))
    assert lr_table(made).lr[0, 0] == pytest.approx(1e-3 * (1 + np.cos(np.pi / 48)) / 2)
