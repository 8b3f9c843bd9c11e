"""Schedules drawn before training."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lrbench.experiment import Experiment
from lrbench.schedules import LRTable


class Curve(NamedTuple):
    """One schedule with its label."""

    label: str
    experiment: Experiment
    table: LRTable


def plot_schedules(curves: Sequence[Curve], path: Path) -> None:
    """Rate over epochs, each update a step; a second panel for momentum where a schedule cycles it. Dotted: not yet
    known, since it depends on a metric. The file's ending says the format. Raises ValueError for one that is none,
    before anything is written."""
    momenta = [c for c in curves if c.table.momentum is not None]
    figure = Figure(figsize=(8, 6 if momenta else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if momenta else 1, 1, sharex=True, squeeze=False)[:, 0]
    for i, curve in enumerate(curves):
        epochs = np.arange(curve.table.lr.shape[0]) / curve.experiment.clock.per_epoch
        for j, group in enumerate(curve.table.groups):
            name = curve.label if len(curve.table.groups) == 1 else f"{curve.label} {group}"
            known, style = curve.table.known, ["-", "--", "-."][j % 3]
            axes[0].step(
                epochs[:known], curve.table.lr[:known, j], style, where="post", color=f"C{i}", label=fill(name, 80)
            )
            axes[0].step(epochs[known - 1 :], curve.table.lr[known - 1 :, j], ":", where="post", color=f"C{i}")
        if curve.table.momentum is not None:
            axes[1].step(epochs, curve.table.momentum[:, 0], where="post", color=f"C{i}")
    axes[0].set_ylabel("learning rate")
    axes[0].set_ylim(bottom=0)
    axes[0].legend(fontsize="small").set_in_layout(False)  # else a long name leaves no room for the axes
    if momenta:
        axes[1].set_ylabel("momentum")
    axes[-1].set_xlabel("epoch")
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.getbuffer())
