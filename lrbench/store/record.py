"""A run's record as a whole: how it stands, whether its files can be trusted, and how they are written.

What each of them is and says: `record_files`.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from lrbench.errors import printable
from lrbench.experiment import Experiment
from lrbench.experiment.identity import to_plain
from lrbench.store import seal as seals
from lrbench.store.files import Damaged, finite, json_bytes, reading, sha256, shown, write_bytes, write_text
from lrbench.store.lease import holder
from lrbench.store.record_files import RecordFiles
from lrbench.store.series import LOSS, NORM, SERIES, sum_of_rows

Standing = Literal["new", "running", "interrupted", "finished", "diverged", "failed", "corrupt"]
DONE = ("finished", "diverged")
MEASURED = ("test/", "val/", "train/")  # begin the names of a summary's measurements
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Look(NamedTuple):
    """What one look at a record found: how the run stands and, where its files can be trusted, what its status and, of
    a run that is done, its summary say. why: what is wrong with a corrupt one."""

    standing: Standing
    status: Mapping[str, Any] = {}
    summary: Mapping[str, Any] = {}
    why: str = ""


@dataclass(frozen=True)
class Record(RecordFiles):
    """One run's folder, read; and written by what stands last, from `create` on."""

    def status(self) -> dict[str, Any]:
        return self._status()[0]

    def _status(self) -> tuple[dict[str, Any], bool]:
        """How the run stands by its file, and whether that says that the record is sealed."""
        with reading("status.json"):
            plain: dict[str, Any] = json.loads((self.folder / "status.json").read_bytes())
            own = plain.pop("seal", None)
            if own is not None and own != self._sum_of(plain):
                raise Damaged("status.json is not as it was written")
            if plain["state"] not in ("running", "interrupted", "failed", *DONE):
                raise Damaged(f"status.json has the unknown state {plain['state']!r}")
            return shown(plain), own is not None

    def _sum_of(self, status: Mapping[str, Any]) -> str:
        return sha256(json.dumps([self.run_id, status], sort_keys=True).encode())

    def restored_from(self) -> str | None:
        """The file of evidence that this record was laid out from; it then holds a curve and no rates."""
        return self.status().get("restored_from")

    def standing(self) -> Standing:
        return self.look().standing

    def look(self) -> Look:
        """How the run stands: from its files and, where it claims to be running, from its lease. Where no seal covers
        them, all of them are read."""
        return self._looked_at(quick=False)

    def glance(self) -> Look:
        """The same, of a run that is done by its status, its summary and its seal alone: for thousands of runs at a
        time. Of a record without a seal a damaged one may pass."""
        return self._looked_at(quick=True)

    def _looked_at(self, quick: bool) -> Look:
        if not (self.folder / "experiment.yaml").exists():
            return Look("running" if holder(self.folder) else "new")
        try:
            self._require_unnoted()
            status, sealed = self._status()
            closely = not (quick and status["state"] in DONE)
            if closely:
                self.experiment()
            summary = self._summary_of(status, sealed)
            if closely and not self.sealed():
                self.require_whole(status)
        except Damaged as damage:
            return Look("running") if holder(self.folder) else Look("corrupt", why=str(damage))
        ended = status["state"] != "running"
        return Look(status["state"] if ended or holder(self.folder) else "interrupted", status, summary)

    def read(self) -> tuple[Experiment, dict[str, Any], dict[str, Any]]:
        """Its experiment, its status and, of a run that is done, its summary. Raises Damaged where they cannot be
        trusted, or another of its files is, by its size and time, not what was sealed."""
        self._require_unnoted()
        return self._read()

    def _read(self) -> tuple[Experiment, dict[str, Any], dict[str, Any]]:
        experiment = self.experiment()
        status, sealed = self._status()
        return experiment, status, self._summary_of(status, sealed)

    def _summary_of(self, status: Mapping[str, Any], sealed: bool) -> dict[str, Any]:
        """Of a run that is done, else nothing. sealed: whether the status says so. Raises Damaged where a file is not
        what was sealed."""
        self._require_seal(status, sealed)
        summary = self.summary() if status["state"] in DONE else {}
        if summary.get("run_id", self.run_id) != self.run_id:
            raise Damaged("summary.json is of another run")
        return summary

    def _require_seal(self, status: Mapping[str, Any], sealed: bool, whole: bool = False) -> None:
        """sealed: whether the status says so."""
        done = status["state"] in DONE
        files = seals.check(self.folder, done, whole)
        if files is None and sealed:
            raise Damaged(f"{seals.SEAL} is missing")
        if files is not None and done and not (sealed and "summary.json" in files):
            raise Damaged(f"status.json and {seals.SEAL} do not belong together")

    def require_whole(self, status: Mapping[str, Any], log: bool = True) -> None:
        """Look at every byte of its files, given the status; where no seal covers them, at whether they can be read.
        log: the log of a run under way too, whose end is cut off when it goes on. Raises Damaged."""
        if self.sealed():
            self._require_seal(status, sealed=True, whole=True)
            if log and status["state"] not in DONE:
                _ = self.rows(), self.series()
            return
        with reading("metrics.jsonl"):
            _ = [(int(row["update"]), *map(float, row.values())) for row in self.rows()]
        self.attempts()
        if status["state"] in DONE:
            with reading("summary.json"):
                _ = [float(v) for k, v in self.summary().items() if k.startswith(MEASURED)]
            if not status.get("restored_from") and not (self.folder / "series.npy").exists():
                raise Damaged("series.npy is missing")
            if not {LOSS, NORM} <= {*(self.series().dtype.names or ())}:
                raise Damaged("series.npy has not the columns of a run")

    def require_begun(self, held: Mapping[str, Any]) -> None:
        """Raises Damaged where the log does not begin with what it held (`Log.held`) when a checkpoint was saved."""
        for name, (size, found, *_) in held.items():
            with reading(name):
                path = self.folder / name
                if (sum_of_rows(path, size) if name == SERIES else seals.sum_of_first(path, size)) != found:
                    raise Damaged(f"{name} does not begin with what it held when the checkpoint was saved")

    def examine(self) -> str | None:
        """What is wrong with the record, every byte looked at; None if nothing is. What is found is noted in the folder
        for every quick look after this one; the note is taken back once the files are right."""
        why = None
        try:
            self.require_whole(self._read()[1], log=False)
        except Damaged as damage:
            why = str(damage)
        if holder(self.folder) or not (self.folder / "experiment.yaml").exists():  # its files are being written
            return None
        with suppress(OSError):  # a folder that cannot be written is examined again
            if why is None:
                self._note.unlink(missing_ok=True)
            else:
                write_text(self._note, f"{why}\n")
        return why

    @property
    def _note(self) -> Path:
        """What was found wrong when somebody looked at every byte."""
        return self.folder / "damaged.txt"

    def _require_unnoted(self) -> None:
        if self._note.exists():
            raise Damaged(printable(self._note.read_text(errors="replace").strip()))

    def create(
        self, experiment: Experiment, hydra: Mapping[str, str], attempts: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Lay the folder out for a new run."""
        (self.folder / "experiment.yaml").unlink(missing_ok=True)  # of an attempt that saved nothing
        (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        files = {f".hydra/{name}": text.encode() for name, text in hydra.items()}
        status = {"state": "running", "update": 0, "updates": experiment.clock.updates, "error": None}
        self.lay_out(experiment, {**files, "provenance.json": json_bytes(attempts)}, status)

    def lay_out(self, experiment: Experiment, files: Mapping[str, bytes], status: Mapping[str, Any]) -> None:
        """Write files of a record, seal them, and last experiment.yaml: a folder without it is a new run, so that a
        kill on the way leaves nothing that could be believed. Nothing is trained yet, so that nothing of it has to
        outlast a power failure: what is not as it was sealed is set aside, and the run begins anew."""
        for name, content in files.items():
            write_bytes(self.folder / name, content, lasting=False)
        made = yaml.dump(to_plain(experiment), Dumper=_DUMPER, sort_keys=False).encode()
        seals.lay(self.folder, files, {"experiment.yaml": made})
        self._set(status, lasting=False)
        write_bytes(self.folder / "experiment.yaml", made, lasting=False)

    def note_attempts(self, attempts: Sequence[Mapping[str, Any]]) -> None:
        """Put these in the place of those that are noted."""
        seals.replace(self.folder, "provenance.json", json_bytes(attempts))

    def finish(
        self, state: Standing, summary: Mapping[str, Any], updates: int, log: Mapping[str, seals.SealedFile]
    ) -> None:
        """Keep what the run came to: its summary, the seal of all files, and last how it stands.

        updates: those planned. log: what its log was when it was written.
        """
        content = json_bytes(summary)
        write_bytes(self.folder / "summary.json", content)
        seals.complete(self.folder, {**log, "summary.json": seals.entry_of(content)})
        self.set_status(state, summary["updates"], updates)

    def adopt(self) -> None:
        """Seal a record that was made before there were seals, as it lies there."""
        seals.adopt(self.folder)
        self._set(self.status())

    def add_to_summary(self, summary: Mapping[str, Any]) -> None:
        """Put this in the place of the summary of a run that is done."""
        seals.replace(self.folder, "summary.json", json_bytes(summary))

    def set_status(self, state: Standing, update: int, updates: int, error: str | None = None) -> None:
        self._set({"state": state, "update": update, "updates": updates, "error": error})

    def _set(self, status: Mapping[str, Any], *, lasting: bool = True) -> None:
        plain = finite(status)
        seal = {"seal": self._sum_of(plain)} if self.sealed() else {}
        write_bytes(self.folder / "status.json", json_bytes({**plain, **seal}), lasting=lasting)

    def set_aside(self, why: str) -> Path:
        """Move the folder away under a name that says why; nothing is ever overwritten."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = self.folder.with_name(f"{self.folder.name}.{why}-{stamp}-{secrets.token_hex(3)}")
        self.folder.rename(target)
        return target
