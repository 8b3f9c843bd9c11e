"""Schedules as one self-contained page: nothing is loaded from anywhere, and without its script the curves and their
numbers are there all the same."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from shlex import join
from string import Template

import numpy as np
from numpy.typing import NDArray

from lrbench.plots.curve import KINDS, Scale, ScheduleCurve, moved, names, share, size_of, twins, unit_of
from lrbench.plots.kept import corners
from lrbench.plots.phases import warmup_of
from lrbench.plots.plain import plain
from lrbench.report.numbers import NONE
from lrbench.report.page import page, section, tabled
from lrbench.report.svg import DASHES, HEIGHT, WIDTH, Line, line_figure, swatch
from lrbench.report.tables import Table

DRAWING = Path(__file__).with_name("schedules.html")  # its controls, style and script
PIXEL = 0.5  # of the figure that is there without the script: what lies nearer is one point


def render(curves: Sequence[ScheduleCurve], commands: Sequence[Sequence[str]], scale: Scale = "linear") -> str:
    """The whole page. commands: the overrides of each curve, to draw it again."""
    title = curves[0].label if len(curves) == 1 else f"{len(curves)} schedules"
    again = "\n".join(join(["lrbench", "plot", *overrides]) for overrides in commands)
    sections = [
        f"<h1>{escape(title)}</h1>",
        _drawing(curves, scale),
        section("Numbers", tabled(_numbers(curves)) + _phases(curves)),
        section("To draw them again", f"<pre>{escape(again)}</pre>"),
    ]
    return page(title, sections)


def _drawing(curves: Sequence[ScheduleCurve], scale: Scale) -> str:
    unit = unit_of(curves)
    keys = "".join(
        f'<button type="button" aria-pressed="true" data-arm="{i}">{swatch(i)}<span>{escape(c.label)} '
        f'<small class="soft">{escape(_in_short(curves, i, twin))}</small></span></button>'
        for i, (c, twin) in enumerate(zip(curves, twins(curves), strict=True))
    )
    given = {
        "keys": keys if len(curves) > 1 else "",
        "charts": "".join(_chart(curves, kind, unit, scale) for kind in moved(curves)),
        "unit": unit,
        "scale": scale,
        "dashes": json.dumps(DASHES),
        "colours": "8",
        "marks": _marks(curves),
        "within": _within(curves),
        "schedules": json.dumps([plain(c) for c in curves], separators=(",", ":")).replace("<", "\\u003c"),
    }
    return Template(DRAWING.read_text()).substitute(given)


def _in_short(curves: Sequence[ScheduleCurve], index: int, twin: int | None) -> str:
    """What the legend says beside a label: of the group with the highest peak, area and last rate."""
    if twin is not None:
        return f"the rates of {curves[twin].label}"
    curve = curves[index]
    found = curve.facts[curve.table.groups[curve.leading]]
    return f"area {share(found.area)}, last {found.last:.4g}"


def _marks(curves: Sequence[ScheduleCurve]) -> str:
    """What the marks mean, those that there are."""
    later = [phase.name for c in curves for phase in c.phases[1:]]
    told = {
        "Shaded: warmup.": any(warmup_of(c.phases) for c in curves),
        "A ring: a phase begins.": any(name != "by metric" for name in later),
        "Dotted: decided by a metric, not yet known.": "by metric" in later,
    }
    return " ".join(text for text, there in told.items() if there)


def _within(curves: Sequence[ScheduleCurve]) -> str:
    """How near what is read off the curves is to the table."""
    found = [c.kept.within for c in curves]
    if None in found:
        return "Of a schedule that turns more often than can be drawn, the page keeps the extremes of short stretches."
    widest = max(w for w in found if w is not None)
    if not widest:
        return "Every update is there."
    return f"Every step is there; between updates that are kept, values are within {100 * widest:g}% of the table's."


def _chart(curves: Sequence[ScheduleCurve], kind: str, unit: str, scale: Scale) -> str:
    """A figure with its heading; the script draws it anew, as wide as the page and with the marks."""
    named = enumerate(zip(curves, names(curves), strict=True))
    lines = [
        line for i, (curve, own) in named for line in _lines(curve, own, None if len(curves) == 1 else i, kind, unit)
    ]
    log = kind == "lr" and scale == "log" and all(v > 0 for line in lines for v in line.y)
    figure = line_figure(lines, unit, KINDS[kind], lambda v: f"{v:g}", log_y=log, zero=kind == "lr")
    return f'<figure class="chart" data-kind="{kind}"><h3>{KINDS[kind]}</h3><div>{figure}</div></figure>'


def _lines(curve: ScheduleCurve, named: Sequence[str], arm: int | None, kind: str, unit: str) -> list[Line]:
    """A line a group, in the curve's colour, or of one curve alone (None) in a colour of its own."""
    values, rows = curve.values(kind), curve.kept.rows
    found = []
    for j, name in enumerate(named if values is not None else ()):
        assert values is not None
        x, y = corners(rows, values[rows, j])
        seen = _apart(x / x[-1] * WIDTH, y / (np.abs(values).max() or 1) * HEIGHT)
        at = (x[seen] / size_of(curve, unit)).tolist()
        found.append(Line(j if arm is None else arm, name, at, y[seen].tolist()))
    return found


def _apart(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points of a line, in pixels, are not where both their neighbours are."""
    moves = np.abs(np.diff(np.round(np.stack([x, y]) / PIXEL))).max(axis=0) > 0
    return np.concatenate([[True], moves[:-1] | moves[1:], [True]]) if len(x) > 2 else np.full(len(x), True)


def _numbers(curves: Sequence[ScheduleCurve]) -> Table:
    """A row a curve and group: the facts of its table."""
    rows, arms = [], []
    for i, (curve, named) in enumerate(zip(curves, names(curves), strict=True)):
        clock = curve.plan.clock
        for j, (name, found) in enumerate(zip(named, curve.facts.values(), strict=True)):
            rates = (f"{found.first:.6g}", f"{found.peak:.6g}", f"{found.peak_at:,}", f"{found.last:.6g}")
            epoch = NONE if clock.per_epoch is None else f"{clock.per_epoch:,}"
            times = (f"{warmup_of(curve.phases):,}", f"{clock.updates:,}", epoch)
            rows.append((name, *rates, share(found.area), *times))
            arms.append(j if len(curves) == 1 else i)
    header = ("curve", "first", "highest", "at update", "last", "area", "warmup", "updates", "an epoch")
    return Table(header, tuple(rows), arms=tuple(arms))


def _phases(curves: Sequence[ScheduleCurve]) -> str:
    """Where the phases begin and end, by update."""
    rows = [(c.label, p.name, f"{p.start:,}", f"{p.stop:,}") for c in curves for p in c.phases]
    table = Table(("curve", "phase", "from update", "up to"), tuple(rows), names=2)
    return f"<details><summary>Phases</summary>{tabled(table)}</details>"
