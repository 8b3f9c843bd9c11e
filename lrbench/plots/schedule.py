"""Schedules drawn before training, as a picture in a file."""

from collections.abc import Sequence
from io import BytesIO
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lrbench.plots.axes import count_both, keys_of, ring_phases, scale_rates, shade_warmups
from lrbench.plots.curve import KINDS, Scale, ScheduleCurve, moved, names, share, size_of, twins, unit_of
from lrbench.plots.kept import corners
from lrbench.plots.phases import warmup_of

OVERLAID = 8  # curves at most on one pair of axes: more cannot be told apart
COLUMNS = 4
STYLES = ("-", "--", "-.", (0, (8, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (2, 1)))  # of groups; then they repeat
COLOURS = 10  # matplotlib's
WORDS = 95  # letters in a line of the legend
WIDTH = 1.4  # of a line, in points
LEGEND_LINE = 0.17  # inches


def plot_schedules(curves: Sequence[ScheduleCurve], path: Path, scale: Scale = "linear") -> None:
    """Rate over epochs and updates, and momentum and weight decay where a schedule moves them. Shaded: warmup; a ring:
    a phase begins; dotted: not yet known, since it depends on a metric. Up to OVERLAID curves share their axes; more
    have a panel each. The file's ending says the format. Raises ValueError for one that is none, before anything is
    written."""
    figure = _overlay(curves, scale) if len(curves) <= OVERLAID else _panels(curves, scale)
    FigureCanvasAgg(figure)
    picture = BytesIO()
    figure.savefig(picture, format=path.suffix.lstrip(".") or "png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.getbuffer())


def _overlay(curves: Sequence[ScheduleCurve], scale: Scale) -> Figure:
    kinds, unit = moved(curves), unit_of(curves)
    figure = Figure(layout="constrained")
    axes = figure.subplots(len(kinds), 1, sharex=True, squeeze=False, height_ratios=[2, *[1] * (len(kinds) - 1)])[:, 0]
    for i, (curve, named, width) in enumerate(zip(curves, names(curves), _widths(curves), strict=True)):
        looks = _looks(curve, named, None if len(curves) == 1 else f"C{i}")
        for kind, own in zip(kinds, axes, strict=True):
            _lines(own, curve, kind, looks, unit, width)
        leading = curve.leading
        ring_phases(axes[0], curve.phases, curve.table.lr[:, leading], size_of(curve, unit), looks[leading].color)
    for kind, own in zip(kinds, axes, strict=True):
        own.set_ylabel(KINDS[kind])
        shade_warmups(own, [warmup_of(c.phases) / size_of(c, unit) for c in curves])
        own.margins(x=0)
    scale_rates(axes[0], [c.table.lr for c in curves], scale)
    alike = {c.plan.clock.per_epoch for c in curves}
    count_both(axes[-1], axes[0], alike.pop() if len(alike) == 1 else None, unit)
    height = LEGEND_LINE * _legend(figure, axes[0], curves)
    figure.set_size_inches(8, 4.4 + 1.8 * (len(kinds) - 1) + height)
    return figure


def _legend(figure: Figure, axes: Axes, curves: Sequence[ScheduleCurve]) -> int:
    """Above the axes, where it covers no curve; its lines: the picture grows with it, so that long names leave the axes
    their room. The groups of one schedule stand under its name."""
    keys = [*axes.get_legend_handles_labels()[0], *keys_of(c.phases for c in curves)]
    title = fill(curves[0].label, WORDS) if _in_groups(curves) else None
    small: dict[str, Any] = {"fontsize": "small", "title_fontsize": "small", "frameon": False, "alignment": "left"}
    legend = figure.legend(handles=keys, loc="outside upper left", title=title, **small)
    texts = [text.get_text() for text in legend.get_texts()]
    return sum(1 + text.count("\n") for text in [*texts, *([title] if title else [])])


def _in_groups(curves: Sequence[ScheduleCurve]) -> bool:
    return len(curves) == 1 and len(curves[0].table.groups) > 1


class _Look(NamedTuple):
    """How a group's line is drawn; named: what the legend calls it, None where it does not."""

    color: str
    style: Any
    named: str | None


def _looks(curve: ScheduleCurve, named: Sequence[str], color: str | None) -> list[_Look]:
    """Of each group: a style in the curve's colour, or a colour where there is one curve alone."""
    many = len(STYLES) if color else COLOURS
    found = []
    for j, name in enumerate(named):
        style = STYLES[(j if color else j // COLOURS) % len(STYLES)]
        found.append(_Look(color or f"C{j % COLOURS}", style, _told(curve, j, name, many)))
    return found


def _told(curve: ScheduleCurve, group: int, name: str, many: int) -> str | None:
    """A line of the legend, of which there are so many at most: area and last rate; the last one counts the rest."""
    if group >= many:
        return None
    found = curve.facts[curve.table.groups[group]]
    rest = len(curve.table.groups) - many
    more = f" and {rest} more" if group == many - 1 and rest > 0 else ""
    return fill(f"{name}{more}: area {share(found.area)}, last {found.last:.4g}", WORDS)


def _panels(curves: Sequence[ScheduleCurve], scale: Scale) -> Figure:
    """One small panel a curve, all to one scale; what else moves in grey, on an axis of its own."""
    rows, unit = ceil(len(curves) / COLUMNS), unit_of(curves)
    figure = Figure(figsize=(3 * COLUMNS, 1.8 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for curve, axes in zip(curves, panels, strict=False):
        _lines(axes, curve, "lr", _looks(curve, curve.table.groups, "C0"), unit)
        shade_warmups(axes, [warmup_of(curve.phases) / size_of(curve, unit)])
        axes.set_title(fill(curve.label, 40), fontsize="small")
        for kind in curve.table.kinds[1:]:
            beside = axes.twinx()
            _lines(beside, curve, kind, _looks(curve, curve.table.groups, "0.6"), unit)
            beside.tick_params(labelsize="x-small", colors="0.6")
    scale_rates(panels[0], [c.table.lr for c in curves], scale)
    for unused in panels[len(curves) :]:
        unused.set_axis_off()
    figure.supxlabel(unit, fontsize="medium")
    figure.supylabel("learning rate", fontsize="medium")
    return figure


def _widths(curves: Sequence[ScheduleCurve]) -> list[float]:
    """Of their lines, in points: of curves with the same rates, each is wider than the next, which lies on it."""
    first = [i if twin is None else twin for i, twin in enumerate(twins(curves))]
    return [WIDTH + 1.8 * first[i + 1 :].count(own) for i, own in enumerate(first)]


def _lines(
    axes: Axes, curve: ScheduleCurve, kind: str, looks: Sequence[_Look], unit: str, width: float = WIDTH
) -> None:
    """A line a group; of the rate, what is not yet known dotted."""
    values, rows, size = curve.values(kind), curve.kept.rows, size_of(curve, unit)
    if values is None:
        return
    known = curve.table.known if kind == "lr" else len(values)
    certain, later = rows[rows < known], rows[rows >= known - 1]
    for (color, style, named), column in zip(looks, values.T, strict=True):
        x, y = corners(certain, column[certain])
        axes.plot(x / size, y, linestyle=style, color=color, linewidth=width, label=named if kind == "lr" else None)
        if known < len(values):
            x, y = corners(later, column[later])
            axes.plot(x / size, y, ":", color=color, linewidth=width)
