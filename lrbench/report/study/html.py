"""A study as one self-contained page, that begins with its answer."""

from collections.abc import Iterator
from html import escape

from lrbench.report.page import beside_each_other, captioned, items, page, section, tabled
from lrbench.report.study import figures, provenance, tables
from lrbench.report.study.forest import forest, legend
from lrbench.report.study.gains import heading, pick
from lrbench.report.study.remarks import remarks, sentences
from lrbench.report.study.replicate import TITLE, beside, replicate_table
from lrbench.report.study.words import headline, title, unsuccessful
from lrbench.report.svg import swatch
from lrbench.report.tables import Table
from lrbench.study.design import Design
from lrbench.study.result import Result, TaskResult

LONG = 30  # rows: a longer table is folded away


def render(design: Design, result: Result, first: Result | None = None) -> str:
    """The whole page. first: what the study came to that this one repeats."""
    parts = [_answer(design, result)]
    if first is not None:
        parts.append(section(TITLE, f"<p>{escape(beside(first, result))}</p>{tabled(replicate_table(first, result))}"))
    for task in result.tasks:
        found = [(title, body) for title, body in _task(design, task) if body]
        if len(result.tasks) > 1:
            body = "".join(f"<h3>{title}</h3>{body}" for title, body in found)
            parts.append(section(escape(f"On {task.task}"), body) if found else "")
        else:
            parts += [section(title, body) for title, body in found]
    return page(title(design), [*parts, _provenance(design, result)])


def _answer(design: Design, result: Result) -> str:
    """The first screen: the question, the verdict, the figure, and the table behind it."""
    each = sentences(design, result)
    contrasts = [c for t in result.tasks for c in t.contrasts]
    drawn = captioned("", forest(design, result), legend(design, contrasts))
    grids = []
    for task in result.tasks:
        name = f"<h3>{escape(task.task)}</h3>" if task.task else ""
        grids.append(name + tabled(tables.verdict_table(design, task)))
    if told := unsuccessful(design.rules):
        grids.append(f'<p class="soft">{escape(told)}</p>')
    name = f"Study {design.name}, design {design.hash}."
    said = f"<ul>{items(each)}</ul>" if len(each) > 1 else ""
    return (
        f"<h1>{escape(title(design))}</h1>\n"
        f'<p class="finding"><strong>{escape(headline(design, result))}</strong></p>\n'
        f'<div class="side answer"><div>{said}<p class="soft">{escape(name)}</p></div>{drawn}</div>\n'
        f"{''.join(grids)}\n"
        f'<ul class="remarks">{items(remarks(design, result))}</ul>'
    )


def _task(design: Design, task: TaskResult) -> Iterator[tuple[str, str]]:
    """What stands behind a task's verdicts, from what was tuned to every pair."""
    if task.tuning:
        yield heading(design.rules), _tuning(design, task)
    if any(c.tested for c in task.contrasts):
        yield "What the intervals are made of", tabled(tables.interval_table(design, task))
    if any(c.paths for c in task.contrasts):
        told = (
            "The gain of tuned over tuned in two orders: the swap first and then the arm's own value, or the value "
            "first. The two differ where a schedule and its rate work together. 95% intervals, uncorrected."
        )
        yield (
            "The gain taken apart",
            beside_each_other(tables.path_table(design, task), captioned("", figures.paths(design, task), told)),
        )
    if any(c.pairs for c in task.contrasts):
        told = "Each ring is one pair: the arm minus the baseline on one seed. The dot is their mean."
        if design.rules.kind == "fraction":
            told = "Each ring is one pair: the arm over the baseline on one seed. The dot is their geometric mean."
        if design.rules.kind == "spread":
            told = "Each ring is one pair: its pseudo-value. Their mean is how much further apart the results lie."
        drawn = captioned("", figures.gains(design, task), told)
        yield "Pairs", _pairs(tables.pair_table(design, task), drawn)
    if any(c.success for c in task.contrasts):
        told = '<p class="soft">How many pairs had two successful runs, one, or none.</p>'
        yield "Successes", told + tabled(tables.success_table(design, task))


def _tuning(design: Design, task: TaskResult) -> str:
    keys = "".join(
        f'<span class="key">{swatch(tables.arm_of(design.rules, t.choice.arm))}{escape(t.choice.arm)}</span>'
        for t in task.tuning
    )
    told = (
        f"Mean {design.rules.judge} of the runs that succeeded. Ringed: the {pick(design.rules)} value. "
        "Thick: the stable range.  A cross at the foot: an unsuccessful run."
    )
    drawn = captioned("", figures.rates(design, task), told)
    every = f"<details><summary>Every value</summary>{tabled(tables.grid_table(design, task))}</details>"
    cost = tables.tuning_table(design, task)
    return f'<div class="legend">{keys}</div>{beside_each_other(cost, drawn)}{every}'


def _pairs(t: Table, drawn: str) -> str:
    if len(t.rows) <= LONG:
        return beside_each_other(t, drawn)
    return f'<div class="side">{drawn}</div><details><summary>Every pair</summary>{tabled(t)}</details>'


def _provenance(design: Design, result: Result) -> str:
    runs = tables.run_table(design, result)
    every = f"<details><summary>Runs that verdicts rest on</summary>{tabled(runs)}</details>" if runs.rows else ""
    again = "\n".join(provenance.again(design))
    body = (
        f"<ul>{items(provenance.rules_in_words(design, result))}</ul>{every}"
        f"<h3>To run it again</h3><pre>{escape(again)}</pre>"
    )
    return section("How it was decided", body)
