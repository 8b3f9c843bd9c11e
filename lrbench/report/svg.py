"""Figures as inline SVG: lines with bands over an axis, and estimates with intervals in rows.

A figure is drawn 400 wide, so that its text is readable at that width; the page decides how wide it is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from lrbench.report.axes import Axis, axis_over

WIDTH, HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 38
COLOURS = 12  # then they repeat, with another dash
DASHES = ("", "6 3", "2 3", "8 3 2 3")
BANDS = 6  # at most: more of them hide the lines and each other
APART = 36  # pixels between the labels of an axis
LOG_FROM = 20  # a loss that falls by this factor is drawn on a logarithmic axis

Format = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    """One arm's line. `markers` draws its points, with whiskers where there is a band; `crosses` stand at the foot,
    where there is no value. Lines of one `kind` and `arm` are shown and hidden together. `shift` is to the right.
    `ring`: an x whose marker is ringed; `thick`: the part of the line between two x that is drawn thick.
    """

    arm: int
    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    markers: bool = False
    crosses: Sequence[float] = ()
    kind: str = "arm"
    shift: float = 0.0
    ring: float | None = None
    thick: tuple[float, float] | None = None


@dataclass(frozen=True)
class IntervalRow:
    """One row of an interval figure; `points` are single values behind the estimate."""

    arm: int
    label: str
    value: float | None
    low: float | None
    high: float | None
    points: Sequence[float] = ()
    note: str = ""


def line_figure(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    y_format: Format,
    log_x: bool = False,
    log_y: bool = False,
    top: float | None = None,
    zero: bool = False,
) -> str:
    """Lines over a shared x. Bands are cut where the axis ends: a logarithmic one follows the lines alone, a linear one
    does not go below 0 for lines that do not (and begins there with `zero`), nor above `top`, a value's limit. The page
    shows bands while it shows at most six."""
    x = _x_axis([v for line in lines for v in (*line.x, *line.crosses)], log_x)
    y = _y_axis(lines, log_y, top, zero)
    body = [_frame(x, y, _x_ticks(lines, x), y_format, x_label, y_label), '<g clip-path="url(#plot)">']
    body += [_line(line, x, y) for line in lines]
    told = f"{y_label} over {x_label}: {', '.join(line.label for line in lines[:12])}"
    crowded = " crowded" * (sum(line.low is not None for line in lines) > BANDS)
    scale = f'data-x="{x.low},{x.high},{int(x.log)}" data-y="{y.low},{y.high},{int(y.log)}" '
    return svg(HEIGHT, told, [*body, "</g>", '<line class="cursor" y1="12" y2="212" hidden=""/>'], scale, crowded)


def _x_axis(values: Sequence[float], log: bool) -> Axis:
    if not log:
        return Axis(0.0, max(values) or 1.0)
    room = max(1.15, (max(values) / min(values)) ** 0.07)  # for what is drawn beside its place
    return Axis(min(values) / room, max(values) * room, True)


def _x_ticks(lines: Sequence[Line], x: Axis) -> list[float]:
    """Round numbers; the places themselves where only they have a value and their labels have room."""
    at = sorted({v for line in lines for v in (*line.x, *line.crosses)})
    room = all(_px(x, b) - _px(x, a) >= APART for a, b in pairwise(at))
    return at if room and all(line.markers for line in lines) else x.ticks(6)


def _y_axis(lines: Sequence[Line], log: bool, top: float | None, zero: bool) -> Axis:
    values = [v for line in lines for v in line.y]
    if log:
        return axis_over(values, log)
    bands = [v for line in lines for side in (line.low, line.high) for v in side or () if v is not None]
    axis = axis_over([*values, *bands, *([0.0] if zero else [])])
    low = max(axis.low, 0.0) if min(values) >= 0 else axis.low
    return Axis(low, axis.high if top is None else min(axis.high, top))


def interval_figure(
    rows: Sequence[IntervalRow], x_label: str, x_format: Format, zero: bool = False, limits: Sequence[float] = ()
) -> str:
    """A row an arm: its name, its estimate as a dot, its interval as a bar, single values as small dots. The limits of
    what a value can be are dashed, where an interval goes beyond them."""
    values = [v for r in rows for v in (r.value, r.low, r.high, *r.points) if v is not None] + [0.0] * zero
    step = 34
    height = TOP + step * len(rows) + BOTTOM
    if not values:
        return ""
    x = axis_over(values)

    def px(value: float) -> str:
        return short(14 + x(value) * (WIDTH - 28))

    foot = height - BOTTOM
    body = []
    for tick in x.ticks(6):
        body.append(f'<line class="grid" x1="{px(tick)}" x2="{px(tick)}" y1="{TOP - 4}" y2="{foot}"/>')
        body.append(f'<text x="{px(tick)}" y="{foot + 14}" text-anchor="middle">{escape(x_format(tick))}</text>')
    marks = [("zero", 0.0)] * zero + [("limit", v) for v in limits if x.low < v < x.high]
    body += [f'<line class="{k}" x1="{px(v)}" x2="{px(v)}" y1="{TOP - 4}" y2="{foot}"/>' for k, v in marks]
    body.append(f'<text x="{WIDTH / 2:g}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>')
    for i, r in enumerate(rows):
        y = TOP + step * i + 10
        body.append(f'<g class="arm-{r.arm}"><text x="14" y="{y}">{escape(cut(r.label, 44))}</text>')
        body.append(f'<text x="{WIDTH - 14}" y="{y}" text-anchor="end" class="note">{escape(r.note)}</text>')
        body.append(f'<g class="{colour(r.arm)}">')
        body += [f'<circle class="seed" cx="{px(v)}" cy="{y + 11}" r="2.5"/>' for v in r.points]
        if r.low is not None and r.high is not None:
            body.append(f'<line class="bar" x1="{px(r.low)}" x2="{px(r.high)}" y1="{y + 11}" y2="{y + 11}"/>')
        if r.value is not None:
            body.append(f'<circle class="dot" cx="{px(r.value)}" cy="{y + 11}" r="4.5"/>')
        body.append("</g></g>")
    return svg(height, f"{x_label}: {', '.join(r.label for r in rows[:12])}", body)


def swatch(arm: int) -> str:
    """An arm's colour and dash, for a legend."""
    return (
        f'<svg class="swatch {colour(arm)}" viewBox="0 0 26 10" aria-hidden="true">'
        f'<polyline points="1,5 25,5"{_dash(arm)}/></svg>'
    )


