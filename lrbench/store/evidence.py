"""Evidence: rows of runs that are done in `results/**/runs.csv`, which outlive the machine they were made on.

A run whose row is found counts as done: it is restored from the row instead of trained. A row counts too before it is
committed, and is told apart; one that stands in git's last commit with other content does not count.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.store.arms import ARMS
from lrbench.store.committed import Commit
from lrbench.store.rows import ROWS, Row, parse


@dataclass(frozen=True)
class Evidence:
    """What stands in some files under a folder when it is first asked: each file read once, git asked once.

    Whoever asks often makes one and keeps it: a plan, a command, a worker.
    """

    folder: Path
    files: tuple[Path, ...]

    def find(self, run_id: str) -> Row | None:
        """The row of a run: of several the one that says most, a committed one before others.

        Raises ConfigError for a file that cannot be trusted, and where two rows of the run have different numbers.
        """
        found = self._found[0].get(run_id, [])
        if disagreement := _disagreement(found):
            raise disagreement
        return found[0] if found else None

    def rows(self) -> list[Row]:
        """One row for each run. Raises ConfigError for a file that cannot be trusted; of rows that disagree, `disputed`
        tells."""
        return [found[0] for found in self._found[0].values()]

    @property
    def disputed(self) -> Mapping[str, str]:
        """By run id, what is said of two rows of the run that have different numbers."""
        return {key: str(why) for key, found in self._found[0].items() if (why := _disagreement(found))}

    @property
    def modified(self) -> Mapping[str, str]:
        """By run id, what is said of rows that do not count."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[dict[str, list[Row]], dict[str, str]]:
        """The rows of each run that count, and what is said of those that do not."""
        files = {path: _contents(path) for path in self.files}
        commit = Commit(self.folder) if files else None
        counted: dict[str, list[Row]] = {}
        modified: dict[str, str] = {}
        if commit is None:
            return counted, modified
        clean = {p for p, (rows, arms) in files.items() if commit.has(p, rows) and commit.has(p.with_name(ARMS), arms)}
        before = _before(commit, clean)
        for path, contents in files.items():
            for row in parse(path, *contents, committed=path in clean):
                was = None if row.committed else before.get(row.run_id)
                if was is not None and not row.keeps(was):
                    modified[row.run_id] = (
                        f"{path}: the row of {row.run_id} is not as it was committed, so it does not count; commit it "
                        "or take it back"
                    )
                else:
                    stands = was is not None and was.keeps(row)
                    counted.setdefault(row.run_id, []).append(replace(row, committed=True) if stands else row)
        return {key: sorted(rows, key=_rank) for key, rows in counted.items()}, modified


def evidence_under(results: Path, without: Path) -> Evidence:
    """All evidence under a folder, but for one in it: the records may be ten thousand."""
    return Evidence(results, tuple(_walked(results, without)))


def _walked(results: Path, without: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(results):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and Path(folder, f) != without)
        if ROWS in names:
            yield Path(folder, ROWS)


def _disagreement(found: list[Row]) -> ConfigError | None:
    """The refusal of rows of one run that have different numbers."""
    for other in found[1:]:
        if not other.agrees(found[0]):
            why = f"says something else of {other.run_id} than {found[0].path}, line {found[0].line}"
            cure = "keep the one that is right, or train it again with force=true"
            return ConfigError(f"{other.path}, line {other.line}", "", why, cure)
    return None


def _rank(row: Row) -> tuple[int, bool]:
    return -len(row.cells), not row.committed


def _contents(path: Path) -> tuple[bytes, bytes | None]:
    """Of the rows' file, and of the arms' beside it."""
    beside = path.with_name(ARMS)
    return path.read_bytes(), beside.read_bytes() if beside.exists() else None


def _before(commit: Commit, clean: set[Path]) -> dict[str, Row]:
    """The rows of the last commit in files that were changed or removed since, by run id."""
    changed = [path for path in commit.paths() if path not in clean]
    contents = commit.contents([*changed, *(path.with_name(ARMS) for path in changed)])
    rows: dict[str, Row] = {}
    for path in changed:
        try:
            rows |= {row.run_id: row for row in parse(path, contents[path], contents.get(path.with_name(ARMS)))}
        except ConfigError:  # what was committed is no evidence of today: nothing there that could be modified
            continue
    return rows
