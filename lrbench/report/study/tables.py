"""A study's tables, cell by cell as text: made here once, laid out by every renderer."""

from collections.abc import Sequence

from lrbench.metrics import Metric
from lrbench.report.numbers import NONE, gap, gap_within, number, spread, within
from lrbench.report.study.gains import gained, judged, measured, percent, pick, shown, shown_interval
from lrbench.report.study.words import NO_VERDICT, what_is_tuned
from lrbench.report.tables import SUCCESS, Table, p_value
from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.spread import mean_difference
from lrbench.study.analysis import gains_of
from lrbench.study.design import Design
from lrbench.study.result import Contrast, Effect, Result, TaskResult
from lrbench.study.rules import Rules
from lrbench.study.tuning import GridPoint

UNTUNED = {"edge": "not tuned: at the edge", "failed": "unsuccessful everywhere"}


def arm_of(rules: Rules, name: str) -> int:
    """Its place, which is its colour."""
    return rules.arms.index(name)


def verdict_table(design: Design, task: TaskResult) -> Table:
    """The answer: a row an arm, the baseline first. Means are over the runs that succeeded, gains over whole pairs."""
    rules = design.rules
    base = next((c for c in task.contrasts if c.pairs), None)
    values = [] if base is None else [p.baseline for p in base.pairs]
    value = _value(base.values[1] if base else None)
    first = (rules.baseline, value, _mean(rules, values), NONE, NONE, NONE, "baseline", NONE, _unsuccessful(values))
    rows = [first, *(_verdict_row(rules, c) for c in task.contrasts)]
    mean = "spread" if rules.kind == "spread" else "mean"
    header = ("arm", what_is_tuned(design), mean, _gain(rules), "interval", "level", "verdict", "pairs",
              "unsuccessful")  # fmt: skip
    left_out = {*([] if rules.tunes else [1]), *([8] if rules.kind == "success" else [])}  # its mean says it
    keep = [i for i in range(len(header)) if i not in left_out]
    cells = tuple(tuple(row[i] for i in keep) for row in rows)
    arms = tuple(arm_of(rules, row[0]) for row in rows)
    return Table(tuple(header[i] for i in keep), cells, arms=arms)


def _verdict_row(rules: Rules, c: Contrast) -> tuple[str, ...]:
    t, values = c.tested, [p.arm for p in c.pairs]
    second = "" if c.primary else " (secondary)"
    head = (c.arm, _value(c.values[0]), _mean(rules, values))
    if t is None:
        return (*head, NONE, NONE, NONE, NO_VERDICT + second, NONE, NONE)
    verdict = f"{c.verdict or NO_VERDICT}{second}"
    return (
        *head,
        gain_cell(rules, t.mean),
        interval_cell(rules, t.interval),
        percent(t.level),
        verdict,
        str(t.n),
        _unsuccessful(values),
    )


def gain_cell(rules: Rules, gain: float | None) -> str:
    """A gain, or the fraction that it stands for, in a cell."""
    if rules.kind == "fraction":
        return number(gained(rules), None if gain is None else shown(rules, gain))
    return gap(gained(rules), gain)


def interval_cell(rules: Rules, interval: ConfidenceInterval | None) -> str:
    if rules.kind == "fraction":
        return within(gained(rules), shown_interval(rules, interval))
    return gap_within(gained(rules), interval)


def _gain(rules: Rules) -> str:
    """What a column of gains is called."""
    return "fraction" if rules.kind == "fraction" else "gain"


def _sd_cell(rules: Rules, sd: float | None) -> str:
    """A spread of gains; of logarithms as it is, which is near to the relative spread of fractions."""
    return NONE if sd is None else f"{sd:.3g}" if rules.kind == "fraction" else spread(gained(rules), sd)


