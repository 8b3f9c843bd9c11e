"""mmengine's settings, against its own schedulers where it is installed, and always against `Reference`: the recursions
of its 0.10.7 written out here, since it is no part of the test environment."""

from collections.abc import Callable
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imports import SETTINGS, rate, rates, require_same, sgd

from lrbench.errors import ConfigError
from lrbench.interop.foreign import mmengine
from lrbench.interop.foreign.imported import GivenSizes, Imported
from lrbench.interop.foreign.read import assignments_of

U, EPOCHS, LR = 6, 12, 0.1
ASKED = GivenSizes(updates_per_epoch=U)
FOREVER = 10**9


class Reference:
    """One scheduler of theirs: from step `begin` to `end`, each value made of the one before."""

    def __init__(self, optimizer: Any, type: str, begin: int = 0, end: int = FOREVER, **args: Any) -> None:
        times = U if args.pop("convert_to_iter_based", False) else 1
        self.by_epoch = args.pop("by_epoch", True) and times == 1
        self.group, self.base, self.kind = optimizer.param_groups[0], optimizer.defaults["lr"], type
        self.begin, self.end = begin * times, end * times if end != FOREVER else FOREVER
        lengths = ("T_max", "step_size", "total_steps")
        self.args = {k: v * times if k in lengths and v else v for k, v in args.items()}
        for name in ("milestones", "periods"):
            if name in args:
                self.args[name] = [m * times for m in args[name]]
        self.global_step, self.last = -1, -1
        self.step()

    def step(self) -> None:
        self.global_step += 1
        if self.begin <= self.global_step < self.end:
            self.last += 1
            self.group["lr"] = getattr(self, f"_{self.kind}")(self.group["lr"], self.last, **self.args)

    def _LinearLR(self, lr: float, t: int, start_factor: float = 1 / 3, end_factor: float = 1.0) -> float:
        rise = end_factor - start_factor
        if t == 0:
            return lr * start_factor
        return lr * (1 + rise / ((self.end - self.begin - 1) * start_factor + (t - 1) * rise))

    def _ConstantLR(self, lr: float, t: int, factor: float = 1 / 3) -> float:
        return lr * factor if t == 0 else lr / factor if t == self.end - self.begin - 1 else lr

    def _CosineAnnealingLR(
        self, lr: float, t: int, T_max: int | None = None, eta_min: float = 0.0, eta_min_ratio: float | None = None
    ) -> float:
        length, low = T_max or self.end - self.begin, eta_min if eta_min_ratio is None else self.base * eta_min_ratio
        if t == 0:
            return lr
        if (t - 1 - length) % (2 * length) == 0:
            return lr + (self.base - low) * (1 - cos(pi / length)) / 2
        return (1 + cos(pi * t / length)) / (1 + cos(pi * (t - 1) / length)) * (lr - low) + low

    def _MultiStepLR(self, lr: float, t: int, milestones: list[int], gamma: float = 0.1) -> float:
        return lr * gamma if t in milestones else lr

    def _StepLR(self, lr: float, t: int, step_size: int, gamma: float = 0.1) -> float:
        return lr * gamma if t and t % step_size == 0 else lr

    def _ExponentialLR(self, lr: float, t: int, gamma: float) -> float:
        return lr * gamma if t else lr

    def _PolyLR(self, lr: float, t: int, eta_min: float = 0.0, power: float = 1.0) -> float:
        if t == 0:
            return lr
        return (lr - eta_min) * (1 - 1 / (self.end - self.begin - 1 - t + 1)) ** power + eta_min

    def _CosineRestartLR(
        self, lr: float, t: int, periods: list[int], restart_weights: list[float], eta_min: float = 0.0
    ) -> float:
        begun = 0
        for period, weight in zip(periods, restart_weights, strict=True):
            if t < begun + period:
                done = t - begun
                if done == 0:
                    return self.base * weight
                ratio = (1 + cos(pi * done / period)) / (1 + cos(pi * (done - 1) / period))
                return ratio * (lr - eta_min) + eta_min
            begun += period
        return lr


