"""One run of a sweep, frozen when it was planned: nothing is composed again when it is trained, here or elsewhere.

The interface for whoever carries a run to another process or machine is plain data: `entry.payload()` gives a
dictionary that JSON and pickle take, and `run_entry(payload)` trains it.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lrbench.blame import blame, named
from lrbench.data import Splits
from lrbench.engine.numerics import require_current
from lrbench.engine.train import Say, to_stderr, train
from lrbench.errors import printable
from lrbench.experiment import Component, Experiment, Settings
from lrbench.experiment.identity import from_plain, run_id, to_plain
from lrbench.progress import Show, silent
from lrbench.store.lease import Lease
from lrbench.store.record import Record, Standing
from lrbench.store.store import Store
from lrbench.sweep.origin import Origin


@dataclass(frozen=True)
class Entry:
    """What to train and how: with the label that tells it from the others, and what it was composed from where it was
    typed (not so for a run made from Python, and for a fork's parent)."""

    label: str
    experiment: Experiment
    settings: Settings
    origin: Origin | None = None
    number: int | None = None  # of the job in the sweep; None for a fork's parent that nobody asked for
    arm: str = ""  # the name of the sweep's arm, where it has arms

    @cached_property
    def run_id(self) -> str:
        return run_id(self.experiment)

    @cached_property
    def record(self) -> Record:
        return Store(self.settings.results).record(self.run_id)

    def payload(self) -> dict[str, Any]:
        """The entry as plain data: dictionaries, lists, strings, numbers, None."""
        return {
            "label": self.label,
            "run_id": self.run_id,
            "experiment": to_plain(self.experiment),
            "settings": plain_settings(self.settings),
            "origin": self.origin and {**vars(self.origin), "overrides": list(self.origin.overrides)},
            "number": self.number,
            "arm": self.arm,
        }


def from_payload(payload: Mapping[str, Any]) -> Entry:
    """The entry again. Raises KeyError or TypeError for data that is none, ValueError if its identity is another."""
    origin = payload["origin"]
    entry = Entry(
        printable(payload["label"]),
        from_plain(payload["experiment"]),
        settings_from(payload["settings"]),
        None if origin is None else Origin(tuple(origin["overrides"]), origin["config"], origin["hydra"]),
        payload["number"],
        payload["arm"],
    )
    if entry.run_id != payload["run_id"]:
        raise ValueError(f"the run {payload['run_id']} would have the identity {entry.run_id} now")
    return entry


def run_entry(
    payload: Mapping[str, Any],
    show: Show = silent,
    say: Say = to_stderr,
    splits: Splits | None = None,
    store: Store | None = None,
) -> Standing:
    """Train a frozen run in this process, or resume, follow or return what is there; how it stands at the end.

    splits: the run's data, where they are loaded already. store: that of its results folder, where its evidence has
    been read already.

    Raises ConfigError if the code it was planned under has changed, and what `train` raises.
    """
    entry = from_payload(payload)
    require_current(entry.experiment)
    return train(entry.experiment, with_files(entry), show, say, splits, store=store).standing()


def with_files(entry: Entry) -> Settings:
    """The entry's settings, with the text of Hydra's files for its record where it was typed, and without a tracker:
    runs of a sweep are mirrored when it has ended, by one process (`lrbench.sweep.mirror`)."""
    settings = replace(entry.settings, tracker=None)
    return settings if entry.origin is None else replace(settings, hydra=entry.origin.files(entry.number))


class Failure(NamedTuple):
    """Why a run could not go on, and whether every other one would meet the same full disk."""

    text: str
    disk_full: bool


def failure(error: Exception) -> Failure:
    """What to say of an error that `run_entry` raised."""
    ours = type(error).__module__.startswith("lrbench.")
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    said = (blame(error) or named(error)).splitlines()[0]
    return Failure(str(error) if ours else said, full)


def saved_update(entry: Entry) -> int:
    """The update that the run would go on from."""
    try:
        return int(entry.record.status()["update"])
    except (OSError, ValueError, KeyError):
        return 0


def mark_failed(entry: Entry, update: int, why: str) -> None:
    """Say so in the record, if there is one and nobody else holds it."""
    record = entry.record
    if not (record.folder / "status.json").exists():
        return
    lease = Lease(record.folder)
    if lease.take():
        try:
            record.set_status("failed", update, entry.experiment.clock.updates, why)
        finally:
            lease.release()


def plain_settings(settings: Settings) -> dict[str, Any]:
    """None is a value here (`checkpoint_every`), so unlike in an Experiment it is kept."""
    plain = {f.name: to_plain(getattr(settings, f.name)) for f in fields(Settings)}
    return {**plain, "results": str(settings.results)}


def settings_from(plain: Mapping[str, Any]) -> Settings:
    if "audit" not in plain:  # of before there was a linter: `strict` was what `audit` is now
        plain = {**plain, "audit": plain["strict"], "strict": False}
    made = {**plain, "results": Path(plain["results"]), "keep": tuple(plain["keep"])}
    return Settings(**{**made, "tracker": from_plain(plain["tracker"], Component | None)})
