"""A comparison's tables, cell by cell as text: made here once, laid out by every renderer."""

from dataclasses import dataclass, fields

from lrbench.metrics import Metric
from lrbench.report.numbers import NONE, gap, gap_within, number, signed, spread, within
from lrbench.report.result import Arm, ArmDifference, Comparison, Estimate
from lrbench.study.runs import Environment

SUCCESS = Metric("success", "%", higher_is_better=True, low=0.0, high=1.0)


@dataclass(frozen=True)
class Table:
    """Cells as text; the first `names` columns are words, the rest numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    arms: tuple[int, ...] = ()  # the arm of each row, where rows are arms


def arm_table(c: Comparison) -> Table:
    rows = [
        (
            a.name,
            number(c.measured, a.estimate.mean),
            within(c.measured, a.estimate.interval),
            spread(c.measured, a.estimate.sd),
            str(a.estimate.n),
            str(a.failures),
            NONE if a.success is None else f"{a.success.low:.1%} to {a.success.high:.1%}",
        )
        for a in c.arms
    ]
    header = ("arm", "mean", f"{c.level:.0%} interval", "seed sd", "n", "unsuccessful", "success rate")
    return Table(header, tuple(rows), arms=tuple(range(len(rows))))


def beside_table(c: Comparison) -> Table:
    """The other metrics: mean, and in brackets the standard deviation between seeds, and n where some lack it."""
    metrics = list(dict.fromkeys(m for a in c.arms for m in a.beside))

    def cell(a: Arm, m: str) -> str:
        e = a.beside.get(m, Estimate(0, None, None, None))
        about = [spread(c.meaning(m), e.sd)] * (e.sd is not None) + [f"n = {e.n}"] * (0 < e.n < a.estimate.n)
        return f"{number(c.meaning(m), e.mean)} ({', '.join(about)})" if about else number(c.meaning(m), e.mean)

    rows = [(a.name, *(cell(a, m) for m in metrics)) for a in c.arms]
    return Table(("arm", *metrics), tuple(rows), arms=tuple(range(len(rows))))


def pair_table(c: Comparison) -> Table:
    with_bca = any(p.difference.bca for p in c.pairs)

    def row(p: ArmDifference) -> tuple[str, ...]:
        d = p.difference
        cells = (
            c.arms[p.arm].name,
            gap(c.measured, d.mean),
            gap_within(c.measured, d.interval),
            NONE if p.holm_p is None else p_value(p.holm_p),
            NONE if d.sign_flip_p is None else p_value(d.sign_flip_p) + ("" if d.sign_flip_exact else " (drawn)"),
            str(d.n),
            str(len(p.excluded)),
            spread(c.measured, d.sd),
            NONE if d.correlation is None else signed(d.correlation, ".2f"),
            spread(c.measured, d.detectable or None),  # none where nothing varied
        )
        return (*cells, gap_within(c.measured, d.bca)) if with_bca else cells

    level = f"{c.level:.0%}"
    header = ("arm", "difference", f"{level} interval", "Holm p", "sign-flip p", "pairs", "excluded", "sd",
              "correlation", "detectable")  # fmt: skip
    rows = tuple(row(p) for p in c.pairs)
    return Table((*header, f"BCa {level}") if with_bca else header, rows, arms=tuple(p.arm for p in c.pairs))


def success_table(c: Comparison) -> Table:
    """Of the pairs in which a run was unsuccessful."""
    pairs = [p for p in c.pairs if p.excluded]
    rows = [
        (
            c.arms[p.arm].name,
            *(str(n) for n in (p.success.both, p.success.only_second, p.success.only_first, p.success.neither)),
            gap(SUCCESS, p.success.difference),
            gap_within(SUCCESS, p.success.interval),
            NONE if p.success.mcnemar_p is None else p_value(p.success.mcnemar_p),
        )
        for p in pairs
    ]
    header = (
        "arm",
        "both",
        "only it",
        "only baseline",
        "neither",
        "difference",
        f"{c.level:.0%} interval",
        "McNemar p",
    )
    return Table(header, tuple(rows), arms=tuple(p.arm for p in pairs))


def sensitivity_table(c: Comparison) -> Table:
    rows = [
        (
            s.name,
            f"{rate:g}",
            number(c.measured, c.arms[i].estimate.mean) + (" (best)" if i == s.best else ""),
            within(c.measured, c.arms[i].estimate.interval),
            str(c.arms[i].estimate.n),
            str(c.arms[i].failures),
        )
        for s in c.sensitivity
        for i, rate in zip(s.arms, s.rates, strict=True)
    ]
    header = ("arms", "optimizer.lr", "mean", f"{c.level:.0%} interval", "n", "unsuccessful")
    return Table(header, tuple(rows))


def run_table(c: Comparison) -> Table:
    rows = [
        (a.name, o.run_id, o.failure or "finished", str(o.seed), number(c.measured, o.value))
        for a in c.arms
        for o in a.outcomes
    ]
    return Table(("arm", "run", "outcome", "seed", c.metric), tuple(rows), names=3)


def environment_table(c: Comparison) -> Table:
    header = tuple(f.name for f in fields(Environment))
    rows = tuple(tuple(str(getattr(e, name)) for name in header) for e in c.environments)
    return Table(header, rows, names=len(header))


def p_value(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"
