"""The table against a live textbook loop: torch's optimizer and schedulers, stepped by hand where a person steps them.

The textbook's numbers (T_max, milestones, ...) are written here from the rules, not taken from lrbench.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from lrbench import config
from lrbench.experiment import Experiment
from lrbench.schedules import Feedback, lr_table

U, EPOCHS, PEAK = 16, 20, 0.1  # digits in batches of 64: 1077 // 64 = 16 updates an epoch
N = U * EPOCHS


def composed(*overrides: str) -> Experiment:
    return config.experiment("tracker=none", "model=mlp", f"horizon={EPOCHS}ep", *overrides)


def main_scheduler(name: str, optimizer: torch.optim.Optimizer, batch: bool, warm: int) -> object:
    """The main scheduler as a person writes it, `warm` updates of warmup being over."""
    tick = 1 if batch else U
    rest = (N - warm) // tick
    total = N // tick
    build: dict[str, Callable[[], object]] = {
        "constant": lambda: ConstantLR(optimizer, factor=1.0),
        "step": lambda: StepLR(optimizer, step_size=total * 30 // 100, gamma=0.1),
        "multistep": lambda: MultiStepLR(optimizer, [total * p // 100 - warm // tick for p in (30, 60, 90)], gamma=0.1),
        "cosine": lambda: CosineAnnealingLR(optimizer, T_max=rest, eta_min=0.0),
        "cosine_floor1e-5": lambda: CosineAnnealingLR(optimizer, T_max=rest, eta_min=1e-5),
        "onecycle": lambda: OneCycleLR(optimizer, max_lr=PEAK, total_steps=total),
    }
    return build[name]()


def textbook(name: str, batch: bool, warm_epochs: float, warm_batch: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rates and momenta before every update of a loop written by hand."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, momentum=0.9)
    group, warm = optimizer.param_groups[0], int(warm_epochs * U)
    scheduler, interval = None, 1
    rates, momenta = [], []
    for update in range(N):
        if update == 0 and warm:
            interval = 1 if warm_batch else U
            scheduler = LinearLR(optimizer, start_factor=0.01, total_iters=warm // interval)
        if update == warm:
            group["lr"] = PEAK
            group.pop("initial_lr", None)
            interval = 1 if batch else U
            scheduler = main_scheduler(name, optimizer, batch, warm)
        rates.append(group["lr"])
        momenta.append(group["momentum"])
        optimizer.step()
        if (update + 1) % interval == 0 and update + 1 not in (warm, N):
            scheduler.step()
    return np.array(rates), np.array(momenta)


CASES = [
    (name, interval, warmup)
    for name in ("constant", "step", "multistep", "cosine", "cosine_floor1e-5", "onecycle")
    for interval in ("epoch", "batch")
    for warmup in (("none",) if name == "onecycle" else ("none", "linear5", "linear10", "linear_10pct"))
    if (name, warmup) != ("multistep", "linear10")  # its first drop, epoch 6, would fall into the warmup: refused
]


@pytest.mark.parametrize(("name", "interval", "warmup"), CASES)
def test_the_table_is_the_textbook_loop(name: str, interval: str, warmup: str) -> None:
    experiment = composed(f"scheduler={name}", f"scheduler.interval={interval}", f"warmup={warmup}")
    epochs = {"none": 0, "linear5": 5, "linear10": 10, "linear_10pct": 2}[warmup]
    rates, momenta = textbook(name, interval == "batch", epochs, warmup == "linear_10pct")
    table = lr_table(experiment)
    assert (table.lr[:, 0] == rates).all()
    if table.momentum is None:
        assert (momenta == 0.9).all()
    else:
        assert (table.momentum[:, 0] == momenta).all()


def test_every_level_has_a_case() -> None:
    tested = {name for name, _, _ in CASES}
    elsewhere = {"plateau", "custom", "multistep_30_60_90"}  # below, and in the golden rows
    assert set(config.levels("scheduler")) == tested | elsewhere


@pytest.mark.parametrize("warmup", ["none", "linear5", "linear_10pct"])
def test_plateau_is_the_textbook_loop(warmup: str) -> None:
    experiment = composed("scheduler=plateau", f"warmup={warmup}")
    warm = {"none": 0, "linear5": 5, "linear_10pct": 2}[warmup]
    metrics = [1.0, 0.8, 0.7, *[0.7] * 6, 0.5, *[0.6] * 10][: EPOCHS - warm]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.1, patience=2, min_lr=1e-6)
    rates = [PEAK]
    for metric in metrics[:-1]:
        optimizer.step()
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    assert len(set(rates)) > 2  # it did cut
    table = lr_table(experiment, metrics)
    assert (table.lr[warm * U :, 0] == np.repeat(rates, U)).all()
    live = Feedback(experiment)
    for k, metric in enumerate(metrics):
        part = lr_table(experiment, metrics[:k])
        assert (part.lr[: part.known] == table.lr[: part.known]).all()  # a prefix of the metrics tells its rows
        assert live.row == [rates[k]]
        live.step(metric)


def test_a_warmup_may_end_inside_an_epoch_and_the_horizon_too() -> None:
    experiment = composed("warmup=linear_10pct", "warmup.length=25ba", "horizon=100ba", "eval_every=20ba")
    rates = lr_table(experiment).lr[:, 0]
    by_hand = [PEAK * (0.01 + 0.99 * t / 25) for t in range(25)]
    np.testing.assert_allclose(rates[:25], by_hand, rtol=1e-12)
    # Main step 0 is the rest of epoch 1 (updates 25 to 31), then epochs 2 to 6: T_max = 6.
    steps = [(t // U) - 1 for t in range(25, 100)]
    np.testing.assert_allclose(rates[25:], [PEAK * (1 + np.cos(np.pi * k / 6)) / 2 for k in steps], rtol=1e-12)


GUIDE = [
    # overrides, {epoch: rate}
    (("scheduler=constant", "warmup=linear5"), {0: 0.001, 1: 0.0208, 2: 0.0406, 3: 0.0604, 4: 0.0802, 5: 0.1, 99: 0.1}),
    (("scheduler=multistep_30_60_90",), {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001, 99: 0.0001}),
    (("scheduler=multistep_30_60_90", "warmup=linear5"), {5: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001}),
    (("scheduler=cosine",), {0: 0.1, 25: 0.08535533905932738, 50: 0.05, 75: 0.014644660940672627}),
    (("scheduler=step", "scheduler.args.step_size=30ep"), {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001}),
    (("scheduler=onecycle", "scheduler.interval=epoch"), {0: 0.004, 29: 0.1, 99: 4e-7}),
]


@pytest.mark.parametrize(("overrides", "rows"), GUIDE)
def test_golden_rows(overrides: tuple[str, ...], rows: dict[int, float]) -> None:
    rates = lr_table(config.experiment("tracker=none", "model=mlp", "horizon=100ep", *overrides)).lr[::U, 0]
    for epoch, rate in rows.items():
        assert rates[epoch] == pytest.approx(rate, rel=1e-9), epoch


@pytest.mark.parametrize("level", ["constant", "step", "multistep", "cosine"])
def test_intervals_agree_at_epoch_starts_and_the_horizon_stretches(level: str) -> None:
    epoch = composed(f"scheduler={level}", "scheduler.interval=epoch")
    batch = composed(f"scheduler={level}", "scheduler.interval=batch")
    short, fine = lr_table(epoch).lr[::U], lr_table(batch).lr[::U]
    np.testing.assert_allclose(fine, short, rtol=1e-12)
    long = lr_table(replace(batch, horizon=f"{3 * EPOCHS}ep")).lr[:: 3 * U]
    np.testing.assert_allclose(long, fine, rtol=1e-11)


@pytest.mark.parametrize("level", ["constant", "step", "multistep", "cosine", "onecycle", "plateau"])
def test_the_optimizers_rate_is_the_peak_under_every_scheduler(level: str) -> None:
    metrics = [1.0] * EPOCHS
    once = lr_table(composed(f"scheduler={level}", "optimizer.lr=0.1"), metrics).lr
    twice = lr_table(composed(f"scheduler={level}", "optimizer.lr=0.2"), metrics).lr
    assert twice.max() == pytest.approx(0.2, rel=1e-12)
    np.testing.assert_allclose(twice[:20], 2 * once[:20], rtol=1e-12)


def test_a_custom_class_with_a_factor_per_time() -> None:
    target = "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR"
    experiment = composed("scheduler=custom", target, "scheduler.interval=batch", "+scheduler.args.gamma=0.95/ep")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler, rates = ExponentialLR(optimizer, gamma=0.95 ** (1 / U)), []
    for _ in range(N):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert (lr_table(experiment).lr[:, 0] == rates).all()
    assert rates[U] == pytest.approx(PEAK * 0.95, rel=1e-12)


def test_rates_by_group_and_relative_to_the_peak() -> None:
    groups = ("param_groups=no_decay_norm_bias", "scheduler=cosine")
    table = lr_table(composed(*groups, "scheduler.args.eta_min={decay: 0.02, no_decay: 0.1x}"))
    alone = [lr_table(composed("scheduler=cosine", f"scheduler.args.eta_min={m}")).lr[:, 0] for m in ("0.02", "0.01")]
    np.testing.assert_allclose(table.lr, np.stack(alone, axis=1), rtol=1e-15)


def test_transformers_cosine_with_a_warmup_from_zero_differs_and_without_agrees() -> None:
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    theirs, rates = get_cosine_schedule_with_warmup(optimizer, 0, N), []
    for _ in range(N):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = lr_table(composed("scheduler=cosine", "scheduler.interval=batch")).lr[:, 0]
    np.testing.assert_allclose(ours, rates, atol=1e-13)


def test_timm_cosine_with_warmup_prefix() -> None:
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    theirs = CosineLRScheduler(
        optimizer, t_initial=EPOCHS - 5, warmup_t=5, warmup_lr_init=PEAK * 0.01, warmup_prefix=True
    )
    ours = lr_table(composed("scheduler=cosine", "warmup=linear5")).lr[::U, 0]
    np.testing.assert_allclose(ours, [theirs._get_lr(t)[0] for t in range(EPOCHS)], atol=1e-15)
