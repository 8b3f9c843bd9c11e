"""What a study found, for a person: a sentence, a table, Markdown, a page; all from one Result."""

from pathlib import Path

from lrbench.store.files import write_json, write_text
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.store import VERDICT


def write(design: Design, result: Result, folder: Path, first: Result | None = None) -> str:
    """Write what was found beside the design; what a terminal is told. first: of a replicate what the study that it
    repeats came to.

    verdict.json, report.md, index.html and, where there is an estimate to draw, figure.svg: the same bytes for the same
    result.
    """
    from lrbench.report.page import alone
    from lrbench.report.study import html, markdown, terminal
    from lrbench.report.study.forest import forest

    head = {"study": design.name, "design": design.hash, "question": design.question, "fresh": design.fresh,
            "existed": design.existed}  # fmt: skip
    write_json(folder / VERDICT, {**head, **result.to_plain()})
    write_text(folder / "report.md", markdown.render(design, result, first))
    write_text(folder / "index.html", html.render(design, result, first))
    figure = folder / "figure.svg"
    if drawn := forest(design, result):
        write_text(figure, alone(drawn))
    else:
        figure.unlink(missing_ok=True)  # of a result of before
    return terminal.told(design, result, folder / "index.html", first)
