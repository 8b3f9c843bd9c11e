"""Compact charts for the terminal."""

import shutil
import sys
from collections.abc import Sequence

import numpy as np
import plotext
from numpy.typing import NDArray

from lrbench.plots.schedule import Curve

POINTS = 400  # more than a terminal has columns
LETTERS = "abcdefgh"


def chart(curves: Sequence[Curve]) -> str:
    """The rates of several schedules over epochs, each drawn with its letter, and below what the letters stand for."""
    _begin("learning rate", curves[0].experiment.clock.unit[1])
    lines = []
    for letter, curve in zip(LETTERS, curves, strict=False):
        peaks, clock = curve.experiment.peaks, curve.experiment.clock
        size, unit = clock.unit
        lr = curve.table.lr[:, int(np.argmax(list(peaks.values())))]  # of several groups, the one with the highest peak
        picked = np.unique(np.linspace(0, len(lr) - 1, POINTS).astype(int))
        marker = "braille" if len(curves) == 1 else letter
        plotext.plot((picked / size).tolist(), lr[picked].tolist(), marker=marker)
        lines.append(
            f"  {'' if len(curves) == 1 else letter + ' '}{curve.label}: first {lr[0]:.4g}, highest {lr.max():.4g} "
            f"(update {int(lr.argmax())}), last {lr[-1]:.4g}; {clock.updates} updates, {size} an {unit}, "
            f"warmup {curve.table.warmup}"
            + ("" if len(peaks) == 1 else f"; peaks: {', '.join(f'{g} {p:.4g}' for g, p in peaks.items())}")
            + (
                ""
                if curve.table.known == clock.updates
                else f"; certain up to update {curve.table.known}, then by metric"
            )
        )
    if len(curves) > len(LETTERS):
        lines.append(f"  and {len(curves) - len(LETTERS)} more, in the picture")
    return "\n".join([_end(), *lines])


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
