"""Committed evidence: rows of finished runs in `results/**/runs.csv`, which outlive the machine they were made on.

A row holds a run's id, the resolved Experiment (which hashes to that id again), its summary, its provenance and its
curve at 20 points. A run whose row is found counts as done: `restore` lays its record out without training.
"""

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.identity import from_plain, run_id, title, to_plain
from lrbench.store.record import DONE, Record, finite, to_json, write_json, write_text

NAME = "runs.csv"
POINTS = 20
METRICS = ("test/accuracy", "test/loss")  # of the summary, again in columns of their own for whoever reads a diff
COLUMNS = ("run_id", "title", "state", "seed", *METRICS, "experiment", "summary", "provenance", "curve")
_LOCAL = ("host", "slurm_job", "command")  # of the provenance: what only means something on the machine itself


@dataclass(frozen=True)
class Row:
    """One line of a file of evidence, as text by column."""

    path: Path
    line: int
    cells: Mapping[str, str]

    @property
    def run_id(self) -> str:
        return self.cells["run_id"]

    def experiment(self) -> Experiment:
        """Raises ConfigError where the row is not what its id says."""
        try:
            made: Experiment = from_plain(json.loads(self.cells["experiment"]))
        except Exception as error:
            raise self._refused(f"its experiment cannot be read ({type(error).__name__}: {error})") from error
        if run_id(made) != self.cells["run_id"]:
            raise self._refused(f"its experiment hashes to {run_id(made)}, not to its id {self.cells['run_id']}")
        return made

    def _value(self, column: str) -> Any:
        """A cell that holds JSON."""
        try:
            return json.loads(self.cells[column])
        except ValueError as error:
            raise self._refused(f"its {column} is no JSON ({error})") from error

    def summary(self) -> dict[str, Any]:
        """Raises ConfigError where the summary is that of another run or of one that is not done."""
        summary: dict[str, Any] = self._value("summary")
        if not isinstance(summary, dict) or summary.get("run_id") != self.cells["run_id"]:
            raise self._refused("its summary is not that of the run it names")
        if summary.get("state") not in DONE or summary["state"] != self.cells["state"]:
            raise self._refused(f"its state {self.cells['state']!r} is not how the run in its summary ended")
        if not isinstance(summary.get("updates"), int):
            raise self._refused("its summary does not say how many updates were made")
        return summary

    def provenance(self) -> list[dict[str, Any]]:
        attempts: list[dict[str, Any]] = self._value("provenance")
        return attempts

    def rows(self) -> list[dict[str, float]]:
        """Rows of metrics.jsonl, as far as the curve holds them. Raises ConfigError for a curve that is none."""
        try:
            return _rows_of(self._value("curve"))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise self._refused(f"its curve cannot be read ({error})") from error

    def check(self) -> None:
        """Raises ConfigError for a row that cannot be restored."""
        self.experiment(), self.summary(), self.provenance(), self.rows()

    def numbers(self) -> str:
        """The summary without its times, which differ when the same run is made again; as text, where NaN is NaN."""
        return _compact({k: v for k, v in self.summary().items() if "second" not in k})

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self.path}, line {self.line}: {why}. Take the file from the commit that wrote it, or remove the line "
            "and train the run again."
        )


def write_rows(records: Iterable[Record], path: Path) -> int:
    """Add finished and diverged runs to a file of evidence, sorted by id; the number of rows it holds then.

    A fork brings its parents' rows along, so that restoring it trains nothing. A row that is there already must be
    the same. Raises ConfigError for a run that is not done, and for another row of the same run; nothing is written
    then.
    """
    added: dict[str, dict[str, str]] = {}
    for record in records:
        _add(record, added)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        rows = {row.cells["run_id"]: row for row in _rows(path)} if path.exists() else {}
        for key in added.keys() & rows.keys():
            if rows[key].cells != added[key]:
                raise ConfigError(
                    f"{path}, line {rows[key].line}: holds another row of {key} than its record gives; remove the line "
                    "to put the record in its place, or give another file."
                )
        merged = {key: row.cells for key, row in rows.items()} | added
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(merged[key] for key in sorted(merged))
        write_text(path, text.getvalue())
    return len(merged)


def find(results: Path, key: str) -> Row | None:
    """The row of a run id in any `runs.csv` under the results folder, but not among the records.

    Raises ConfigError for a file that cannot be trusted, and where two rows of the run have different numbers.
    """
    found = [rows[key] for path in _files(results) if key in (rows := _indexed(path))]
    for other in found[1:]:
        if other.numbers() != found[0].numbers():
            raise ConfigError(
                f"{other.path}, line {other.line}: says something else of {key} than {found[0].path}, line "
                f"{found[0].line}; keep the one that is right, or train it again with force=true."
            )
    return found[0] if found else None


def every(results: Path) -> list[Row]:
    """One row for each run that a `runs.csv` under the results folder holds. Raises ConfigError as `find` does for a
    file; rows that disagree are told when the run is restored."""
    rows: dict[str, Row] = {}
    for path in _files(results):
        rows = {**_indexed(path), **rows}
    return list(rows.values())


