"""Which runs a comparison is of."""

from collections.abc import Sequence
from pathlib import Path

from lrbench.errors import ConfigError, did_you_mean
from lrbench.store.evidence import Evidence
from lrbench.store.record import Record
from lrbench.store.rows import ROWS
from lrbench.store.run import Run, Unread, of_row, read_whole
from lrbench.store.runs import choose, read, unmatched
from lrbench.store.store import Store, store_of


def runs_of(store: Store, selection: Sequence[str], where: Sequence[str] = ()) -> list[Run | Unread]:
    """The chosen runs, each read once.

    selection: files of evidence, whose rows are taken as they stand, or what `records_of` takes; without any, all
    records. where: filters as `lrbench runs` takes them, all of which must hold. Raises ConfigError as `records_of`
    does, and for evidence that cannot be trusted.
    """
    files = [Path(name) for name in selection if Path(name).name == ROWS]
    if files and (where or len(files) < len(selection)):
        raise ConfigError(
            str(files[0]), "", "a file of evidence is compared whole", "give files alone, without --where"
        )
    if files:
        return [run for path in files for run in _rows_in(path)]
    return [read_whole(record) for record in records_of(store, selection, where)]


def records_of(store: Store, selection: Sequence[str], where: Sequence[str] = ()) -> list[Record]:
    """Records by sweep or run id (or their beginnings), or by a sweep's, a record's or a results folder; without any,
    all of the store.

    Raises ConfigError for what is not there, and where nothing is left.
    """
    chosen = [r for name in selection for r in _named(store, name)] if selection else _all_in(store)
    if not chosen:
        why = f"there is no record under {store.folder}"
        raise ConfigError("nothing to compare", "", why, "train some first, or give --results FOLDER")
    return _filtered(store, chosen, where) if where else chosen


def sweep_named(store: Store, name: str) -> Path | None:
    """The folder of the sweep that is meant: the only one that begins so, unless a run's id does. None if none is."""
    found = store.sweeps(name)
    if len(found) != 1:
        return None
    whole = found[0].name == name or found[0] == Path(name).resolve()
    return found[0] if whole or not any(record.run_id.startswith(name) for record in store.records()) else None


def _rows_in(path: Path) -> list[Run]:
    if not path.is_file():
        raise ConfigError(str(path), "", "there is no such file", "`lrbench runs --export FILE` writes one")
    runs = [of_row(row) for row in Evidence(path.parent, (path,)).rows()]
    return sorted(runs, key=lambda run: (str((run.attempts or [{}])[0].get("started", "")), run.run_id))


def _named(store: Store, name: str) -> list[Record]:
    sweep = sweep_named(store, name)
    if sweep is not None:
        from lrbench.sweep.status import read_sweep  # brings torch along

        entries = read_sweep(sweep).plan.entries
        asked = [e.record for e in entries if e.number is not None]  # a fork's parent was not asked for
        return [r for r in asked if r.folder.exists()]
    if Store(Path(name)).folder.is_dir():
        return _all_in(Store(Path(name)))
    try:
        return [store.find(name)]
    except ConfigError as error:
        sweeps = sorted(folder.name for folder in store.sweeps())
        nor = f"nor is it a sweep{'' if sweeps else ': there are none yet'}.{did_you_mean(name, sweeps)}"
        raise ConfigError(name, "", f"{error.why}, {nor}", error.cure) from error


def _all_in(store: Store) -> list[Record]:
    """The records of a store in the order in which they were begun."""
    return sorted(store.records(), key=_began)


def _began(record: Record) -> tuple[str, int, str]:
    """For sorting: the second in which it was begun, then which file is older."""
    path = record.folder / "experiment.yaml"
    written = path.stat().st_mtime_ns if path.exists() else 0
    try:
        return str(record.attempts()[0]["started"]), written, record.run_id
    except (OSError, ValueError, LookupError):  # damaged, as whoever compares it will say
        return "", written, record.run_id


def _filtered(store: Store, records: Sequence[Record], where: Sequence[str]) -> list[Record]:
    folders = sorted({store_of(r.folder).results for r in records})
    rows = [row for folder in folders for row in read(store if folder == store.results else Store(folder))]
    ids = {row["run_id"] for row in choose(rows, where)}
    found = [r for r in records if r.run_id in ids]
    if not found:
        raise ConfigError("--where", " ".join(where), unmatched(where, rows))
    return found
