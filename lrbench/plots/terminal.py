"""Compact charts for the terminal."""

import shutil
import sys
from collections.abc import Sequence

import numpy as np
import plotext
from numpy.typing import NDArray

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.plots.schedule import Curve
from lrbench.schedules import LRTable, facts

POINTS = 400  # more than a terminal has columns
LETTERS = "abcdefgh"


def chart(curves: Sequence[Curve]) -> str:
    """The rates of several schedules over epochs, each drawn with its letter, and below what the letters stand for."""
    _begin("learning rate", curves[0].plan.clock.unit[1])
    lines = []
    for letter, curve in zip(LETTERS, curves, strict=False):
        peaks, (size, _) = curve.plan.peaks, curve.plan.clock.unit
        lr = curve.table.lr[:, int(np.argmax(list(peaks.values())))]  # of several groups, the one with the highest peak
        picked = np.unique(np.linspace(0, len(lr) - 1, POINTS).astype(int))
        marker = "braille" if len(curves) == 1 else letter
        plotext.plot((picked / size).tolist(), lr[picked].tolist(), marker=marker)
        lines.append(f"  {'' if len(curves) == 1 else letter + ' '}{curve.label}: {in_a_line(curve.plan, curve.table)}")
    if len(curves) > len(LETTERS):
        lines.append(f"  and {len(curves) - len(LETTERS)} more, in the picture")
    return "\n".join([_end(), *lines])


def in_a_line(plan: SchedulePlan, table: LRTable) -> str:
    """The schedule in a line of numbers: of several groups, those of the one with the highest peak."""
    peaks, clock = plan.peaks, plan.clock
    shown = facts(plan, table)[max(peaks, key=peaks.__getitem__)]
    parts = [
        f"first {shown.first:.4g}, highest {shown.peak:.4g} (update {shown.peak_at}), last {shown.last:.4g}",
        f"{clock.updates} updates, {clock.per_epoch} an epoch, warmup {table.warmup}",
    ]
    if table.weight_decay is not None:
        decay = table.weight_decay[:, int(table.weight_decay[0].argmax())]  # some groups have none
        parts.append(f"weight decay {decay[0]:.4g} to {decay[-1]:.4g}")
    if len(peaks) > 1:
        parts.append(f"peaks: {', '.join(f'{g} {p:.4g}' for g, p in peaks.items())}")
    if table.known < clock.updates:
        parts.append(f"certain up to update {table.known}, then by metric")
    return "; ".join(parts)


def interval_line(low: float, mean: float, high: float, width: int = 41) -> str:
    """An estimate between the ends of its interval, and 0: `|  ├──●──┤`."""
    left, right = min(low, 0.0), max(high, 0.0)
    scale = (width - 1) / ((right - left) or 1.0)
    zero, start, middle, end = (round((x - left) * scale) for x in (0.0, low, mean, high))
    line = [" "] * width
    line[start : end + 1] = "─" * (end + 1 - start)
    for at, sign in ((zero, "|"), (start, "├"), (end, "┤"), (middle, "●")):
        line[at] = sign
    return "".join(line).rstrip()


def rate_chart(rates: NDArray[np.float64], title: str) -> str:
    """One curve over updates."""
    _begin(title, "update")
    picked = np.unique(np.linspace(0, len(rates) - 1, POINTS).astype(int))
    plotext.plot(picked.tolist(), rates[picked].tolist(), marker="braille")
    return _end()


def _begin(title: str, xlabel: str) -> None:
    plotext.clear_figure()
    plotext.theme("pro")
    plotext.plotsize(min(100, shutil.get_terminal_size().columns), 16)
    plotext.title(title)
    plotext.xlabel(xlabel)


def _end() -> str:
    text = str(plotext.build())
    plain = text if sys.stdout.isatty() else plotext.uncolorize(text)
    return "\n".join(line.rstrip() for line in plain.splitlines())
