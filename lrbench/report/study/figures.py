"""The figures behind a study's verdicts: rate curves, the gain taken apart, and pairs."""

from lrbench.metrics import Metric
from lrbench.plural import plural
from lrbench.report.numbers import is_share, signed
from lrbench.report.study.gains import gained, judged, measured, shown, shown_interval, spoken, subject
from lrbench.report.study.tables import arm_of
from lrbench.report.study.words import what_is_tuned
from lrbench.report.svg import Format, IntervalRow, Line, interval_figure, line_figure
from lrbench.study.analysis import gains_of
from lrbench.study.design import Design
from lrbench.study.result import Contrast, TaskResult, TuningResult
from lrbench.study.rules import Rules

LOG_FROM = 20  # means that span such a factor are drawn on a logarithmic axis


def rates(design: Design, task: TaskResult) -> str:
    """Every arm's tuning means over one logarithmic axis of values. Nothing where no run succeeded."""
    lines = [_rate_line(design, t, i, len(task.tuning)) for i, t in enumerate(task.tuning)]
    means = [v for line in lines for v in line.y]
    if not means:
        return ""
    m = judged(design.rules)
    log = not is_share(m) and min(means) > 0 and max(means) > LOG_FROM * min(means)
    tick: Format = (lambda v: f"{100 * v:g}%") if is_share(m) else (lambda v: f"{v:g}")
    label = next(iter(design.keys.values()), "optimizer.lr") if len(set(design.keys.values())) < 2 else "value"
    return line_figure(lines, label, design.rules.judge, tick, log_x=True, log_y=log, top=m.high)


def _rate_line(design: Design, t: TuningResult, place: int, many: int) -> Line:
    known = [(p.value, p.mean) for p in t.choice.points if p.mean is not None]
    return Line(
        arm=arm_of(design.rules, t.choice.arm),
        label=t.choice.arm,
        x=[value for value, _ in known],
        y=[mean for _, mean in known],
        markers=True,
        crosses=[p.value for p in t.choice.points if p.failures],
        kind="line",
        shift=4 * (place - (many - 1) / 2),
        ring=t.choice.value if t.choice.standing == "tuned" else None,
        thick=t.stable,
    )


def paths(design: Design, task: TaskResult) -> str:
    """Both orders of swap and retuning, arm by arm."""
    what, rows = what_is_tuned(design), list[IntervalRow]()
    for c in task.contrasts:
        if c.paths is None or c.values[0] == c.values[1]:  # the same value: nothing is taken apart
            continue
        p = c.paths
        steps = [
            (f"{c.arm}: swap at the baseline's {what}", p.swap_first[0]),
            (f"{c.arm}: then its own {what}", p.swap_first[1]),
            (f"{design.rules.baseline}: at the {what} of {c.arm}", p.retune_first[0]),
            (f"{c.arm}: then the swap at that {what}", p.retune_first[1]),
            (f"{c.arm}: both together", p.total),
        ]
        rows += [
            IntervalRow(
                arm_of(design.rules, c.arm),
                label,
                e.mean,
                e.interval and e.interval.low,
                e.interval and e.interval.high,
                note=plural(e.n, "seed"),
            )
            for label, e in steps
        ]
    m = measured(design.rules)
    return interval_figure(rows, _label(design, m, spoken(design.rules.metric)), _gap_tick(m), zero=True)


def gains(design: Design, task: TaskResult) -> str:
    """Every pair's gain, over the mean and its interval."""
    rules = design.rules
    rows = [_pairs_row(rules, c) for c in task.contrasts if c.tested is not None]
    if rules.kind == "fraction":
        label = f"fraction of {rules.baseline}'s {subject(rules)}"
        return interval_figure(rows, label, lambda v: f"{100 * v:g}%", limits=[1.0])
    label = _label(design, gained(rules), subject(rules))
    return interval_figure(rows, label, _gap_tick(gained(rules)), zero=True)


def _pairs_row(rules: Rules, c: Contrast) -> IntervalRow:
    assert c.tested is not None
    t, interval = c.tested, shown_interval(rules, c.tested.interval)
    gained_by = gains_of(rules, c.pairs).tolist()
    return IntervalRow(
        arm=arm_of(rules, c.arm),
        label=c.arm,
        value=None if t.mean is None else shown(rules, t.mean),
        low=interval and interval.low,
        high=interval and interval.high,
        points=[p.success for p in c.pairs] if rules.kind == "success" else [shown(rules, g) for g in gained_by],
        note=plural(t.n, "pair"),
    )


def _label(design: Design, m: Metric, what: str) -> str:
    points = " (points)" if is_share(m) else ""
    return f"gain over {design.rules.baseline} in {what}{points}"


def _gap_tick(m: Metric) -> Format:
    factor = 100 if is_share(m) else 1
    return lambda v: signed(factor * v, "g") if abs(v) > 1e-12 else "0"