def theirs(make: Callable[..., Any], schedulers: list[dict[str, Any]], updates: int) -> np.ndarray:
    """The rates of a loop that steps each after an update or after an epoch."""
    optimizer = sgd(LR)
    made = [make(optimizer, **scheduler) for scheduler in schedulers]
    seen = []
    for update in range(updates):
        seen.append(rate(optimizer))
        optimizer.step()
        for scheduler in made:
            if not scheduler.by_epoch or (update + 1) % U == 0:
                scheduler.step()
    return np.array(seen)


def config(*schedulers: dict[str, Any], epochs: int | None = EPOCHS, iters: int | None = None) -> dict[str, Any]:
    train = {"max_epochs": epochs} if iters is None else {"type": "IterBasedTrainLoop", "max_iters": iters}
    optimizer = {"type": "SGD", "lr": LR, "momentum": 0.9}
    return {"optim_wrapper": {"optimizer": optimizer}, "param_scheduler": [*schedulers], "train_cfg": train}


def warmup(end: int, **more: Any) -> dict[str, Any]:
    return {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": end, **more}


CONFIGS: dict[str, list[dict[str, Any]]] = {
    "detection's": [warmup(5), {"type": "MultiStepLR", "begin": 0, "end": 12, "milestones": [8, 11], "gamma": 0.1}],
    "a warmup of more than an epoch": [warmup(10), {"type": "MultiStepLR", "milestones": [8, 11]}],
    "pretraining's": [
        {"type": "LinearLR", "start_factor": 1e-4, "by_epoch": True, "end": 3, "convert_to_iter_based": True},
        {"type": "CosineAnnealingLR", "T_max": 9, "begin": 3, "end": 12, "convert_to_iter_based": True},
    ],
    "by the epoch": [
        {"type": "LinearLR", "start_factor": 0.01, "end": 3},
        {"type": "CosineAnnealingLR", "begin": 3, "eta_min_ratio": 0.1, "T_max": 9},
    ],
    "a cosine under a warmup of the first epoch": [warmup(5), {"type": "CosineAnnealingLR", "T_max": 12}],
    "RTMDet's": [
        warmup(5),
        {"type": "CosineAnnealingLR", "begin": 6, "end": 12, "eta_min": 5e-3, "convert_to_iter_based": True},
    ],
    "a late cosine": [{"type": "CosineAnnealingLR", "begin": 8, "end": 12, "eta_min_ratio": 0.1}],
    "a cosine alone": [{"type": "CosineAnnealingLR", "T_max": 12, "eta_min": 1e-3}],
    "a cosine that climbs": [{"type": "CosineAnnealingLR", "T_max": 5, "end": 12}],
    "segmentation's": [{"type": "PolyLR", "eta_min": 1e-3, "power": 0.9, "begin": 0, "end": 72, "by_epoch": False}],
    "after a warmup": [
        warmup(12),
        {"type": "PolyLR", "eta_min": 0.0, "power": 1.0, "begin": 12, "end": 72, "by_epoch": False},
    ],
    "a poly that is done early": [{"type": "PolyLR", "eta_min": 1e-3, "end": 8}],
    "steps": [{"type": "StepLR", "step_size": 4, "gamma": 0.5}],
    "steps that end": [{"type": "StepLR", "step_size": 3, "gamma": 0.5, "end": 7}],
    "milestones that end": [{"type": "MultiStepLR", "milestones": [4, 9], "end": 8}],
    "converted": [{"type": "StepLR", "step_size": 4, "convert_to_iter_based": True}],
    "an exponential": [{"type": "ExponentialLR", "gamma": 0.9}],
    "a line down": [{"type": "LinearLR", "start_factor": 1.0, "end_factor": 0.1, "end": 12}],
    "flat": [{"type": "ConstantLR", "factor": 0.1, "end": 3}, {"type": "StepLR", "begin": 3, "step_size": 4}],
    "restarts": [
        {"type": "CosineRestartLR", "periods": [4, 4, 4], "restart_weights": [1, 0.5, 0.25], "eta_min": 1e-4}
    ],
    "longer restarts": [
        {"type": "CosineRestartLR", "periods": [4, 8], "restart_weights": [1, 1], "eta_min": 0.0}
    ],
    "a warmup alone": [warmup(20)],
    "nothing": [],
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_rates_are_those_of_their_recursions(name: str) -> None:
    found = mmengine.imported(config(*CONFIGS[name]), ASKED)
    assert found.run.updates == EPOCHS * U
    require_same(rates(found), theirs(Reference, CONFIGS[name], EPOCHS * U))


@pytest.mark.parametrize("name", CONFIGS)
def test_rates_are_mmengines(name: str) -> None:
    """Its own classes, where it is installed: built as its runner builds them."""
    pytest.importorskip("mmengine.optim.scheduler")
    from mmengine.registry import PARAM_SCHEDULERS

    def made(optimizer: Any, convert_to_iter_based: bool = False, **args: Any) -> Any:
        cls = PARAM_SCHEDULERS.get(args["type"])
        own = {k: v for k, v in args.items() if k != "type"}
        if convert_to_iter_based:
            return cls.build_iter_from_epoch(optimizer=optimizer, epoch_length=U, **own)
        return cls(optimizer, **own)

    found = mmengine.imported(config(*CONFIGS[name]), ASKED)
    require_same(rates(found), theirs(made, CONFIGS[name], EPOCHS * U))


@pytest.mark.parametrize("steps", [72, None])
def test_a_one_cycle_has_a_peak_of_its_own(steps: int | None) -> None:
    """torch's formula: eta_max / 25 up to eta_max at 30 % of the steps, down to a ten-thousandth of the start."""
    one = {"type": "OneCycleLR", "eta_max": 0.4, "total_steps": steps, "end": 72, "by_epoch": False}
    found = mmengine.imported(config(one), ASKED)
    top = 0.3 * 72 - 1
    up = [0.4 + (0.016 - 0.4) / 2 * (cos(pi * t / top) + 1) for t in range(21)]
    low = 0.016 / 1e4
    down = [low + (0.4 - low) / 2 * (cos(pi * (t - top) / (71 - top)) + 1) for t in range(21, 72)]
    require_same(rates(found), [*up, *down])


def test_a_plateau_hears_what_theirs_hears() -> None:
    """It counts as torch's: a third bad epoch cuts where patience is 2."""
    one = {"type": "ReduceOnPlateauLR", "monitor": "accuracy/top1", "rule": "greater", "factor": 0.5, "patience": 2}
    found = mmengine.imported(config(one), ASKED)
    heard = [0.5, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    factors = [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    require_same(rates(found, heard), np.repeat(np.array(factors) * LR, U))


def test_training_in_iterations_needs_no_epochs() -> None:
    poly = {"type": "PolyLR", "eta_min": 1e-3, "power": 0.9, "begin": 0, "end": 50, "by_epoch": False}
    found = mmengine.imported(config(poly, iters=50), GivenSizes())
    assert found.overrides[-1] == "horizon=50ba"
    require_same(rates(found), theirs(Reference, [poly], 50))


def test_a_file_of_theirs() -> None:
    found = of(SETTINGS / "mmengine_faster_rcnn.py", GivenSizes(samples=117266, devices=8))
    assert found.overrides == (
        "optimizer=sgd", "optimizer.lr=0.02", "optimizer.args.momentum=0.9", "optimizer.args.weight_decay=0.0001",
        "optimizer.args.nesterov=false", "scheduler=multistep", "scheduler.interval=epoch",
        "scheduler.args.milestones=[@8ep, @11ep]", "scheduler.args.gamma=0.1", "warmup=linear_10pct_linspace",
        "warmup.interval=batch", "warmup.length=500ba", "warmup.join=replace", "warmup.args.start_lr=0.001x",
        "horizon=12ep",
    )  # fmt: skip
    assert (found.batch, found.run.per_epoch) == (16, 7330)
    assert {"model", "default_hooks"} < {*found.not_taken}


def of(path: Path, asked: GivenSizes = ASKED) -> Imported:
    return mmengine.imported(assignments_of(str(path)), asked)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    """A value that has to be worked out is refused where a rate depends on it, and nowhere else."""
    trap = tmp_path / "trap"
    text = f"work_dir = open({str(trap)!r}, 'w')\nepochs = 4 * 3\ntrain_cfg = dict(max_epochs=epochs)\n"
    wrapper = "optim_wrapper = dict(optimizer=dict(type='SGD', lr={}))\n"
    path = tmp_path / "config.py"
    path.write_text("import os\n" + text + wrapper.format("0.02 / 2"))
    assert of(path).overrides[1] == "optimizer.lr=0.01"
    assert not trap.exists()
    path.write_text(text + wrapper.format("float(os.environ.get('LR'))"))
    with pytest.raises(ConfigError, match=r"optim_wrapper.optimizer.lr=float\(os.environ.*line 4 .*nothing is run"):
        of(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("_base_ = ['../base.py']", ("builds on other files", "../base.py")),
        ("with read_base():\n    from .base import *", ("builds on other files",)),
        ("x = 1\nif x:\n    lr = 2", ("line 2", "if x:", "nothing is run")),
        ("optim_wrapper = dict()\noptim_wrapper['optimizer'] = 3", ("line 2", "may change a value")),
        ("optim_wrapper = dict()\noptim_wrapper.update(lr=3)", ("line 2", "may change a value")),
        ("x =", ("no Python",)),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        of(path)
    assert all(word in str(refused.value) for word in words), str(refused.value)


STEP = {"type": "StepLR", "step_size": 4}


@pytest.mark.parametrize(
    ("given", "asked", "words"),
    [
        (config(STEP), GivenSizes(), ("--updates-per-epoch",)),
        ({"lr_config": {"policy": "step"}}, ASKED, ("lr_config", "migration")),
        ({"train_cfg": {}}, ASKED, ("optim_wrapper", "there is none")),
        (config({"type": "StepsLR"}), ASKED, ("param_scheduler[0].type=StepsLR", "'StepLR'")),
        (config(STEP, STEP), ASKED, ("2 schedulers", "StepLR, StepLR")),
        (config(warmup(20), {"type": "CosineAnnealingLR", "T_max": 12}), ASKED, ("begin=0", "ends at 20")),
        (config(warmup(12), {**STEP, "begin": 4}), ASKED, ("begin=4", "ends at 12")),
        (config({"type": "CosineAnnealingLR", "begin": 4, "T_max": 12}), ASKED, ("begin=4", "what is left")),
        (config({**STEP, "begin": 4}), ASKED, ("begin=4", "begin at 0")),
        (config({"type": "CosineAnnealingLR", "T_max": 8, "end": 8}), ASKED, ("end=8", "stops at step 8")),
        (config({"type": "LinearLR", "end": 12}), ASKED, ("0.333 to 1",)),
        (config({"type": "LinearLR", "start_factor": 0.1, "end_factor": 0.5, "end": 3}), ASKED, ("0.1 to 0.5",)),
        (config({**STEP, "lr_boost": 2}), ASKED, ("param_scheduler[0].lr_boost=2", "may move rates")),
        (config({"type": "CosineRestartLR", "periods": [4, 8], "restart_weights": [0.5, 1], "eta_min": 0}), ASKED,
         ("periods",)),
        ({**config({**STEP, "by_epoch": False}), "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 1},
          "accumulative_counts": 4}}, ASKED, ("accumulative_counts=4",)),
        ({**config(STEP), "auto_scale_lr": {"enable": True, "base_batch_size": 16}}, ASKED, ("--batch-size",)),
    ],
)  # fmt: skip
def test_what_is_refused(given: dict[str, Any], asked: GivenSizes, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        mmengine.imported(given, asked)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_what_is_named() -> None:
    given = config(STEP, {"type": "CosineAnnealingMomentum", "T_max": 12})
    given["optim_wrapper"]["paramwise_cfg"] = {"custom_keys": {"backbone": {"lr_mult": 0.1, "decay_mult": 1.0}}}
    found = mmengine.imported(given, ASKED)
    assert "moves the momentum" in found.left[0]
    assert "backbone have 0.1" in found.left[1]


def test_the_rate_is_scaled_where_that_is_enabled() -> None:
    given = {**config(STEP), "auto_scale_lr": {"enable": True, "base_batch_size": 16}}
    found = mmengine.imported(given, GivenSizes(updates_per_epoch=U, batch_size=8, devices=8))
    assert "optimizer.lr=0.4" in found.overrides  # 0.1 x 64 / 16
