"""What a table of rates says of its schedule, in numbers that plots, findings and reports share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.schedules.compose import LRTable

# Of the peak: what two neighbouring rates may differ by and still be one. The recursions of torch's schedulers wander
# in the last bits, and the first step of a cosine over a million updates is 2e-12.
ROUNDING = 1e-14


@dataclass(frozen=True, kw_only=True, eq=False)
class RateFacts:
    """One parameter group's rates in numbers. An update is named by its row, counted from 0.

    first, peak, last: the rate of the first update, the highest and that of the last one; peak_at: the first update
    that has the highest. ratio: last / peak. rises, drops: the updates that use a higher, a lower rate than the one
    before, shape (n,), rounding aside. warmup: its share of the updates. area: the sum of the rates as a share of the
    peak all along. can_move: whether the main schedule is stepped at all: one epoch, stepped per epoch, is not.

    Of a schedule that hears a metric, the rows that are not yet known stand at the last rate that is.
    """

    group: str
    first: float
    peak: float
    peak_at: int
    last: float
    ratio: float
    rises: NDArray[np.int64]
    drops: NDArray[np.int64]
    warmup: float
    area: float
    can_move: bool


def facts(plan: SchedulePlan, table: LRTable) -> dict[str, RateFacts]:
    """The facts of every parameter group, by its name in the optimizer's order."""
    return {group: _of_group(plan, table, column) for column, group in enumerate(table.groups)}


def _of_group(plan: SchedulePlan, table: LRTable, column: int) -> RateFacts:
    lr = table.lr[:, column]
    peak, steps = float(lr.max()), np.diff(lr)
    scale = peak or 1.0  # rates that are all zero have no shares of a peak: they are 0
    return RateFacts(
        group=table.groups[column],
        first=float(lr[0]),
        peak=peak,
        peak_at=int(lr.argmax()),
        last=float(lr[-1]),
        ratio=float(lr[-1]) / scale,
        rises=np.flatnonzero(steps > ROUNDING * peak) + 1,
        drops=np.flatnonzero(steps < -ROUNDING * peak) + 1,
        warmup=table.warmup / len(lr),
        area=float(lr.mean()) / scale,
        can_move=plan.main.phase.steps > 1,
    )
