"""What a study found, for a person: a sentence, a table, Markdown, a page; all from one Result."""

from pathlib import Path

from lrbench.store.record import write_json, write_text
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.shelf import VERDICT


def write(design: Design, result: Result, folder: Path) -> str:
    """Write what was found beside the design; what a terminal is told."""
    from lrbench.report.study import markdown, terminal

    head = {"study": design.name, "design": design.hash, "question": design.question, "fresh": design.fresh}
    write_json(folder / VERDICT, {**head, **result.to_plain()})
    write_text(folder / "report.md", markdown.render(design, result))
    return terminal.told(design, result, folder / "report.md")
