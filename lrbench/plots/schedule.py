"""Schedules drawn before training."""

from collections.abc import Sequence
from io import BytesIO
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.schedules import LRTable

OVERLAID = 6  # curves at most on one pair of axes: more cannot be told apart
COLUMNS = 4
STYLES = ("-", "--", "-.")  # of groups; further ones look like the first again
LEGEND_LINE = 0.17  # inches
BESIDES = {"momentum": "momentum", "weight_decay": "weight decay"}  # what may move beside the rate, and its label


class Curve(NamedTuple):
    """One schedule with its label."""

    label: str
    plan: SchedulePlan
    table: LRTable


def plot_schedules(curves: Sequence[Curve], path: Path) -> None:
    """Rate over epochs, each update a step, and momentum and weight decay where a schedule moves them. Dotted: not yet
    known, since it depends on a metric. Up to OVERLAID curves share their axes; more have a panel each. The file's
    ending says the format. Raises ValueError for one that is none, before anything is written."""
    figure = _overlay(curves) if len(curves) <= OVERLAID else _panels(curves)
    FigureCanvasAgg(figure)
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.getbuffer())


def _overlay(curves: Sequence[Curve]) -> Figure:
    moved = [kind for kind in BESIDES if any(kind in c.table.kinds for c in curves)]
    figure = Figure(layout="constrained")
    axes = figure.subplots(1 + len(moved), 1, sharex=True, squeeze=False)[:, 0]
    for i, curve in enumerate(curves):
        _rates(axes[0], curve, f"C{i}")
        for below, kind in zip(axes[1:], moved, strict=True):
            _other(below, curve, kind, f"C{i}")
            below.set_ylabel(BESIDES[kind])
    axes[0].set_ylabel("learning rate")
    axes[0].set_ylim(bottom=0)
    # Above the axes, where it covers no curve; the picture grows with it, so that long names leave the axes their room.
    legend = axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", frameon=False)
    lines = sum(1 + text.get_text().count("\n") for text in legend.get_texts())
    figure.set_size_inches(8, 4 + 2 * len(moved) + LEGEND_LINE * lines)
    axes[-1].set_xlabel(curves[0].plan.clock.unit[1])
    return figure


def _panels(curves: Sequence[Curve]) -> Figure:
    """One small panel a curve, all to one scale; what else moves in grey, on an axis of its own."""
    rows = ceil(len(curves) / COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 1.8 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for curve, axes in zip(curves, panels, strict=False):
        _rates(axes, curve, "C0")
        axes.set_title(fill(curve.label, 40), fontsize="small")
        for kind in curve.table.kinds[1:]:
            beside = axes.twinx()
            _other(beside, curve, kind, "0.6")
            beside.tick_params(labelsize="x-small", colors="0.6")
    panels[0].set_ylim(bottom=0)
    for unused in panels[len(curves) :]:
        unused.set_axis_off()
    figure.supxlabel(curves[0].plan.clock.unit[1], fontsize="medium")
    figure.supylabel("learning rate", fontsize="medium")
    return figure


def _rates(axes: Axes, curve: Curve, color: str) -> None:
    table, known = curve.table, curve.table.known
    epochs = np.arange(len(table.lr)) / curve.plan.clock.unit[0]
    for j in range(len(table.groups)):
        name = fill(_name(curve, j), 80) if j < len(STYLES) else None
        axes.step(epochs[:known], table.lr[:known, j], STYLES[j % 3], where="post", color=color, label=name)
        axes.step(epochs[known - 1 :], table.lr[known - 1 :, j], ":", where="post", color=color)


def _name(curve: Curve, group: int) -> str:
    """The curve's label, and its group's name where there are several; the last one that is named counts the rest."""
    groups = curve.table.groups
    if len(groups) == 1:
        return curve.label
    rest = len(groups) - len(STYLES)
    more = f" and {rest} more" if group == len(STYLES) - 1 and rest > 0 else ""
    return f"{curve.label} {groups[group]}{more}"


def _other(axes: Axes, curve: Curve, kind: str, color: str) -> None:
    """The momenta or weight decays of a table that moves them, in the styles of their groups."""
    values = getattr(curve.table, kind)
    for j, column in enumerate(() if values is None else values.T):
        epochs = np.arange(len(column)) / curve.plan.clock.unit[0]
        axes.step(epochs, column, STYLES[j % 3], where="post", color=color)
