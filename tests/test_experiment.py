"""The identity of an experiment, and its way through YAML and back."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from lrbench.config import experiments as config
from lrbench.config.compose import compose, resolved
from lrbench.config.levels import levels
from lrbench.errors import ConfigError
from lrbench.experiment import (
    Augment,
    Component,
    Data,
    EarlyStop,
    Experiment,
    LRScaling,
    Optimizer,
    ParamGroups,
    Scheduler,
    Settings,
    Start,
    Warmup,
    WeightDecay,
)
from lrbench.experiment.identity import arm_id, from_plain, run_id, title, to_plain

GOLDEN = "f1a89495a7c0edef"
GOLDEN_FULL = "29a0e7548fc88eca"
ADVICE = (
    "the identity of every record made so far has changed. If a field was added: give it the neutral default None, "
    "which is left out of the hash. If numbers changed: raise NUMERICS beside what changed them, not this. Only if "
    "old records shall be given up, write the new id here, and say so in CHANGELOG.md."
)


def small(**changes: Any) -> Experiment:
    """An Experiment with every optional field left at its default."""
    return Experiment(
        **{
            "model": Component(target="lrbench.models.mlp.mlp", args={"hidden": [16, 8]}, numerics=1),
            "data": Data(target="lrbench.data.digits.Digits", numerics=1, n_train=1077, fingerprint="6ebb3d2f"),
            "task": Component(target="lrbench.tasks.classification.Classification", numerics=1),
            "optimizer": Optimizer(target="torch.optim.SGD", args={"momentum": 0.9, "nesterov": False}, lr=0.1),
            "scheduler": Scheduler(
                target="torch.optim.lr_scheduler.CosineAnnealingLR", args={"T_max": "end"}, interval="epoch"
            ),
            "horizon": "30ep",
            "batch_size": 64,
            "seed": 0,
            **changes,
        }
    )


def test_another_seed_shares_what_a_seed_does_not_change() -> None:
    """All that is made once of the fields: no part of it may come to depend on the seed."""
    made = small(early_stop=EarlyStop(patience="2ep", monitor="val/loss", mode="min"))
    kept = {name for name, value in vars(Experiment).items() if isinstance(value, cached_property)}
    for name in kept:
        getattr(made, name)
    other, anew = made.of_seed(7), replace(made, seed=7)
    assert kept == {"clock", "patience", "peaks", "schedule"}
    assert vars(other) == {**vars(anew), **{name: getattr(anew, name) for name in kept}}
    assert (made.seed, other.seed, run_id(other)) == (0, 7, run_id(anew))
    with pytest.raises(ConfigError, match="seed=-1: a seed is a whole number from 0"):
        made.of_seed(-1)


def full(**changes: Any) -> Experiment:
    """An Experiment with every optional field given."""
    return small(
        **{
            "data": Data(
                target="lrbench.data.digits.Digits",
                args={"val_size": 360},
                numerics=1,
                n_train=1077,
                fingerprint="6ebb3d2f",
                augment=Augment(crop=2, hflip=True),
            ),
            "scheduler": Scheduler(
                target="torch.optim.lr_scheduler.StepLR",
                args={"step_size": "30%", "gamma": 0.1},
                numerics=1,
                interval="epoch",
                own_warmup=False,
                peak_arg="max_lr",
                floor_arg="min_lr",
                only_falls=True,
            ),
            "warmup": Warmup(
                target="torch.optim.lr_scheduler.LinearLR",
                args={"start_factor": 0.01, "total_iters": "end"},
                numerics=1,
                interval="epoch",
                length="5ep",
            ),
            "task": Component(target="lrbench.tasks.classification.Classification", args={"x": 0.5}, numerics=1),
            "optimizer": Optimizer(
                target="torch.optim.SGD", args={"momentum": 0.9, "weight_decay": 0.04}, numerics=1, lr=0.1
            ),
            "weight_decay": WeightDecay(
                target="torch.optim.lr_scheduler.CosineAnnealingLR",
                args={"T_max": "end", "eta_min": 0.4},
                numerics=1,
                interval="epoch",
            ),
            "monitor": "val/loss",
            "monitor_mode": "min",
            "clip": 1.0,
            "param_groups": ParamGroups(
                target="lrbench.param_groups.backbone_head",
                args={"backbone": 0.1},
                numerics=1,
                lr_scales={"backbone": 0.1, "head": 1.0},
            ),
            "lr_scaling": LRScaling(rule="linear", base_batch=256),
            "threads": 2,
            "accumulate": 2,
            "ranks": 2,
            "amp": "bf16",
            "channels_last": True,
            "compile": True,
            "start": Start(of=small(), at="20ep", carry=("model",)),
            "numerics": {"engine": 1, "batches": 1, "optim": 1},
            **changes,
        }
    )


# Another value for every field, by its path. A mapping stands for itself and its entries.
OTHER: dict[str, Any] = {
    "model.target": "lrbench.models.resnet.resnet8",
    "model.args": {"hidden": [16, 9]},
    "model.numerics": 2,
    "data.target": "lrbench.data.fashion_mnist.FashionMNIST",
    "data.args": {"val_size": 361},
    "data.numerics": 2,
    "data.n_train": 1078,
    "data.fingerprint": "6ebb3d20",
    "data.tokens": 65,
    "data.augment.crop": 3,
    "data.augment.hflip": False,
    "data.augment.mixup": 0.2,
    "data.augment.cutmix": 1.0,
    "data.augment.erase": 0.25,
    "task.target": "other.Task",
    "task.args": {"x": 0.25},
    "task.numerics": 2,
    "optimizer.target": "torch.optim.AdamW",
    "optimizer.args": {"momentum": math.nextafter(0.9, 1), "weight_decay": 0.04},
    "optimizer.numerics": "0123456789abcdef",
    "optimizer.lr": math.nextafter(0.1, 1),
    "scheduler.target": "torch.optim.lr_scheduler.MultiStepLR",
    "scheduler.args": {"step_size": "30%", "gamma": 0.2},
    "scheduler.numerics": 2,
    "scheduler.interval": "batch",
    "scheduler.own_warmup": True,
    "scheduler.peak_arg": "max",
    "scheduler.floor_arg": None,
    "scheduler.mode_arg": "mode",
    "scheduler.only_falls": False,
    "scheduler.still": True,
    "scheduler.first_row": 1,
    "warmup.target": "torch.optim.lr_scheduler.ConstantLR",
    "warmup.args": {"start_factor": 0.02, "total_iters": "end"},
    "warmup.numerics": 2,
    "warmup.interval": "batch",
    "warmup.length": "6ep",
    "warmup.join": "min",
    "weight_decay.target": "torch.optim.lr_scheduler.LinearLR",
    "weight_decay.args": {"T_max": "end", "eta_min": 0.2},
    "weight_decay.numerics": 2,
    "weight_decay.interval": "batch",
    "horizon": "40ep",
    "batch_size": 32,
    "seed": 1,
    "eval_every": "2ep",
    "monitor": "val/accuracy",
    "monitor_mode": "max",
    "clip": 0.5,
    "param_groups.target": "lrbench.param_groups.layer_decay",
    "param_groups.args": {"backbone": 0.2},
    "param_groups.numerics": 2,
    "param_groups.lr_scales": {"backbone": 0.2, "head": 1.0},
    "param_groups.no_decay": ("backbone",),
    "lr_scaling.rule": "sqrt",
    "lr_scaling.base_batch": 128,
    "threads": 1,
    "accumulate": 4,
    "ranks": 4,
    "amp": "fp16",
    "channels_last": None,
    "compile": None,
    "start.of": small(seed=1),
    "start.at": "end",
    "start.carry": ("model", "optimizer"),
    "start.new_head": True,
    "start.head_names": "8",
    "own_metrics": (Component(target="other.F1"),),
    "early_stop": EarlyStop(patience="5ep", monitor="val/loss", mode="min"),
    "numerics": {"engine": 2, "batches": 1, "optim": 1},
}


# What a level says of its kind says nothing of the numbers.
OF_THE_KIND = ("scheduler.own_warmup", "scheduler.floor_arg", "scheduler.only_falls", "scheduler.still")


def leaves(value: Any, prefix: str = "") -> Iterator[str]:
    """The paths of all fields. (A parent experiment is one value: it has an identity of its own.)"""
    for f in fields(value):
        inner = getattr(value, f.name)
        if is_dataclass(inner) and not isinstance(inner, Experiment):
            yield from leaves(inner, f"{prefix}{f.name}.")
        else:
            yield prefix + f.name


def changed(value: Any, path: str, other: Any) -> Any:
    name, _, rest = path.partition(".")
    return replace(value, **{name: changed(getattr(value, name), rest, other) if rest else other})


def base_of(path: str) -> Experiment:
    """What a field is changed in: some go with no other."""
    new = Start(of=small(), at="20ep", carry=("model",), new_head=True)
    beside = {"scheduler.own_warmup": {"warmup": None}, "start.head_names": {"start": new}}
    return full(**beside.get(path, {}))


def with_field(path: str) -> Experiment:
    return changed(base_of(path), path, OTHER[path])


# ---- run_id -------------------------------------------------------------------------------------------------


def test_the_identity_of_an_experiment_never_changes() -> None:
    assert run_id(small()) == GOLDEN, ADVICE
    assert run_id(full()) == GOLDEN_FULL, ADVICE


def test_every_field_has_another_value_here() -> None:
    assert list(leaves(full())) == [p for p in leaves(full()) if p in OTHER], "a new field: give it a value in OTHER"
    assert set(OTHER) == set(leaves(full()))


def test_the_place_of_the_data_is_not_part_of_the_identity() -> None:
    data = small().data
    here, there = (small(data=replace(data, args={**data.args, "root": place})) for place in ("/here", "/there"))
    assert run_id(here) == run_id(there) == run_id(small())
    assert from_plain(to_plain(here)) == here  # but it stands in the record


@pytest.mark.parametrize("path", OTHER)
def test_every_single_field_changes_the_identity_but_those_that_name_a_kind(path: str) -> None:
    assert (run_id(with_field(path)) == run_id(base_of(path))) == (path in OF_THE_KIND)


def test_all_these_identities_differ() -> None:
    ids = [run_id(full()), run_id(small()), *(run_id(with_field(path)) for path in OTHER if path not in OF_THE_KIND)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{16}", i) for i in ids)


@pytest.mark.parametrize(
    "path",
    [
        "warmup",
        "weight_decay",
        "lr_scaling",
        "start",
        "monitor",
        "clip",
        "accumulate",
        "ranks",
        "amp",
        "model.numerics",
    ],
)
def test_leaving_a_field_out_is_another_experiment(path: str) -> None:
    assert run_id(changed(full(), path, None)) != run_id(full())


def test_one_moment_of_the_parent_is_one_identity() -> None:
    """small() has 16 updates an epoch and 30 epochs; the order of what is carried means nothing."""
    ids = {run_id(small(start=Start(of=small(), at=at))) for at in ("30ep", "480ba", "100%", "end")}
    assert len(ids) == 1
    carried = {
        run_id(small(start=Start(of=small(), at="end", carry=c)))
        for c in (("model", "optimizer", "stream"), ("stream", "optimizer", "model"))
    }
    assert carried == ids
    assert run_id(small(start=Start(of=small(), at="29ep"))) not in ids


ONE_MEANING: dict[str, list[dict[str, Any]]] = {
    "a length": [{"T_max": "end"}, {"T_max": 30}, {"T_max": "30ep"}, {"T_max": "480ba"}, {"T_max": "100%"}],
    "positions": [{"milestones": m} for m in ([15, 20], (15, 20), ["@15ep", "@20ep"], ["@50%", "@320ba"])],
    "a rate": [{"eta_min": "0.5x"}, {"eta_min": 0.05}, {"eta_min": {"all": 0.05}}],
    "a factor": [{"gamma": 0.5}, {"gamma": "0.5/ep"}, {"gamma": "0.5/16ba"}],
}  # of 30 epochs of 16 updates at a peak of 0.1


@pytest.mark.parametrize("name", ONE_MEANING)
def test_one_schedule_is_one_identity_in_whatever_words(name: str) -> None:
    made = [small(scheduler=Scheduler(target="s", args=args, interval="epoch")) for args in ONE_MEANING[name]]
    assert len({run_id(e) for e in made}) == 1
    assert len({e.schedule for e in made}) == len(made) - (name == "positions")  # the words are another plan's
    assert round_trip(made[-1]) == made[-1]  # and the record keeps them


def test_the_times_of_a_run_are_one_identity_in_whatever_words() -> None:
    assert len({run_id(small(horizon=h)) for h in ("30ep", "480ba")}) == 1
    assert len({run_id(small(eval_every=e)) for e in ("1ep", "16ba")}) == 1
    warm = [full(warmup=replace(full().warmup, length=length)) for length in ("3ep", "48ba", "10%")]
    assert len({run_id(e) for e in warm}) == 1
    assert run_id(small(horizon="29ep")) != run_id(small())


def test_a_length_that_means_something_else_after_a_warmup_is_another() -> None:
    def made(t_max: Any, warmup: Warmup | None) -> Experiment:
        return small(scheduler=Scheduler(target="s", args={"T_max": t_max}, interval="epoch"), warmup=warmup)

    assert run_id(made("end", full().warmup)) == run_id(made(25, full().warmup)) != run_id(made(30, full().warmup))


def test_an_argument_of_none_is_not_a_missing_one() -> None:
    made = [run_id(small(model=Component(target="m", args=args))) for args in ({"a": 1}, {"a": 1, "b": None})]
    assert made[0] != made[1]


def test_forks_of_parents_with_their_seed_are_one_arm() -> None:
    def fork(seed: int, parents: int) -> Experiment:
        middle = small(seed=parents, start=Start(of=small(seed=parents), at="end"))
        return small(seed=seed, start=Start(of=middle, at="end"))

    assert len({arm_id(fork(seed, seed)) for seed in range(3)}) == 1
    assert len({run_id(fork(seed, seed)) for seed in range(3)}) == 3
    assert len({arm_id(fork(seed, 0)) for seed in range(3)}) == 1  # one parent for all
    assert arm_id(fork(1, 2)) != arm_id(fork(1, 1))


def test_a_change_deep_in_the_arguments_counts() -> None:
    values: list[Any] = [1, 1.5, "1", True, None, [1], [[1]], {"a": 1}, {"b": 1}, -1, 0.1, math.inf]
    ids = [run_id(small(model=Component(target="m", args={"deep": {"x": [0, value]}}))) for value in values]
    assert len(set(ids)) == len(values)
    assert ids[0] == run_id(small(model=Component(target="m", args={"deep": {"x": [0, 1.0]}})))  # one number


def test_the_order_of_keys_does_not() -> None:
    one = small(model=Component(target="m", args={"a": 1, "b": {"c": 2, "d": 3}}))
    other = small(model=Component(target="m", args={"b": {"d": 3, "c": 2}, "a": 1}))
    assert run_id(one) == run_id(other)
    assert run_id(small(numerics={"a": 1, "b": 2})) == run_id(small(numerics={"b": 2, "a": 1}))


def test_a_field_added_later_with_the_default_none_changes_no_identity() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Later(Experiment):
        ema: float | None = None

    @dataclass(frozen=True, kw_only=True)
    class LaterScheduler(Scheduler):
        offset: int | None = None

    now = full()
    values = {f.name: getattr(now, f.name) for f in fields(now)}
    later = Later(**values)
    assert run_id(later) == run_id(now)
    assert run_id(replace(later, ema=0.9)) != run_id(now)
    scheduler = {f.name: getattr(now.scheduler, f.name) for f in fields(now.scheduler)}
    assert run_id(replace(now, scheduler=LaterScheduler(**scheduler))) == run_id(now)
    assert run_id(replace(now, scheduler=LaterScheduler(**scheduler, offset=1))) != run_id(now)
    assert "ema" not in to_plain(later)


def test_what_carries_a_run_out_is_no_part_of_it() -> None:
    """Settings share no field with Experiment, and none of theirs can be in the hash."""
    assert not {f.name for f in fields(Settings)} & {f.name for f in fields(Experiment)}
    words = (
        "results=elsewhere",
        "device=cpu",
        "log_every=1%",
        "checkpoint_every=2ep",
        "keep=[end,1ep]",
        "audit=false",
        "strict=true",
    )
    plain = config.experiment("tracker=none", "model=mlp", "horizon=2ep")
    assert run_id(config.experiment("tracker=none", "model=mlp", "horizon=2ep", *words)) == run_id(plain)
    assert run_id(config.experiment("tracker=wandb", "model=mlp", "horizon=2ep")) == run_id(plain)


@pytest.mark.slow
def test_neutral_options_are_left_out() -> None:
    base = run_id(config.experiment("tracker=none", "model=mlp", "horizon=2ep"))
    for neutral in ("accumulate=1", "amp=none", "compile=false", "channels_last=true", "clip=null",
                    "lr_scaling.rule=none", "lr_scaling.base_batch=128", "monitor=val/accuracy"):  # fmt: skip
        assert run_id(config.experiment("tracker=none", "model=mlp", "horizon=2ep", neutral)) == base, neutral


@pytest.mark.slow
def test_a_number_is_what_a_person_would_write() -> None:
    base = ("tracker=none", "model=mlp", "horizon=2ep")
    for typed in ("optimizer.lr=0.3", "optimizer.args.momentum=0.3", "scheduler.args.eta_min={all: 0.03}"):
        key, _, value = typed.partition("=")
        crooked = value.replace("0.3", str(0.1 + 0.2)).replace("0.03", "0.030000000000000002")
        one, other = config.experiment(*base, typed), config.experiment(*base, f"{key}={crooked}")
        assert crooked != value
        assert one == other
        assert run_id(one) == run_id(other)
    assert run_id(config.experiment(*base, "optimizer.lr=0.300000000000001")) != run_id(
        config.experiment(*base, "optimizer.lr=0.3")
    )


def test_a_whole_number_for_a_rate_is_the_same_rate() -> None:
    one = config.experiment("tracker=none", "model=mlp", "horizon=2ep", "optimizer.lr=1", "clip=1")
    other = config.experiment("tracker=none", "model=mlp", "horizon=2ep", "optimizer.lr=1.0", "clip=1.0")
    assert run_id(one) == run_id(other)


def test_a_fork_has_the_identity_of_its_parent_in_it() -> None:
    parents = [small(), small(seed=1), small(horizon="31ep")]
    forks = [small(start=Start(of=p, at="20ep")) for p in parents]
    assert len({run_id(f) for f in forks}) == 3
    assert run_id(small(start=Start(of=small(), at="20ep"))) == run_id(forks[0])
    deep = small(start=Start(of=forks[0], at="end"))
    assert run_id(deep) != run_id(small(start=Start(of=forks[1], at="end")))


# ---- arm_id -------------------------------------------------------------------------------------------------


def test_an_arm_is_everything_but_the_seed() -> None:
    assert arm_id(full(seed=7)) == arm_id(full(seed=8)) == arm_id(full())
    assert run_id(full(seed=7)) != run_id(full(seed=8))
    arms = {path: arm_id(with_field(path)) for path in OTHER if path not in ("seed", *OF_THE_KIND)}
    assert len(set(arms.values()) | {arm_id(full())}) == len(arms) + 1


# ---- Through YAML and back ----------------------------------------------------------------------------------


def round_trip(experiment: Experiment) -> Experiment:
    return from_plain(yaml.safe_load(yaml.safe_dump(to_plain(experiment))))


MADE: dict[str, Callable[[], Experiment]] = {
    "small": small,
    "full": full,
    "fork of a fork": lambda: small(start=Start(of=full(), at="400ba")),
    "awkward floats": lambda: small(
        optimizer=Optimizer(
            target="o", lr=1e-6, args={"a": 0.1 + 0.2, "b": 5e-324, "c": math.inf, "d": -0.0, "e": 1e22}
        )
    ),
    "awkward words": lambda: small(
        model=Component(
            target="m", args={"a": "1e-3", "b": "no", "c": "1:30", "d": "010", "e": "@30%", "f": "", "g": "~"}
        )
    ),
    "null arguments": lambda: small(model=Component(target="m", args={"a": None, "b": [None, {"c": None}]})),
}


@pytest.mark.parametrize("name", MADE)
def test_an_experiment_comes_back_from_yaml(name: str) -> None:
    made = MADE[name]()
    back = round_trip(made)
    assert back == made
    assert run_id(back) == run_id(made)
    assert type(back) is Experiment
    assert type(back.data) is Data
    assert isinstance(back.data.augment, Augment)
    json.dumps(to_plain(made))


SCHEDULERS, WARMUPS = levels("scheduler"), levels("warmup")
CUSTOM = (
    "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
    "scheduler.interval=batch",
    "+scheduler.args.gamma=0.95/ep",
)


@pytest.fixture(scope="module")
def composed() -> tuple[dict[str, Experiment], dict[str, Warmup | None]]:
    """An Experiment of every scheduler level, and every warmup level, composed once."""
    base = ("tracker=none", "model=mlp", "horizon=300ep")
    none, mains, warmups = compose([*base]).warmup, {}, {}
    for turn, name in enumerate(SCHEDULERS):  # a warmup comes along: a group's node is the same beside any other
        warm = WARMUPS[turn % len(WARMUPS)]
        both = compose([*base, f"scheduler={name}", f"warmup={warm}", *(CUSTOM if name == "custom" else ())])
        warmups[warm] = config.experiment_from({**resolved(compose(base)), "warmup": resolved(both)["warmup"]}).warmup
        both.warmup = none
        mains[name] = config.experiment_from(both)
    return mains, {w: warmups[w] for w in WARMUPS}


def every_pair() -> list[Any]:
    """On every change each scheduler with a warmup, which take turns; all pairs under `full`."""
    late = ("multistep_16_22", "linear20")  # refused for what it is
    return [
        pytest.param(s, w, marks=[] if (i - j) % len(WARMUPS) == 0 or (s, w) == late else [pytest.mark.full])
        for i, s in enumerate(SCHEDULERS)
        for j, w in enumerate(WARMUPS)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("scheduler", "warmup"), every_pair())
def test_every_composed_experiment_comes_back(scheduler: str, warmup: str, composed: Any) -> None:
    mains, warmups = composed
    if mains[scheduler].scheduler.own_warmup and warmups[warmup] is not None:
        with pytest.raises(ConfigError, match="warms up by itself"):
            replace(mains[scheduler], warmup=warmups[warmup])
        return
    made = replace(mains[scheduler], warmup=warmups[warmup])
    if scheduler == "multistep_16_22" and made.schedule.main.phase.start > 16 * made.clock.per_epoch:
        with pytest.raises(ConfigError, match="inside the warmup"):
            run_id(made)
        return
    assert round_trip(made) == made
    assert run_id(round_trip(made)) == run_id(made)
    fork = replace(made, start=Start(of=mains["cosine"], at="30ep"))
    assert round_trip(fork) == fork
    assert run_id(round_trip(fork)) == run_id(fork)


def test_every_level_is_another_experiment(composed: Any) -> None:
    mains, warmups = composed
    ids = [run_id(m) for m in mains.values()]
    assert len(set(ids)) == len(ids)
    ids = [run_id(replace(mains["cosine"], warmup=w)) for w in warmups.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "plain",
    [{}, {"horizon": "30ep"}, {**to_plain(small()), "no_such_field": 1}, {**to_plain(small()), "model": {"args": {}}}],
)
def test_data_that_is_no_experiment(plain: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError)):
        from_plain(plain)


def test_what_comes_back_is_checked_again() -> None:
    with pytest.raises(ConfigError, match="horizon=30"):
        from_plain({**to_plain(small()), "horizon": "30"})


# ---- The rest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carry", [(), ("optimizer",), ("model", "rng")])
def test_what_a_fork_may_carry(carry: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"start\.carry=.*carry \[model\], with optimizer, stream or both"):
        Start(of=small(), at="end", carry=carry)


@pytest.mark.parametrize("at", ["20", "0ep", "30%%", "middle", "1.03ep"])
def test_where_a_fork_may_begin(at: str) -> None:
    with pytest.raises(ConfigError, match=f"start.at={at}"):
        small(start=Start(of=small(), at=at))


@pytest.mark.parametrize(
    ("field", "value"),
    [("crop", -1), ("mixup", 0.0), ("mixup", math.inf), ("cutmix", -1.0), ("cutmix", math.nan), ("erase", 0.0),
     ("erase", 1.1), ("erase", math.nan)],
)  # fmt: skip
def test_augmentation_that_is_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"data.augment.{field}={value}"):
        Augment(**{field: value})


@pytest.mark.parametrize("base", [0, -64])
def test_the_base_batch_is_positive(base: int) -> None:
    with pytest.raises(ConfigError, match=f"lr_scaling.base_batch={base}"):
        LRScaling(rule="linear", base_batch=base)


def test_peaks() -> None:
    assert small().peaks == {"all": 0.1}
    assert full(lr_scaling=None).peaks == {"backbone": 0.1 * 0.1, "head": 0.1}
    assert small(lr_scaling=LRScaling(rule="linear", base_batch=32)).peaks == {"all": 0.2}
    assert small(lr_scaling=LRScaling(rule="sqrt", base_batch=16)).peaks == {"all": 0.2}
    assert small(accumulate=4, ranks=2).peaks == {"all": 0.1}  # batch_size counts all samples of an update


def test_a_title_says_what_is_trained() -> None:
    assert title(small()) == "mlp Digits SGD lr 0.1 CosineAnnealingLR 30ep seed 0"
    parent = run_id(small())[:8]
    assert title(full(seed=3)) == f"mlp Digits SGD lr 0.1 StepLR warmup 5ep 30ep from {parent} at 20ep seed 3"


def test_an_experiment_is_frozen() -> None:
    with pytest.raises(AttributeError):
        small().seed = 1  # type: ignore[misc]


def test_an_experiment_is_made_and_hashed_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(to_plain(full())))
    program = (
        "import sys, yaml; from lrbench.experiment.identity import from_plain, run_id; "
        f"made = from_plain(yaml.safe_load(open({str(path)!r}))); "
        "print(run_id(made), 'torch' in sys.modules, 'hydra' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.split() == [run_id(full()), "False", "False"]  # and the hash is the same in another process
