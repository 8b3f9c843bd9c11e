"""Records into evidence, and evidence into records."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lrbench.errors import ConfigError
from lrbench.experiment.identity import from_plain, run_id, to_plain
from lrbench.store.arms import ARMS, PARTS, Shared, compact, key_of, key_of_arm, shared_text, with_seed, without_seed
from lrbench.store.curves import grid_of, to_text, updates_of
from lrbench.store.files import json_bytes, to_json, write_text
from lrbench.store.record import DONE, Record
from lrbench.store.record_files import RATES
from lrbench.store.rows import CURVE, ROWS, Row, read_rows, rows_text
from lrbench.store.run import Run, Unread, read_whole

_LOCAL = ("host", "slurm_job", "command")  # of the provenance: what only means something on the machine itself
_OWN = ("from_update", "started")  # of the provenance: what differs between the runs of one machine
_DERIVED = ("run_id", "arm", "title", "state", "metrics")  # of the summary: what the row and its arm say anyway


def write_rows(records: Iterable[Record], path: Path) -> int:
    """Add finished and diverged runs to a file of evidence, sorted by id; the number of rows it holds then.

    A fork brings its parents' rows along, so that restoring it trains nothing. A row that is there already must be
    the same, but for numbers that the record has beside (the test set may have been asked for since). Raises
    ConfigError for a run that is not done, for another row of the same run, and for a name by which evidence is not
    found; nothing is written then.
    """
    return write_runs((run for r in records for run in _with_parents(_done(r), r.folder.parent)), path)


def write_runs(runs: Iterable[Run], path: Path) -> int:
    """The same, of runs that were read already, from records or from other evidence."""
    if path.name != ROWS:
        raise ConfigError(str(path), "", f"evidence is found by its name, {ROWS}", f"give {path.parent / ROWS}")
    by_id = {run.run_id: run for run in runs}
    added = {key: row_of(run, path) for key, run in by_id.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        there = {row.run_id: row for row in read_rows(path)} if path.exists() else {}
        for key in added.keys() & there.keys():
            _require_kept(there[key], added[key])
        merged = {**there, **added}
        # First: rows without their arms would mean nothing, and arms without a row do no harm.
        write_text(path.with_name(ARMS), shared_text(_shared_by([*added.values(), *there.values()])))
        write_text(path, rows_text([row.cells for row in merged.values()]))
    return len(merged)


def _require_kept(there: Row, added: Row) -> None:
    if not there.cells.items() <= added.cells.items() or there.arm["updates"] != added.arm["updates"]:
        why = f"holds another row of {there.run_id} than its record gives"
        cure = "remove the line to put the record in its place, or give another file"
        raise ConfigError(f"{there.path}, line {there.line}", "", why, cure)


def _shared_by(rows: Iterable[Row]) -> Shared:
    """What these rows name, and nothing else; an arm's entry by the last of its rows."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for row in rows:
        for part, keys in row.named().items():
            parts[part] |= {key: row.entry(part, key) for key in keys}
    return Shared(**parts)


def _done(record: Record) -> Run:
    """The run of a record. Raises ConfigError for one that is no evidence."""
    run = read_whole(record)
    if isinstance(run, Run) and run.standing in DONE:
        return run
    why = f": {run.why}" if isinstance(run, Unread) and run.why else ""
    why = f"this run is {run.standing}{why}; only finished and diverged ones are evidence"
    raise ConfigError(record.run_id, "", why, "train it again, or leave it out" if run.standing == "corrupt" else "")


def _with_parents(run: Run, beside: Path) -> Iterator[Run]:
    """The run, and those that it is forked from, where they lie beside it and are done."""
    yield run
    start = run.experiment.start
    if start is not None:
        parent = read_whole(Record(beside / run_id(start.of)))
        if isinstance(parent, Run) and parent.standing in DONE:
            yield from _with_parents(parent, beside)


def row_of(run: Run, path: Path) -> Row:
    """The row of a run that is done. Raises ConfigError for an experiment that JSON cannot hold."""
    arm: dict[str, Any] = {
        "experiment": without_seed(to_plain(run.experiment)),
        "updates": grid_of(run.experiment.clock),
    }
    key = key_of_arm(run.arm, arm["experiment"])
    if run_id(from_plain(with_seed(_through_json(arm["experiment"]), run.experiment.seed))) != run.run_id:
        why = "its experiment holds values that JSON cannot"
        raise ConfigError(run.run_id, "", why, "it cannot be exported")
    arm |= {"overrides": run.overrides()} if run.overrides() is not None else {}
    arm |= {"metrics": run.summary["metrics"]} if "metrics" in run.summary else {}
    attempts = run.attempts
    environments = [{k: v for k, v in a.items() if k not in _LOCAL + _OWN} for a in attempts]
    rates = {name: list(corners) for name, corners in run.rates.items()}
    cells = {
        "run_id": run.run_id,
        "arm": key,
        "seed": str(run.experiment.seed),
        "state": run.standing,
        "attempts": compact([[key_of(e), *map(a.get, _OWN)] for e, a in zip(environments, attempts, strict=True)]),
        "rates": key_of(rates) if rates else "",
        **{k: compact(v) for k, v in run.summary.items() if k not in _DERIVED},
        **{f"{CURVE}{name}": to_text(c, updates_of(name, arm["updates"])) for name, c in run.curves.items()},
    }
    shared = Shared({key: _through_json(arm)}, {key_of(e): e for e in environments}, {key_of(rates): rates})
    return Row(path, 0, {column: cell for column, cell in cells.items() if cell}, shared)


def restore(row: Row, record: Record) -> None:
    """Lay a run's folder out from its row: all but losses, pictures and checkpoints, which no row holds; of rates and
    curves what the row has.

    Raises ConfigError, before anything is written, for a row that is not what its id says.
    """
    row.check()
    files = {
        "summary.json": json_bytes(row.summary()),
        "provenance.json": json_bytes(row.attempts()),
        RATES: json_bytes(row.rates()),
        "metrics.jsonl": "".join(to_json(r) + "\n" for r in _metrics(row)).encode(),
    }
    if (overrides := row.overrides()) is not None:
        typed = [*overrides, f"seed={row.experiment.seed}"]
        text: str = yaml.safe_dump(typed, sort_keys=False, allow_unicode=True)
        files[".hydra/overrides.yaml"] = text.encode()
    record.lay_out(row.experiment, files, {**row.status(), "restored_from": str(row.path)})


def _metrics(row: Row) -> list[dict[str, float]]:
    """Rows as metrics.jsonl has them, of training and of evaluations."""
    found: dict[tuple[int, bool], dict[str, float]] = {}
    per_epoch = row.experiment.clock.per_epoch
    for name, curve in row.curves().items():
        for update, value in curve.items():
            key = update, name.startswith("val/")
            epoch = {"epoch": round(update / per_epoch, 6)} if per_epoch else {}  # a stream without end has none
            found.setdefault(key, {"update": update, **epoch})[name] = value
    return [found[key] for key in sorted(found)]


def _through_json(value: Mapping[str, Any]) -> Any:
    return json.loads(compact(value))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two exports into one folder take turns. The folder itself is locked: nothing is left to commit by accident."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
