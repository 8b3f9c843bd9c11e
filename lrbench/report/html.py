"""A comparison as one self-contained HTML page: nothing is loaded from anywhere, and no script is needed to read it."""

from collections.abc import Sequence
from html import escape

from lrbench.metrics import Metric
from lrbench.plural import plural
from lrbench.report import tables, words
from lrbench.report.numbers import is_share, overshoots, signed
from lrbench.report.page import beside_each_other, captioned, items, page, section, tabled
from lrbench.report.result import Comparison, Sensitivity
from lrbench.report.svg import BANDS, LOG_FROM, Format, IntervalRow, Line, interval_figure, line_figure, swatch
from lrbench.report.tables import Table

RATES_APART = 8  # arms whose highest rates lie further apart than by this factor are drawn on a logarithmic axis


def render(c: Comparison) -> str:
    """The whole page."""
    sections = [_head(c), _arms(c), _pairs(c), _over_time(c), _sensitivity(c), _beside(c), _provenance(c)]
    return page(f"{c.name}: {c.metric}", sections)


def _head(c: Comparison) -> str:
    """What was compared, and what was seen."""
    setting = words.setting(c)
    shared = f'<p class="soft">All arms: {escape(setting)}.</p>' if setting else ""
    said = words.remarks(c)
    remarks = f'<ul class="remarks">{items(said)}</ul>' if said else ""
    answer = words.answer(c)
    first = f'<p class="answered">{escape(answer)}</p>\n' if answer else ""
    return (
        f"<h1>{escape(c.name)}: {escape(c.metric)}</h1>\n{first}"
        f'<p class="finding">{escape(words.finding(c))}</p>\n{shared}\n{remarks}'
    )


def _arms(c: Comparison) -> str:
    rows = [
        IntervalRow(
            arm=i,
            label=a.name,
            value=a.estimate.mean,
            low=a.estimate.interval.low if a.estimate.interval else None,
            high=a.estimate.interval.high if a.estimate.interval else None,
            points=[o.value for o in a.outcomes if o.value is not None],
            note=f"n = {a.estimate.n}" + (f", {a.failures} unsuccessful" if a.failures else ""),
        )
        for i, a in enumerate(c.arms)
    ]
    limits = [bound for bound in (c.measured.low, c.measured.high) if bound is not None]
    figure = interval_figure(rows, c.metric, _tick(c.measured), limits=limits)
    told = f"Mean of each arm with its {c.level:.0%} t interval; each ring is one seed."
    if any(a.estimate.interval and overshoots(c.measured, a.estimate.interval) for a in c.arms):
        told += " Beyond the dashed line no value can be."
    return section("Arms", beside_each_other(tables.arm_table(c), captioned("", figure, told)))


def _pairs(c: Comparison) -> str:
    if not c.pairs:
        return ""
    base = c.arms[c.baseline].name
    rows = [
        IntervalRow(
            arm=p.arm,
            label=c.arms[p.arm].name,
            value=p.difference.mean,
            low=p.difference.interval.low if p.difference.interval else None,
            high=p.difference.interval.high if p.difference.interval else None,
            note=plural(p.difference.n, "pair"),
        )
        for p in c.pairs
    ]
    label = f"{c.metric}, minus that of the baseline" + (" (points)" if is_share(c.measured) else "")
    told = f"Mean difference from {base} on the same seeds, with its {c.level:.0%} paired t interval."
    figure = interval_figure(rows, label, _gap_tick(c.measured), zero=True)
    body = f'<p class="soft">{escape(words.family(c))}</p>' * bool(c.tested)
    body += beside_each_other(tables.pair_table(c), captioned("", figure, told))
    if any(p.excluded for p in c.pairs):
        body += f"<h3>Successes, on the same seeds as {escape(base)}</h3>{tabled(tables.success_table(c))}"
    return section(f"Paired differences from {base}", body)


def _over_time(c: Comparison) -> str:
    """Metrics and rates over epochs, under one legend."""
    shown = sorted({u.arm for curves in c.curves.values() for u in curves} | {r.arm for r in c.rates})
    keys = "".join(
        f'<button type="button" aria-pressed="true" data-arm="{i}">{swatch(i)}{escape(c.arms[i].name)}</button>'
        for i in shown
    )
    if len(shown) > BANDS:
        keys = f'<button type="button" class="all">all or none</button>{keys}'
    figures = [_metric_figure(c, metric) for metric, curves in c.curves.items() if curves]
    figures += [_rate_figure(c, group) for group in dict.fromkeys(r.group for r in c.rates)]
    body = f'<div class="legend">{keys}</div><div class="panels">{"".join(figures)}</div>'
    return section("Curves and learning rates", body) if figures else ""