def interval_table(design: Design, task: TaskResult) -> Table:
    """What the intervals are made of."""
    rules = design.rules

    def row(c: Contrast) -> tuple[str, ...]:
        t = c.tested
        if t is None:
            return (c.arm, *[NONE] * 8)
        return (
            c.arm, interval_cell(rules, t.interval), interval_cell(rules, c.at_values),
            interval_cell(rules, t.equivalence), percent(t.equivalence_level), _sd_cell(rules, t.sd),
            _sd_cell(rules, c.choice_sd), p_value(t.p),
            p_value(t.sign_flip_p),
        )  # fmt: skip

    what, p = what_is_tuned(design), "McNemar p" if rules.kind == "success" else "t p"
    of = {"fraction": "log fractions", "spread": "pseudo-values"}.get(rules.kind, "differences")
    header = ("arm", "interval", f"at these {what}s", "equivalence", "its level", f"sd of {of}",
              f"sd of the choice of {what}s", p, "sign-flip p")  # fmt: skip
    arms = tuple(arm_of(rules, c.arm) for c in task.contrasts)
    return Table(header, tuple(map(row, task.contrasts)), arms=arms)


def tuning_table(design: Design, task: TaskResult) -> Table:
    """What tuning found, and what it cost: the expected best of k values of the grid, for k of 1, 2, 4 ... and all."""
    rules, m = design.rules, judged(design.rules)
    most = max((len(t.expected_best) for t in task.tuning), default=0)
    ks = [k for k in (1, 2, 4, 8) if k < most] + [most] * (most > 0)

    def cells(place: int) -> tuple[str, ...]:
        t = task.tuning[place]
        low, high = t.choice.points[0].value, t.choice.points[-1].value
        best = [number(m, t.expected_best[k - 1]) if k <= len(t.expected_best) else NONE for k in ks]
        stable = NONE if t.stable is None else f"{t.stable[0]:g} to {t.stable[1]:g}"
        chosen = UNTUNED.get(t.choice.standing, f"{t.choice.value:g}")
        return (
            t.choice.arm, chosen, f"{low:g} to {high:g} ({len(t.choice.points)})", str(t.runs), str(t.failures), stable,
            spread(m, t.sensitivity), *best,
        )  # fmt: skip

    header = ("arm", pick(rules), f"{what_is_tuned(design)}s tried", "runs", "unsuccessful", "stable", "sensitivity",
              *(f"best of {k}" for k in ks))  # fmt: skip
    arms = tuple(arm_of(rules, t.choice.arm) for t in task.tuning)
    return Table(header, tuple(cells(i) for i in range(len(task.tuning))), arms=arms)


def grid_table(design: Design, task: TaskResult) -> Table:
    """Every value of every arm."""
    rules, m = design.rules, judged(design.rules)

    def row(arm: str, chosen: bool, p: GridPoint) -> tuple[str, ...]:
        value = f"{p.value:g}" + f" ({pick(rules)})" * chosen
        return (arm, value, number(m, p.mean), str(len(p.scores)), str(p.failures))

    points = [(t.choice, p) for t in task.tuning for p in t.choice.points]
    rows = tuple(row(c.arm, c.standing == "tuned" and p.value == c.value, p) for c, p in points)
    header = ("arm", what_is_tuned(design), f"mean {rules.judge}", "runs", "unsuccessful")
    return Table(header, rows, arms=tuple(arm_of(rules, c.arm) for c, _ in points))


def path_table(design: Design, task: TaskResult) -> Table:
    """The tuned gain taken apart, in both orders."""
    rules, m, what = design.rules, measured(design.rules), what_is_tuned(design)
    rows, arms = [], []
    for c in task.contrasts:
        if c.paths is None:
            continue
        p = c.paths
        steps = (
            (f"swap at the baseline's {what}", p.swap_first[0]),
            (f"then its own {what}", p.swap_first[1]),
            (f"the baseline at the arm's {what}", p.retune_first[0]),
            (f"then the swap at that {what}", p.retune_first[1]),
            ("both together", p.total),
        )
        for name, effect in steps:
            rows.append((c.arm, name, *_effect(m, effect)))
            arms.append(arm_of(rules, c.arm))
    return Table(("arm", "step", "gain", "95% interval", "seeds"), tuple(rows), names=2, arms=tuple(arms))


