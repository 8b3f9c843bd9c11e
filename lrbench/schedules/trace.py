"""Read a scheduler's rates by running it: the table is traced, never re-derived from a formula."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import ConfigError
from lrbench.schedule_plan import Part, SchedulePlan
from lrbench.schedules.build import Live, build, call, momentum_of, torch_refuses

Floats = NDArray[np.float64]


class Trace(NamedTuple):
    """The values a scheduler takes for one group, shape (steps,); momentum None where the scheduler leaves it alone."""

    lr: Floats
    momentum: Floats | None


def trace(plan: SchedulePlan, part: Part, group: str, metrics: Sequence[float] | None = None) -> Trace:
    """Every value of one part of the plan for one group. With `metrics`, step k hears metrics[k-1]; after the last one
    the rate stays. Raises ConfigError for anything the scheduler refuses and for negative or non-finite rates."""
    steps, args = part.phase.steps, plan.arguments(part, group)
    with torch_refuses(part, args):
        live = build(plan, part, args, group)
        lr, momentum = _read(live, steps, metrics)
    changed = [k for k, v in live.before.items() if _is_setting(k, v) and live.group[k] != v]
    if changed:
        why = f"{part.spec.target} also changes {', '.join(changed)}"
        cure = "only rate and momentum may move here, and the weight decay by an option of its own: weight_decay=cosine"
        raise ConfigError(part.option, "", why, cure)
    wrong = np.flatnonzero(~(np.isfinite(lr) & (lr >= 0)))
    if wrong.size:
        why = f"{call(part, args)} gives the {part.moves} {lr[wrong[0]]:g} at step {wrong[0]} of {steps}"
        cure = f"Change {part.option}.args"
        raise ConfigError(part.option, "", f"{why}; {part.moves}s must be finite and not negative.", cure)
    own = momentum_of(live.before)
    return Trace(lr, None if momentum is None or (momentum == own).all() else momentum)


def _read(live: Live, steps: int, metrics: Sequence[float] | None) -> tuple[Floats, Floats | None]:
    """The rate, and the momentum if the group has one, before every step."""
    step, group = live.scheduler.step, live.group
    lr = np.empty(steps)
    momentum = None if momentum_of(group) is None else np.empty(steps)
    betas = "betas" in group
    heard = steps if metrics is None else min(steps, len(metrics) + 1)
    for i in range(heard):
        if i:
            step() if metrics is None else step(metrics[i - 1])
        lr[i] = group["lr"]
        if momentum is not None:
            momentum[i] = group["betas"][0] if betas else group["momentum"]
    lr[heard:] = lr[heard - 1]
    if momentum is not None:
        momentum[heard:] = momentum[heard - 1]
    return lr, momentum


def _is_setting(name: str, value: object) -> bool:
    """Whether a group's entry is a setting of the optimizer that a schedule of rates and momentum must not touch."""
    return name not in ("lr", "momentum", "betas") and isinstance(value, int | float | bool | str)
