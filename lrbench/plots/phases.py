"""The phases of a schedule, read off its table: where it warms up, rises, holds, falls, and starts anew."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.schedules import LRTable
from lrbench.schedules.facts import ROUNDING

MOST = 16  # phases: more of them cannot be told apart, and a cyclic schedule has hundreds
Name = Literal["warmup", "rise", "hold", "fall", "main", "by metric"]


class RatePhase(NamedTuple):
    """Updates [start, stop) over which a rate moves one way, or stands. `main`: it turns more often than can be told
    apart. `by metric`: what it does there is not known before training."""

    name: Name
    start: int
    stop: int


class _Run(NamedTuple):
    """Steps in one direction that follow each other: the updates of the first and the last, how many, and the updates
    between two of them."""

    first: int
    last: int
    steps: int
    tick: int

    @property
    def start(self) -> int:
        """The first update that has the value it moves away from as its own; a jump has none."""
        return self.first - self.tick if self.steps > 1 else self.first


def phases(plan: SchedulePlan, table: LRTable, group: int) -> tuple[RatePhase, ...]:
    """The phases of one group's rate, in their order; together they are the whole run.

    A warmup is one, whatever it does; so is the first rise of a schedule that warms up by itself. A drop by itself
    (a milestone, a restart) begins a new one.
    """
    lr, known, warmup = table.lr[:, group], table.known, table.warmup
    turns = [row for row in _turns(plan, table, lr[:known]) if warmup < row < known]
    many = len({*turns}) >= MOST
    starts = sorted(row for row in {0, warmup, *([] if many else turns)} if row < known)
    found = [RatePhase(_name(lr, a, b), a, b) for a, b in pairwise([*starts, known])]
    if many:
        found[-1] = found[-1]._replace(name="main")
    if warmup or (plan.scheduler.own_warmup and found[0].name == "rise"):
        found[0] = found[0]._replace(name="warmup")
    return (*found, *([RatePhase("by metric", known, len(lr))] if known < len(lr) else []))


def warmup_of(found: tuple[RatePhase, ...]) -> int:
    """How many updates warm up."""
    return found[0].stop if found[0].name == "warmup" else 0


def _name(lr: NDArray[np.float64], start: int, stop: int) -> Name:
    first, last = lr[start], lr[stop - 1]
    return "rise" if last > first else "fall" if last < first else "hold"


def _turns(plan: SchedulePlan, table: LRTable, lr: NDArray[np.float64]) -> Iterator[int]:
    """The updates with which a phase begins, those of the warmup's own among them."""
    runs = _runs(plan, table, lr)
    if runs and runs[0].first > 2 * runs[0].tick:
        yield runs[0].start
    for before, after in pairwise(runs):
        if after.first - before.last > 2 * after.tick:  # it stands in between
            yield from (before.last, after.start)
        elif after.steps == 1:
            yield after.first
        elif before.steps > 1:
            yield before.last
    if runs and len(lr) - runs[-1].last > 2 * runs[-1].tick:
        yield runs[-1].last


def _runs(plan: SchedulePlan, table: LRTable, lr: NDArray[np.float64]) -> list[_Run]:
    moves = np.diff(lr)
    at = np.flatnonzero(np.abs(moves) > ROUNDING * lr.max()) + 1
    if not len(at):
        return []
    ticks = np.full(len(at), plan.main.phase.tick)
    if plan.warm:
        ticks[at < table.warmup] = plan.warm.phase.tick
    up = moves[at - 1] > 0
    other = (up[1:] != up[:-1]) | (np.diff(at) > 2 * ticks[1:])
    starts = np.flatnonzero(np.append(True, other))[: 4 * MOST]
    ends = np.append(starts[1:], len(at))
    return [_Run(*map(int, (at[a], at[b - 1], b - a, ticks[a]))) for a, b in zip(starts, ends, strict=True)]
