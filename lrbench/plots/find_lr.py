"""A range test drawn: the loss over the rate, and every suggestion with its interval."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lrbench.plots.terminal import median_curve

Floats = NDArray[np.float64]


class Mark(NamedTuple):
    """A suggestion; low and high are the ends of its interval, None where it has none."""

    label: str
    rate: float
    low: float | None
    high: float | None


def kinds() -> Mapping[str, str]:
    """The endings of files that a picture can be written to, and what each is."""
    return FigureCanvasAgg.get_supported_filetypes()


def plot_sweeps(
    curves: Sequence[tuple[Floats, Floats]], marks: Sequence[Mark], top: float, title: str, path: Path
) -> None:
    """Above, every sweep's smoothed losses up to `top`, and their median; below, on the same axis of rates, a row for
    each suggestion. curves: rates and losses of each sweep, (n,) both. The file's ending says the format, one
    of `kinds`."""
    figure = Figure(figsize=(8, 4.2 + 0.28 * len(marks)), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 0.3 * max(len(marks), 1) + 0.4])
    for rates, losses in curves:
        above.plot(rates, losses, color="0.75", linewidth=0.9)
    above.plot(*median_curve(curves), color="C0", linewidth=1.8, label=f"median of {len(curves)}")
    above.set_xscale("log")
    lowest = min(float(np.nanmin(losses)) for _, losses in curves)
    above.set_ylim(lowest - 0.05 * (top - lowest), top)
    above.set_ylabel("smoothed loss")
    above.legend(loc="lower left", fontsize="small", frameon=False)
    above.set_title(title, fontsize="medium")
    for row, mark in enumerate(marks):
        color = f"C{row + 1}"
        above.axvline(mark.rate, color=color, linewidth=0.9, linestyle="--")
        if mark.low is not None and mark.high is not None:
            below.plot([mark.low, mark.high], [row, row], color=color, linewidth=2)
        below.plot([mark.rate], [row], "o", color=color)
    below.set_yticks(range(len(marks)), [f"{m.label} {m.rate:.2g}" for m in marks], fontsize="small")
    below.set_ylim(max(len(marks), 1) - 0.5, -0.5)
    below.set_xlabel("learning rate")
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.getbuffer())
