"""The weight decay as a schedule: traced as the rate is, from each group's own value, on the same clock and grammar."""

from dataclasses import replace
from math import cos, pi
from typing import Any

import numpy as np
import pytest
import torch
from handmade import GROUPS, TORCH, experiment, optimizer

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Warmup, WeightDecay
from lrbench.experiment.identity import run_id
from lrbench.schedules import check, lr_table

N = 400  # 40 epochs of 10 updates
DINO = optimizer("adamw", args={"weight_decay": 0.04})
APART = replace(GROUPS, no_decay=("no_decay",))


def cosine(interval: str = "batch", **args: Any) -> WeightDecay:
    target = TORCH + "CosineAnnealingLR"
    return WeightDecay(target=target, interval=interval, args={"T_max": "end", "eta_min": 0.4, **args})


def decaying(spec: WeightDecay, main: str = "cosine", **fields: Any) -> Experiment:
    apart = {"weight_decay": spec, "optimizer": DINO, "param_groups": APART}
    return experiment(main, fields.pop("warmup", None), **{**apart, **fields})


def test_dinos_weight_decay() -> None:
    """wd(t) = end + (start - end)(1 + cos(pi t / N)) / 2, half way 0.22; none where there was none."""
    table = lr_table(decaying(cosine()))
    by_hand = [0.4 + (0.04 - 0.4) * (1 + cos(pi * t / N)) / 2 for t in range(N)]
    assert table.weight_decay is not None
    np.testing.assert_allclose(table.weight_decay[:, 0], by_hand, rtol=1e-12)
    assert table.weight_decay[200, 0] == pytest.approx(0.22, rel=1e-12)
    assert (table.weight_decay[:, 1] == 0).all()


@pytest.mark.parametrize("interval", ["epoch", "batch"])
def test_it_is_the_live_scheduler_whose_rate_is_the_weight_decay(interval: str) -> None:
    live = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.04)
    tick = 10 if interval == "epoch" else 1
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(live, T_max=N // tick, eta_min=0.4)
    seen = []
    for t in range(N):
        seen.append(live.param_groups[0]["lr"])
        live.step()
        if (t + 1) % tick == 0:
            scheduler.step()
    table = lr_table(decaying(cosine(interval)))
    assert table.weight_decay is not None
    assert table.weight_decay[:, 0].tolist() == seen


def test_it_knows_nothing_of_rate_and_momentum_nor_they_of_it() -> None:
    made = decaying(cosine(), "onecycle")
    table, alone = lr_table(made), lr_table(replace(made, weight_decay=None))
    assert table.kinds == ("lr", "momentum", "weight_decay")
    assert table.names[-2:] == ["weight_decay/decay", "weight_decay/no_decay"]
    assert table.columns.shape == (N, 6)
    assert (table.columns[:, :4] == alone.columns).all()
    assert (table.columns[:, 4:] == lr_table(decaying(cosine(), "constant")).weight_decay).all()


@pytest.mark.parametrize(
    ("args", "last"),
    [
        ({"eta_min": "10x"}, 0.4),
        ({"eta_min": {"decay": 0.1, "no_decay": 0.0}}, 0.1),
        ({"T_max": "@50%", "eta_min": 0.0}, 0.04),  # down, and up again: a cosine is one whatever it moves
    ],
)
def test_the_grammar_is_that_of_the_rate(args: dict[str, Any], last: float) -> None:
    """A share is one of the group's own weight decay."""
    table = lr_table(decaying(cosine(**args)))
    assert table.weight_decay is not None
    assert table.weight_decay[-1, 0] == pytest.approx(last, rel=1e-3)


def test_without_groups_everything_decays() -> None:
    table = lr_table(decaying(cosine(), param_groups=None))
    assert table.weight_decay is not None
    assert table.weight_decay[0].tolist() == [0.04]


class Momentous(torch.optim.lr_scheduler.LambdaLR):
    """Moves the momentum too."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer, lambda step: 1.0)

    def step(self) -> None:  # type: ignore[override]
        super().step()
        self.optimizer.param_groups[0]["betas"] = (0.5, 0.999)


class Restless(torch.optim.lr_scheduler.LambdaLR):
    """Another one every time it is built."""

    built = 0

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        Restless.built += 1
        super().__init__(optimizer, lambda step: 1 / Restless.built)


@pytest.mark.parametrize("option", ["warmup", "weight_decay"])
def test_what_differs_when_it_is_built_again_is_refused(option: str) -> None:
    """Whichever part of the schedule it is."""
    own = {"target": f"{__name__}.Restless", "interval": "batch", "numerics": "0123456789abcdef"}
    part = Warmup(**own, length="5ep") if option == "warmup" else WeightDecay(**own)
    with pytest.raises(ConfigError, match=rf"{option}: .*Restless gives other .* when it is built again"):
        check(decaying(cosine(), **{option: part}).schedule)


PLATEAU = WeightDecay(target=TORCH + "ReduceLROnPlateau", interval="epoch")
NEGATIVE = cosine(eta_min=-0.4)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: decaying(cosine("metric")), ("weight_decay.interval=metric", "epoch or batch")),
        (lambda: decaying(PLATEAU), ("weight_decay._target_", "takes a metric", "another class")),
        (lambda: decaying(cosine(T_max="50ep")), ("weight_decay.args.T_max=50ep", "only 40")),
        (lambda: decaying(cosine(T_max=0)), ("weight_decay.args.T_max=0", "divides by it", "end")),
        (lambda: decaying(NEGATIVE), ("gives the weight decay -", "Change weight_decay.args")),
        (lambda: decaying(WeightDecay(target=f"{__name__}.Momentous", interval="batch")), ("momentum", "weight decay")),
        (lambda: decaying(cosine(), optimizer=optimizer("adam")), ("optimizer.args.weight_decay=0.0", "above 0")),
        (lambda: decaying(cosine(), optimizer=replace(DINO, args={})), ("optimizer.args.weight_decay=null", "adamw")),
    ],
)
def test_what_is_refused(made: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        lr_table(made())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.slow
def test_the_level_through_hydra() -> None:
    common = ("tracker=none", "model=mlp", "optimizer=adamw", "param_groups=no_decay_norm_bias")
    made = config.experiment(*common, "weight_decay=cosine", "optimizer.args.weight_decay=0.04")
    assert made.decays == {"decay": 0.04, "no_decay": 0.0}
    table = lr_table(made)
    assert table.weight_decay is not None
    assert table.weight_decay[0].tolist() == [0.04, 0.0]
    constant = config.experiment(*common)
    assert constant.weight_decay is None
    assert run_id(constant) == run_id(config.experiment(*common, "weight_decay=constant"))
    with pytest.raises(ConfigError, match=r"weight_decay\.args.*a constant takes no arguments"):
        config.experiment(*common, "+weight_decay.args.eta_min=0.1")
