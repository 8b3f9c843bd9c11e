"""Read a scheduler's rates by running it: the table is traced, never re-derived from a formula."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.schedules.build import Live, build, call, momentum_of, torch_refuses
from lrbench.schedules.remark import Contrary, to_the_end

Floats = NDArray[np.float64]

# Of the peak: how far below zero a rate may be by rounding. LinearLR's recursion drifts by 6e-12 in a million steps.
ROUNDING = 1e-11


class Trace(NamedTuple):
    """The values a scheduler takes for one group, shape (steps,); momentum None where the scheduler leaves it alone."""

    lr: Floats
    momentum: Floats | None


def trace(
    plan: SchedulePlan, part: SchedulePart, group: str, metrics: Sequence[float] | None = None, beyond: int = 0
) -> Trace:
    """Every value of one part of the plan for one group, and those that it would take in so many steps beyond its end.

    With `metrics`, step k hears metrics[k-1]; after the last one the rate stays. Raises ConfigError for anything the
    scheduler refuses, for negative or non-finite rates (what rounding leaves below zero stays as torch has it), and
    where anything but rate and momentum moves.
    """
    steps, args = part.phase.steps + beyond, plan.arguments(part, group)
    with torch_refuses(part, args), _without_chance(part):
        live = build(plan, part, args, group)
        if metrics is None and "metric" in live.takes:
            why = "its step() takes a metric, and only the main schedule hears one"
            raise ConfigError(f"{part.option}._target_", part.spec.target, why, "choose another class")
        lr, momentum = _read(live, steps, metrics)
    changed = [k for k, v in _fixed(live.before).items() if _fixed(live.group).get(k) != v]
    if changed:
        why = f"{part.spec.target} also changes {', '.join(changed)}"
        cure = "only rate and momentum (beta1) may move here; the weight decay has an option, weight_decay=cosine"
        raise ConfigError(part.option, "", why, cure)
    wrong = np.flatnonzero(~(np.isfinite(lr) & (lr >= -ROUNDING * part.own[group])))
    if wrong.size:
        why = f"{call(part, args)} gives the {part.moves} {lr[wrong[0]]:g} at step {wrong[0]} of {steps}"
        cure = f"Change {part.option}.args"
        why = f"{why}; {part.moves}s must be finite and not negative."
        raise Contrary("check.lambda-past-horizon", to_the_end(part), part.option, "", why, cure)
    own = momentum_of(live.before)
    return Trace(lr, None if momentum is None or (momentum == own).all() else momentum)


def _read(live: Live, steps: int, metrics: Sequence[float] | None) -> tuple[Floats, Floats | None]:
    """The rate, and the momentum if the group has one, before every step."""
    step, group = live.scheduler.step, live.group
    lr = np.empty(steps)
    momentum = None if momentum_of(group) is None else np.empty(steps)
    betas = "betas" in group
    heard = steps if metrics is None else min(steps, len(metrics) + 1)
    for i, given in enumerate(_givens(live, heard, metrics)):
        if i:
            step(*given)
        lr[i] = group["lr"]
        if momentum is not None:
            momentum[i] = group["betas"][0] if betas else group["momentum"]
    lr[heard:] = lr[heard - 1]
    if momentum is not None:
        momentum[heard:] = momentum[heard - 1]
    return lr, momentum


def _givens(live: Live, heard: int, metrics: Sequence[float] | None) -> Iterable[tuple[float, ...]]:
    """What step k is given, for k from 0, which is the constructor's own."""
    if not live.takes:
        return repeat((), heard)
    return (live.given(k, metrics[k - 1] if k and metrics is not None else None) for k in range(heard))


def _fixed(group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a group that a schedule of rates and momentum must leave alone, beta2 among them."""
    settings = {k: v for k, v in group.items() if k not in ("lr", "momentum") and isinstance(v, int | float | str)}
    return {**settings, **{f"beta{i}": beta for i, beta in enumerate(group.get("betas", ()), 1) if i > 1}}


@contextmanager
def _without_chance(part: SchedulePart) -> Iterator[None]:
    """Refuse a scheduler that draws from one of the process's generators: its table would be another every time."""

    def states() -> tuple[Any, ...]:
        numpys = np.random.get_state(legacy=False)["state"]
        return random.getstate(), numpys["key"].tobytes(), numpys["pos"], torch.get_rng_state().numpy().tobytes()

    before = states()
    yield
    if states() != before:
        why = f"{part.spec.target} draws random numbers, so that its rates cannot be planned"
        raise ConfigError(part.option, "", why, "draw from a generator of its own with a fixed seed")
