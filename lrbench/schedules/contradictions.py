"""What a schedule's table says against its plan: refused where it cannot be meant, else told in a line.

What a schedule is supposed to do is said by its level (`only_falls`, `floor_arg`: see `Scheduler`), so that restarts
and cycles pass and no class has to be known by its name. Of a class that a person names without saying its kind, the
same is told and not refused, unless it comes back by its nature.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.numbers import is_count
from lrbench.schedules.bare import lengths, positions, standing_still
from lrbench.schedules.beside import MATTERS, of_warmup, of_weight_decay
from lrbench.schedules.build import call, settings_of
from lrbench.schedules.compose import LRTable, lr_table, traced
from lrbench.schedules.feedback import built, hears_metric
from lrbench.schedules.remark import Contrary, Remark, given, to_the_end
from lrbench.schedules.trace import Floats

JUMP = 0.3  # of the peak: a rise at one step that is no climb


@lru_cache(maxsize=4096)  # the jobs of a sweep share their schedules, and what is kept of one is small
def check(plan: SchedulePlan) -> tuple[Remark, ...]:
    """Trace the plan and refuse what cannot be meant; what is worth telling of the rest. Raises ConfigError."""
    _refuse_second_warmup(plan)
    _refuse_contrary_mode(plan)
    table = lr_table(plan)
    _refuse_high_floor(plan)
    _refuse_unsorted(plan, table)
    strange = [p for p in plan.parts if isinstance(p.spec.numerics, str)]  # neither torch's nor ours: may draw anywhere
    if strange:
        _refuse_another_table(plan, table, strange)
    if plan.scheduler.only_falls is not None and (found := next(beyond_its_kind(plan, table), None)):
        raise Contrary(found.rule, found.cures, "scheduler", "", found.why, found.cure)
    return tuple(remarks(plan, table))


def remarks(plan: SchedulePlan, table: LRTable) -> list[Remark]:
    """What a person should know of a legal schedule before it is trained under: that it does not do what its kind says,
    that it never moves, what its parts beside it do, and what its bare numbers mean."""
    beyond = () if plan.scheduler.only_falls is not None else beyond_its_kind(plan, table)
    still = list(standing_still(plan, table))
    return [
        *(Remark(f.rule, f"scheduler: {f.why}. If it should not, {f.cure}.", f.cures) for f in beyond),
        *of_warmup(plan, table),
        *(still or lengths(plan)),
        *positions(plan),
        *of_weight_decay(plan, table),
    ]


class Contradiction(NamedTuple):
    """What the rates do that they should not, what would mend it in words and as overrides. rule: see `Remark`."""

    why: str
    cure: str
    rule: str
    cures: tuple[tuple[str, ...], ...]


def beyond_its_kind(plan: SchedulePlan, table: LRTable) -> Iterator[Contradiction]:
    """Rates of the main schedule above a group's peak, and rises where the rate is supposed only to fall: of the first
    group that has them."""
    begin, kind = table.warmup, plan.scheduler.only_falls
    for group, lr in zip(table.groups, table.lr[begin:].T, strict=True):
        peak, top = plan.peaks[group], int(lr.argmax())
        shown = call(plan.main, plan.arguments(plan.main, group))
        if lr[top] > peak * (1 + MATTERS):
            why = f"goes up to {lr[top]:.4g} (update {begin + top}), above {peak:.4g}, the peak of the group '{group}'"
            cure = "give floors and other rates relative to the peak, as 0.1x: optimizer.lr is it under every scheduler"
            yield Contradiction(f"{shown} {why}", cure, "check.floor-above-peak", _lower(plan, peak))
            return
        # What nobody described may warm up by itself; it may come back to its peak, but for rounding.
        since = int((lr >= lr[top] * (1 - MATTERS)).argmax()) if kind is None else 0
        climb = _climb(lr[since:], peak)
        if kind is None and climb and _meant(plan, lr[since:][climb[0] : climb[1] + 1], peak):
            return
        if kind is not False and climb:
            low, high = (since + row for row in climb)
            why = f"rises from {lr[low]:.4g} (update {begin + low}) to {lr[high]:.4g} (update {begin + high})"
            cure = (
                "let its length reach the end (end), or hold the floor after the decay (scheduler=cosine_hold); "
                "scheduler.only_falls=false says that the rise is meant"
            )
            yield Contradiction(f"{shown} {why}", cure, "check.past-t-max", to_the_end(plan.main))
            return


def _meant(plan: SchedulePlan, rising: Floats, peak: float) -> bool:
    """Whether a schedule that nobody described is to rise: its class is one of torch's that come back, or it comes back
    in a jump, as restarts do, or falls on the way, as noise does. A decay that is stepped past its end climbs steadily.
    """
    if isinstance(built(plan, plan.main)[0].scheduler, CyclicLR | CosineAnnealingWarmRestarts):
        return True
    steps = np.diff(rising)
    return bool(steps.max() > JUMP * peak or steps.min() < -MATTERS * peak)


def _lower(plan: SchedulePlan, peak: float) -> tuple[tuple[str, ...], ...]:
    """Each rate among the arguments that is above a peak, as a share of it."""
    args = plan.scheduler.args.items()
    return tuple((f"scheduler.args.{name}=0.1x",) for name, v in args if isinstance(v, int | float) and v > peak)


def _climb(lr: Floats, peak: float) -> tuple[int, int] | None:
    """The lowest rate and the highest one after it, as rows, where a rate rises after it has fallen or stood."""
    above = lr - np.minimum.accumulate(lr)
    high = int(above.argmax())
    return (int(lr[: high + 1].argmin()), high) if above[high] > MATTERS * peak else None


def _refuse_high_floor(plan: SchedulePlan) -> None:
    """No decay may end above where it began, and a plateau must be able to fall."""
    name = plan.scheduler.floor_arg
    if name is None:
        return
    for group, peak in plan.peaks.items():
        floor = plan.arguments(plan.main, group).get(name)
        if isinstance(floor, int | float) and floor > peak * (1 + MATTERS):
            why = f"this floor of {floor:.4g} lies above {peak:.4g}, the peak rate of the parameter group '{group}'"
            cure = f"give it relative to each group's peak, as {name}=0.1x, or a value for every group"
            option, cures = f"scheduler.args.{name}", ((f"scheduler.args.{name}=0.1x",),)
            raise Contrary("check.floor-above-peak", cures, option, plan.scheduler.args[name], why, cure)


def _refuse_unsorted(plan: SchedulePlan, table: LRTable) -> None:
    """Milestones that torch sorts itself: one schedule would be two runs."""
    for option, value in given(plan.main):
        if not (isinstance(value, list | tuple) and all(map(is_count, value)) and list(value) != sorted(value)):
            continue
        name = option.partition("=")[0].rpartition(".")[2]
        args = {**plan.scheduler.args, name: sorted(value)}
        in_order = replace(plan, scheduler=replace(plan.scheduler, args=args))
        if np.array_equal(traced(in_order, () if hears_metric(plan) else None).columns, table.columns):
            why = f"{plan.scheduler.name} takes these in any order, and one schedule is written in one way"
            raise ConfigError(f"scheduler.args.{name}", list(value), why, f"let them ascend: {sorted(value)}")


def _refuse_second_warmup(plan: SchedulePlan) -> None:
    """An optimizer that multiplies its rate by a warmup of its own would train at other rates than the record's."""
    for name, value in settings_of(plan).items():
        if re.match(r"(use_|num_|lr_)?warmup", name) and value:
            why = f"{plan.optimizer.name} would warm up by itself, at rates that stand in no table"
            cure = "leave it out and choose a warmup of lrbench, as warmup=linear_10pct with warmup.length=500ba"
            raise ConfigError(f"optimizer.args.{name}", value, why, cure)


