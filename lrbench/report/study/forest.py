"""The answer as a figure: every contrast's gain with its interval, against what was claimed."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from lrbench.report.axes import Axis, axis_over
from lrbench.report.numbers import is_share, signed
from lrbench.report.study.gains import gained, shown, shown_interval, subject
from lrbench.report.study.tables import arm_of
from lrbench.report.study.words import NO_VERDICT
from lrbench.report.svg import WIDTH, colour, cut, short, svg
from lrbench.study.design import Design
from lrbench.study.result import Contrast, Result
from lrbench.study.rules import Rules

TOP, ROW, FOOT, SIDE = 8, 38, 38, 14
HEAD = 18  # over the rows of a task, where there are several


def forest(design: Design, result: Result) -> str:
    """A row a contrast, by task. Nothing where no contrast has an interval."""
    rules = design.rules
    drawn = [(t.task, [_drawn(rules, c) for c in t.contrasts]) for t in result.tasks]
    values = [v for _, contrasts in drawn for c in contrasts for v in _extent(c)]
    if not values:
        return ""
    x = axis_over([shown(rules, 0.0), *values])
    several = len(result.tasks) > 1
    rows, y = list[str](), TOP
    for task, contrasts in drawn:
        if several:
            rows.append(f'<text class="head" x="{SIDE}" y="{y + 11}">{escape(cut(task, 60))}</text>')
            y += HEAD
        for c in contrasts:
            rows.append(_row(c, arm_of(rules, c.arm), x, y))
            y += ROW
    told = f"{_label(design)}: {', '.join(rules.contrasts[:12])}"
    return svg(y + FOOT, told, [*_frame(design, x, y), *rows])


def _drawn(rules: Rules, c: Contrast) -> Contrast:
    """On the scale of the axis, on which its claim is."""
    if c.tested is None or c.tested.mean is None:
        return c
    t = replace(c.tested, mean=shown(rules, c.tested.mean), interval=shown_interval(rules, c.tested.interval))
    return replace(c, tested=t, at_values=shown_interval(rules, c.at_values))


def _extent(c: Contrast) -> list[float]:
    """What its row has to show; nothing without an estimate."""
    t = c.tested
    if t is None or t.mean is None:
        return []
    margin, claim = c.claim.margin, c.claim
    seen = [t.mean, *(t.interval or ()), *(c.at_values or ())]
    seen += [-margin, margin] if margin is not None else []
    return seen + [end for end in (claim.low, claim.high) if end]


def _row(c: Contrast, arm: int, x: Axis, y: int) -> str:
    verdict = str(c.verdict or NO_VERDICT) + ("" if c.primary else ", secondary")
    room = 58 - len(verdict)
    parts = [
        *_bands(c, x, y),
        f'<text x="{SIDE}" y="{y + 11}">{escape(cut(c.arm, room))}</text>',
        f'<text x="{WIDTH - SIDE}" y="{y + 11}" text-anchor="end">{verdict}</text>',
        f'<g class="{colour(arm)}">',
    ]
    t, middle = c.tested, y + 24
    if t is not None and t.interval is not None:
        low, high = (_px(x, v) for v in t.interval)
        parts.append(f'<line class="bar" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
        ends = (low, high)
        parts += [f'<line class="cap" x1="{e}" x2="{e}" y1="{middle - 4}" y2="{middle + 4}"/>' for e in ends]
    if c.at_values is not None:
        low, high = (_px(x, v) for v in c.at_values)
        parts.append(f'<line class="within" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
    if t is not None and t.mean is not None:
        parts.append(f'<circle class="dot" cx="{_px(x, t.mean)}" cy="{middle}" r="4.5"/>')
    return "".join([*parts, "</g>"])


def _bands(c: Contrast, x: Axis, y: int) -> list[str]:
    """The margin on both sides of 0, and the claimed range, to the axis's end where it is open."""
    if c.tested is None or c.tested.mean is None:
        return []
    spans = [] if c.claim.margin is None else [("same", -c.claim.margin, c.claim.margin)]
    if c.claim.ranged:
        spans.append(("claim", max(c.claim.low, x.low), x.high if c.claim.high is None else c.claim.high))
    return [
        f'<rect class="{kind}" x="{_px(x, low)}" width="{short(_at(x, high) - _at(x, low))}" y="{y + 14}" '
        f'height="{ROW - 18}"/>'
        for kind, low, high in spans
    ]


def _frame(design: Design, x: Axis, foot: int) -> list[str]:
    parts = []
    for tick in x.ticks(6):
        none = abs(tick - shown(design.rules, 0.0)) <= 1e-12
        kind, said = "zero" if none else "grid", _tick(design.rules, tick)
        parts.append(f'<line class="{kind}" x1="{_px(x, tick)}" x2="{_px(x, tick)}" y1="{TOP}" y2="{foot}"/>')
        parts.append(f'<text x="{_px(x, tick)}" y="{foot + 13}" text-anchor="middle">{said}</text>')
    parts.append(f'<text x="{WIDTH / 2:g}" y="{foot + 30}" text-anchor="middle">{escape(_label(design))}</text>')
    return parts


def _tick(rules: Rules, value: float) -> str:
    if rules.kind == "fraction":
        return f"{100 * value:g}%"
    return signed(100 * value if is_share(gained(rules)) else value, "g") if abs(value) > 1e-12 else "0"


def _label(design: Design) -> str:
    rules = design.rules
    if rules.kind == "fraction":
        return cut(f"fraction of {rules.baseline}'s {subject(rules)}", 66)
    what, unit = subject(rules), " (points)" if is_share(gained(rules)) else ""
    lower = "" if rules.higher or rules.kind == "success" or rules.in_doublings else ", a lower one counted as more"
    return cut(f"gain over {rules.baseline} in {what}{unit}{lower}", 66)


def legend(design: Design, contrasts: Sequence[Contrast]) -> str:
    """How to read it."""
    told = "Mean gain on the same seeds; above 0 the arm is better. "
    if design.rules.kind == "fraction":
        told = "Geometric mean of the fractions on the same seeds. "
    if design.rules.in_doublings:
        told = "Mean gain on the same seeds, in doublings. "
    if any(c.choice_sd for c in contrasts):
        told += "Thin: the interval that the verdict is read from. Thick: without what the choice of rates adds."
    else:
        told += "The bar is the interval that the verdict is read from."
    if any(c.claim.margin is not None for c in contrasts):
        told += " Grey: the margin, within which nothing differs in practice."
    return told + " Green: the claimed size." * any(c.claim.ranged for c in contrasts)


def _at(x: Axis, value: float) -> float:
    return SIDE + x(value) * (WIDTH - 2 * SIDE)


def _px(x: Axis, value: float) -> str:
    return short(_at(x, value))
