"""The table against live textbook loops: torch's own optimizer and schedulers, stepped by hand on a small real model.

For every level x warmup x interval x optimizer the rates, the momenta and the final weights are equal to the bit: every
level by every interval and optimizer on every change, every two of them among the slow tests, all of them under
`full`. The textbook's numbers (T_max, milestones, ...) are worked out in `handmade.Plan` from the rules, not taken from
lrbench.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count, product
from math import cos, pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from handmade import (
    GROUPS,
    SCHEDULERS,
    WARMUPS,
    Plan,
    experiment,
    level,
    optimizer,
    ramp,
    scheduler,
    warmup,
    with_args,
)
from hypothesis import event, given
from hypothesis import strategies as st
from pairwise import pairwise
from torch import nn
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.optim import build_optimizer
from lrbench.schedules import LRTable, lr_table

torch.set_num_threads(1)

# ---- What a person writes -----------------------------------------------------------------------------------

Make = Callable[[torch.optim.Optimizer, Plan], Any]


def peak_of(o: torch.optim.Optimizer) -> float:
    """Also where a warmup was built before."""
    group = o.param_groups[0]
    return float(group.get("initial_lr", group["lr"]))


def wsd(o: torch.optim.Optimizer, p: Plan) -> LambdaLR:
    begin, decay = p.left - p.share(20), p.share(20)
    return LambdaLR(o, lambda t: 1.0 if t < begin else 1 - sqrt((t - begin) / decay))


def inverse_sqrt(o: torch.optim.Optimizer, p: Plan, w: int | None = None) -> LambdaLR:
    warm = w or p.share(10)
    return LambdaLR(o, lambda t: sqrt(warm) * min((t + 1) ** -0.5, (t + 1) * warm**-1.5))


def noam(o: torch.optim.Optimizer, width: int, warm: int) -> LambdaLR:
    return LambdaLR(o, lambda t: width**-0.5 * min((t + 1) ** -0.5, (t + 1) * warm**-1.5))


class Formula(LRScheduler):
    """A rate by its formula, where a factor of the peak would round otherwise."""

    def __init__(self, o: torch.optim.Optimizer, rate: Callable[[int, float], float]) -> None:
        self.rate = rate
        super().__init__(o)

    def get_lr(self) -> list[Any]:
        return [self.rate(self.last_epoch, float(peak)) for peak in self.base_lrs]


def half_cosine(done: float) -> float:
    return (1 + cos(pi * done)) / 2


def cosine_hold(o: torch.optim.Optimizer, end: int) -> Formula:
    return Formula(o, lambda t, peak: 0.1 * peak + (peak - 0.1 * peak) * half_cosine(min(t / end, 1)))


def polynomial_floor(o: torch.optim.Optimizer, p: Plan) -> Formula:
    return Formula(o, lambda t, peak: 0.01 * peak + (peak - 0.01 * peak) * max(1 - t / p.left, 0) ** 0.9)


def cycles(o: torch.optim.Optimizer, length: int) -> Formula:
    return Formula(o, lambda t, peak: peak * 0.5 ** (t // length) * half_cosine(t % length / length))


def warm_cycles(o: torch.optim.Optimizer, length: int, rise: int) -> Formula:
    def rate(t: int, peak: float) -> float:
        top, t = peak * 0.8 ** (t // length), t % length
        return top * t / rise if t < rise else top * half_cosine((t - rise) / (length - rise))

    return Formula(o, rate)


def inverse_sqrt_decay(o: torch.optim.Optimizer, scale: int) -> LambdaLR:
    return LambdaLR(o, lambda t: sqrt(scale / (scale + t)))


def exponential_to(o: torch.optim.Optimizer, p: Plan) -> LambdaLR:
    peak = o.param_groups[0]["lr"]
    return LambdaLR(o, lambda t: (0.01 * peak / peak) ** (t / p.left))


def cyclic(o: torch.optim.Optimizer, p: Plan, up: int | None = None) -> CyclicLR:
    peaks = [g["lr"] for g in o.param_groups]
    floors = [0.1 * peak for peak in peaks]
    return CyclicLR(o, floors, peaks, up or p.share(10), base_momentum=0.8, max_momentum=0.9)


def exponential(factor: float) -> Make:
    return lambda o, p: ExponentialLR(o, gamma=factor if p.interval == "epoch" else factor ** (1 / p.per_epoch))


# Each level as a person would write it for a plan.
MAIN: dict[str, Make] = {
    "constant": lambda o, p: ConstantLR(o, factor=1.0),
    "cosine": lambda o, p: CosineAnnealingLR(o, T_max=p.left),
    "cosine_cycles": lambda o, p: cycles(o, p.share(20)),
    "cosine_cycles_warm": lambda o, p: warm_cycles(o, p.share(20), p.share(5)),
    "cosine_floor1e-5": lambda o, p: CosineAnnealingLR(o, T_max=p.left, eta_min=1e-5),
    "cosine_floor1e-6": lambda o, p: CosineAnnealingLR(o, T_max=p.left, eta_min=1e-6),
    "cosine_floor_10pct": lambda o, p: CosineAnnealingLR(o, T_max=p.left, eta_min=0.1 * peak_of(o)),
    "cosine_hold": lambda o, p: cosine_hold(o, p.at(p.share(80))),
    "cosine_restarts": lambda o, p: CosineAnnealingWarmRestarts(o, T_0=p.share(20)),
    "custom": exponential(0.9),
    "cyclic": cyclic,
    "exponential": exponential(0.95),
    "exponential_to": exponential_to,
    "inverse_sqrt": inverse_sqrt,
    "inverse_sqrt_d512": lambda o, p: noam(o, 512, 4000),
    "inverse_sqrt_d64": lambda o, p: noam(o, 64, p.share(10)),
    "inverse_sqrt_decay": lambda o, p: inverse_sqrt_decay(o, p.share(10)),
    "linear": lambda o, p: LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=p.left),
    "linear_per_batch": lambda o, p: PolynomialLR(o, total_iters=p.left, power=1.0),
    "multistep": lambda o, p: MultiStepLR(o, [p.at(p.share(s)) for s in (30, 60, 90)], gamma=0.1),
    "multistep_16_22": lambda o, p: MultiStepLR(o, [p.at(p.epochs(e)) for e in (16, 22)], gamma=0.1),
    "multistep_200": lambda o, p: MultiStepLR(o, [p.at(p.epochs(200))], gamma=0.1),
    "multistep_24": lambda o, p: MultiStepLR(o, [p.at(p.epochs(24))], gamma=0.1),
    "multistep_30_60_90": lambda o, p: MultiStepLR(o, [p.at(p.epochs(e)) for e in (30, 60, 90)], gamma=0.1),
    "onecycle": lambda o, p: OneCycleLR(o, max_lr=[g["lr"] for g in o.param_groups], total_steps=p.left),
    "plateau": lambda o, p: ReduceLROnPlateau(o, factor=0.1, patience=p.share(10), min_lr=1e-6),
    "polynomial": lambda o, p: PolynomialLR(o, total_iters=p.left, power=0.9),
    "polynomial_floor": polynomial_floor,
    "step": lambda o, p: StepLR(o, step_size=p.share(30), gamma=0.1),
    "step_30": lambda o, p: StepLR(o, step_size=p.epochs(30), gamma=0.1),
    "wsd": wsd,
}
# The levels whose arguments are shares, with whole epochs instead, for horizons of which a share is no whole epoch.
IN_EPOCHS: dict[str, tuple[dict[str, Any], Make]] = {
    "multistep": (
        {"milestones": ["@3ep", "@5ep"]},
        lambda o, p: MultiStepLR(o, [p.at(p.epochs(e)) for e in (3, 5)], gamma=0.1),
    ),
    "step": ({"step_size": "2ep"}, lambda o, p: StepLR(o, step_size=p.epochs(2), gamma=0.1)),
    "plateau": ({"patience": 1}, lambda o, p: ReduceLROnPlateau(o, factor=0.1, patience=1, min_lr=1e-6)),
    "cosine_cycles": ({"T_0": "2ep"}, lambda o, p: cycles(o, p.epochs(2))),
    "cosine_cycles_warm": (
        {"T_0": "2ep", "warmup_steps": "1ep"},
        lambda o, p: warm_cycles(o, p.epochs(2), p.epochs(1)),
    ),
    "cosine_hold": ({"T_max": "@4ep"}, lambda o, p: cosine_hold(o, p.at(p.epochs(4)))),
    "cosine_restarts": ({"T_0": "2ep"}, lambda o, p: CosineAnnealingWarmRestarts(o, T_0=p.epochs(2))),
    "cyclic": ({"step_size_up": "1ep"}, lambda o, p: cyclic(o, p, p.epochs(1))),
    "inverse_sqrt": ({"warmup_steps": "2ep"}, lambda o, p: inverse_sqrt(o, p, p.epochs(2))),
    "inverse_sqrt_d64": ({"warmup_steps": "2ep"}, lambda o, p: noam(o, 64, p.epochs(2))),
    "inverse_sqrt_decay": ({"timescale": "1ep"}, lambda o, p: inverse_sqrt_decay(o, p.epochs(1))),
    "wsd": (
        {"decay_iters": "2ep", "shape": "linear"},
        lambda o, p: LambdaLR(o, lambda t: 1 - max(t - (p.left - p.epochs(2)), 0) / p.epochs(2)),
    ),
}

# Each warmup as a person would write it, over its steps.
RAMP: dict[str, Callable[[torch.optim.Optimizer, int], Any]] = {
    "constant5": lambda o, steps: ConstantLR(o, factor=0.1, total_iters=steps),
    "cosine_10pct": lambda o, steps: Formula(o, lambda t, peak: peak * ((1 - cos(pi * (t / steps))) / 2)),
    "exponential5": lambda o, steps: LambdaLR(o, lambda t: 0.01 ** max(1 - t / steps, 0)),
    **{
        name: lambda o, steps: LinearLR(o, start_factor=0.01, end_factor=1.0, total_iters=steps)
        for name in ("linear1", "linear10", "linear2", "linear20", "linear3", "linear5")
    },
    "linear5_from1e-6": lambda o, steps: Formula(o, lambda t, peak: 1e-6 + (peak - 1e-6) * (t / steps)),
    "linear5_one_over_w": lambda o, steps: LambdaLR(o, lambda t: min((t + 1) / steps, 1)),
    "linear_10pct": lambda o, steps: LinearLR(o, start_factor=0.01, end_factor=1.0, total_iters=steps),
    "linear_10pct_linspace": lambda o, steps: Formula(o, lambda t, peak: peak * (t / (steps - 1))),
    "linear_10pct_zero": lambda o, steps: LambdaLR(o, lambda t: min(t / steps, 1)),
    "linear_3pct": lambda o, steps: LinearLR(o, start_factor=0.01, end_factor=1.0, total_iters=steps),
    "linear_5pct": lambda o, steps: LinearLR(o, start_factor=0.01, end_factor=1.0, total_iters=steps),
}


def ramped(o: torch.optim.Optimizer, p: Plan) -> Any:
    return RAMP[p.ramp](o, p.warm if p.warm_interval == "batch" else p.warm // p.per_epoch)


@dataclass
class Run:
    """What was seen before every update (rates, momenta), the metrics heard, and the final weights."""

    rates: list[list[float]] = field(default_factory=list)
    momenta: list[list[float]] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)


def new_model() -> nn.Linear:
    torch.manual_seed(5)
    return nn.Linear(4, 3)


def samples(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.randn(n, 4), torch.randint(3, (n,))


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]]], torch.optim.Optimizer]] = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05),
}


def train_by_hand(name: str, plan: Plan, make: Make) -> Run:
    """The loop a person writes: warmup, then the main scheduler once the warmup is done, each stepped where it is."""
    run, model = Run(), new_model()
    x_val, y_val = samples(16, seed=99)
    optimizer = OPTIMIZERS[name]([{"params": [model.weight]}, {"params": [model.bias], "weight_decay": 0.0}])
    peaks = [group["lr"] for group in optimizer.param_groups]
    loader = list(zip(*(part.split(8) for part in samples(8 * plan.per_epoch, seed=7)), strict=True))
    scheduler = ramped(optimizer, plan) if plan.warm else make(optimizer, plan)
    update = 0
    for _epoch in count():
        for x, y in loader:
            if update == plan.warm and update > 0:  # the warmup is done: from the peak on, a fresh start
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak
                    group.pop("initial_lr", None)
                scheduler = make(optimizer, plan)
            run.rates.append([group["lr"] for group in optimizer.param_groups])
            run.momenta.append(
                [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]
            )
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            update += 1
            warming = update <= plan.warm
            interval = plan.warm_interval if warming else plan.interval
            hears = isinstance(scheduler, ReduceLROnPlateau)
            if interval == "batch" and hears:
                run.metrics.append(loss.item())
                scheduler.step(loss.item())
            elif interval == "batch":
                scheduler.step()
            if interval == "metric" and update % plan.per_eval == 0:
                with torch.no_grad():
                    run.metrics.append(nn.functional.cross_entropy(model(x_val), y_val).item())
                scheduler.step(run.metrics[-1])
            if update == plan.updates:
                run.weights = [p.detach() for p in model.parameters()]
                return run
        if interval == "epoch":
            scheduler.step()
    raise AssertionError


def train_by_table(experiment: Experiment, table: LRTable) -> list[torch.Tensor]:
    """The same updates with the table's rows set by hand; the optimizer and its groups are lrbench's."""
    model = new_model()
    optimizer = build_optimizer(model, experiment)
    per_epoch = experiment.clock.per_epoch
    loader = list(zip(*(part.split(8) for part in samples(8 * per_epoch, seed=7)), strict=True))
    for t, rates in enumerate(table.lr.tolist()):
        x, y = loader[t % per_epoch]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        for g, group in enumerate(optimizer.param_groups):
            group["lr"] = rates[g]
            if table.momentum is not None:
                momentum = float(table.momentum[t, g])
                group.update({"betas": (momentum, 0.999)} if "betas" in group else {"momentum": momentum})
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def require_same(experiment: Experiment, run: Run) -> LRTable:
    """Rates, momenta and weights of the table's run are those of the textbook's, to the bit."""
    table = lr_table(experiment, run.metrics)
    assert table.groups == ("decay", "no_decay")
    assert table.known == experiment.clock.updates == len(run.rates)
    assert table.lr.tolist() == run.rates
    if table.momentum is None:
        assert {m for row in run.momenta for m in row} == {0.9}
    else:
        assert table.momentum.tolist() == run.momenta
    for ours, theirs in zip(train_by_table(experiment, table), run.weights, strict=True):
        assert torch.equal(ours, theirs)
    return table


# ---- Every level x warmup x interval x optimizer ------------------------------------------------------------


def test_every_level_has_a_textbook() -> None:
    assert list(MAIN) == SCHEDULERS, "a level in conf/scheduler needs a line in MAIN: how a person would write it"
    assert [*RAMP, "none"] == WARMUPS, "a level in conf/warmup needs a line in RAMP"


def legal(name: str, warm: str) -> bool:
    """A schedule that warms up by itself takes no other warmup; a drop at epoch 16 takes none of 20 epochs."""
    if warm == "none":
        return True
    return not level("scheduler", name).get("own_warmup") and (name, warm) != ("multistep_16_22", "linear20")


@cache
def shapes() -> list[str]:
    """One warmup of each shape: the others differ from it in their length alone."""
    first: dict[str, str] = {}
    for warm in WARMUPS:
        plain = level("warmup", warm)
        first.setdefault(repr((plain["target"], plain.get("interval"), plain.get("args"))), warm)
    return list(first.values())


def every_case() -> list[Any]:
    """On every change every level by both intervals and both optimizers, in two cases, the warmups taking turns; among
    the slow tests an array of all pairs, and one case for each warmup of another length; the whole product marked
    `full`."""

    def possible(name: str, warm: str, *_: str) -> bool:
        return legal(name, warm)

    ways = list(product(("coarse", "batch"), OPTIMIZERS))
    quick = set()
    for turn, (name, second) in enumerate(product(SCHEDULERS, (False, True))):
        way = (("coarse", "batch")[second], list(OPTIMIZERS)[second ^ (turn // 2 % 2)])
        warm = shapes()[turn % len(shapes())]
        quick.add((name, warm if possible(name, warm) else "none", *way))
    pairs = set(pairwise(SCHEDULERS, shapes(), ("coarse", "batch"), OPTIMIZERS, legal=possible))
    pairs |= {("cosine", warm, "coarse", "sgd") for warm in WARMUPS if warm not in shapes()}
    found = []
    for name, warm, (interval, optim) in product(SCHEDULERS, WARMUPS, ways):
        if possible(name, warm):
            own = interval if interval == "batch" else "metric" if name == "plateau" else "epoch"
            case = (name, warm, interval, optim)
            marks = [] if case in quick else [pytest.mark.slow if case in pairs else pytest.mark.full]
            found.append(pytest.param(name, warm, own, optim, marks=marks))
    return found


def planned(name: str, warm: str) -> Plan:
    """40 epochs of 2 updates, or as many as the level needs: all shares are whole epochs, all drops are in it."""
    long = {"multistep_200": 300, "multistep_30_60_90": 100, "step_30": 100}
    per_epoch, epochs = 2, max(long.get(name, 40), 100 if warm == "linear20" else 40)
    updates = epochs * per_epoch
    if warm == "none":
        return Plan(updates, per_epoch, "", 0, "epoch", per_epoch)
    plain = level("warmup", warm)
    amount = int(plain["length"].rstrip("ep%"))
    warm_updates = updates * amount // 100 if plain["length"].endswith("%") else amount * per_epoch
    return Plan(updates, per_epoch, "", warm_updates, plain["interval"], per_epoch, warm)


def composed(name: str, warm: str, interval: str, optim: str, plan: Plan) -> Experiment:
    return experiment(
        scheduler(name, interval=interval),
        warm,
        per_epoch=plan.per_epoch,
        horizon=f"{plan.updates // plan.per_epoch}ep",
        optimizer=optimizer(optim),
        param_groups=GROUPS,
        monitor="train/loss" if interval == "batch" else "val/loss",
    )


@pytest.mark.parametrize(("name", "warm", "interval", "optim"), every_case())
def test_the_table_is_the_textbook_loop(name: str, warm: str, interval: str, optim: str) -> None:
    plan = replace(planned(name, warm), interval=interval)
    run = train_by_hand(optim, plan, MAIN[name])
    table = require_same(composed(name, warm, interval, optim, plan), run)
    assert table.warmup == plan.warm
    assert (table.momentum is not None) == (name in ("onecycle", "cyclic"))
    if name == "plateau" and optim == "sgd":
        assert len(np.unique(table.lr[plan.warm :])) > 1, "the metric never cut the rate: the case tests nothing"


@pytest.mark.parametrize(
    ("name", "warm"),
    [(n, w) for n in SCHEDULERS for w in WARMUPS if w != "none" and level("scheduler", n).get("own_warmup")],
)
def test_a_level_that_warms_up_by_itself_refuses_a_warmup(name: str, warm: str) -> None:
    with pytest.raises(ConfigError, match=r"warmup\.length=.*warms up by itself; use warmup=none"):
        experiment(name, warm)


@pytest.mark.slow
def test_the_levels_that_hydra_composes_are_the_files() -> None:
    """Composed together, a scheduler with a warmup: a group's node is the same beside any other."""
    from lrbench.config.compose import compose, resolved
    from lrbench.config.experiments import experiment_from

    base, none = ("tracker=none", "model=mlp", "horizon=300ep"), compose(["warmup=none"]).warmup
    plain = resolved(compose(base))["scheduler"]
    for turn, name in enumerate(SCHEDULERS):
        warm = WARMUPS[turn % len(WARMUPS)]
        config = compose([*base, f"scheduler={name if name != 'custom' else 'constant'}", f"warmup={warm}"])
        ramped = experiment_from({**resolved(config), "scheduler": plain}).warmup
        assert (ramped and replace(ramped, numerics=None)) == warmup(warm), warm
        config.warmup = none
        if name != "custom":
            assert replace(experiment_from(config).scheduler, numerics=None) == scheduler(name), name
    assert len(SCHEDULERS) >= len(WARMUPS)


