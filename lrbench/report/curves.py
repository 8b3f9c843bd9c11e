"""Curves of an arm: metrics over epochs with a band, and the rates that were used."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.report.result import Curve, RateCurve
from lrbench.report.runs import Run
from lrbench.stats.intervals import t_interval

POINTS = 100  # of a curve of evaluations: more than a figure resolves
STRETCHES = 50  # over which the training loss is averaged, so that its curve can be read
RATE_POINTS = 400  # a step of the schedule stays within a pixel
DIGITS = 6  # significant, of a drawn point


def metric_curve(arm: int, runs: Sequence[Run], metric: str, level: float) -> Curve | None:
    """The mean of the runs that have the metric, where all have a value, at most 100 points; None if that is nowhere.

    The training loss, logged far more often, is averaged over 50 equal stretches of the run; of the values that all
    have, for a run restored from evidence has 20, and its noise would be taken for a difference.
    """
    clock = runs[0].experiment.clock if runs else None
    series = [run.series[metric] for run in runs if metric in run.series]
    common = sorted(set.intersection(*(set(s) for s in series))) if series else []
    if clock is None or not common:
        return None
    if metric == "train/loss":
        series = [_averaged({u: s[u] for u in common}, clock.updates) for s in series]
        common = sorted(series[0])
    at = _thinned(len(common), POINTS)
    updates = [common[i] for i in at]
    values = np.array([[s[u] for u in updates] for s in series])
    bands = [t_interval(column, level) for column in values.T]
    low, high = ([_short(b[side]) for b in bands if b is not None] for side in (0, 1))
    several = len(series) > 1
    return Curve(
        arm=arm,
        n=len(series),
        epochs=[_short(u / clock.unit[0]) for u in updates],
        mean=[_short(m) for m in values.mean(axis=0)],
        low=low if several else None,
        high=high if several else None,
    )


def _averaged(values: Mapping[int, float], updates: int) -> dict[int, float]:
    """The mean in each of 50 equal stretches of the run, by the stretch's last update."""
    ends = np.unique(np.ceil(np.linspace(0, updates, STRETCHES + 1)[1:]).astype(int))
    place = np.searchsorted(ends, list(values))
    sums, counts = np.bincount(place, list(values.values()), len(ends)), np.bincount(place, minlength=len(ends))
    return {int(ends[i]): float(sums[i] / counts[i]) for i in np.flatnonzero(counts)}


def rate_curves(arm: int, runs: Sequence[Run]) -> list[RateCurve]:
    """The rates read back after each update, a curve a parameter group; one for all seeds where they agree.

    Groups that follow the first one's rates are not repeated.
    """
    found: list[RateCurve] = []
    drawn: list[NDArray[np.float64]] = []
    used = [(run, run.record.rates()) for run in runs]
    used = [(run, rates) for run, rates in used if len(rates)]  # a record laid out from a summary has none
    alike = all(np.array_equal(rates, used[0][1]) for _, rates in used)
    for run, rates in used[:1] if alike else used:
        per_epoch = run.experiment.clock.unit[0]
        for group, column in zip(run.experiment.peaks, rates.T, strict=False):
            if any(np.array_equal(column, d) for d in drawn):
                continue
            drawn.append(column)
            at = _thinned(len(column), RATE_POINTS)
            found.append(
                RateCurve(
                    arm=arm,
                    group=group,
                    seed=None if alike else run.seed,
                    epochs=[_short(t / per_epoch) for t in at],
                    rates=[_short(column[t]) for t in at],
                )
            )
    return found


def _thinned(n: int, most: int) -> list[int]:
    """At most that many of n places, evenly, the first and the last among them."""
    return sorted(set(np.linspace(0, n - 1, min(n, most)).round().astype(int).tolist()))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
