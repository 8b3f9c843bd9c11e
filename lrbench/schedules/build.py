"""A phase's scheduler from its config: arguments resolved from time words to numbers, then the real class built."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import torch

from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Component, Experiment
from lrbench.horizon import GRAMMAR, Phase, factor_per_step, is_time, looks_numeric, position, steps
from lrbench.targets import resolve, with_defaults

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)  # no sign, no nan, no inf


class Steppable(Protocol):
    """What lrbench needs of a scheduler; a feedback scheduler's step takes the metric."""

    def step(self, *metric: float) -> None: ...


class Shadow(torch.optim.Optimizer):
    """A throw-away optimizer that trains nothing: schedulers write their rates into it and lrbench reads them off.

    A no-op subclass: a real optimizer may refuse the empty parameter, and torch's own `add_param_group` imports its
    compiler, which takes over a second.
    """

    def __init__(self, lr: float, defaults: Mapping[str, Any]) -> None:
        super().__init__([torch.nn.Parameter(torch.empty(0))], {**defaults, "lr": lr})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self.param_groups.append({**self.defaults, **param_group})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Called once after a scheduler is built, so that torch sees the order it asks for."""


class Live(NamedTuple):
    """A scheduler, the group it writes to, and the group's settings as they were before the scheduler was built."""

    scheduler: Steppable
    group: dict[str, Any]
    before: dict[str, Any]


def momentum_of(group: Mapping[str, Any]) -> float | None:
    """The momentum that torch's cyclic schedulers write: beta1 where there are betas, else `momentum`."""
    if "betas" in group:
        return float(group["betas"][0])
    return float(group["momentum"]) if "momentum" in group else None


def value(raw: Any, phase: Phase, group: str, experiment: Experiment, option: str) -> Any:
    """One argument, for one parameter group: time words become steps, `0.01x` a share of the group's peak.

    Bare numbers, booleans, None and plain words go to torch untouched.
    """
    if isinstance(raw, Mapping):
        return value(_of_group(raw, group, experiment, option), phase, group, experiment, option)
    if isinstance(raw, list | tuple):
        return _values(raw, phase, group, experiment, option)
    if not isinstance(raw, str):
        return raw
    if raw.startswith("@"):
        return position(raw, phase, option)
    if is_time(raw):
        return steps(raw, phase, option)
    number, slash, length = raw.partition("/")
    if slash and _NUMBER.fullmatch(number):
        return factor_per_step(float(number), length, phase, option)
    if raw.endswith("x") and _NUMBER.fullmatch(raw[:-1]):
        return float(raw[:-1]) * experiment.peaks[group]
    if looks_numeric(raw):
        raise ConfigError(
            f"{option}={raw}: neither a number nor a time. {GRAMMAR[0].upper()}{GRAMMAR[1:]}, a position as @30ep, a "
            "factor as 0.95/ep, a rate relative to the peak as 0.01x; without spaces, signs or quotes."
        )
    return raw


def _of_group(raw: Mapping[str, Any], group: str, experiment: Experiment, option: str) -> Any:
    for name in raw:
        if name not in experiment.peaks:
            raise ConfigError(f"{option}.{name}: no such parameter group.{did_you_mean(name, experiment.peaks)}")
    if group not in raw:
        raise ConfigError(f"{option}: gives no value for the parameter group '{group}'; name every group.")
    return raw[group]


def _values(raw: list[Any] | tuple[Any, ...], phase: Phase, group: str, experiment: Experiment, option: str) -> Any:
    positions = [isinstance(v, str) and v.startswith("@") for v in raw]
    if any(positions) and not all(positions):
        raise ConfigError(f"{option}={list(raw)}: write every position with an at sign and a unit, or none.")
    resolved = [value(v, phase, group, experiment, option) for v in raw]
    if any(positions) and any(b <= a for a, b in pairwise(resolved)):
        raise ConfigError(f"{option}={list(raw)}: positions must ascend, each later than the one before.")
    return resolved


@contextmanager
def torch_refuses(spec: Component, args: Mapping[str, Any], option: str) -> Iterator[None]:
    """Turn whatever a scheduler raises or warns, while built or stepped, into a refusal that shows its arguments."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except ConfigError:
        raise
    except Exception as error:
        shown = ", ".join(f"{k}={v}" for k, v in args.items())
        raise ConfigError(
            f"{option}: {spec.target.rpartition('.')[2]}({shown}) fails with {type(error).__name__}: {error}. "
            f"Change {option}.args."
        ) from error


def arguments(spec: Component, phase: Phase, group: str, experiment: Experiment, option: str) -> dict[str, Any]:
    """The arguments of a phase's scheduler for one parameter group, ready for its class."""
    args = {k: value(v, phase, group, experiment, f"{option}.args.{k}") for k, v in spec.args.items()}
    peak_arg = getattr(spec, "peak_arg", None)
    return {**args, peak_arg: experiment.peaks[group]} if peak_arg else args


def build(spec: Component, args: Mapping[str, Any], group: str, experiment: Experiment, option: str) -> Live:
    """The real scheduler on a Shadow that looks like the optimizer's group. Call inside `torch_refuses`."""
    settings = with_defaults(experiment.optimizer.target, experiment.optimizer.args, "optimizer")
    shadow = Shadow(experiment.peaks[group], settings)
    before = dict(shadow.param_groups[0])
    scheduler = resolve(spec.target, option)(shadow, **args)
    shadow.step()
    return Live(scheduler, shadow.param_groups[0], before)
