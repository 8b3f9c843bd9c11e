"""Compact charts for the terminal."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from math import log10
from textwrap import wrap

import numpy as np
import plotext
from numpy.typing import NDArray

from lrbench.plots.curve import Scale, ScheduleCurve, share, size_of, twins, unit_of
from lrbench.plots.phases import warmup_of
from lrbench.plots.scale import logarithmic, round_numbers
from lrbench.plural import plural
from lrbench.schedules import RateFacts

Floats = NDArray[np.float64]
POINTS = 400  # more than a terminal has columns
LETTERS = "abcdefgh"
WIDEST = 100


def chart(curves: Sequence[ScheduleCurve], scale: Scale = "linear") -> str:
    """The rates of several schedules over epochs, each drawn with its letter, and below what the letters stand for; of
    one schedule with several groups, those of the groups. Nothing is wider than the terminal, nor than 100 columns."""
    one, unit = len(curves) == 1, unit_of(curves)
    groups = range(len(curves[0].table.groups)) if one else []
    drawn = [(curves[0], g) for g in groups] or [(c, c.leading) for c in curves]
    _begin("learning rate", _counted(curves, unit))
    ends = logarithmic([c.table.lr[:, g] for c, g in drawn[: len(LETTERS)]]) if scale == "log" else None
    if ends:
        ticks = round_numbers(*ends)
        plotext.yscale("log")
        plotext.yticks(ticks, [f"{t:g}" for t in ticks])
    for letter, (curve, group) in zip(LETTERS, drawn, strict=False):
        _draw(curve.table.lr[:, group], size_of(curve, unit), "braille" if len(drawn) == 1 else letter, ends)
    lines = [_end()]
    if one and len(drawn) > 1:
        lines += _wrapped(curves[0].label, "; ".join(_beside(curves[0])))
        named = [(name, _rates(found)) for name, found in curves[0].facts.items()]
    else:
        named = [(c.label, _as(t) or in_a_line(c)) for c, t in zip(curves, twins(curves), strict=True)]
    letters = LETTERS if len(drawn) > 1 else " "
    for letter, (label, told) in zip(letters, named, strict=False):
        lines += _wrapped(f"{letter} {label}".lstrip(), told)
    if len(drawn) > len(LETTERS):
        lines.append(f"  and {len(drawn) - len(LETTERS)} more, in the picture")
    return "\n".join(lines)


def _as(twin: int | None) -> str:
    """Of a curve that lies under an earlier one."""
    return f"the rates of {LETTERS[twin]}" if twin is not None and twin < len(LETTERS) else ""


def in_a_line(curve: ScheduleCurve) -> str:
    """The schedule in a line of numbers: of several groups, those of the one with the highest peak."""
    peaks = curve.plan.peaks
    named = f"peaks: {', '.join(f'{g} {p:.4g}' for g, p in peaks.items())}"
    rates = _rates(curve.facts[curve.table.groups[curve.leading]])
    return "; ".join([rates, *_beside(curve), *([named] if len(peaks) > 1 else [])])


def _rates(found: RateFacts) -> str:
    """A group's rates, and their sum as a share of the peak all along."""
    rates = f"first {found.first:.4g}, highest {found.peak:.4g} (update {found.peak_at}), last {found.last:.4g}"
    return f"{rates}, area {share(found.area)}"


def _beside(curve: ScheduleCurve) -> list[str]:
    """What is told of a schedule beside its rates."""
    clock, table = curve.plan.clock, curve.table
    epochs = [] if clock.per_epoch is None else [f"{clock.per_epoch} an epoch"]
    parts = [", ".join([plural(clock.updates, "update"), *epochs, f"warmup {warmup_of(curve.phases)}"])]
    if table.weight_decay is not None:
        decay = table.weight_decay[:, int(table.weight_decay[0].argmax())]  # some groups have none
        parts.append(f"weight decay {decay[0]:.4g} to {decay[-1]:.4g}")
    if table.known < clock.updates:
        parts.append(f"certain up to update {table.known}, then by metric")
    return parts


