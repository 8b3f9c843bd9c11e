"""A schedule without an experiment around it: of a training loop that has its own model, data and optimizer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrbench.config.compose import compose
from lrbench.config.experiments import schedule_of
from lrbench.config.hydra_errors import composing
from lrbench.errors import ConfigError, did_you_mean
from lrbench.horizon import Clock, require_room, whole_updates
from lrbench.numbers import is_count
from lrbench.plural import plural

if TYPE_CHECKING:
    from lrbench.experiment import Optimizer
    from lrbench.experiment.schedule_plan import SchedulePlan

# What a schedule depends on beside the optimizer; batch_size is needed for lengths in samples alone.
USED = ("scheduler", "warmup", "weight_decay", "monitor", "eval_every", "batch_size")
ELSEWHERE = {
    "horizon": "give its optimizer steps as updates",
    "optimizer": "give the rates to the optimizer, whose groups are the peaks",
    "recipe": "name the levels of its scheduler and warmup: lrbench recipe=... --cfg job shows them",
}


def plan_of(
    overrides: Sequence[str],
    *,
    updates: int,
    per_epoch: int | None,
    optimizer: "Optimizer | None" = None,
    peaks: Mapping[str, float] | None = None,
    decays: Mapping[str, float | None] | None = None,
) -> "SchedulePlan":
    """The plan of some overrides over `updates` optimizer steps, `per_epoch` of them an epoch (None: without epochs).

    optimizer, peaks, decays: those of the loop: the peak rate and the weight decay (None where it has none) of every
    parameter group. Without them there is one group, `all`, and overrides may set the optimizer and its rate too.
    Raises ConfigError, for overrides that a schedule alone has no use for too.
    """
    from lrbench.experiment.schedule_plan import SchedulePlan, require_fit
    from lrbench.schedules import hears_metric
    from lrbench.schedules.feedback import check_feedback

    said = _said(overrides, USED if optimizer else (*USED, "optimizer"))
    plain = _composed(overrides)
    parts = schedule_of(plain)
    own = parts["optimizer"]
    clock = _clock(plain, said, updates, per_epoch)
    require_fit(parts["scheduler"], parts["warmup"], per_epoch)
    found = {"all": own.args.get("weight_decay")} if decays is None else decays
    begin = _beginnings(found) if parts["weight_decay"] else None
    parts |= {"clock": clock, "peaks": peaks or {"all": own.lr}, "optimizer": optimizer or own, "decays": begin}
    plan = SchedulePlan(**parts)
    if plan.scheduler.interval == "metric" and per_epoch is None and "eval_every" not in said:
        why = f"{plan.scheduler.name} is stepped after every evaluation, and there are no epochs"
        raise ConfigError("eval_every", "", why, "say how often it is measured, as eval_every=500ba")
    if not hears_metric(plan):
        check_feedback(plan, [])
        return replace(plan, monitor=None)
    check_feedback(plan, [m for m in (plan.monitor,) if m])
    return plan


def _said(overrides: Sequence[str], used: Sequence[str]) -> set[str]:
    """The options that are set. Raises ConfigError for those that a schedule alone has no use for."""
    keys = {o: re.split(r"[.=/@]", o.lstrip("+~"))[0] for o in overrides}
    for override, key in keys.items():
        if key not in used:
            option, _, value = override.partition("=")
            cure = ELSEWHERE.get(key) or did_you_mean(key, used).strip()
            raise ConfigError(option, value, "this is no part of a schedule in a loop of your own", cure)
    return {*keys.values()}


def _composed(overrides: Sequence[str]) -> Any:
    with composing(overrides):
        return compose(overrides)


def _clock(plain: Any, said: set[str], updates: int, per_epoch: int | None) -> Clock:
    """Raises ConfigError for numbers that are none, and for evaluations that never come."""
    for option, given in (("updates", updates), ("per_epoch", per_epoch)):
        if given is not None and not (is_count(given) and given > 0):
            raise ConfigError(option, given, "this counts optimizer steps", "give a whole number above 0")
    require_room(updates, "updates", updates)
    clock = Clock(updates, per_epoch, updates, plain["batch_size"] if "batch_size" in said else None)
    if "eval_every" not in said:
        return replace(clock, per_eval=min(per_epoch or updates, updates))
    per_eval = whole_updates(plain["eval_every"], clock, "eval_every")
    if per_eval > updates:
        why = f"that is {plural(per_eval, 'update')}, and there are {updates}"
        raise ConfigError("eval_every", plain["eval_every"], why, "evaluate more often")
    return replace(clock, per_eval=per_eval)


def _beginnings(decays: Mapping[str, float | None]) -> dict[str, float]:
    """The weight decay that its schedule begins with. Raises ConfigError where no group has any."""
    if not any(decays.values()):
        why = "a schedule of the weight decay begins with the optimizer's, and this one has none"
        raise ConfigError("weight_decay", "", why, "give the optimizer one above 0, or leave weight_decay=constant")
    return {group: float(given or 0.0) for group, given in decays.items()}
