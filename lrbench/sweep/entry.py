"""One run of a sweep, frozen when it was planned: nothing is composed again when it is trained, here or elsewhere.

The interface for whoever carries a run to another process or machine is plain data: `entry.payload()` gives a
dictionary that JSON and pickle take, and `run_entry(payload)` trains it.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lrbench.data import Splits
from lrbench.engine.numerics import require_current
from lrbench.engine.train import Say, to_stderr, train
from lrbench.experiment import Component, Experiment, Settings
from lrbench.identity import from_plain, run_id, to_plain
from lrbench.progress import Show, silent
from lrbench.store.lease import Lease
from lrbench.store.record import Record, Standing
from lrbench.store.store import Store


@dataclass(frozen=True)
class Entry:
    """What to train and how, and where it came from: the label that tells it from the others, the overrides, the
    composed configuration as typed, and Hydra's own node (all three empty for a fork's parent)."""

    label: str
    experiment: Experiment
    settings: Settings
    overrides: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    hydra: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None  # of the job in the grid

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
            "settings": _plain_settings(self.settings),
            "overrides": list(self.overrides),
            "config": self.config,
            "hydra": self.hydra,
            "number": self.number,
        }


def from_payload(payload: Mapping[str, Any]) -> Entry:
    """The entry again. Raises KeyError or TypeError for data that is none, ValueError if its identity is another."""
    entry = Entry(
        payload["label"],
        from_plain(payload["experiment"]),
        _settings(payload["settings"]),
        tuple(payload["overrides"]),
        payload["config"],
        payload["hydra"],
        payload["number"],
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
    """The entry's settings, with the text of Hydra's three files for its record, and without a tracker: runs of a
    sweep are mirrored when it has ended, by one process (`lrbench.sweep.mirror`)."""
    settings = replace(entry.settings, tracker=None)
    if not entry.config:
        return settings
    node = {**entry.hydra, "job": {**entry.hydra["job"], "num": entry.number, "id": str(entry.number)}}
    return replace(settings, hydra=hydra_files(entry.overrides, entry.config, node))


def hydra_files(overrides: tuple[str, ...], config: Mapping[str, Any], hydra: Mapping[str, Any]) -> dict[str, str]:
    """Hydra's own three files about a run: what was composed, by which overrides, by which Hydra."""
    task = list(overrides)
    node = {
        **hydra,
        "overrides": {**hydra["overrides"], "task": task},
        "job": {**hydra["job"], "override_dirname": ",".join(sorted(task))},
    }
    files = {"config.yaml": config, "hydra.yaml": {"hydra": node}, "overrides.yaml": task}
    return {name: yaml.safe_dump(content, sort_keys=False, allow_unicode=True) for name, content in files.items()}


class Failure(NamedTuple):
    """Why a run could not go on, and whether every other one would meet the same full disk."""

    text: str
    disk_full: bool


def failure(error: Exception) -> Failure:
    """What to say of an error that `run_entry` raised."""
    ours = type(error).__module__.startswith("lrbench.")
    cause = error if isinstance(error, OSError) else error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return Failure(str(error) if ours else f"{type(error).__name__}: {error}", full)


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


def _plain_settings(settings: Settings) -> dict[str, Any]:
    """None is a value here (`checkpoint_every`), so unlike in an Experiment it is kept."""
    plain = {f.name: to_plain(getattr(settings, f.name)) for f in fields(Settings)}
    return {**plain, "results": str(settings.results)}


def _settings(plain: Mapping[str, Any]) -> Settings:
    made = {**plain, "results": Path(plain["results"]), "keep": tuple(plain["keep"])}
    return Settings(**{**made, "tracker": from_plain(plain["tracker"], Component | None)})
