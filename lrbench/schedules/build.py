"""The real scheduler of one half of a plan, on an optimizer that trains nothing."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any, Literal, NamedTuple, Protocol

import torch

from lrbench.errors import ConfigError, as_typed
from lrbench.experiment.schedule_plan import Part, SchedulePlan
from lrbench.targets import resolve, with_defaults

# What a scheduler's step() may require, by the name it has there: the count of steps done (timm, fairseq), or the
# monitored metric (torch).
COUNTS = ("epoch", "t", "num_updates", "step")
METRICS = ("metric", "metrics", "loss", "val_loss", "score")
Given = Literal["count", "metric"]


class Steppable(Protocol):
    """What lrbench needs of a scheduler."""

    def step(self, *given: float) -> None: ...


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
    """A scheduler, what its step() takes, the group it writes to, and the group's settings before it was built."""

    scheduler: Steppable
    takes: tuple[Given, ...]
    group: dict[str, Any]
    before: dict[str, Any]

    def given(self, count: int, metric: float | None) -> tuple[float, ...]:
        """The arguments of its step number `count`."""
        return tuple(count if what == "count" else metric for what in self.takes)  # type: ignore[misc]


def momentum_of(group: Mapping[str, Any]) -> float | None:
    """The momentum that torch's cyclic schedulers write: beta1 where there are betas, else `momentum`."""
    if "betas" in group:
        return float(group["betas"][0])
    return float(group["momentum"]) if "momentum" in group else None


def settings_of(plan: SchedulePlan) -> dict[str, Any]:
    """The settings of the optimizer's groups, beside the rate. Raises ConfigError for a momentum that is none."""
    settings = with_defaults(plan.optimizer.target, plan.optimizer.args, "optimizer")
    try:
        momentum_of(settings)
    except (TypeError, ValueError, LookupError) as error:
        name, shown = ("betas", "[0.9, 0.999]") if "betas" in settings else ("momentum", "0.9")
        why = f"{plan.optimizer.name} has no momentum of this"
        raise ConfigError(f"optimizer.args.{name}", settings[name], why, f"give {name} as {shown}") from error
    return settings


@contextmanager
def torch_refuses(part: Part, args: Mapping[str, Any]) -> Iterator[None]:
    """Turn whatever a scheduler raises or warns, while built or stepped, into a refusal that shows its arguments."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except ConfigError:
        raise
    except Exception as error:
        zeros = [name for name, given in args.items() if given == 0 and type(given) is int]
        if isinstance(error, ZeroDivisionError) and zeros:
            option, cure = f"{part.option}.args.{zeros[0]}", "give it at least one step, such as end"
            raise ConfigError(option, 0, f"{call(part, args)} divides by it", cure) from error
        why = f"{call(part, args)} fails with {type(error).__name__}: {str(error).rstrip('.')}"
        raise ConfigError(part.option, "", f"{why}.", f"Change {part.option}.args") from error


def call(part: Part, args: Mapping[str, Any]) -> str:
    """How the scheduler is made, as a person would write it."""
    shown = {k: float(f"{v:.15g}") if isinstance(v, float) else v for k, v in args.items()}
    return f"{part.spec.name}({', '.join(f'{k}={as_typed(v)}' for k, v in shown.items())})"


def build(plan: SchedulePlan, part: Part, args: Mapping[str, Any], group: str) -> Live:
    """The real scheduler on a Shadow that looks like the optimizer's group. Call inside `torch_refuses`."""
    shadow = Shadow(part.own[group], settings_of(plan))
    before = dict(shadow.param_groups[0])
    scheduler = resolve(part.spec.target, part.option)(shadow, **args)
    shadow.step()
    return Live(scheduler, taken(scheduler, part), shadow.param_groups[0], before)


def taken(scheduler: Steppable, part: Part) -> tuple[Given, ...]:
    """What the step() of a scheduler requires, told by the names of its parameters: of what was built, so that a
    function may return any. Raises ConfigError for one that lrbench does not give."""
    required = [p for p in signature(scheduler.step).parameters.values() if p.default is Parameter.empty]
    kinds: list[Given] = []
    for p in required:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.kind is p.KEYWORD_ONLY or p.name not in (*COUNTS, *METRICS):
            why = f"{part.spec.name}.step() needs an argument named {p.name}, which lrbench does not give"
            cure = f"it gives the steps done as {', '.join(COUNTS)}, and the monitored metric as {', '.join(METRICS)}"
            raise ConfigError(part.option, "", why, cure)
        kinds.append("count" if p.name in COUNTS else "metric")
    return tuple(kinds)
