"""Bring runs that are done to their trackers, from their records alone: one process for a whole sweep.

A run of a sweep is trained without its tracker, so that a thousand runs start no thousand W&B services.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.progress import track

from lrbench.errors import ConfigError
from lrbench.experiment import Component
from lrbench.experiment.identity import arm_id, title, to_plain
from lrbench.plural import plural
from lrbench.progress import Say
from lrbench.store.files import write_json
from lrbench.store.lease import Lease
from lrbench.store.record import DONE, Record
from lrbench.store.store import Store
from lrbench.sweep.carry_out import SweepOutcome
from lrbench.sweep.entry import Entry
from lrbench.sweep.store import stored_entries
from lrbench.targets import resolve
from lrbench.trackers import Mirror, Mirrored

PATIENCE = 30.0  # seconds that a tracker may take to replay a run ...
PER_ROW = 0.01  # ... and for each of its rows, which take W&B 0.2 ms


def mirror_sweep(outcome: SweepOutcome) -> bool:
    """Replay what is done of a sweep and was not brought to its tracker yet; says on stderr how it went. False where a
    record turned out to be damaged: each is looked at byte by byte before it leaves.

    A tracker that fails ends it with a remark: the records are whole.
    """
    name, whole = outcome.sweep.name, True
    missing = [e for e in outcome.sweep.plan.entries if outcome.looks[e.run_id].standing in DONE and _is_missing(e)]
    if not missing:
        return whole
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    began, tags, done = time.monotonic(), memberships(Store(missing[0].settings.results)), 0
    kinds = ", ".join(sorted({_kind(e) for e in missing}))
    for entry in track(missing, f"to {kinds}", console=console, transient=True, disable=not console.is_terminal):
        if why := entry.record.examine():
            console.print(f"mirror   {entry.run_id} is left out: {why}", markup=False)
            whole = False
            continue
        with suppress(ConfigError):  # another process is bringing it there
            if not replay(entry.record, _tracker(entry), tags.get(entry.run_id, ()), _saying(console)):
                console.print(f"mirror   runs are missing in {kinds}; lrbench wandb export {name} brings them there")
                return whole
            done += 1
    sync = f"; lrbench wandb sync {name} sends them" if any(map(_is_offline, missing)) else ""
    runs = plural(done, "run")
    console.print(f"mirror   {runs} to {kinds} in {time.monotonic() - began:.1f} s{sync}")
    return whole


def replay(record: Record, tracker: Component, tags: Sequence[str], say: Say) -> bool:
    """Replay a record that is done into a mirror of its own, in place of what an earlier replay or the training left.

    True if the mirror is whole; what went wrong has been said. Raises ConfigError where another process holds the
    record.
    """
    lease = Lease(record.folder)
    if not lease.take():
        why = "another process is writing this record"
        raise ConfigError(record.run_id, "", why, "export it when that has ended")
    try:
        experiment, rows = record.experiment(), record.rows()
        folder = record.folder.resolve()  # wandb's service may live in another working directory
        plain = to_plain(experiment)
        about = Mirrored(record.run_id, arm_id(experiment), title(experiment), plain, folder, tuple(tags))
        mirror = Mirror(resolve(tracker.target, "tracker")(**tracker.args), about, rows, say)
        whole = mirror.close(record.summary(), PATIENCE + PER_ROW * len(rows))
        if whole:
            write_json(record.mirrored, to_plain(tracker))
        return whole
    finally:
        lease.release()


def memberships(store: Store) -> dict[str, tuple[str, ...]]:
    """The sweeps that each run is part of, by run id, as W&B tags such as `sweep:tour`."""
    tags: dict[str, tuple[str, ...]] = {}
    for folder in sorted(store.sweeps()):
        for run in stored_entries(folder / "sweep.json"):
            tags[run] = (*tags.get(run, ()), f"sweep:{folder.name}")
    return tags


def _is_missing(entry: Entry) -> bool:
    """Whether no replay of a run for its tracker stands in its record."""
    if entry.settings.tracker is None:
        return False
    try:
        done: Mapping[str, Any] = json.loads(entry.record.mirrored.read_text())
    except (OSError, ValueError):
        return True
    return done != to_plain(_tracker(entry))


def _tracker(entry: Entry) -> Component:
    assert entry.settings.tracker is not None
    return entry.settings.tracker


def _kind(entry: Entry) -> str:
    return _tracker(entry).target.rpartition(".")[2]


def _is_offline(entry: Entry) -> bool:
    return _tracker(entry).args.get("mode") == "offline"


def _saying(console: Console) -> Say:
    return lambda text: console.print(text, markup=False)
