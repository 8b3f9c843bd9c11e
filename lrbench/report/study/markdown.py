"""A study as Markdown, for a README or a pull request."""

from collections.abc import Iterator

from lrbench.report.markdown import bullets, code, escape, table
from lrbench.report.study import provenance, tables
from lrbench.report.study.gains import heading
from lrbench.report.study.remarks import remarks, sentences
from lrbench.report.study.replicate import TITLE, beside, replicate_table
from lrbench.report.study.words import headline, title, unsuccessful
from lrbench.study.design import Design
from lrbench.study.result import Result, TaskResult


def render(design: Design, result: Result, first: Result | None = None) -> str:
    """The whole page as GitHub-flavoured Markdown. first: what the study came to that this one repeats."""
    each = sentences(design, result)
    parts = [f"# {escape(title(design))}", f"**{escape(headline(design, result))}**"]
    parts += [bullets(each)] if len(each) > 1 else []
    parts.append(escape(f"Study {design.name}, design {design.hash}."))
    if first is not None:
        parts += [f"## {TITLE}", beside(first, result), table(replicate_table(first, result))]
    for task in result.tasks:
        parts += _task(design, task)
    parts += ["## Remarks", bullets(remarks(design, result))]
    parts += ["## How it was decided", bullets(provenance.rules_in_words(design, result))]
    parts += ["## To run it again", code(provenance.again(design))]
    return "\n\n".join(parts) + "\n"


def _task(design: Design, task: TaskResult) -> Iterator[str]:
    on = f" on {escape(task.task)}" if task.task else ""
    yield f"## Verdict{on}"
    yield table(tables.verdict_table(design, task))
    if told := unsuccessful(design.rules):
        yield told
    if any(c.tested for c in task.contrasts):
        yield table(tables.interval_table(design, task))
    if task.tuning:
        yield f"## {heading(design.rules)}{on}"
        yield table(tables.tuning_table(design, task))
        yield table(tables.grid_table(design, task))
    if any(c.paths for c in task.contrasts):
        yield f"## The gain taken apart{on}"
        yield table(tables.path_table(design, task))
    if any(c.success for c in task.contrasts):
        yield f"## Successes{on}"
        yield table(tables.success_table(design, task))
    if any(c.pairs for c in task.contrasts):
        yield f"## Pairs{on}"
        yield table(tables.pair_table(design, task))
