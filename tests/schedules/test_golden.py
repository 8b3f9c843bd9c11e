"""Rows that a person can check by hand. The peak is 0.1 and an epoch has 10 updates, unless said otherwise."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handmade import GROUPS, TORCH, experiment, optimizer, ramp, scheduler

from lrbench.experiment import LRScaling, Scheduler
from lrbench.schedules import lr_table

ROOT_HALF = 0.5**0.5  # cos 45 degrees: the cosine is (1 + 0.7071) / 2 of the way at a quarter

EXPONENTIAL = {"target": TORCH + "ExponentialLR", "interval": "epoch"}

# title: (scheduler, warmup, horizon, {epoch: rate at its first update})
BY_EPOCH: dict[str, tuple[Any, Any, str, dict[int, float]]] = {
    "the guide's linear warmup": (
        "constant", "linear5", "20ep",
        {0: 0.001, 1: 0.0208, 2: 0.0406, 3: 0.0604, 4: 0.0802, 5: 0.1, 19: 0.1},
    ),
    "ten epochs of warmup": (
        "constant", "linear10", "20ep",
        {0: 0.001, 1: 0.0109, 5: 0.0505, 9: 0.0901, 10: 0.1, 19: 0.1},
    ),
    "multistep, the ImageNet recipe": (
        "multistep_30_60_90", "none", "100ep",
        {0: 0.1, 29: 0.1, 30: 0.01, 59: 0.01, 60: 0.001, 89: 0.001, 90: 0.0001, 99: 0.0001},
    ),
    "multistep: a warmup does not move the milestones": (
        "multistep_30_60_90", "linear5", "100ep",
        {4: 0.0802, 5: 0.1, 29: 0.1, 30: 0.01, 59: 0.01, 60: 0.001, 89: 0.001, 90: 0.0001},
    ),
    "multistep in shares of 20 epochs": (
        "multistep", "none", "20ep", {5: 0.1, 6: 0.01, 11: 0.01, 12: 0.001, 17: 0.001, 18: 0.0001, 19: 0.0001},
    ),
    "a milestone at the end of the warmup drops on the first main row": (
        scheduler("multistep", {"milestones": ["@5ep", "@10ep"]}), "linear5", "20ep",
        {4: 0.0802, 5: 0.01, 9: 0.01, 10: 0.001},
    ),
    "a milestone at the end of the horizon never comes": (
        scheduler("multistep", {"milestones": ["@10ep", "@end"]}), "none", "20ep", {9: 0.1, 10: 0.01, 19: 0.01},
    ),
    "step every 30 %": (
        "step", "none", "100ep",
        {0: 0.1, 29: 0.1, 30: 0.01, 59: 0.01, 60: 0.001, 89: 0.001, 90: 0.0001, 99: 0.0001},
    ),
    "step: a duration counts from the end of the warmup": (
        scheduler("step", {"step_size": "30ep"}), "linear5", "100ep",
        {5: 0.1, 34: 0.1, 35: 0.01, 64: 0.01, 65: 0.001, 94: 0.001, 95: 0.0001},
    ),
    "cosine": (
        "cosine", "none", "100ep",
        {0: 0.1, 25: 0.05 * (1 + ROOT_HALF), 50: 0.05, 75: 0.05 * (1 - ROOT_HALF)},
    ),
    "cosine, the numbers of the guide": (
        "cosine", "none", "100ep", {25: 0.0853553390593, 50: 0.05, 75: 0.0146446609407, 99: 2.4671981713e-5},
    ),
    "cosine: 40 epochs left after 5 of warmup": (
        "cosine", "linear5", "45ep",
        {4: 0.0802, 5: 0.1, 15: 0.0853553390593, 25: 0.05, 35: 0.0146446609407},
    ),
    "cosine with an absolute floor": (
        "cosine_floor1e-5", "none", "100ep", {0: 0.1, 50: (0.1 + 1e-5) / 2},
    ),
    "cosine with a floor of 1 % of the peak": (
        scheduler("cosine", {"eta_min": "0.01x"}), "none", "100ep", {0: 0.1, 50: (0.1 + 0.001) / 2},
    ),
    "one cycle per epoch: up by epoch 29, the 30th, and down to the last": (
        scheduler("onecycle", interval="epoch"), "none", "100ep", {0: 0.1 / 25, 29: 0.1, 99: 0.1 / 25 / 1e4},
    ),
    "exponential with a unit": ("exponential", "none", "40ep", {0: 0.1, 1: 0.095, 2: 0.09025}),
    "exponential to 1 % at the end: a tenth half way": ("exponential_to", "none", "40ep", {0: 0.1, 20: 0.01}),
    "a line to zero": ("linear", "none", "20ep", {0: 0.1, 5: 0.075, 10: 0.05, 19: 0.005}),
    "polynomial of power 0.9": ("polynomial", "none", "10ep", {0: 0.1, 5: 0.1 * 0.5**0.9, 9: 0.1 * 0.1**0.9}),
    "restarts every fifth of 20 epochs": (
        "cosine_restarts", "none", "20ep", {0: 0.1, 1: 0.05 * (1 + ROOT_HALF), 2: 0.05, 4: 0.1, 6: 0.05, 16: 0.1},
    ),
    "restarts that double: 2, 4 and 8 epochs": (
        scheduler("cosine_restarts", {"T_0": "2ep", "T_mult": 2}), "none", "14ep",
        {0: 0.1, 1: 0.05, 2: 0.1, 4: 0.05, 6: 0.1, 10: 0.05},
    ),
    "detection: drops at epochs 16 and 22": (
        "multistep_16_22", "none", "26ep", {15: 0.1, 16: 0.01, 21: 0.01, 22: 0.001, 25: 0.001},
    ),
    "one drop at epoch 24": ("multistep_24", "none", "36ep", {23: 0.1, 24: 0.01, 35: 0.01}),
    "one drop at epoch 200": ("multistep_200", "none", "300ep", {199: 0.1, 200: 0.01, 299: 0.01}),
    "a tenth every 30 epochs": ("step_30", "none", "100ep", {29: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001}),
    "hand-written warmup: 1/5 to 5/5, the peak twice": (
        "constant", "linear5_one_over_w", "20ep", {0: 0.02, 1: 0.04, 2: 0.06, 3: 0.08, 4: 0.1, 5: 0.1},
    ),
    "exponential warmup from 1 %": (
        "constant", "exponential5", "20ep", {0: 0.001, 1: 0.1 * 0.01**0.8, 4: 0.1 * 0.01**0.2, 5: 0.1},
    ),
    "constant warmup": ("constant", "constant5", "20ep", {0: 0.01, 4: 0.01, 5: 0.1}),
    "three epochs of warmup": ("constant", "linear3", "20ep", {0: 0.001, 1: 0.034, 2: 0.067, 3: 0.1}),
    "twenty epochs of warmup": ("constant", "linear20", "40ep", {0: 0.001, 10: 0.0505, 20: 0.1}),
    "the first number of the guide's hand-written warmup and cosine": (
        "cosine", "linear5_one_over_w", "45ep", {0: 0.02, 4: 0.1, 5: 0.1, 25: 0.05},
    ),
    "exponential: a tenth every 30 epochs": (
        Scheduler(**EXPONENTIAL, args={"gamma": "0.1/30ep"}), "none", "90ep", {0: 0.1, 30: 0.01, 60: 0.001},
    ),
    "exponential to 1 % at the end: a tenth half way between warmup and end": (
        Scheduler(**EXPONENTIAL, args={"gamma": "0.01/end"}), "linear5", "45ep", {5: 0.1, 25: 0.01},
    ),
    "bare numbers go to torch as they are": (
        Scheduler(target=TORCH + "StepLR", interval="epoch", args={"step_size": 3, "gamma": 0.5}), "none", "20ep",
        {0: 0.1, 2: 0.1, 3: 0.05, 6: 0.025, 9: 0.0125},
    ),
    "bare milestones too: torch counts them from the start of its own phase": (
        Scheduler(target=TORCH + "MultiStepLR", interval="epoch", args={"milestones": [3], "gamma": 0.5}), "linear5",
        "20ep", {7: 0.1, 8: 0.05},
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", BY_EPOCH)
def test_rates_by_epoch(title: str) -> None:
    main, warm, horizon, rows = BY_EPOCH[title]
    rates = lr_table(experiment(main, warm, horizon=horizon)).lr[:, 0]
    assert len(rates) == 10 * int(horizon.removesuffix("ep"))
    assert (rates.reshape(-1, 10) == rates[::10, None]).all(), "a rate stepped per epoch holds for the whole epoch"
    for epoch, rate in rows.items():
        assert rates[10 * epoch] == pytest.approx(rate, rel=1e-9), f"epoch {epoch}"


# title: (scheduler, warmup, horizon, {update: rate})
BY_UPDATE: dict[str, tuple[Any, Any, str, dict[int, float]]] = {
    "a tenth of 20 epochs is 20 updates of warmup": (
        "constant", "linear_10pct", "20ep",
        {0: 0.001, 1: 0.00595, 10: 0.0505, 19: 0.09505, 20: 0.1, 199: 0.1},
    ),
    "one cycle per update: up by the 300th of 1000 updates": (
        "onecycle", "none", "100ep", {0: 0.1 / 25, 299: 0.1, 999: 0.1 / 25 / 1e4},
    ),
    "a twentieth of 20 epochs is 10 updates": ("constant", "linear_5pct", "20ep", {0: 0.001, 5: 0.0505, 10: 0.1}),
    "one epoch of warmup, per update": ("constant", "linear1", "20ep", {0: 0.001, 5: 0.0505, 10: 0.1}),
    "a warmup from zero, as in transformers": ("constant", "linear_10pct_zero", "20ep", {0: 0.0, 5: 0.025, 20: 0.1}),
    "inverse square root: up to update 19, the 20th, half of the peak at the 80th": (
        "inverse_sqrt", "none", "20ep", {0: 0.005, 9: 0.05, 19: 0.1, 79: 0.05, 179: 0.1 / 3},
    ),
    "the paper's own inverse square root, for an optimizer rate of 1": (
        scheduler("inverse_sqrt", {"warmup_steps": "4000ba", "d_model": 512}), "none", "16000ba",
        {0: 0.1 * 512**-0.5 * 4000**-1.5, 3999: 0.1 * (512 * 4000) ** -0.5, 15999: 0.05 * (512 * 4000) ** -0.5},
    ),
    "stable, then down over a fifth with 1 - sqrt": (
        "wsd", "none", "10ep", {0: 0.1, 80: 0.1, 85: 0.05, 99: 0.1 * (1 - (19 / 20) ** 0.5)},
    ),
    "triangles between a tenth of the peak and the peak": (
        "cyclic", "none", "10ep", {0: 0.01, 5: 0.055, 10: 0.1, 15: 0.055, 20: 0.01, 30: 0.1, 40: 0.01},
    ),
    "cosine per update, 37 in all": (
        scheduler("cosine", interval="batch"), "none", "37ba", {0: 0.1, 36: 0.05 * (1 + np.cos(np.pi * 36 / 37))},
    ),
    "cosine per epoch over 3.7 epochs: the one under way counts, T_max is 4": (
        "cosine", "none", "37ba",
        {9: 0.1, 10: 0.0853553390593, 20: 0.05, 29: 0.05, 30: 0.0146446609407, 36: 0.0146446609407},
    ),
    "a warmup of 2.5 epochs: what is left of epoch 2 is main step 0": (
        scheduler("step", {"step_size": "1ep"}), ramp("25ba", "batch"), "50ba",
        {0: 0.001, 24: 0.1 * (0.01 + 0.99 * 24 / 25), 25: 0.1, 29: 0.1, 30: 0.01, 39: 0.01, 40: 0.001},
    ),
    "a warmup per epoch, then a cosine per update": (
        scheduler("cosine", interval="batch"), "linear5", "15ep",
        {0: 0.001, 9: 0.001, 10: 0.0208, 49: 0.0802, 50: 0.1, 75: 0.0853553390593, 100: 0.05, 125: 0.0146446609407},
    ),
    "30 % of 25 updates is 7.5: shares round half up": (
        scheduler("step", interval="batch"), "none", "25ba", {7: 0.1, 8: 0.01, 15: 0.01, 16: 0.001, 24: 0.0001},
    ),
    "positions in shares round half up too": (
        scheduler("multistep", {"milestones": ["@30%", "@50%"]}, interval="batch"), "none", "25ba",
        {7: 0.1, 8: 0.01, 12: 0.01, 13: 0.001},
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", BY_UPDATE)
def test_rates_by_update(title: str) -> None:
    main, warm, horizon, rows = BY_UPDATE[title]
    rates = lr_table(experiment(main, warm, horizon=horizon)).lr[:, 0]
    for update, rate in rows.items():
        assert rates[update] == pytest.approx(rate, rel=1e-9), f"update {update}"


@pytest.mark.parametrize(("optim", "peak"), [("sgd", 0.1), ("adamw", 0.001)])
def test_one_cycle_moves_the_momentum_against_the_rate(optim: str, peak: float) -> None:
    table = lr_table(experiment("onecycle", horizon="100ep", optimizer=optimizer(optim)))
    assert table.momentum is not None
    for update, rate, momentum in [(0, peak / 25, 0.95), (299, peak, 0.85), (999, peak / 25e4, 0.95)]:
        assert table.lr[update, 0] == pytest.approx(rate, rel=1e-9)
        assert table.momentum[update, 0] == pytest.approx(momentum, rel=1e-12)


CYCLIC = Scheduler(
    target=TORCH + "CyclicLR",
    interval="batch",
    peak_arg="max_lr",
    args={"base_lr": "0.1x", "step_size_up": "10ba", "base_momentum": 0.7, "max_momentum": 0.9},
)


@pytest.mark.parametrize("args", [{"momentum": 0.8}, {"momentum": 0.0}, {}])
def test_under_the_warmup_the_momentum_is_the_optimizers_own(args: dict[str, float]) -> None:
    table = lr_table(experiment(CYCLIC, "linear5", optimizer=optimizer(args=args)))
    assert table.momentum is not None
    assert (table.momentum[:50] == args.get("momentum", 0.0)).all()
    for update, rate, momentum in [(50, 0.01, 0.9), (55, 0.055, 0.8), (60, 0.1, 0.7), (70, 0.01, 0.9)]:
        assert table.lr[update, 0] == pytest.approx(rate, rel=1e-9)
        assert table.momentum[update, 0] == pytest.approx(momentum, rel=1e-9)


def test_an_optimizer_that_has_no_momentum_gets_none() -> None:
    cyclic = replace(CYCLIC, args={**CYCLIC.args, "cycle_momentum": False})
    table = lr_table(experiment(cyclic, optimizer=optimizer(target="torch.optim.Adagrad", args={})))
    assert table.momentum is None
    assert table.lr[10, 0] == pytest.approx(0.1)


# What plateau hears after each epoch, and the rate of the epochs from 0: patience 2, so the third bad value cuts.
HEARD = [1.0, 0.9, 0.9, 0.95, 0.9, 0.5, 0.5, 0.5, 0.5, 0.4, 0.3]
#        best best  1     2    cut  best  1    2   cut
RATES = [0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001]


def test_plateau_cuts_after_the_third_bad_value() -> None:
    made = experiment(scheduler("plateau", {"patience": "2ep"}), horizon="12ep")
    table = lr_table(made, HEARD)
    np.testing.assert_allclose(table.lr[::10, 0], RATES, rtol=1e-12)
    assert table.known == 120
    half = lr_table(made, HEARD[:5])
    assert half.known == 60  # 5 values heard: the rates of 6 epochs are certain, the later ones stand
    np.testing.assert_allclose(half.lr[::10, 0], RATES[:6] + [0.01] * 6, rtol=1e-12)


def test_plateau_hears_nothing_of_the_warmup() -> None:
    made = experiment(scheduler("plateau", {"patience": "2ep"}), "linear5", horizon="17ep")
    table = lr_table(made, HEARD)
    warm = [0.001, 0.0208, 0.0406, 0.0604, 0.0802]
    np.testing.assert_allclose(table.lr[::10, 0], warm + RATES, rtol=1e-12)
    assert lr_table(made).known == 60  # nothing heard: the warmup and the first main epoch


def test_plateau_counts_evaluations() -> None:
    made = experiment(scheduler("plateau", {"patience": "4ep"}), horizon="24ep", eval_every="2ep")
    np.testing.assert_allclose(lr_table(made, HEARD).lr[::20, 0], RATES, rtol=1e-12)


def test_plateau_per_update_hears_the_training_loss() -> None:
    made = experiment(scheduler("plateau", {"patience": "2ba"}, interval="batch"), horizon="12ba", monitor="train/loss")
    np.testing.assert_allclose(lr_table(made, HEARD).lr[:, 0], RATES, rtol=1e-12)


def test_plateau_never_goes_below_its_floor() -> None:
    table = lr_table(experiment(scheduler("plateau", {"patience": 0}), horizon="12ep"), [1.0] * 11)
    np.testing.assert_allclose(
        table.lr[::10, 0], [0.1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6], rtol=1e-9
    )


def test_a_value_for_each_group() -> None:
    main = scheduler("cosine", {"eta_min": {"decay": 1e-3, "no_decay": 1e-4}})
    table = lr_table(experiment(main, horizon="100ep", param_groups=GROUPS))
    assert table.groups == ("decay", "no_decay")
    np.testing.assert_allclose(table.lr[500], [(0.1 + 1e-3) / 2, (0.1 + 1e-4) / 2], rtol=1e-9)


def test_the_rule_for_the_batch_size_multiplies_the_peak_and_no_floor() -> None:
    scaled = {"lr_scaling": LRScaling(rule="linear", base_batch=4), "horizon": "100ep"}  # batches of 8: twice the peak
    rates = lr_table(experiment("cosine_floor1e-5", **scaled)).lr[:, 0]
    assert rates[0] == pytest.approx(0.2, rel=1e-12)
    assert rates[500] == pytest.approx((0.2 + 1e-5) / 2, rel=1e-9)
    relative = lr_table(experiment(scheduler("cosine", {"eta_min": "0.1x"}), **scaled)).lr[:, 0]
    assert relative[500] == pytest.approx((0.2 + 0.02) / 2, rel=1e-9)
    root = lr_table(experiment("constant", lr_scaling=LRScaling(rule="sqrt", base_batch=2))).lr[:, 0]
    assert root[0] == pytest.approx(0.2, rel=1e-12)
