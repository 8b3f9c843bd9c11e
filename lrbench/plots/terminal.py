"""Compact charts for the terminal."""

import shutil
from collections.abc import Sequence

import numpy as np
import plotext
from numpy.typing import NDArray

from lrbench.plots.schedule import Curve

POINTS = 400  # more than a terminal has columns


def chart(curves: Sequence[Curve]) -> str:
    """The rates of several schedules over epochs, and below each curve's first, highest and last rate."""
    _begin("learning rate", "epoch")
    lines = []
    for curve in curves:
        lr = curve.table.lr[:, 0]
        picked = np.unique(np.linspace(0, len(lr) - 1, POINTS).astype(int))
        plotext.plot((picked / curve.experiment.clock.per_epoch).tolist(), lr[picked].tolist(), label=curve.label)
        clock = curve.experiment.clock
        lines.append(
            f"  {curve.label}: first {lr[0]:.4g}, highest {lr.max():.4g} (update {int(lr.argmax())}), last {lr[-1]:.4g}; "
            f"{clock.updates} updates, {clock.per_epoch} an epoch, warmup {curve.table.warmup}"
            + ("" if curve.table.known == clock.updates else f"; certain up to update {curve.table.known}, then by metric")
        )
    return "\n".join([_end(), *lines])


def rate_chart(rates: NDArray[np.float64], title: str) -> str:
    """One curve over updates."""
    _begin(title, "update")
    picked = np.unique(np.linspace(0, len(rates) - 1, POINTS).astype(int))
    plotext.plot(picked.tolist(), rates[picked].tolist())
    return _end()


def _begin(title: str, xlabel: str) -> None:
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(100, shutil.get_terminal_size().columns), 14)
    plotext.title(title)
    plotext.xlabel(xlabel)


def _end() -> str:
    return str(plotext.build()).rstrip("\n")
