"""One schedule that is drawn, and what every picture of it needs: its phases, the updates to draw, its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.plots.kept import Kept, kept
from lrbench.plots.phases import RatePhase, phases
from lrbench.schedules import LRTable, RateFacts, facts

Scale = Literal["linear", "log"]  # of the axis of the rate
KINDS = {"lr": "learning rate", "momentum": "momentum", "weight_decay": "weight decay"}  # what moves, and its label


@dataclass(frozen=True, eq=False)
class ScheduleCurve:
    """One schedule with its label."""

    label: str
    plan: SchedulePlan
    table: LRTable

    @cached_property
    def facts(self) -> dict[str, RateFacts]:
        return facts(self.plan, self.table)

    @cached_property
    def leading(self) -> int:
        """The column of the group with the highest peak, which stands for all where one curve must do."""
        return int(np.argmax(list(self.plan.peaks.values())))

    @cached_property
    def phases(self) -> tuple[RatePhase, ...]:
        return phases(self.plan, self.table, self.leading)

    @cached_property
    def kept(self) -> Kept:
        """The updates that are drawn, of all that moves; those where a phase begins are among them."""
        starts = [row for phase in self.phases for row in (phase.start - 1, phase.start) if row >= 0]
        return kept(self.table.columns, also=starts)

    def values(self, kind: str) -> NDArray[np.float64] | None:
        """What moves of a kind, shape (updates, groups); None where it stays."""
        found: NDArray[np.float64] | None = getattr(self.table, kind)
        return found


def moved(curves: Sequence[ScheduleCurve]) -> list[str]:
    """What any of the schedules moves, the rate first."""
    return [kind for kind in KINDS if any(kind in c.table.kinds for c in curves)]


def names(curves: Sequence[ScheduleCurve]) -> list[list[str]]:
    """What the lines of each curve are called: its label, with the group where there are several; of one curve alone
    the group."""
    return [[_name(c, group, len(curves) == 1) for group in c.table.groups] for c in curves]


def _name(curve: ScheduleCurve, group: str, alone: bool) -> str:
    if len(curve.table.groups) == 1:
        return curve.label
    return group if alone else f"{curve.label} {group}"


def twins(curves: Sequence[ScheduleCurve]) -> list[int | None]:
    """For each, the first one before it whose table is the same, value for value; None where there is none."""
    found: list[int | None] = []
    for i, curve in enumerate(curves):
        found.append(next((j for j in range(i) if found[j] is None and _same(curves[j], curve)), None))
    return found


def _same(one: ScheduleCurve, other: ScheduleCurve) -> bool:
    a, b = one.table, other.table
    alike = one.plan.clock.per_epoch == other.plan.clock.per_epoch and (a.kinds, a.known) == (b.kinds, b.known)
    return alike and np.array_equal(a.columns, b.columns)


def unit_of(curves: Sequence[ScheduleCurve]) -> str:
    """What all of them can be counted in: the epoch, unless one has none."""
    return "update" if any(c.plan.clock.per_epoch is None for c in curves) else "epoch"


def size_of(curve: ScheduleCurve, unit: str) -> int:
    """The updates of one unit."""
    return curve.plan.clock.unit[0] if unit == "epoch" else 1


def share(value: float) -> str:
    """A share of the peak all along, as legends have it: 45.6%."""
    return f"{100 * value:.1f}%"
