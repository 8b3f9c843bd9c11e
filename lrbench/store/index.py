"""An index of the records in a results folder: what a query needs of each, in one file that can always be made again.

`<results>/runs/index.json` is never the source of truth: a row in it holds only while FILES of its record are the very
ones that it was read from, or whose seal was looked at.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.experiment import NEUTRAL, Experiment, class_name
from lrbench.experiment.identity import run_id, title, to_plain
from lrbench.store.files import write_bytes
from lrbench.store.lease import holder
from lrbench.store.record import Record
from lrbench.store.run import Run, read

VERSION = 4  # raised when rows are made otherwise: an index of another version counts for nothing
FILES = ("experiment.yaml", "status.json", "summary.json", "seal.json", "series.npy", "metrics.jsonl",
         "provenance.json", "damaged.txt")  # fmt: skip
# Columns with the last part of a target.
SHORT = ("model", "data", "task", "optimizer", "scheduler", "warmup", "weight_decay", "param_groups")
NO_NUMBERS = ("run_id", "title", "state", "arm", "updates", "metrics")  # of a summary

Flat = dict[str, Any]  # a run as one row: scalars by dotted key
IndexEntry = list[Any]  # [stamp, row]
ProgressBar = Callable[[Sequence[str]], Iterable[str]]


@dataclass
class Index:
    """That of a folder of records. It is brought up to date when rows are asked for, and written by `keep` alone, so
    that a command which is refused by what it finds in them has written nothing."""

    folder: Path
    _unkept: dict[str, IndexEntry] | None = None

    def rows(self, watch: ProgressBar = iter) -> list[Flat]:
        """One row a record. Whether a run that claims to go on really does is asked of its lease, every time."""
        stamps = dict(_stamps(self.folder))
        known = _load(self.folder / "index.json")
        kept = {name: known[name] for name, stamp in stamps.items() if name in known and known[name][0] == stamp}
        stale = [name for name in stamps if name not in kept]
        fresh: dict[str, IndexEntry] = {n: [stamps[n], row_of(Record(self.folder / n))] for n in watch(stale)}
        current = kept | fresh
        self._unkept = current if fresh or len(kept) < len(known) else None
        return [_live(current[name][1], self.folder / name) for name in sorted(current)]

    def keep(self) -> None:
        """Write what was found since it was written last, where the folder can be."""
        if self._unkept is not None:
            _store(self.folder / "index.json", self._unkept)
            self._unkept = None


def row_of(record: Record) -> Flat:
    """A record as one row. The larger files are looked at by size and time: `lrbench show` reads them."""
    run = read(record)
    return _row(run) if isinstance(run, Run) else {"run_id": record.run_id, "state": "corrupt", "error": run.why}


def row_of_evidence(run: Run) -> Flat:
    """Evidence as one row: `evidence` is its file, and `committed` whether the last commit has it so."""
    assert run.row is not None
    return {**_row(run), "evidence": str(run.row.path), "committed": run.row.committed}


def _row(run: Run) -> Flat:
    return {
        "run_id": run.run_id,
        "title": title(run.experiment),
        "state": str(run.status["state"]),
        "arm": run.arm,
        **_options(run.experiment),
        **{k: _number(v) for k, v in run.summary.items() if k not in NO_NUMBERS},
        **{k: run.status.get(k) for k in ("update", "updates", "error", "restored_from")},
        **({"metrics": run.summary["metrics"]} if "metrics" in run.summary else {}),
    }


def _options(experiment: Experiment) -> Flat:
    """Every option by its dotted key; beside them each component's short name, and a fork's parent by its id."""
    plain = to_plain(experiment)
    if experiment.start is not None:
        plain["start"] = {**plain["start"], "of": run_id(experiment.start.of)}
    if experiment.own_metrics is not None:
        plain["own_metrics"] = [component.name for component in experiment.own_metrics]
    short = {name: class_name(plain[name]["target"]) for name in SHORT if name in plain}
    return {**NEUTRAL, **short, **dict(flatten(plain, ""))}


def flatten(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested mappings as scalars by dotted key."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flatten(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _scalar(inner)


def _scalar(value: Any) -> Any:
    """Lists as their JSON: a cell that can be compared, sorted and written anywhere."""
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


def _number(value: Any) -> Any:
    """A value of a summary. What is not finite may stand there as NaN, as null, or by its name."""
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    return math.nan if value is None else _scalar(value)


def _live(row: Flat, folder: Path) -> Flat:
    """The row with the standing of this moment, as `Record.standing` has it."""
    if row["state"] == "running":
        return row if holder(folder) else {**row, "state": "interrupted"}
    return {**row, "state": "running"} if row["state"] == "corrupt" and holder(folder) else row


def _stamps(folder: Path) -> Iterator[tuple[str, list[list[int] | None]]]:
    """The records of a folder (not those set aside, nor one that only begins) and what identifies their FILES."""
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if "." not in entry.name:
                stamp = [_stamp(f"{entry.path}/{name}") for name in FILES]
                if stamp[0] is not None:
                    yield entry.name, stamp


def _stamp(path: str) -> list[int] | None:
    """Files are replaced, never changed in place, so a new one has another inode or another time."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return [stat.st_mtime_ns, stat.st_size, stat.st_ino]


def _load(path: Path) -> dict[str, IndexEntry]:
    """The entries of the index; none where it is missing, damaged or of another version."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if json.loads(head) == _head(body):
            entries: dict[str, IndexEntry] = json.loads(body)
            return entries
    except (OSError, ValueError):
        pass
    return {}


def _store(path: Path, entries: Mapping[str, IndexEntry]) -> None:
    """Replace the index in one step: of two processes that do it at once, either leaves a whole one."""
    body = json.dumps(entries, separators=(",", ":")).encode()
    with suppress(OSError):  # a folder that cannot be written is only slower to ask
        write_bytes(path, json.dumps(_head(body)).encode() + b"\n" + body)


def _head(body: bytes) -> dict[str, Any]:
    return {"version": VERSION, "sha256": hashlib.sha256(body).hexdigest()}