def _metric_figure(c: Comparison, metric: str) -> str:
    curves, m = c.curves[metric], c.meaning(metric)
    lines = [Line(u.arm, c.arms[u.arm].name, u.epochs, u.mean, u.low, u.high) for u in curves]
    values = [v for u in curves for v in u.mean]
    log = not is_share(m) and min(values) > 0 and max(values) > LOG_FROM * min(values)
    counts = sorted({u.n for u in curves})
    n = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    band = f"with pointwise {c.level:.0%} t intervals, which end where the axis does"
    if counts[-1] == 1:
        band = "one run, so no band"
    told = (
        f"Mean over seeds, where all have a finite value ({n}; unsuccessful runs left out), {band}."
        + f" They are shown while at most {BANDS} arms are, and of a line that is pointed at."
        * (sum(u.low is not None for u in curves) > BANDS)
        + log * " Logarithmic axis."
    )
    return captioned(metric, line_figure(lines, "epoch", metric, _tick(m), log_y=log, top=m.high), told)


def _rate_figure(c: Comparison, group: str) -> str:
    curves = [r for r in c.rates if r.group == group]
    foot = _foot([r.rates for r in curves])
    shown = [[max(rate, foot) for rate in r.rates] if foot else r.rates for r in curves]
    names = [c.arms[r.arm].name + _of_seed(r.seed) for r in curves]
    lines = [Line(r.arm, name, r.epochs, y) for r, name, y in zip(curves, names, shown, strict=True)]
    told = "As read back from the optimizer after every update."
    if any(r.seed is not None for r in curves):
        told += " Where the seeds of an arm used different rates, each has a line."
    if foot:
        told += " Logarithmic axis: the arms' highest rates lie far apart."
        told += f" Below {foot:g}, rates lie at its foot." * any(min(r.rates) < foot for r in curves)
    log = foot is not None
    figure = line_figure(lines, "epoch", f"lr/{group}", lambda v: f"{v:g}", log_y=log, zero=not log)
    return captioned(f"lr/{group}", figure, told)


def _foot(curves: Sequence[Sequence[float]]) -> float | None:
    """Where a logarithmic axis of rates begins: low enough for every arm's last hundredth; None where a linear one
    shows all of them, their highest rates being near enough to each other."""
    tops = [top for rates in curves if (top := max(rates)) > 0]
    return min(tops) / 100 if tops and max(tops) > RATES_APART * min(tops) else None


def _of_seed(seed: int | None) -> str:
    return "" if seed is None else f" seed {seed}"


def _sensitivity(c: Comparison) -> str:
    if not c.sensitivity:
        return ""
    lines = [_sensitivity_line(c, i, s) for i, s in enumerate(c.sensitivity)]
    keys = "".join(f'<span class="key">{swatch(i)}{escape(s.name)}</span>' for i, s in enumerate(c.sensitivity))
    told = (
        f"Mean {c.metric} and {c.level:.0%} t interval at each peak rate (logarithmic; drawn a little apart where arms "
        f"share one). A cross: no run was successful. {words.marked(c)}"
    )
    drawn = any(line.y for line in lines)
    figure = line_figure(lines, "optimizer.lr", c.metric, _tick(c.measured), log_x=True) if drawn else ""
    pair = beside_each_other(tables.sensitivity_table(c), captioned("", figure, told))
    return section("Sensitivity to the learning rate", f'<div class="legend">{keys}</div>{pair}')


def _sensitivity_line(c: Comparison, index: int, s: Sensitivity) -> Line:
    at = [(rate, c.arms[i].estimate) for i, rate in zip(s.arms, s.rates, strict=True)]
    known = [(rate, e.mean, e.interval) for rate, e in at if e.mean is not None]
    return Line(
        arm=index,
        label=s.name,
        x=[rate for rate, _, _ in known],
        y=[mean for _, mean, _ in known],
        low=[e.low if e else None for _, _, e in known],
        high=[e.high if e else None for _, _, e in known],
        crosses=[rate for rate, e in at if e.mean is None],
        markers=True,
        kind="line",
        shift=4 * (index - (len(c.sensitivity) - 1) / 2),
    )


def _beside(c: Comparison) -> str:
    told = (
        '<p class="soft">Mean over the seeds that succeeded, and in brackets the standard deviation between them, '
        "and n where some have no finite value.</p>"
    )
    runs = f"<details><summary>Every run</summary>{tabled(tables.run_table(c))}</details>"
    return section("Other metrics", told + tabled(tables.beside_table(c)) + runs)


def _provenance(c: Comparison) -> str:
    rows = tuple((k, str(v)) for k, v in c.shared.items())
    shared = tabled(Table(("key", "value of all arms"), rows, names=2))
    unsealed = f'<p class="soft">{escape(said)}</p>' if (said := words.unsealed(c)) else ""
    body = (
        f"<ul>{items(words.reading(c))}</ul><h3>Made with</h3>{tabled(tables.environment_table(c))}{unsealed}"
        f"<h3>To train the arms again</h3><pre>{escape(chr(10).join(words.commands(c)))}</pre>"
        f"<details><summary>Configuration that all arms share</summary>{shared}</details>"
    )
    return section("How it was measured", body)


def _tick(m: Metric) -> Format:
    return (lambda v: f"{100 * v:g}%") if is_share(m) else (lambda v: f"{v:g}")


def _gap_tick(m: Metric) -> Format:
    factor = 100 if is_share(m) else 1
    return lambda v: signed(factor * v, "g") if v else "0"
