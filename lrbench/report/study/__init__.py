"""What a study found, for a person: a sentence, a table, Markdown, a page; all from one Result."""

from pathlib import Path

from lrbench.store.record import write_json
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.shelf import VERDICT


def write(design: Design, result: Result, folder: Path) -> str:
    """Write what was found beside the design; what a terminal is told."""
    head = {"study": design.name, "design": design.hash, "question": design.question, "fresh": design.fresh}
    write_json(folder / VERDICT, {**head, **result.to_plain()})
    lines = []
    for task in result.tasks:
        for c in task.contrasts:
            t = c.tested
            numbers = (
                ""
                if t is None or t.interval is None
                else f"{t.mean:.4f} [{t.interval.low:.4f}, {t.interval.high:.4f}] n={t.n}"
            )
            lines.append(f"{task.task} {c.arm}: {c.verdict} {numbers} {'; '.join(c.remarks)}")
    return "\n".join(lines)
