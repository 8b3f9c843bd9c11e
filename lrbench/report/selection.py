"""Which records a comparison is of."""

from collections.abc import Sequence
from pathlib import Path

from lrbench.errors import ConfigError, did_you_mean
from lrbench.store.record import Record, find_record
from lrbench.store.runs import choose, read, unmatched


def records_of(results: Path, selection: Sequence[str], where: Sequence[str] = ()) -> list[Record]:
    """Records by sweep or run id (or their beginnings), or by a sweep's, a record's or a results folder; without any,
    all under `results`.

    where: filters as `lrbench runs` takes them, all of which must hold. Raises ConfigError for what is not there, and
    where nothing is left.
    """
    chosen = [r for name in selection for r in _named(results, name)] if selection else _all_in(results)
    if not chosen:
        raise ConfigError(f"nothing to compare: there is no record under {results / 'runs'}; train some first, or give "
                          "--results FOLDER.")  # fmt: skip
    return _filtered(chosen, where) if where else chosen


def sweep_named(results: Path, name: str) -> Path | None:
    """The folder of the sweep that is meant: the only one that begins so, unless a run's id does. None if none is."""
    if (Path(name) / "sweep.json").exists():
        return Path(name).resolve()
    folders = [p.parent for p in (results / "sweeps").glob("*/sweep.json")]
    begun = [f for f in folders if f.name.startswith(name)]
    exact = [f for f in begun if f.name == name]
    if exact or len(begun) != 1 or any((results / "runs").glob(f"{name}*")):
        return next(iter(exact), None)
    return begun[0]


def _named(results: Path, name: str) -> list[Record]:
    sweep = sweep_named(results, name)
    if sweep is not None:
        from lrbench.sweep.status import read_sweep  # brings torch along

        entries = read_sweep(sweep).plan.entries
        asked = [e.record for e in entries if e.number is not None]  # a fork's parent was not asked for
        return [r for r in asked if r.folder.exists()]
    if (Path(name) / "runs").is_dir():
        return _all_in(Path(name))
    try:
        return [find_record(results, name)]
    except ConfigError as error:
        sweeps = sorted(p.parent.name for p in (results / "sweeps").glob("*/sweep.json"))
        raise ConfigError(f"{error} Nor is it a sweep{'' if sweeps else ': there are none yet'}."
                          f"{did_you_mean(name, sweeps)}") from error  # fmt: skip


def _all_in(results: Path) -> list[Record]:
    """The records of a results folder in the order in which they were begun; those set aside are not among them."""
    folders = (p for p in (results / "runs").glob("*") if p.is_dir() and "." not in p.name)
    return sorted((Record(p) for p in folders), key=_began)


def _began(record: Record) -> tuple[str, int, str]:
    """For sorting: the second in which it was begun, then which file is older."""
    path = record.folder / "experiment.yaml"
    written = path.stat().st_mtime_ns if path.exists() else 0
    try:
        return str(record.attempts()[0]["started"]), written, record.run_id
    except (OSError, ValueError, LookupError):
        return "", written, record.run_id


def _filtered(records: Sequence[Record], where: Sequence[str]) -> list[Record]:
    rows = [row for folder in {r.folder.parents[1] for r in records} for row in read(folder)]
    ids = {row["run_id"] for row in choose(rows, where)}
    found = [r for r in records if r.run_id in ids]
    if not found:
        raise ConfigError(f"--where {' '.join(where)}: {unmatched(where, rows)}.")
    return found