def _refuse_contrary_mode(plan: SchedulePlan) -> None:
    """A scheduler that takes a metric's getting better for its getting worse, by an argument or by its default."""
    if plan.monitor is None or not hears_metric(plan):
        return
    mode, right = getattr(built(plan, plan.main)[0].scheduler, "mode", None), plan.mode
    if mode in ("min", "max") and right is not None and mode != right:
        better = "less" if right == "min" else "more"
        why = f"{better} of {plan.monitor} is better, and {plan.scheduler.name} would wait for the contrary"
        option, cures = "scheduler.args.mode", ((f"scheduler.args.mode={right}",),)
        raise Contrary("check.mode-against-monitor", cures, option, mode, why, f"set it to {right}")


def _refuse_another_table(plan: SchedulePlan, table: LRTable, strange: Sequence[SchedulePart]) -> None:
    """The second trace must be the first: no generator of its own without a seed, no clock on the wall."""
    again = traced(plan, () if hears_metric(plan) else None)
    if not np.array_equal(again.columns, table.columns):
        option, spec = strange[0].option, strange[0].spec
        why = f"{spec.target} gives other {strange[0].moves}s when it is built again, so that they cannot be planned"
        raise ConfigError(option, "", why, "make them a function of the steps; draw with a fixed seed")
