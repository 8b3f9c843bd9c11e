"""What is drawn, as plain data: for `lrbench plot --json`, and inside the page."""

from typing import Any

from lrbench.plots.curve import ScheduleCurve
from lrbench.schedules import RateFacts


def plain(curve: ScheduleCurve) -> dict[str, Any]:
    """A schedule's times, phases and facts, and what it moves at the updates that are kept, every value in full.

    `updates` lists those updates, counted from 0; what moves has a list of as many values for every group. `within`: of
    a value, how far a straight line between two kept updates may pass it (see `lrbench.plots.kept`).
    """
    table, clock, rows = curve.table, curve.plan.clock, curve.kept.rows
    moves = {
        kind: {g: column[rows].tolist() for g, column in zip(table.groups, getattr(table, kind).T, strict=True)}
        for kind in table.kinds
    }
    return {
        "label": curve.label,
        "horizon": len(table.lr),
        "per_epoch": clock.per_epoch,
        "known": table.known,
        "phases": [phase._asdict() for phase in curve.phases],
        "facts": {group: _plain_facts(found) for group, found in curve.facts.items()},
        "within": curve.kept.within,
        "updates": rows.tolist(),
        **moves,
    }


def _plain_facts(found: RateFacts) -> dict[str, float]:
    """Of the updates with a higher and a lower rate than before, how many there are."""
    numbers = {name: getattr(found, name) for name in ("first", "peak", "peak_at", "last", "ratio", "area")}
    return {**numbers, "rises": len(found.rises), "drops": len(found.drops)}
