"""Curves of an arm: metrics over epochs with a band, and the rates that were used."""

from collections.abc import Sequence

import numpy as np

from lrbench.report.result import MetricCurve, RateCurve
from lrbench.stats.intervals import t_interval
from lrbench.store.curves import Corners
from lrbench.store.run import Run

DIGITS = 6  # significant, of a drawn point


def metric_curve(arm: int, runs: Sequence[Run], metric: str, level: float) -> MetricCurve | None:
    """The mean of the runs that have the metric, where all have a value; None if that is nowhere."""
    series = [run.curves[metric] for run in runs if metric in run.curves]
    updates = sorted(set.intersection(*(set(s) for s in series))) if series else []
    if not updates:
        return None
    values = np.array([[s[u] for u in updates] for s in series])
    bands = [t_interval(column, level) for column in values.T]
    low, high = ([_short(b[side]) for b in bands if b is not None] for side in (0, 1))
    several, per_epoch = len(series) > 1, runs[0].experiment.clock.unit[0]
    return MetricCurve(
        arm=arm,
        n=len(series),
        epochs=[_short(u / per_epoch) for u in updates],
        mean=[_short(m) for m in values.mean(axis=0)],
        low=low if several else None,
        high=high if several else None,
    )


def rate_curves(arm: int, runs: Sequence[Run]) -> list[RateCurve]:
    """The rates read back after each update, a curve a parameter group; one for all seeds where they agree.

    Groups that follow the first one's rates are not repeated.
    """
    used = [run for run in runs if run.rates]  # one that was restored before evidence held rates has none
    alike = all(run.rates == used[0].rates for run in used)
    found: list[RateCurve] = []
    drawn: list[Corners] = []
    for run in used[:1] if alike else used:
        per_epoch = run.experiment.clock.unit[0]
        for name, corners in run.rates.items():
            if name.startswith("lr/") and corners not in drawn:
                drawn.append(corners)
                updates, rates = corners
                seed, epochs = None if alike else run.seed, [_short(t / per_epoch) for t in updates]
                found.append(RateCurve(arm, name.removeprefix("lr/"), seed, epochs, list(rates)))
    return found


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
