"""`lr_and_loss.png`: what a run's rate and loss did, on one time axis."""

from math import ceil

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lrbench.schedules import LRTable
from lrbench.store.record import Record

LEGEND_ROWS = 10  # as high as the axes


def plot_run(record: Record, table: LRTable) -> None:
    """Rates as the optimizer held them, training loss, and validation, over updates."""
    rows = record.rows()
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    rates = record.rates()
    for i, group in enumerate(table.groups):
        above.plot(rates[:, i], label=f"lr/{group}", linewidth=1.2)
    above.set_ylabel("learning rate")
    if table.warmup:
        above.axvspan(0, table.warmup, alpha=0.1, label="warmup")
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
    figure.savefig(record.folder / "lr_and_loss.png", dpi=110)


def _legend(axes: Axes) -> None:
    """Beside the axes, where it covers no curve."""
    entries = len(axes.get_legend_handles_labels()[0])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", ncols=ceil(entries / LEGEND_ROWS))
