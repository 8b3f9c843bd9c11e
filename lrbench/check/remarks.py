"""What `lrbench.schedules` tells of a plan when it is made, as findings: said there, and only there."""

from collections.abc import Iterator
from dataclasses import replace

from lrbench.check.case import Case
from lrbench.check.finding import Severity
from lrbench.check.proposed import Proposed

BY_BATCH = ("scheduler.interval=batch",)


def remarked(case: Case, rule: str, severity: Severity = "warning", claim: str = "") -> Iterator[Proposed]:
    for remark in case.remarks:
        if remark.rule == rule:
            yield Proposed(severity=severity, says=remark.says, cures=remark.cures, claim=claim)


def never_moves(case: Case) -> Iterator[Proposed]:
    """A schedule that is supposed to move the rate does not within the run."""
    for found in remarked(case, "check.never-moves"):
        cures = tuple(c for c in found.cures if c != BY_BATCH or case.finer or case.hears)
        yield replace(found, cures=cures)


def milestones_shifted_by_warmup(case: Case) -> Iterator[Proposed]:
    """Bare milestones count from the end of the warmup, so that a warmup moves them."""
    return remarked(case, "check.milestones-shifted-by-warmup")


def drops_beyond_horizon(case: Case) -> Iterator[Proposed]:
    """Drops that the run ends before."""
    return remarked(case, "check.drops-beyond-horizon")


def warmup_never_climbs(case: Case) -> Iterator[Proposed]:
    """A warmup that stays where it begins."""
    return remarked(case, "check.warmup-never-climbs")


def warmup_ends_early(case: Case) -> Iterator[Proposed]:
    """A warmup that is at the peak before it ends, and stands there."""
    return remarked(case, "check.warmup-ends-early")


def warmup_above_peak(case: Case) -> Iterator[Proposed]:
    """A warmup that goes above the peak."""
    return remarked(case, "check.warmup-above-peak")


def weight_decay_schedule(case: Case) -> Iterator[Proposed]:
    """A schedule of the weight decay that never moves, turns around or is cut off."""
    return remarked(case, "check.weight-decay-schedule")
