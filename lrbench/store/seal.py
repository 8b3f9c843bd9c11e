"""The seal of a record, `seal.json`: of every file that belongs to it the size and the SHA-256, and one of itself.

A running record's covers what does not change while it runs (its log: see `engine.log`, its checkpoints bear hashes of
their own), a finished one's all that it holds. What is about to be written is sealed first, beside what is there, so
that a kill between the two leaves either, and both agree with the seal.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lrbench.store.files import Damaged, json_bytes, sha256, write_bytes

SEAL = "seal.json"
FORMAT = 1
FILES = ("experiment.yaml", "provenance.json", "metrics.jsonl", "series.npy", "rates.json", "summary.json")
GROWN = ("metrics.jsonl", "series.npy", "summary.json")  # what a run writes as it goes, and at its end
READ = ("experiment.yaml", "summary.json")  # small, and read whole at every look: their content is looked at each time
CHUNK = 2**20  # bytes


class SealedFile(NamedTuple):
    """What a file holds. `changed`: when it was changed last, in ns; None where only its content tells."""

    size: int
    sha256: str
    changed: int | None = None


Seal = dict[str, list[SealedFile]]  # by a file's name: what it may hold, one thing or, of two, the later last


def entry_of(content: bytes) -> SealedFile:
    """Of what is about to be written."""
    return SealedFile(len(content), sha256(content))


def lay(folder: Path, written: Mapping[str, bytes], coming: Mapping[str, bytes]) -> None:
    """Seal a record that is being laid out: files that were written, and some that are about to be."""
    there = {name: _with_time(folder, name, [entry_of(content)]) for name, content in written.items()}
    write_seal(folder, {**there, **{name: [entry_of(content)] for name, content in coming.items()}}, lasting=False)


def replace(folder: Path, name: str, content: bytes) -> None:
    """Write a file of a record anew, sealed first beside what it holds now. Raises Damaged where that is neither.

    A record without a seal gets none here: what its other files should hold nobody knows.
    """
    if (seal := read_seal(folder)) is not None:
        now = [entry for entry in seal.get(name, ()) if _agrees(folder / name, entry)]
        if name in seal and not now:
            raise Damaged(f"{name} is not as it was written")
        write_seal(folder, {**seal, name: [*now, entry_of(content)]})
    write_bytes(folder / name, content)


def complete(folder: Path, more: Mapping[str, SealedFile]) -> None:
    """Seal a run that is done: what was sealed when it began, and this."""
    begun = read_seal(folder) or _lying(folder, belonging(folder))
    whole = {**begun, **{name: [entry] for name, entry in more.items()}}
    write_seal(folder, {name: _with_time(folder, name, entries) for name, entries in whole.items()})


def adopt(folder: Path) -> None:
    """Seal the files of a record as they lie there, for good or ill: one that was made before there were seals."""
    write_seal(folder, _lying(folder, belonging(folder)))


def _lying(folder: Path, names: Iterable[str]) -> Seal:
    """Files as they lie there, as far as they do."""
    paths = {name: folder / name for name in names}
    return {
        name: [SealedFile(path.stat().st_size, _sum(path), None if name in READ else path.stat().st_mtime_ns)]
        for name, path in paths.items()
        if path.is_file()
    }


def _with_time(folder: Path, name: str, entries: list[SealedFile]) -> list[SealedFile]:
    """The same, of a file that has been written by now: when it was changed last is known."""
    if name in READ:
        return entries
    path, found = folder / name, list[SealedFile]()
    for entry in entries:
        with suppress(OSError):
            changed = path.stat().st_mtime_ns
            if _agrees(path, entry._replace(changed=None)):
                found.append(entry._replace(changed=changed))
    return found or entries  # what is there is none of these: damage, of which the next look tells


def belonging(folder: Path) -> list[str]:
    """The names of the files that a seal covers: no checkpoints, which bear their own, and no picture or mirror, which
    are made of these again."""
    hydra = sorted(f".hydra/{path.name}" for path in (folder / ".hydra").glob("*.yaml"))
    return [*(name for name in FILES if (folder / name).exists()), *hydra]


def write_seal(folder: Path, seal: Seal, *, lasting: bool = True) -> None:
    files = {name: [list(entry) for entry in entries] for name, entries in sorted(seal.items())}
    content = json_bytes({"format": FORMAT, "files": files, "sha256": _own(folder, files)})
    write_bytes(folder / SEAL, content, lasting=lasting)


def read_seal(folder: Path) -> Seal | None:
    """None where there is none. Raises Damaged for one that was changed."""
    try:
        plain = json.loads((folder / SEAL).read_bytes())
        files: dict[str, Any] = plain["files"]
        if plain["format"] != FORMAT or plain["sha256"] != _own(folder, files):
            raise ValueError
        return {name: [SealedFile(*entry) for entry in entries] for name, entries in files.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{SEAL} is not as it was written") from error


def _own(folder: Path, files: Mapping[str, Any]) -> str:
    """The seal's own hash, in which the run's id is too: that of another record is none."""
    return sha256(json.dumps([run_of(folder), files], sort_keys=True).encode())


def run_of(folder: Path) -> str:
    """The id of the run whose folder it is; a record set aside bears its reason behind a dot."""
    return folder.name.partition(".")[0]


def check(folder: Path, done: bool, whole: bool = False) -> Seal | None:
    """The record's seal; None where it has none. Raises Damaged where a file is not what was sealed: by its size and
    the time of its last change, where either is another by its content; `whole`: by its content in any case.

    done: whether the run is; else it may be on its way from an end that was not sealed any more, and what it writes as
    it goes is left out.
    """
    seal = read_seal(folder)
    for name, entries in (seal or {}).items():
        if not done and name in GROWN:
            continue
        try:
            good = any(_agrees(folder / name, e._replace(changed=None) if whole else e) for e in entries)
        except FileNotFoundError:
            raise Damaged(f"{name} is missing") from None
        except OSError as error:
            raise Damaged(f"{name} cannot be read ({error.strerror or error})") from error
        if not good:
            raise Damaged(f"{name} is not as it was written")
    return seal


def moved(folder: Path) -> bool:
    """Whether a file that a seal covers was changed at another time than it says, as a copy's is."""
    for name, entries in (read_seal(folder) or {}).items():
        changed = {entry.changed for entry in entries}
        if name not in READ and (folder / name).stat().st_mtime_ns not in changed:
            return True
    return False


def _agrees(path: Path, entry: SealedFile) -> bool:
    stat = os.stat(path)
    return stat.st_size == entry.size and (stat.st_mtime_ns == entry.changed or _sum(path) == entry.sha256)


def _sum(path: Path) -> str:
    return sum_of_first(path, path.stat().st_size)


def sum_of_first(path: Path, size: int) -> str:
    """The SHA-256 of a file's first bytes, or of all that it has."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(size, CHUNK))):
            found.update(chunk)
            size -= len(chunk)
    return found.hexdigest()