def restore(row: Row, record: Record) -> None:
    """Lay a run's folder out from its row: all but rates, losses, pictures and checkpoints, which no row holds.

    Raises ConfigError, before anything is written, for a row that is not what its id says.
    """
    experiment, summary, provenance, rows = row.experiment(), row.summary(), row.provenance(), row.rows()
    write_json(record.folder / "summary.json", summary)
    write_json(record.folder / "provenance.json", provenance)
    write_text(record.folder / "metrics.jsonl", "".join(to_json(r) + "\n" for r in rows))
    status = {"state": summary["state"], "update": summary["updates"], "updates": experiment.clock.updates}
    write_json(record.folder / "status.json", {**status, "error": None, "restored_from": str(row.path)})
    # Last: a folder without it is a new run, so a kill before this line leaves nothing that could be believed.
    write_text(record.folder / "experiment.yaml", yaml.safe_dump(to_plain(experiment), sort_keys=False))


def _add(record: Record, rows: dict[str, dict[str, str]]) -> None:
    """Put the record's row among the rows, and those of the records it is forked from, where they lie beside it."""
    if record.run_id in rows:
        return
    rows[record.run_id] = _cells(record)
    start = record.experiment().start
    if start is not None:
        parent = Record(record.folder.with_name(run_id(start.of)))
        if parent.standing() in DONE:
            _add(parent, rows)


def _cells(record: Record) -> dict[str, str]:
    """The row of a record. Raises ConfigError for one that is not done."""
    standing = record.standing()
    if standing not in DONE:
        raise ConfigError(f"{record.run_id}: this run is {standing}; only finished and diverged ones are evidence.")
    experiment, summary = record.experiment(), record.summary()
    attempts = json.loads((record.folder / "provenance.json").read_text())
    plain = to_plain(experiment)
    if run_id(from_plain(json.loads(json.dumps(plain)))) != record.run_id:
        raise ConfigError(f"{record.run_id}: its experiment holds values that JSON cannot; it cannot be exported.")
    return {
        "run_id": record.run_id,
        "title": title(experiment),
        "state": standing,
        "seed": str(experiment.seed),
        **{name: _compact(summary[name]) if name in summary else "" for name in METRICS},
        "experiment": _compact(plain),
        "summary": _compact(summary),
        "provenance": _compact([{k: v for k, v in a.items() if k not in _LOCAL} for a in attempts]),
        "curve": _compact(_curve(record.rows())),
    }


def _curve(rows: list[dict[str, float]]) -> list[dict[str, list[float]]]:
    """Rows of metrics.jsonl by what they measure (training, validation), at most 20 of each, as columns."""
    kinds: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    return [{name: [r[name] for r in _spaced(of)] for name in kind} for kind, of in kinds.items()]


def _spaced(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """At most 20 rows, evenly spaced, the last one among them."""
    n = min(len(rows), POINTS)
    return [rows[i * len(rows) // n - 1] for i in range(1, n + 1)]


def _rows_of(curve: list[dict[str, list[float]]]) -> list[dict[str, float]]:
    """The inverse of `_curve`, for the rows that it kept."""
    rows = [dict(zip(kind, values, strict=True)) for kind in curve for values in zip(*kind.values(), strict=True)]
    return sorted(rows, key=lambda row: row["update"])


def _compact(value: Any) -> str:
    return json.dumps(finite(value), separators=(",", ":"), allow_nan=False)


def _files(results: Path) -> list[Path]:
    """Every runs.csv under the results folder. The records are left out: they may be ten thousand folders."""
    found = []
    for folder, folders, names in os.walk(results):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (f != "runs" or Path(folder) != results))
        if NAME in names:
            found.append(Path(folder) / NAME)
    return found


def _indexed(path: Path) -> Mapping[str, Row]:
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> Mapping[str, Row]:
    """The rows of one state of a file, by run id."""
    return {row.cells["run_id"]: row for row in _rows(path)}


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a file. Raises ConfigError where it is no file of evidence, or one that a merge left torn."""
    seen = set()
    csv.field_size_limit(2**24)  # by default a curve of very many parameter groups would be written and not read
    with path.open(newline="") as file:
        reader = csv.reader(file)
        try:
            if tuple(next(reader, ())) != COLUMNS:
                raise ConfigError(
                    f"{path}: this name is kept for the evidence that `lrbench runs --export` writes, and its columns "
                    "are others; rename the file, or export it again."
                )
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if len(cells) != len(COLUMNS):
                    raise ConfigError(f"{where}: {len(cells)} cells, not {len(COLUMNS)}; mend it or export it again.")
                if cells[0] in seen:
                    raise ConfigError(f"{where}: a second row of {cells[0]}; keep the one that is right.")
                seen.add(cells[0])
                yield Row(path, reader.line_num, dict(zip(COLUMNS, cells, strict=True)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}, line {reader.line_num + 1}: cannot be read ({error}).") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two exports into one folder take turns. The folder itself is locked: nothing is left to commit by accident."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