# ---- Horizons and warmups that end inside an epoch ----------------------------------------------------------

RAMPS = {"none": None, "7ba": (7, "batch"), "20ba": (20, "batch"), "25ba": (25, "batch"), "2ep": (20, "epoch")}
TOO_LONG = ("multistep_16_22", "multistep_24", "multistep_200", "multistep_30_60_90", "step_30")
SHORT = [n for n in SCHEDULERS if n not in TOO_LONG]


def inside() -> list[Any]:
    """Of the levels that fit into runs this short, in turns: two cases of each on every change, an array of all pairs
    among the slow tests, the full product marked `full`."""
    factors = (SHORT, (57, 60), RAMPS, ("coarse", "batch"))

    def possible(name: str, _updates: int, length: str, _interval: str) -> bool:
        return length == "none" or not level("scheduler", name).get("own_warmup")

    pairs = pairwise(*factors, legal=possible)
    quick = set()
    for turn, name in enumerate(SHORT):
        own = [case for case in pairs if case[0] == name]
        quick |= {own[turn % len(own)], own[(turn + len(own) // 2) % len(own)]}
    return [
        pytest.param(
            name, updates, length, interval if interval == "batch" else "metric" if name == "plateau" else "epoch",
            marks=[] if (case := (name, updates, length, interval)) in quick
            else [pytest.mark.slow if case in pairs else pytest.mark.full],
        )
        for name, updates, length, interval in product(*factors)
        if possible(name, updates, length, interval)
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "updates", "length", "interval"), inside())
def test_a_warmup_and_a_horizon_may_end_inside_an_epoch(name: str, updates: int, length: str, interval: str) -> None:
    warm, warm_interval = RAMPS[length] or (0, "epoch")
    plan = Plan(updates, 10, interval, warm, warm_interval)
    args, make = IN_EPOCHS.get(name, ({}, MAIN[name]))
    made = experiment(
        scheduler(name, args, interval=interval),
        ramp(length, warm_interval) if warm else None,
        horizon=f"{updates}ba",
        param_groups=GROUPS,
    )
    table = require_same(made, train_by_hand("sgd", plan, make))
    assert table.lr.shape == (updates, 2)
    if interval == "batch" and name == "step":  # 30 % of 57 updates is 17.1, rounded to 17
        share = with_args(made, step_size="30%")
        run = train_by_hand("sgd", plan, MAIN["step"])
        require_same(share, run)


@pytest.mark.parametrize(("updates", "warm", "left"), [(37, 0, 4), (37, 7, 4), (37, 10, 3), (37, 25, 2), (40, 25, 2)])
def test_epochs_still_to_begin_count_the_one_under_way(updates: int, warm: int, left: int) -> None:
    made = experiment("cosine", ramp(f"{warm}ba", "batch") if warm else None, horizon=f"{updates}ba")
    rates = lr_table(made).lr[:, 0]
    steps = [t // 10 - warm // 10 for t in range(warm, updates)]
    np.testing.assert_allclose(rates[warm:], [0.05 * (1 + np.cos(np.pi * k / left)) for k in steps], rtol=1e-12)


@pytest.mark.parametrize("per_eval", ["5ba", "1ep", "2ep", "15ba"])
@pytest.mark.parametrize("length", ["none", "2ep", "25ba"])
def test_plateau_at_any_distance_between_evaluations(per_eval: str, length: str) -> None:
    between = {"5ba": 5, "1ep": 10, "2ep": 20, "15ba": 15}[per_eval]
    warm, warm_interval = RAMPS[length] or (0, "epoch")
    plan = Plan(200, 10, "metric", warm, warm_interval, between)
    args = {"patience": 1, "cooldown": 1, "threshold": 0.01, "factor": 0.5}
    made = experiment(
        scheduler("plateau", args),
        ramp(length, warm_interval) if warm else None,
        horizon="200ba",
        param_groups=GROUPS,
        eval_every=per_eval,
    )
    run = train_by_hand(
        "sgd", plan, lambda o, p: ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, threshold=0.01, min_lr=1e-6)
    )
    table = require_same(made, run)
    assert len(np.unique(table.lr[warm:])) > 1


# ---- SequentialLR, where it is an oracle: both stepped alike, and the main scheduler has a closed form -------


# Left out: what SequentialLR refuses (plateau) or spoils (one cycle and cyclic, whose constructors set the rate that
# the warmup would begin from), what takes no warmup, and what needs more than 40 epochs.
NO_SEQUENCE = (
    "plateau",
    "onecycle",
    "cyclic",
    "inverse_sqrt",
    "inverse_sqrt_d512",
    "inverse_sqrt_d64",
    "cosine_cycles_warm",
    "multistep_200",
    "multistep_30_60_90",
)
SEQUENTIAL = [n for n in SCHEDULERS if n not in NO_SEQUENCE]


@pytest.mark.parametrize("name", SEQUENTIAL)
@pytest.mark.parametrize("interval", ["epoch", "batch"])
def test_sequential_lr_agrees_where_the_intervals_do(name: str, interval: str) -> None:
    plan = Plan(400, 10, interval, 50, interval)
    optimizer = OPTIMIZERS["sgd"](
        [{"params": [nn.Parameter(torch.zeros(2, 2))]}, {"params": [nn.Parameter(torch.zeros(2))]}]
    )
    both = [ramped(optimizer, plan), MAIN[name](optimizer, plan)]
    sequential = SequentialLR(optimizer, both, milestones=[50 // plan.tick])
    rates = []
    for update in range(400):
        rates.append([g["lr"] for g in optimizer.param_groups])
        optimizer.step()
        if (update + 1) % plan.tick == 0:
            sequential.step()
    table = lr_table(experiment(scheduler(name, interval=interval), ramp("5ep", interval), param_groups=GROUPS))
    assert table.lr.tolist() == rates


# ---- Random runs, rates and momenta only --------------------------------------------------------------------


def rates_by_hand(plan: Plan, make: Make, metrics: Sequence[float]) -> tuple[list[float], list[float]]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    (group,) = optimizer.param_groups
    scheduler = ramped(optimizer, plan) if plan.warm else make(optimizer, plan)
    heard = iter(metrics)
    rates, momenta = [], []
    for update in range(plan.updates):
        if update == plan.warm and update:
            group["lr"] = 0.1
            group.pop("initial_lr", None)
            scheduler = make(optimizer, plan)
        rates.append(group["lr"])
        momenta.append(group["momentum"])
        optimizer.step()
        done = update + 1
        interval = plan.warm_interval if done <= plan.warm else plan.interval
        tick = {"epoch": plan.per_epoch, "batch": 1, "metric": plan.per_eval}[interval]
        if done % tick == 0 and done < plan.updates:
            scheduler.step(next(heard)) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
    return rates, momenta


REASONS = (  # why a random run may be refused
    "not a whole number", "past the end", "inside the warmup", "is zero updates", "are left in this phase",
    "positions must ascend", "is zero steps", "ZeroDivisionError",  # the last: one cycle whose rise is a single step
)  # fmt: skip


@given(
    name=st.sampled_from(SCHEDULERS),
    per_epoch=st.integers(1, 17),
    updates=st.integers(2, 400),
    warm=st.integers(0, 60),
    warm_interval=st.sampled_from(["epoch", "batch"]),
    by_batch=st.booleans(),
    per_eval=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_runs(
    name: str, per_epoch: int, updates: int, warm: int, warm_interval: str, by_batch: bool, per_eval: int, seed: int
) -> None:
    interval = "batch" if by_batch else "metric" if name == "plateau" else "epoch"
    warm -= warm % per_epoch if warm_interval == "epoch" else 0
    warm = 0 if level("scheduler", name if name != "custom" else "step").get("own_warmup") else warm
    per_eval = min(per_eval, updates)
    metrics = np.random.default_rng(seed).exponential(size=updates).tolist()
    plan = Plan(updates, per_epoch, interval, warm, warm_interval, per_eval)
    fields = {"per_epoch": per_epoch, "horizon": f"{updates}ba", "eval_every": f"{per_eval}ba"}
    warmup_ = ramp(f"{warm}ba", warm_interval) if warm else None
    try:
        table = lr_table(experiment(scheduler(name, interval=interval), warmup_, **fields), metrics)
    except ConfigError as error:
        reason = str(error)
        event("refused")
    else:
        reason = ""
    if reason:
        assert warm >= updates or any(known in reason for known in REASONS), reason
        return
    rates, momenta = rates_by_hand(plan, MAIN[name], metrics)
    assert table.lr[:, 0].tolist() == rates
    assert momenta == ([0.9] * updates if table.momentum is None else table.momentum[:, 0].tolist())
    assert np.isfinite(table.lr).all()
    assert (table.lr >= 0).all()
