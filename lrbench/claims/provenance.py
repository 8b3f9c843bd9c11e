"""Where the numbers of studies come from: the runs of each, and what they were made with."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lrbench.report.tables import NONE, Table
from lrbench.store.rows import ROWS, read_rows
from lrbench.study.store import frozen

HEADER = ("study", "trains", "design", "processor", "Python", "torch", "runs", "commits")


def provenance(studies: Iterable[Path]) -> Table:
    """A line for each study's folder. design: its hash. commits: of lrbench, that its runs were made with. Raises
    ConfigError for rows that cannot be trusted."""
    return Table(HEADER, tuple(map(_line, studies)), names=6)


def _line(study: Path) -> tuple[str, ...]:
    rows = read_rows(study / ROWS)
    made = list(rows[0].shared.provenance.values()) if rows else []
    design = frozen(study)
    commits = {str(attempt.get("git")) for attempt in made}
    return (
        study.name,
        _all(f"{_name(e.model)} on {_name(e.data)}" for e in design.each_arm()) if design else NONE,
        design.hash[:8] if design else NONE,
        _all(attempt.get("cpu") for attempt in made),
        _all(attempt.get("python") for attempt in made),
        _all(attempt.get("versions", {}).get("torch") for attempt in made),
        str(len(rows)),
        str(len(commits)),
    )


def _name(part: Any) -> str:
    return str(part.target).rpartition(".")[2]


def _all(some: Iterable[object]) -> str:
    return ", ".join(sorted({str(each) for each in some}))
