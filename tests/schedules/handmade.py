"""Experiments made by hand from the levels' files, without Hydra and without data, and what the tests share.

An epoch has `per_epoch` updates of 8 samples; three samples are left over, as with real data.
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lrbench.experiment import Component, Data, Experiment, Optimizer, ParamGroups, Scheduler, Warmup

CONF = Path(__file__).parents[2] / "conf"
SCHEDULERS = sorted(p.stem for p in (CONF / "scheduler").glob("*.yaml"))
WARMUPS = sorted(p.stem for p in (CONF / "warmup").glob("*.yaml"))
BATCH = 8
GROUPS = ParamGroups(target="lrbench.param_groups.no_decay_norm_bias", lr_scales={"decay": 1.0, "no_decay": 1.0})
TORCH = "torch.optim.lr_scheduler."
EXPONENTIAL = {"target": TORCH + "ExponentialLR", "interval": "epoch", "args": {"gamma": "0.9/ep"}}  # for `custom`


def level(group: str, name: str) -> dict[str, Any]:
    """A level's file as arguments of its dataclass."""
    plain = deepcopy(_read(group, name))
    plain["target"] = plain.pop("_target_")
    return plain


@cache
def _read(group: str, name: str) -> dict[str, Any]:
    """Once: thousands of experiments are made of a few files."""
    plain: dict[str, Any] = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    return plain


def scheduler(name: str, args: dict[str, Any] | None = None, **fields: Any) -> Scheduler:
    plain = EXPONENTIAL if name == "custom" else level("scheduler", name)
    return Scheduler(**{**plain, "args": {**plain["args"], **(args or {})}, **fields})


def warmup(name: str, args: dict[str, Any] | None = None, **fields: Any) -> Warmup | None:
    plain = level("warmup", name)
    if plain["target"] is None:
        return None
    return Warmup(**{**plain, "args": {**plain["args"], **(args or {})}, **fields})


def ramp(length: str, interval: str) -> Warmup:
    """The linear warmup of the levels, with another length."""
    made = warmup("linear5", length=length, interval=interval)
    assert made is not None
    return made


def optimizer(name: str = "sgd", **fields: Any) -> Optimizer:
    return Optimizer(**{**level("optimizer", name), **fields})


def experiment(
    main: str | Scheduler, warm: str | Warmup | None = None, *, per_epoch: int = 10, **fields: Any
) -> Experiment:
    """An Experiment of a scheduler and a warmup, each a level's name or a value, at SGD with a peak of 0.1."""
    return Experiment(
        **{
            "model": Component(target="torch.nn.Linear"),
            "data": Data(target="builtins.list", n_train=per_epoch * BATCH + 3, fingerprint="0"),
            "task": Component(target="builtins.list"),
            "optimizer": optimizer(),
            "scheduler": scheduler(main) if isinstance(main, str) else main,
            "warmup": warmup(warm) if isinstance(warm, str) else warm,
            "horizon": "40ep",
            "batch_size": BATCH,
            "seed": 0,
            "monitor": "val/loss",
            **fields,
        }
    )


def with_args(experiment: Experiment, **args: Any) -> Experiment:
    """The same experiment with other arguments of its scheduler."""
    return replace(experiment, scheduler=replace(experiment.scheduler, args={**experiment.scheduler.args, **args}))


@dataclass(frozen=True)
class Plan:
    """What a person knows before writing a loop: everything in updates."""

    updates: int
    per_epoch: int = 10
    interval: str = "epoch"
    warm: int = 0
    warm_interval: str = "epoch"
    per_eval: int = 10
    ramp: str = "linear5"  # the level whose shape the warmup has

    @property
    def tick(self) -> int:
        return {"epoch": self.per_epoch, "batch": 1, "metric": self.per_eval}[self.interval]

    @property
    def left(self) -> int:
        """Steps from the end of the warmup to the horizon: epochs to begin, the one under way included."""
        return -(-self.updates // self.tick) - self.warm // self.tick

    def share(self, percent: int) -> int:
        """A share of the whole horizon in steps: per update it rounds half up, otherwise it is whole."""
        if self.interval == "batch":
            return (2 * percent * self.updates + 100) // 200
        assert percent * self.updates % (100 * self.tick) == 0
        return percent * self.updates // (100 * self.tick)

    def epochs(self, n: int) -> int:
        """Epochs in steps."""
        assert n * self.per_epoch % self.tick == 0
        return n * self.per_epoch // self.tick

    def at(self, steps: int) -> int:
        """A position of the run, in steps from the beginning, as main steps."""
        return steps - self.warm // self.tick
