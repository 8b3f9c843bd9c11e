"""What the tests of the linter share."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import yaml

from lrbench import CONF
from lrbench.check.finding import Finding
from lrbench.check.proposed import Proposed
from lrbench.config.experiments import experiment
from lrbench.engine.state import build_model
from lrbench.experiment import Component, Experiment, ParamGroups, Scheduler, Warmup
from lrbench.optim import group_parameters

Found = Callable[..., tuple[Proposed, ...]]


def grave(findings: Iterable[Finding]) -> list[str]:
    return [f.rule for f in findings if f.severity != "note"]


def level(group: str, name: str) -> dict[str, Any]:
    """A level's file as the arguments of its component."""
    plain = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    plain["target"] = plain.pop("_target_")
    return plain


def warmup(name: str) -> Warmup | None:
    plain = level("warmup", name)
    return Warmup(**plain) if plain["target"] else None


@cache
def grouped(model: str, name: str) -> ParamGroups | None:
    plain = level("param_groups", name)
    if plain["target"] is None:
        return None
    groups = group_parameters(build_model(Component(**level("model", model)), base().data), Component(**plain))
    spared = tuple(g.name for g in groups if not g.weight_decay) or None
    return ParamGroups(**plain, lr_scales={g.name: g.lr_scale for g in groups}, no_decay=spared)


@cache
def base() -> Experiment:
    """A perceptron on digits, 4 updates an epoch."""
    return experiment("model=mlp", "scheduler=plateau", "horizon=20ep", "batch_size=256")


def made(scheduler: str, warm: str = "none", **fields: Any) -> Experiment:
    """An Experiment of levels put together as values: composing each by Hydra takes a minute. Raises ConfigError."""
    return replace(base(), scheduler=Scheduler(**level("scheduler", scheduler)), warmup=warmup(warm), **fields)
