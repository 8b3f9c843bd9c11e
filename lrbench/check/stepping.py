"""Schedules that count in another unit than they are stepped in."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.case import Case
from lrbench.check.proposed import Cure, Proposed
from lrbench.numbers import is_count
from lrbench.schedules.bare import sooner
from lrbench.schedules.remark import given

LOW = 0.01  # of the peak: a rate that is down for good
EARLY = 0.2  # of the main schedule


def epoch_schedule_stepped_by_batch(case: Case) -> Iterator[Proposed]:
    """Numbers that would fit the run as epochs are taken as updates: the schedule is over, or begins again, before an
    epoch or two are.

    Told by the rates: down to a hundredth within a fifth of the run and never up again, or restarted more often than
    there are epochs."""
    spec, clock = case.plan.scheduler, case.experiment.clock
    if spec.interval != "batch" or clock.per_epoch is None or clock.per_epoch < 2:
        return
    bare = _bare(case)
    if not bare or max(bare) > (case.epochs or 0):
        return
    cures: tuple[Cure, ...] = (("scheduler.interval=epoch",), ("scheduler.interval=metric", "monitor=val/loss"))
    cures += tuple(("scheduler.interval=epoch", *cure) for cure in sooner(case.plan))
    if case.hears:
        if max(bare) > 1:
            says = f"{spec.name} hears the loss of every update, and counts {_and(bare)} in updates: {case.epoch}."
            yield Proposed(severity="warning", says=says, cures=cures, claim="plateau-per-batch")
        return
    begin, f, lr = case.table.warmup, case.facts[0], case.table.lr[:, 0]
    down = int(np.flatnonzero(lr > LOW * f.peak)[-1]) + 1 - begin
    counted = f"{spec.name} counts {_and(bare)} in updates, and there are {case.epoch}"
    if f.drops.size and down < EARLY * (len(lr) - begin):
        says = (
            f"{counted}: the rate is below {LOW:.0%} of the peak from {case.at(begin + down)} on, {lr[-1]:.2g} at last."
        )
        yield Proposed(severity="error", says=says, cures=cures, claim="per-batch-cosine-reaches-min-early")
        return
    falls = np.sign(np.diff(lr[begin:]))
    turns = int((np.diff(falls[falls != 0]) > 0).sum())
    if turns > 1:
        says = f"{counted}: the rate falls and rises again {turns:,} times in {case.epochs:g} epochs."
        yield Proposed(severity="warning", says=says, cures=cures, claim="per-batch-cosine-oscillates")


def scheduler_steps_first(case: Case) -> Iterator[Proposed]:
    """The scheduler is stepped before the optimizer, so that the first rate is never used."""
    if case.plan.scheduler.first_row:
        says = (
            f"The first rate is thrown away: the first update uses {case.facts[0].first:.4g}, that of the second step."
        )
        yield Proposed(severity="warning", says=says, cures=(("scheduler.first_row=null",),), claim="lint-step-order")


def _bare(case: Case) -> list[float]:
    """The lengths and positions without a unit; a factor per step without one counts as a step."""
    found = list[float]()
    for _, value in given(case.plan.main):
        if is_count(value) and value > 1:
            found.append(value)
        elif isinstance(value, list | tuple) and value and all(map(is_count, value)):
            found += value
    factors = [v for _, v in given(case.plan.main) if isinstance(v, float) and 0 < v < 1]
    return found or ([1] if factors and len(case.plan.scheduler.args) == 1 else [])


def _and(counts: list[float]) -> str:
    return ", ".join(f"{count:g}" for count in counts)
