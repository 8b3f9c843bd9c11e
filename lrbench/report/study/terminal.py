"""What a terminal is told of a study that has its result."""

from pathlib import Path

from lrbench.report.study.remarks import remarks, sentences
from lrbench.report.study.replicate import TITLE, beside, replicate_table
from lrbench.report.study.tables import verdict_table
from lrbench.report.study.words import headline
from lrbench.report.tables import Table
from lrbench.study.design import Design
from lrbench.study.result import Result

WORDS = ("arm", "verdict", "same")  # columns that begin at the left


def told(design: Design, result: Result, page: Path, first: Result | None = None) -> str:
    """The verdict, each contrast's where there are several, a table a task, remarks, and where the page lies. first:
    what the study came to that this one repeats, which stands beside it."""
    each = sentences(design, result)
    parts = [headline(design, result)]
    if len(each) > 1:
        parts.append("\n".join(each))
    for task in result.tasks:
        name = f"{task.task}\n" if task.task else ""
        parts.append(name + columns(verdict_table(design, task)))
    if first is not None:
        parts.append(f"{TITLE}\n{columns(replicate_table(first, result))}\n\n{beside(first, result)}")
    parts.append("\n".join(f"- {said}" for said in remarks(design, result)))
    return "\n\n".join([*parts, f"page  {page}"])


def columns(t: Table) -> str:
    """Columns of one width, two spaces apart."""
    rows = [t.header, *t.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = [name in WORDS for name in t.header]

    def line(row: tuple[str, ...]) -> str:
        cells = (c.ljust(w) if to_left else c.rjust(w) for c, w, to_left in zip(row, widths, left, strict=True))
        return f"  {'  '.join(cells)}".rstrip()

    return "\n".join(map(line, rows))
