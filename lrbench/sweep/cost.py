"""What the rest of a plan will cost, from the timings that records and rows of evidence hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from lrbench.engine.outcome import made_on
from lrbench.experiment import Experiment
from lrbench.numbers import is_number
from lrbench.store.record import Look, Record
from lrbench.store.rows import Row
from lrbench.store.run import Run, read
from lrbench.store.store import Store
from lrbench.sweep.entry import Entry

LOOKED_AT = 500  # records at most that are read for their timings, the latest first


class Cost(NamedTuple):
    """Seconds of training still to do, as far as records tell: of `known` runs; `unknown` runs have no like. `devices`
    are those that records of another device than the coming one were timed on, where there was no better."""

    seconds: float
    known: int
    unknown: int
    devices: tuple[str, ...] = ()


def cost_of(entries: Sequence[Entry], to_train: Sequence[Entry], looks: Mapping[str, Look], device: str | None) -> Cost:
    """What training those of a plan's runs will take that are still to be trained. looks: at the records of all, by run
    id. device: what will train, as records name it; None for jobs of a cluster, whose nodes may hold anything."""
    paces = _paces(entries, to_train, looks, device)
    known = [e for e in to_train if kind_of(e.experiment) in paces]
    seconds = sum(paces[kind_of(e.experiment)].seconds * _updates_left(e, looks[e.run_id]) for e in known)
    devices = {d for e in known for d in paces[kind_of(e.experiment)].devices}
    return Cost(seconds, len(known), len(to_train) - len(known), tuple(sorted(devices)))


def _updates_left(entry: Entry, look: Look) -> int:
    updates = entry.experiment.clock.updates
    return updates - int(look.status["update"]) if look.standing == "interrupted" else updates


def kind_of(experiment: Experiment) -> str:
    """What the time of an update depends on."""
    e = experiment
    return repr(
        (e.model, e.data.target, e.data.args, e.data.augment, e.optimizer.target, e.batch_size, e.accumulate, e.ranks,
         e.amp, e.channels_last, e.compile, e.threads)
    )  # fmt: skip


class _Pace(NamedTuple):
    """Seconds an update, and the devices it was timed on if they are others."""

    seconds: float
    devices: frozenset[str]


class _Timed(NamedTuple):
    """A finished run: its kind, its seconds of an update, and its record or its row."""

    kind: str
    pace: float | None
    of: Record | Row

    @classmethod
    def of_record(cls, experiment: Experiment, record: Record, summary: Mapping[str, Any]) -> "_Timed":
        seconds, updates = summary.get("seconds"), summary.get("updates")
        pace = seconds / max(1, updates) if is_number(seconds) and is_number(updates) else None
        return cls(kind_of(experiment), pace, record)


def _paces(
    entries: Sequence[Entry], to_train: Sequence[Entry], looks: Mapping[str, Look], device: str | None
) -> dict[str, _Pace]:
    """The median over runs of each kind that is still to be trained: those of the device that will train, else all.
    Rows are asked where no record is of the kind."""
    wanted = {kind_of(e.experiment) for e in to_train}
    if not wanted:  # nothing to look for, in records that take a while to read
        return {}
    found: dict[str, dict[str, list[float]]] = {kind: {} for kind in wanted}

    def learn(runs: Iterable[_Timed]) -> None:
        for run in runs:
            if run.kind in wanted and run.pace is not None:
                with suppress(OSError, ValueError, LookupError, TypeError):  # damaged: it tells nothing
                    found[run.kind].setdefault(made_on(run.of.attempts()[-1]), []).append(run.pace)

    learn(_own(entries, looks))
    if not all(device in by_device for by_device in found.values()):
        learn(_latest(entries, looks))
    if not all(found.values()):
        wanted = {kind for kind, by_device in found.items() if not by_device}
        learn(_Timed(kind, row.pace(), row) for kind, row in by_kind(_store(entries).evidence.rows()))
    return {kind: _pace(by_device, device) for kind, by_device in found.items() if by_device}


def _pace(by_device: Mapping[str, list[float]], device: str | None) -> _Pace:
    if device is not None and device in by_device:
        return _Pace(median(by_device[device]), frozenset())
    return _Pace(median(v for values in by_device.values() for v in values), frozenset(by_device))


def _own(entries: Sequence[Entry], looks: Mapping[str, Look]) -> Iterator[_Timed]:
    """Those of the plan."""
    done = [e for e in entries if looks[e.run_id].standing == "finished"]
    return (_Timed.of_record(e.experiment, e.record, looks[e.run_id].summary) for e in done[-LOOKED_AT:])


def _latest(entries: Sequence[Entry], looks: Mapping[str, Look]) -> Iterator[_Timed]:
    """The latest beside it."""
    others = [r for r in _store(entries).records() if r.run_id not in looks]
    for record in sorted(others, key=_ended, reverse=True)[:LOOKED_AT]:
        run = read(record)
        if isinstance(run, Run) and run.standing == "finished":
            yield _Timed.of_record(run.experiment, record, run.summary)


def by_kind(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Rows of evidence with the kind of their runs, which is their arm's, so that few experiments are read."""
    kinds: dict[tuple[Path, str], str] = {}
    for row in rows:
        arm = row.path, row.cells.get("arm", "")
        if arm not in kinds:
            kinds[arm] = kind_of(row.experiment)
        yield kinds[arm], row


def _store(entries: Sequence[Entry]) -> Store:
    return Store(entries[0].settings.results)


def _ended(record: Record) -> float:
    """When its summary was written; before all others where it has none."""
    path = record.folder / "summary.json"
    return path.stat().st_mtime if path.exists() else 0.0
