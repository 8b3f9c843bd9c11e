"""timm's settings, against `create_scheduler_v2` of the timm that is installed, in the loop of its train.py."""

import argparse
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from imports import SETTINGS, rates, require_same, sgd
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler_factory import scheduler_kwargs

from lrbench.errors import ConfigError
from lrbench.interop.foreign import timm
from lrbench.interop.foreign.imported import GivenSizes, Imported
from lrbench.interop.foreign.read import mapping_of

U = 3  # updates of an epoch
ASKED = GivenSizes(updates_per_epoch=U)
# What train.py has by default, as far as its schedulers look at it.
DEFAULTS = {
    "sched": "cosine", "sched_on_updates": False, "epochs": 300, "decay_milestones": [90, 180, 270],
    "decay_epochs": 90, "warmup_epochs": 5, "warmup_prefix": False, "cooldown_epochs": 0, "patience_epochs": 10,
    "decay_rate": 0.1, "min_lr": 0, "warmup_lr": 1e-5, "lr_noise": None, "lr_noise_pct": 0.67, "lr_noise_std": 1.0,
    "lr_cycle_mul": 1.0, "lr_cycle_decay": 0.5, "lr_cycle_limit": 1, "lr_k_decay": 1.0, "lr_decay_fn": None,
    "lr_stable_timescale": None, "seed": 42, "eval_metric": "top1",
}  # fmt: skip


