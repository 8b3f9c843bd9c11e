"""The plan of a schedule for an optimizer that is there already: its groups, their names, and their own rates."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from lrbench.config.plans import plan_of
from lrbench.errors import ConfigError
from lrbench.experiment import Optimizer as OptimizerSpec
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.schedules.build import momentum_of

PLAIN = (bool, int, float, str, tuple, type(None))


def your_optimizer(**settings: Any) -> None:
    """What a plan has for the class of an optimizer that is there: all its settings are given, and nobody builds it."""


def bare(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside the wrappers of others (accelerate's, Lightning's), whose step() is the update. Raises
    ConfigError for what is none."""
    while isinstance(inner := getattr(optimizer, "optimizer", None), Optimizer) and inner is not optimizer:
        optimizer = inner
    if not hasattr(optimizer, "param_groups"):
        why = f"this is {type(optimizer).__name__}, and has no parameter groups"
        raise ConfigError("optimizer", repr(optimizer)[:40], why, "give the optimizer that trains, of torch.optim")
    return optimizer


def group_names(optimizer: Optimizer) -> list[str]:
    """Of every parameter group: its `name`, where all have one; else `all` of a single one, `group0`, `group1`, ...

    Raises ConfigError where two have the same name.
    """
    groups = optimizer.param_groups
    if all("name" in group for group in groups):
        names = [str(group["name"]) for group in groups]
        if len({*names}) < len(names):
            raise ConfigError("param_groups", names, "two groups have the same name", "give each a name of its own")
        return names
    return ["all"] if len(groups) == 1 else [f"group{i}" for i in range(len(groups))]


def plan_for(
    optimizer: Optimizer, overrides: Sequence[str], updates: int, per_epoch: int | None = None, scheduler: Any = None
) -> SchedulePlan:
    """The plan of some overrides for an optimizer, whose groups' own rates are the peaks.

    Where a scheduler was built on it before, they are what that began from: `initial_lr`, as torch has it; of a
    OneCycleLR its `max_lr`, and of a CyclicLR (`scheduler`) its `max_lrs`. Raises ConfigError.
    """
    groups = dict(zip(group_names(optimizer), optimizer.param_groups, strict=True))
    highest = getattr(scheduler, "max_lrs", None) or [None] * len(groups)
    peaks = {
        name: float(group.get("max_lr", group.get("initial_lr", group["lr"])) if top is None else top)
        for (name, group), top in zip(groups.items(), highest, strict=True)
    }
    spec = OptimizerSpec(
        target=f"{__name__}.{your_optimizer.__name__}", args=_settings(optimizer), lr=max(peaks.values())
    )
    decays = {name: group.get("weight_decay") for name, group in groups.items()}
    return plan_of(overrides, updates=updates, per_epoch=per_epoch, optimizer=spec, peaks=peaks, decays=decays)


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    """What the groups hold beside the rate, as the first one has it: for a scheduler to find and to move."""
    group = optimizer.param_groups[0]
    held = {name: _plain(group[name]) for name in optimizer.defaults if name != "lr" and name in group}
    return {name: value for name, value in held.items() if isinstance(value, PLAIN)}


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return float(value)
    return tuple(map(_plain, value)) if isinstance(value, tuple | list) else value


def require_one_momentum(optimizer: Optimizer) -> None:
    """Refuse groups of different momentum under a schedule that moves it: their plan has one. Raises ConfigError."""
    held = {momentum_of(group) for group in optimizer.param_groups}
    if len(held) > 1:
        why = f"the groups have different momenta ({', '.join(map(str, sorted(held, key=str)))}), which it would move"
        raise ConfigError("scheduler", "", why, "turn that off, as scheduler.args.cycle_momentum=false, or make one")
