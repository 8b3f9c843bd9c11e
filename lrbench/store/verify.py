"""What lies in a results folder, every byte of it looked at."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lrbench.errors import ConfigError
from lrbench.store import seal as seals
from lrbench.store.checkpoint import open_checked
from lrbench.store.evidence import Evidence
from lrbench.store.files import Damaged, reading
from lrbench.store.lease import Lease
from lrbench.store.record import DONE, Record
from lrbench.store.rows import read_rows
from lrbench.store.store import Store

Verdict = Literal["whole", "not sealed", "damaged", "under way"]
PLANS = ("sweeps/*/sweep.json", "sweeps/*/stages.json", "studies/*/design.json")


@dataclass(frozen=True)
class Verified:
    """What was looked at (a run's id, or a file), how the run stands, and what came of it. `why`: what is wrong, each
    thing in words."""

    what: str
    standing: str
    verdict: Verdict
    why: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "why": list(self.why)}


def verified(record: Record, seal: bool = False) -> Verified:
    """Look at a record and its checkpoints. What is found wrong is noted in its folder, so that nothing believes it
    again; where a copy has changed the times of its files, the seal learns them.

    seal: give one to a run that is done and has none, as it lies there.
    """
    standing = record.standing()
    if standing in ("running", "new"):
        return Verified(record.run_id, standing, "under way")
    why = record.examine()
    told = (*([why] if why else []), *_checkpoints(record))
    if told:
        return Verified(record.run_id, "corrupt" if why else standing, "damaged", told)
    if not record.sealed() and not (seal and standing in DONE and _sealed_now(record)):
        return Verified(record.run_id, standing, "not sealed")
    if seals.moved(record.folder):
        _under_lease(record, lambda: seals.complete(record.folder, {}))
    return Verified(record.run_id, standing, "whole")


def _sealed_now(record: Record) -> bool:
    return _under_lease(record, record.adopt)


def _under_lease(record: Record, act: Callable[[], None]) -> bool:
    """Whether it could be done: in a folder that can be written, and that nobody else writes."""
    lease = Lease(record.folder)
    try:
        if not lease.take():
            return False
    except OSError:
        return False
    try:
        act()
        return True
    finally:
        lease.release()


def _checkpoints(record: Record) -> Iterator[str]:
    """What is wrong with those that it keeps, and with what the log held when the last of a running one was saved; and
    with the weights beside them."""
    for path in sorted(path for part in ("checkpoints", "weights") for path in (record.folder / part).glob("*.pt")):
        try:
            with reading("it"):
                _, about = open_checked(path)
                if about.get("run_id", record.run_id) != record.run_id:
                    raise Damaged(f"it is a state of the run {about['run_id']}")
                if about and path.stem.startswith("update-") and path.stem != f"update-{about['update']:08d}":
                    raise Damaged(f"it is the state after update {about['update']}")
                record.require_begun(about.get("log", {}))
        except Damaged as damage:
            yield f"{path.parent.name}/{path.name}: {damage}"


def beside_records(store: Store) -> Iterator[Verified]:
    """Evidence, plans of sweeps and designs of studies that lie in a results folder: whether they can be read."""
    for path in store.evidence.files:
        try:
            for row in read_rows(path):
                row.check()
        except ConfigError as error:
            yield Verified(_within(store, path), "evidence", "damaged", (str(error),))
            continue
        found = Evidence(path.parent, (path,))
        told = (*found.modified.values(), *found.disputed.values())
        yield Verified(_within(store, path), "evidence", "damaged" if told else "whole", told)
    for path in sorted(p for pattern in PLANS for p in store.results.glob(pattern)):
        try:
            with reading(path.name):
                json.loads(path.read_bytes())
            yield Verified(_within(store, path), "plan", "whole")
        except Damaged as damage:
            yield Verified(_within(store, path), "plan", "damaged", (str(damage),))


def _within(store: Store, path: Path) -> str:
    return str(path.relative_to(store.results)) if path.is_relative_to(store.results) else str(path)
