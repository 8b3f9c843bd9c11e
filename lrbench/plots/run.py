"""`lr_and_loss.png`: what a run's rate and loss did, on one time axis."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from lrbench.experiment.identity import title
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.plots.axes import Key, count_both, keys_of, ring_phases, scale_rates, shade_warmups
from lrbench.plots.kept import corners, kept
from lrbench.plots.phases import RatePhase, phases, warmup_of
from lrbench.plots.scale import spans_decades
from lrbench.schedules import LRTable
from lrbench.store.files import Damaged
from lrbench.store.record import Record

LEGEND_ROWS = 10  # as high as the axes
LETTERS = 90  # in a line of the title
FALLS = 20  # a loss that falls by this factor is drawn on a logarithmic axis


def picture_of(record: Record) -> Path | None:
    """The picture of a run that is done, drawn when somebody first looks; None where it cannot be: a run restored from
    evidence has no series, and a folder may be read-only."""
    if record.picture.exists():
        return record.picture
    try:
        return plot_run(record) if len(record.series()) else None
    except (OSError, Damaged):
        return None


def plot_run(record: Record) -> Path:
    """Draw rates as the optimizer held them, training loss, and validation, over updates and epochs; the picture's
    file. The phases are those of the rates that were used; rates that span three decades have a logarithmic axis."""
    series, plan = record.series(), record.experiment().schedule
    rates = {name: series[name] for name in series.dtype.names or () if name.startswith("lr/")}
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    keys = _rates(above, rates, plan)
    above.set_ylabel("learning rate")
    _legend(above, keys)
    for name in ("train/loss", "val/loss"):
        points = [(r["update"], r[name]) for r in record.rows() if name in r]
        if points:
            alone = "." if len(points) == 1 else None  # a single point is no line
            below.plot(*zip(*points, strict=True), label=name, linewidth=1.2, marker=alone)
    below.set_ylabel("loss")
    _scale_losses(below)
    below.set_xlim(0, len(series))
    count_both(below, above, plan.clock.per_epoch, "update")
    if below.lines:
        _legend(below)
    what = fill(title(record.experiment()), LETTERS)
    figure.suptitle(f"{what}\n{record.run_id}", fontsize="medium")
    figure.savefig(record.picture, dpi=110)
    return record.picture


def _scale_losses(axes: Axes) -> None:
    """A logarithmic axis where a linear one would show the first losses, or a single one, and flatten the rest."""
    values = [float(y) for line in axes.lines for y in np.asarray(line.get_ydata()) if np.isfinite(y)]
    if values and min(values) > 0 and max(values) > FALLS * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _rates(axes: Axes, rates: Mapping[str, NDArray[np.float64]], plan: SchedulePlan) -> list[Key]:
    """A line a group, and the phases of the highest; what the marks mean."""
    used = np.stack([*rates.values()], axis=1)
    rows = kept(used).rows
    for name, values in rates.items():
        axes.plot(*corners(rows, values[rows]), label=name, linewidth=1.2)
    leading = int(used.max(axis=0).argmax())
    found = _phases(plan, [*rates], used, leading)
    shade_warmups(axes, [warmup_of(found)])
    ring_phases(axes, found, used[:, leading], 1, f"C{leading % 10}")
    scale_rates(axes, [used], "log" if spans_decades([used]) else "linear")
    return keys_of([found])


def _phases(plan: SchedulePlan, names: Sequence[str], used: NDArray[np.float64], group: int) -> tuple[RatePhase, ...]:
    """Those of the rates that were used, which a metric may have decided, as far as the run got."""
    warmup = min(plan.warm.phase.stop if plan.warm else 0, len(used))
    return phases(plan, LRTable(tuple(names), used, None, warmup, len(used)), group)


def _legend(axes: Axes, keys: Sequence[Key] = ()) -> None:
    """Beside the axes, where it covers no curve."""
    entries = [*axes.get_legend_handles_labels()[0], *keys]
    columns = ceil(len(entries) / LEGEND_ROWS)
    axes.legend(handles=entries, loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", ncols=columns)