def interval_line(low: float, mean: float, high: float, width: int = 41) -> str:
    """An estimate between the ends of its interval, and 0: `|  ├──●──┤`."""
    left, right = min(low, 0.0), max(high, 0.0)
    scale = (width - 1) / ((right - left) or 1.0)
    zero, start, middle, end = (round((x - left) * scale) for x in (0.0, low, mean, high))
    line = [" "] * width
    line[start : end + 1] = "─" * (end + 1 - start)
    for at, sign in ((zero, "|"), (start, "├"), (end, "┤"), (middle, "●")):
        line[at] = sign
    return "".join(line).rstrip()


def rate_chart(rates: NDArray[np.float64], title: str) -> str:
    """One curve over updates."""
    _begin(title, "update")
    _draw(rates, 1, "braille")
    return _end()


def _counted(curves: Sequence[ScheduleCurve], unit: str) -> str:
    """What the axis counts; where all have epochs of one length, how many updates that is."""
    sizes = {c.plan.clock.unit[0] for c in curves}
    return f"epoch (of {sizes.pop()} updates)" if unit == "epoch" and len(sizes) == 1 else unit


def _draw(rates: NDArray[np.float64], size: int, marker: str, ends: tuple[float, float] | None = None) -> None:
    """At most POINTS of them, the last one to its end; on a logarithmic axis those that are on it."""
    picked = np.unique(np.linspace(0, len(rates) - 1, POINTS).astype(int))
    x, y = np.append(picked, len(rates)) / size, rates[np.append(picked, len(rates) - 1)]
    drawn = slice(None) if ends is None else y >= ends[0]
    plotext.plot(x[drawn].tolist(), y[drawn].tolist(), marker=marker)


def _columns() -> int:
    return min(WIDEST, shutil.get_terminal_size().columns)


def _wrapped(label: str, told: str) -> list[str]:
    """As wide as the terminal; a word and its number stay together."""
    bound = re.sub(r"(?<![,;:]) ", "\N{NO-BREAK SPACE}", told)
    lines = wrap(f"{label}: {bound}", _columns(), initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def sweep_chart(curves: Sequence[tuple[Floats, Floats]], marks: Mapping[str, float], top: float) -> str:
    """Smoothed losses over rates on a logarithmic axis: the median over the sweeps, up to `top`, and at the rates of
    `marks` their letters, beyond the curve's end at the height of its last point. curves: rates and losses of each
    sweep, (n,) both."""
    rates, losses = median_curve(curves)
    _begin("smoothed loss, the median of the sweeps", "learning rate")
    at, heights = np.log10(rates), np.minimum(losses, top)
    plotext.plot(at.tolist(), heights.tolist(), marker="braille")
    ends = [min([at[0], *map(log10, marks.values())]), max([at[-1], *map(log10, marks.values())])]
    plotext.xlim(*ends)
    column = (ends[1] - ends[0]) / _columns()
    near = dict[int, list[str]]()  # letters that would stand in one place stand beside each other
    for letter, rate in sorted(marks.items(), key=lambda mark: mark[1]):
        near.setdefault(int((log10(rate) - ends[0]) / column) // 2, []).append(letter)
    for letters in near.values():
        x = log10(marks[letters[0]])
        plotext.text("".join(letters), x, float(np.interp(x, at, heights)))
    decades = range(int(np.ceil(ends[0])), int(np.floor(ends[1])) + 1)
    plotext.xticks(list(decades), [f"1e{d}" for d in decades])
    return _end()


def median_curve(curves: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The rates that more than half of the curves reach, and the median loss at each. (Sweeps try the same rates, and
    end at different ones: a median of the few that are left would jump.)"""
    longest = max((rates for rates, _ in curves), key=len)
    table = np.full((len(curves), len(longest)), np.nan)
    for row, (_, losses) in zip(table, curves, strict=True):
        row[: len(losses)] = np.where(np.isfinite(losses), losses, np.nan)
    known = 2 * np.isfinite(table).sum(axis=0) > len(curves)
    return longest[known], np.nanmedian(table[:, known], axis=0)


def _begin(title: str, xlabel: str) -> None:
    plotext.clear_figure()
    plotext.theme("pro")
    plotext.plotsize(_columns(), 16)
    plotext.title(title)
    plotext.xlabel(xlabel)


def _end() -> str:
    text = str(plotext.build())
    plain = text if sys.stdout.isatty() else plotext.uncolorize(text)
    return "\n".join(line.rstrip() for line in plain.splitlines())