def pair_table(design: Design, task: TaskResult) -> Table:
    """Every seed's runs: the baseline's once for all arms where they share it, as they do."""
    rules, m = design.rules, measured(design.rules)
    found = [c for c in task.contrasts if c.pairs]
    if not found:
        return Table((), ())
    rows, by_pair = [], [_by_pair(rules, c) for c in found]
    for i, first in enumerate(found[0].pairs):
        cells = [str(first.seed), _or_unsuccessful(m, first.baseline)]
        for c, gains in zip(found, by_pair, strict=True):
            cells += [_or_unsuccessful(m, c.pairs[i].arm), gain_cell(rules, gains[i]) if i in gains else NONE]
        rows.append(tuple(cells))
    gain = "pseudo-value" if rules.kind == "spread" else _gain(rules)
    header = ("seed", rules.baseline, *(name for c in found for name in (c.arm, gain)))
    return Table(header, tuple(rows))


def _by_pair(rules: Rules, c: Contrast) -> dict[int, float]:
    """The gain of every pair that has one, by its place."""
    whole, gains = [i for i, p in enumerate(c.pairs) if p.whole], gains_of(rules, c.pairs).tolist()
    return dict(zip(whole, gains, strict=True)) if gains else {}


def run_table(design: Design, result: Result) -> Table:
    """The runs that verdicts rest on."""
    rows = [(t.task or NONE, c.arm, str(p.seed), *p.runs) for t in result.tasks for c in t.contrasts for p in c.pairs]
    return Table(("task", "arm", "seed", "its run", f"run of {design.rules.baseline}"), tuple(rows), names=5)


def success_table(design: Design, task: TaskResult) -> Table:
    """Which of the two succeeded, by seed; of tuning's best values where nothing was confirmed."""
    found = [c for c in task.contrasts if c.success is not None]

    def row(c: Contrast) -> tuple[str, ...]:
        s = c.success
        assert s is not None
        counts = (s.both, s.only_second, s.only_first, s.neither)
        p = NONE if s.mcnemar_p is None else p_value(s.mcnemar_p)
        stage = "confirmation" if c.pairs else "tuning"
        return (c.arm, stage, *map(str, counts), gap(SUCCESS, s.difference), gap_within(SUCCESS, s.interval), p)

    header = ("arm", "runs of", "both", "only it", "only baseline", "neither", "difference", "95% interval",
              "McNemar p")  # fmt: skip
    arms = tuple(arm_of(design.rules, c.arm) for c in found)
    return Table(header, tuple(map(row, found)), names=2, arms=arms)


def _effect(m: Metric, e: Effect) -> tuple[str, str, str]:
    return gap(m, e.mean), gap_within(m, e.interval), str(e.n)


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:g}"


def _mean(rules: Rules, values: Sequence[float | None]) -> str:
    """Of the runs that succeeded; of a value that is read off a grid the value, which is a geometric mean; of a spread
    the mean difference of two."""
    good = [v for v in values if v is not None]
    if rules.kind == "spread":
        return NONE if len(good) < 2 else spread(measured(rules), mean_difference(good))
    mean = sum(good) / len(good) if good else None
    if rules.kind in ("threshold", "optimum"):
        return NONE if mean is None else f"{2**mean:.3g}"
    return number(measured(rules), mean)


def _or_unsuccessful(m: Metric, value: float | None) -> str:
    return "unsuccessful" if value is None else number(m, value)


def _unsuccessful(values: Sequence[float | None]) -> str:
    return f"{sum(v is None for v in values)} of {len(values)}" if values else NONE
