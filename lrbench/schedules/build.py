"""The real scheduler of one half of a plan, on an optimizer that trains nothing."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from inspect import Parameter, signature
from typing import Any, Literal, NamedTuple, Protocol

import torch

from lrbench.blame import blame
from lrbench.errors import ConfigError, as_typed
from lrbench.experiment import Optimizer
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.targets import MARKS, is_target, named_parameters, resolve, with_defaults

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
    if isinstance(
        plan.optimizer.numerics, str
    ):  # of somebody's own, whose groups may name things as its signature does not
        settings |= _settings_built(plan.optimizer)
    try:
        momentum_of(settings)
    except (TypeError, ValueError, LookupError) as error:
        name, shown = ("betas", "[0.9, 0.999]") if "betas" in settings else ("momentum", "0.9")
        why = f"{plan.optimizer.name} has no momentum of this"
        raise ConfigError(f"optimizer.args.{name}", settings[name], why, f"give {name} as {shown}") from error
    return settings


def _settings_built(spec: Optimizer) -> dict[str, Any]:
    """What an optimizer puts into its groups beside the rate, seen on one of a parameter that trains nothing; nothing
    where it cannot be built so, which is said when the model's is."""
    try:
        built = resolve(spec.target, "optimizer")([torch.nn.Parameter(torch.zeros(2, 2))], lr=spec.lr, **spec.args)
        return {k: v for k, v in built.param_groups[0].items() if k not in ("params", "lr")}
    except Exception:
        return {}


@contextmanager
def torch_refuses(part: SchedulePart, args: Mapping[str, Any]) -> Iterator[None]:
    """Turn whatever a scheduler raises while built or stepped into a refusal that shows its arguments, and what torch
    warns of. Warnings of anybody else's class are shown, and errors in somebody's own are theirs."""
    try:
        with warnings.catch_warnings() if _warns_of_mistakes(part) else nullcontext():
            if _warns_of_mistakes(part):
                warnings.simplefilter("error")
            yield
    except ConfigError:
        raise
    except Exception as error:
        if blame(error):
            raise
        zeros = [name for name, given in args.items() if given == 0 and type(given) is int]
        if isinstance(error, ZeroDivisionError) and zeros:
            option, cure = f"{part.option}.args.{zeros[0]}", "give it at least one step, such as end"
            raise ConfigError(option, 0, f"{call(part, args)} divides by it", cure) from error
        if "not callable" in str(error):
            why = f"{call(part, args)} takes a function, and {error}"
            cure = "name one of yours as {_target_: my_file.my_function, _partial_: true}, with its other arguments"
            raise ConfigError(f"{part.option}.args", "", why, cure) from error
        why = f"{call(part, args)} fails with {type(error).__name__}: {str(error).rstrip('.')}"
        raise ConfigError(part.option, "", f"{why}.", f"Change {part.option}.args") from error


def _warns_of_mistakes(part: SchedulePart) -> bool:
    return part.spec.target.startswith(("torch.", "lrbench."))


def call(part: SchedulePart, args: Mapping[str, Any]) -> str:
    """How the scheduler is made, as a person would write it."""
    return f"{part.spec.name}({', '.join(f'{k}={_shown(v)}' for k, v in args.items())})"


def _shown(given: Any) -> str:
    if is_target(given):
        inner = ", ".join(f"{k}={_shown(v)}" for k, v in given.items() if k not in MARKS)
        return f"{given['_target_'].rpartition('.')[2]}({inner})"
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(_shown, given))}]"
    return as_typed(float(f"{given:.15g}") if isinstance(given, float) else given)


def build(plan: SchedulePlan, part: SchedulePart, args: Mapping[str, Any], group: str) -> Live:
    """The real scheduler on a Shadow that looks like the optimizer's group. Call inside `torch_refuses`."""
    shadow = Shadow(part.own[group], settings_of(plan))
    before = dict(shadow.param_groups[0])
    scheduler = on(shadow, part.spec.target, part.option, args)
    shadow.step()
    return Live(scheduler, taken(scheduler, part), shadow.param_groups[0], before)


def on(optimizer: torch.optim.Optimizer, path: str, option: str, args: Mapping[str, Any]) -> Any:
    """A scheduler on an optimizer, which is given by name where its parameter has that name, else first. What is to be
    built among its arguments is built before, on the same optimizer where it takes one."""
    named, made = named_parameters(path, option), {k: _made(v, optimizer, option) for k, v in args.items()}
    if "optimizer" in named:
        return resolve(path, option)(optimizer=optimizer, **made)
    return resolve(path, option)(optimizer, **made)


def _made(given: Any, optimizer: torch.optim.Optimizer, option: str) -> Any:
    """An argument with everything built that is to be built, as Hydra's `instantiate` does: a mapping with `_target_`
    is what that makes of its other keys, with `_partial_` a function that has them already."""
    if isinstance(given, list | tuple):
        return [_made(each, optimizer, option) for each in given]
    if not is_target(given):
        return given
    path, args = given["_target_"], {k: v for k, v in given.items() if k not in MARKS}
    if given.get("_partial_"):
        return partial(resolve(path, option), **{k: _made(v, optimizer, option) for k, v in args.items()})
    if "optimizer" in named_parameters(path, option):
        return on(optimizer, path, option, args)
    return resolve(path, option)(**{k: _made(v, optimizer, option) for k, v in args.items()})


def taken(scheduler: Steppable, part: SchedulePart) -> tuple[Given, ...]:
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
