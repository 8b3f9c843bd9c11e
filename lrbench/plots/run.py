"""`lr_and_loss.png`: what a run's rate and loss did, on one time axis."""

from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lrbench.store.record import Record

LEGEND_ROWS = 10  # as high as the axes


def picture_of(record: Record) -> Path | None:
    """The picture of a run that is done, drawn when somebody first looks; None where it cannot be: a run restored from
    evidence has no series, and a folder may be read-only."""
    if record.picture.exists():
        return record.picture
    try:
        return plot_run(record) if len(record.series()) else None
    except OSError:
        return None


def plot_run(record: Record) -> Path:
    """Draw rates as the optimizer held them, training loss, and validation, over updates; the picture's file."""
    rows, series, warmup = record.rows(), record.series(), record.experiment().schedule.warm
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    for name in series.dtype.names or ():
        if name.startswith("lr/"):
            above.plot(series[name], label=name, linewidth=1.2)
    above.set_ylabel("learning rate")
    if warmup is not None:
        above.axvspan(0, warmup.phase.stop, alpha=0.1, label="warmup")
    _legend(above)
    for name in ("train/loss", "val/loss"):
        points = [(r["update"], r[name]) for r in rows if name in r]
        if points:
            alone = "." if len(points) == 1 else None  # a single point is no line
            below.plot(*zip(*points, strict=True), label=name, linewidth=1.2, marker=alone)
    below.set_ylabel("loss")
    below.set_xlabel("update")
    if below.lines:
        _legend(below)
    figure.suptitle(record.run_id, fontsize="medium")
    figure.savefig(record.picture, dpi=110)
    return record.picture


def _legend(axes: Axes) -> None:
    """Beside the axes, where it covers no curve."""
    entries = len(axes.get_legend_handles_labels()[0])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", ncols=ceil(entries / LEGEND_ROWS))