def theirs(
    settings: dict[str, Any], lr: float, metrics: list[float] | None = None, scales: tuple[float, ...] = ()
) -> np.ndarray:
    """The rates of every update of their loop; with `scales`, of groups with an lr_scale."""
    given = {**DEFAULTS, **{k: v for k, v in settings.items() if v is not None}}
    optimizer = sgd(lr, *(1.0 for _ in scales))
    for group, scale in zip(optimizer.param_groups, scales, strict=False):
        group["lr_scale"] = scale
    kwargs = scheduler_kwargs(argparse.Namespace(**given), decreasing_metric=given["eval_metric"] == "loss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # their plateau is deprecated
        scheduler, epochs = create_scheduler_v2(optimizer, **kwargs, updates_per_epoch=U)
    seen = []
    heard = iter(metrics or ())
    for epoch in range(int(epochs)):
        for update in range(epoch * U, (epoch + 1) * U):
            seen.append([group["lr"] for group in optimizer.param_groups])
            if scheduler is not None:
                scheduler.step_update(num_updates=update + 1)
        if scheduler is not None:
            scheduler.step(epoch + 1, next(heard) if metrics else None)
    return np.array(seen)


LEVELS: dict[str, dict[str, Any]] = {
    "cosine": {"epochs": 20},
    "cosine under its warmup": {"epochs": 20, "min_lr": 1e-4, "warmup_epochs": 4},
    "cosine after its warmup": {"epochs": 20, "warmup_prefix": True, "min_lr": 1e-4},
    "cosine that cools down": {"epochs": 20, "cooldown_epochs": 5, "min_lr": 1e-3},
    "cosine in cycles": {"epochs": 8, "lr_cycle_limit": 3, "min_lr": 1e-4, "cooldown_epochs": 2},
    "cosine in equal cycles": {"epochs": 8, "lr_cycle_limit": 2, "lr_cycle_decay": 1.0, "warmup_prefix": True},
    "poly": {"sched": "poly", "epochs": 20, "decay_rate": 0.9, "min_lr": 1e-4},
    "poly that cools down": {"sched": "poly", "epochs": 20, "decay_rate": 2.0, "cooldown_epochs": 3},
    "step": {"sched": "step", "epochs": 20, "decay_epochs": 6},
    "step after its warmup": {"sched": "step", "epochs": 20, "decay_epochs": 6, "warmup_prefix": True},
    "step beyond the end": {"sched": "step", "epochs": 20},
    "multistep": {"sched": "multistep", "epochs": 20, "decay_milestones": [10, 15]},
    "multistep under the warmup": {"sched": "multistep", "epochs": 20, "decay_milestones": [3, 15]},
    "multistep after its warmup": {
        "sched": "multistep", "epochs": 20, "decay_milestones": [10, 15], "warmup_prefix": True
    },
    "multistep beyond the end": {"sched": "multistep", "epochs": 20, "decay_milestones": [10, 40]},
    "constant": {"sched": "constant", "epochs": 20},
    "none": {"sched": "none", "epochs": 20},
    "wsd": {"sched": "wsd", "epochs": 20, "decay_epochs": 0.2, "min_lr": 1e-4},
    "wsd, linear": {"sched": "wsd", "epochs": 20, "lr_decay_fn": "linear", "decay_epochs": 4, "warmup_prefix": True},
    "wsd, cosine, cooling down": {"sched": "wsd", "epochs": 20, "lr_decay_fn": "cosine", "decay_epochs": 5,
        "cooldown_epochs": 2},
    "no warmup": {"epochs": 20, "warmup_epochs": 0},
    "a word that is a number": {"epochs": 20, "min_lr": "1e-4"},
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "tanh": {"sched": "tanh", "epochs": 20, "min_lr": 1e-4},
    "tanh in cycles": {"sched": "tanh", "epochs": 8, "lr_cycle_limit": 3, "warmup_prefix": True},
    "cosine, k-decay": {"epochs": 20, "lr_k_decay": 1.5},
    "poly in cycles": {"sched": "poly", "epochs": 8, "lr_cycle_limit": 2, "decay_rate": 0.9},
    "cosine in growing cycles": {"epochs": 5, "lr_cycle_limit": 3, "lr_cycle_mul": 2.0},
    "cosine in cycles that grow by half": {"epochs": 4, "lr_cycle_limit": 4, "lr_cycle_mul": 1.5},
    "step of no whole epochs": {"sched": "step", "epochs": 20, "decay_epochs": 2.4, "decay_rate": 0.97},
    "a warmup of no whole steps": {"epochs": 20, "warmup_epochs": 2.5},
    "multistep at once": {"sched": "multistep", "epochs": 20, "decay_milestones": [1, 15], "warmup_epochs": 0},
    "rsqrt": {"sched": "rsqrt", "epochs": 20, "decay_epochs": 0.2, "min_lr": 1e-4},
    "rsqrt by a timescale": {"sched": "rsqrt", "epochs": 20, "lr_stable_timescale": 4, "decay_epochs": 3,
        "lr_decay_fn": "1-sqrt"},
    "wsd, exponential": {"sched": "wsd", "epochs": 20, "decay_epochs": 0.3, "lr_decay_fn": "exp"},
    "noise": {"epochs": 20, "lr_noise": [0.4, 0.9], "seed": 7},
    "noise from there on": {"sched": "step", "decay_epochs": 6, "epochs": 20, "lr_noise": [0.4]},
}  # fmt: skip


def alternating(names: Iterable[str]) -> list[tuple[str, bool]]:
    """Each by the epoch or by the update, in turn."""
    return [(name, i % 2 == 1) for i, name in enumerate(names)]


@pytest.mark.parametrize(("name", "on_updates"), alternating(LEVELS))
def test_levels_have_their_rates(name: str, on_updates: bool) -> None:
    settings = {"lr": 0.1, "sched_on_updates": on_updates, **LEVELS[name]}
    found = timm.imported(settings, ASKED)
    assert found.by == "levels"
    numbers = {k: float(v) if isinstance(v, str) and k == "min_lr" else v for k, v in settings.items()}
    require_same(rates(found), theirs(numbers, 0.1))


@pytest.mark.parametrize(("name", "on_updates"), alternating(OWN))
def test_their_own_class_has_their_rates_to_the_bit(name: str, on_updates: bool) -> None:
    settings = {"lr": 0.1, "sched_on_updates": on_updates, **OWN[name]}
    found = timm.imported(settings, ASKED)
    require_same(rates(found), theirs(settings, 0.1), close=0)
    assert found.by == "their own class"


@pytest.mark.parametrize("metric", ["top1", "loss"])
@pytest.mark.parametrize("prefix", [False, True])
def test_a_plateau_hears_what_theirs_hears(metric: str, prefix: bool) -> None:
    settings = {
        "lr": 0.1, "sched": "plateau", "epochs": 30, "patience_epochs": 2, "decay_rate": 0.5, "min_lr": 1e-3,
        "warmup_epochs": 4, "eval_metric": metric, "warmup_prefix": prefix,
    }  # fmt: skip
    found = timm.imported(settings, ASKED)
    epochs = found.run.updates // U
    assert epochs == (34 if prefix else 30)
    metrics = np.random.default_rng(0).exponential(size=epochs).round(3).tolist()
    ours = rates(found, metrics[4:-1])  # not those of the warmup, and not the one after the last update
    require_same(ours, theirs(settings, 0.1, metrics))
    assert len({*ours[:, 0]}) > 6


def test_layers_with_rates_of_their_own() -> None:
    """lr_scale multiplies what their scheduler gives, floors and the warmup's start included."""
    settings = {"lr": 0.1, "epochs": 20, "min_lr": 1e-3, "layer_decay": 0.75, "opt": "adamw"}
    found = timm.imported(settings, ASKED)
    assert found.overrides[-3:-1] == ("param_groups=layer_decay", "param_groups.args.decay=0.75")
    scales = (0.75**2, 0.75, 1.0)
    ours = rates(found, peaks={f"layer{i}": 0.1 * scale for i, scale in enumerate(scales)})
    require_same(ours, theirs(settings, 0.1, scales=scales))


@pytest.mark.parametrize(
    ("settings", "peak"),
    [
        ({"lr_base": 0.1, "opt": "sgd", "batch_size": 256}, 0.1 * 1024 / 256),
        ({"lr_base": 0.1, "opt": "lamb", "batch_size": 256}, 0.1 * (1024 / 256) ** 0.5),
        ({"lr_base": 5e-4, "opt": "adamw", "lr_base_scale": "linear", "lr_base_size": 512}, 5e-4 * 512 / 512),
        ({"lr_base": 5e-4, "opt": "adamw", "grad_accum_steps": 2}, 5e-4 * (1024 / 256) ** 0.5),
        ({}, 0.1 * 512 / 256),
    ],
)
def test_the_rate_of_a_batch_of_all_devices(settings: dict[str, Any], peak: float) -> None:
    """train.py: lr_base x (batch x devices x accumulated) / lr_base_size, or its root for ada* and lamb."""
    found = timm.imported({"epochs": 20, **settings}, GivenSizes(updates_per_epoch=U, devices=4))
    assert float(next(w for w in found.overrides if w.startswith("optimizer.lr=")).partition("=")[2]) == peak


@pytest.mark.parametrize(
    ("settings", "asked", "updates"),
    [
        ({"batch_size": 128}, GivenSizes(samples=1281167, devices=8), 1251),  # DeiT's: 1251 updates of 1024
        ({"batch_size": 128}, GivenSizes(samples=50000), 390),  # an incomplete batch is left out
        ({"batch_size": 128, "grad_accum_steps": 4}, GivenSizes(samples=50000), 98),  # 390 / 4 = 97.5
        ({}, GivenSizes(samples=50000, batch_size=100), 500),
    ],
)
def test_updates_of_an_epoch(settings: dict[str, Any], asked: GivenSizes, updates: int) -> None:
    assert timm.imported({"lr": 0.1, **settings}, asked).run.per_epoch == updates


def deit() -> Imported:
    return timm.imported(mapping_of(str(SETTINGS / "timm_vit_args.yaml")), GivenSizes(samples=1281167, devices=8))


def test_a_file_of_theirs() -> None:
    found = deit()
    assert found.overrides == (
        "optimizer=adamw", "optimizer.lr=0.001", "optimizer.args.weight_decay=0.05", "scheduler=cosine_hold",
        "scheduler.interval=epoch", "scheduler.args.T_max=300ep", "scheduler.args.eta_min=1e-05",
        "warmup=linear5_from1e-6", "warmup.interval=epoch", "warmup.length=5ep", "warmup.join=replace",
        "warmup.args.start_lr=1e-06", "horizon=310ep",
    )  # fmt: skip
    assert (found.batch, found.run.updates, found.left) == (1024, 310 * 1251, ())
    assert {"aa", "mixup", "model", "decay_epochs"} < {*found.not_taken}
    assert not {"lr", "sched", "warmup_lr", "min_lr", "epochs"} & {*found.not_taken}


@pytest.mark.parametrize(
    ("settings", "asked", "words"),
    [
        ({"lr": 0.1}, GivenSizes(), ("--updates-per-epoch", "--samples")),
        ({"lr_base": 0.1}, ASKED, ("--devices", "0.1 for a batch of 256")),
        ({"lr": 0.1, "sched": "cosin"}, ASKED, ("sched=cosin", "Did you mean 'cosine'")),
        ({"lr": 0.1, "lr_boost": 3}, ASKED, ("lr_boost=3", "may move rates")),
        ({"lr": "fast"}, ASKED, ("lr=fast", "not a number")),
        ({"lr": float("nan")}, ASKED, ("lr=nan", "not a number")),
        ({"lr": 0.1, "epochs": 2.5}, ASKED, ("epochs=2.5", "whole")),
        ({"lr": 0.1, "epochs": 0}, ASKED, ("epochs=0", "no length")),
        ({"lr": 0.1, "sched": "wsd", "epochs": 20, "decay_epochs": 30}, ASKED, ("decay_epochs=30",)),
        ({"lr": 0.1, "sched": "plateau", "eval_metric": "top5"}, ASKED, ("eval_metric=top5", "measures no such")),
        ({"lr": 0.1, "sched": "plateau", "layer_decay": 0.7}, ASKED, ("layer_decay=0.7",)),
        ({"lr": 0.1, "sched": "step", "decay_epochs": 2.4, "sched_on_updates": True}, ASKED, ("decay_t=7.199999999",)),
        ({"lr": 0.1, "aug_repeats": 3}, GivenSizes(samples=50000), ("aug_repeats=3", "--updates-per-epoch")),
        ({"lr": 0.1, "batch_size": 128}, GivenSizes(samples=100), ("--samples=100", "no whole batch")),
    ],
)  # fmt: skip
def test_what_is_refused(settings: dict[str, Any], asked: GivenSizes, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        timm.imported(settings, asked)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_what_is_named() -> None:
    found = timm.imported({"lr": 0.1, "start_epoch": 5, "opt": "adopt"}, ASKED)
    assert "start_epoch=5" in found.left[0]
    assert "optimizer.lr=0.1" in found.overrides
    assert any("adopt" in name for name in found.not_taken)