def _line(line: Line, x: Axis, y: Axis) -> str:
    def at(a: float, b: float) -> str:
        return f"{short(_px(x, a))},{short(_py(y, b))}"

    points = " ".join(at(a, b) for a, b in zip(line.x, line.y, strict=True))
    moved = f' transform="translate({line.shift:g} 0)"' if line.shift else ""
    label = escape(line.label)
    parts = [f'<g class="series {line.kind}-{line.arm} {colour(line.arm)}"{moved} data-label="{label}">']
    if line.low and line.high and not line.markers:
        banded = [(a, lo, hi) for a, lo, hi in zip(line.x, line.low, line.high, strict=True) if lo is not None]
        edge = [at(a, hi or 0.0) for a, _, hi in banded] + [at(a, lo) for a, lo, _ in reversed(banded)]
        parts.append(f'<polygon points="{" ".join(edge)}"/>')
    parts.append(f'<polyline points="{points}"{_dash(line.arm)}/>')
    if line.thick is not None:
        first, last = line.thick
        there = " ".join(at(a, b) for a, b in zip(line.x, line.y, strict=True) if first <= a <= last)
        parts.append(f'<polyline class="thick" points="{there}"/>')
    parts += [
        f'<circle class="ring" cx="{short(_px(x, a))}" cy="{short(_py(y, b))}" r="7"/>'
        for a, b in zip(line.x, line.y, strict=True)
        if a == line.ring
    ]
    if line.markers:
        none = [None] * len(line.x)
        low, high = line.low or none, line.high or none
        parts += [_marker(*point, x, y) for point in zip(line.x, line.y, low, high, strict=True)]
    foot = HEIGHT - BOTTOM - 4
    parts += [
        f'<text class="cross" x="{short(_px(x, v))}" y="{foot}" text-anchor="middle">\N{MULTIPLICATION SIGN}</text>'
        for v in line.crosses
    ]
    return "".join([*parts, "</g>"])


def _marker(at: float, value: float, low: float | None, high: float | None, x: Axis, y: Axis) -> str:
    px = short(_px(x, at))
    dot = f'<circle class="dot" cx="{px}" cy="{short(_py(y, value))}" r="3.5"/>'
    if low is None or high is None:
        return dot
    return f'<line class="bar" x1="{px}" x2="{px}" y1="{short(_py(y, high))}" y2="{short(_py(y, low))}"/>{dot}'


def _frame(x: Axis, y: Axis, x_ticks: Sequence[float], y_format: Format, x_label: str, y_label: str) -> str:
    """Grid, ticks and labels."""
    right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in y.ticks(7):
        at = short(_py(y, tick))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{at}" dy="3.5" text-anchor="end">{escape(y_format(tick))}</text>')
    for tick in x_ticks:
        at = short(_px(x, tick))
        parts.append(f'<text x="{at}" y="{foot + 14}" text-anchor="middle">{tick:g}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{foot}" y2="{foot}"/>')
    parts.append(f'<text x="{middle:g}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    return "".join(parts)


def svg(height: int, told: str, body: Sequence[str], more: str = "", kind: str = "") -> str:
    return (
        f'<svg class="figure{kind}" viewBox="0 0 {WIDTH} {height}" role="img" {more}aria-label="{escape(told)}">'
        f"{''.join(body)}</svg>"
    )


def _px(x: Axis, value: float) -> float:
    return LEFT + x(value) * (WIDTH - LEFT - RIGHT)


def _py(y: Axis, value: float) -> float:
    return TOP + (1 - y(value)) * (HEIGHT - TOP - BOTTOM)


def colour(arm: int) -> str:
    return f"c{arm % COLOURS}"


def _dash(arm: int) -> str:
    dash = DASHES[arm // COLOURS % len(DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
