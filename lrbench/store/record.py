"""What a run left on disk, and how it stands: `<results>/runs/<run_id>/`.

experiment.yaml   the resolved Experiment            status.json   running, finished, diverged, interrupted, failed
metrics.jsonl     rows: the source of truth          series.npy    what every update used and gave, by column
summary.json      the final numbers                  provenance.json   where, when and with what each attempt trained
.hydra/           Hydra's config, overrides          checkpoints/  last.pt, and those kept for forks
traceback.txt     of the last attempt that failed    mirrored.json the tracker that it was replayed into
lr_and_loss.png   drawn when somebody looks           rates.json    the corners of its rates, if restored from evidence
"""

import json
import math
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from lrbench.experiment import Experiment
from lrbench.experiment.identity import from_plain, run_id, to_plain
from lrbench.store.lease import holder

Standing = Literal["new", "running", "interrupted", "finished", "diverged", "failed", "corrupt"]
DONE = ("finished", "diverged")
RATES = "rates.json"
Series = NDArray[np.void]  # one element an update, its columns by name
LOSS, NORM = "train/loss", "grad/norm"  # the first two columns; what the schedule sets follows
# libyaml's are seven times as fast.
_LOADER, _DUMPER = getattr(yaml, "CSafeLoader", yaml.SafeLoader), getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Damaged(Exception):
    """A record's files cannot be trusted; it says what is wrong with them."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever a damaged file makes of its reader, as Damaged."""
    try:
        yield
    except Damaged:
        raise
    except Exception as error:
        raise Damaged(f"{what} cannot be read ({_short(error)})") from error


@dataclass(frozen=True)
class Record:
    """One run's folder, read. Nothing here writes but `create`, `set_status` and `set_aside`."""

    folder: Path

    @property
    def run_id(self) -> str:
        return self.folder.name.partition(".")[0]  # a record set aside bears its reason behind a dot

    def experiment(self) -> Experiment:
        """The Experiment that was trained."""
        made: Experiment = from_plain(yaml.load((self.folder / "experiment.yaml").read_text(), Loader=_LOADER))
        return made

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads((self.folder / "status.json").read_text())
        return status

    def summary(self) -> dict[str, Any]:
        return numbers_of((self.folder / "summary.json").read_text())

    def attempts(self) -> list[dict[str, Any]]:
        """Where, when and from which update on (`from_update`) each attempt at the run trained it, in their order."""
        path = self.folder / "provenance.json"
        attempts: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
        return attempts

    def rows(self) -> list[dict[str, float]]:
        """The rows of metrics.jsonl; a last line that a crash cut short is left out."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        return [numbers_of(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def series(self) -> Series:
        """Of each update so far, by column: `train/loss`; `grad/norm` (before clipping; NaN where nobody measured it);
        what the optimizer held after the step, `lr/<group>`, `momentum/<group>`."""
        return read_series(self.folder / "series.npy")

    def rates(self) -> NDArray[np.float64]:
        """What the schedule set, as the optimizer held it after each update so far, shape (updates, columns)."""
        series = self.series()
        names = [n for n in series.dtype.names or () if n not in (LOSS, NORM)]
        return np.stack([series[n] for n in names], axis=1) if names else np.empty((len(series), 0))

    def restored_from(self) -> str | None:
        """The file of evidence that this record was laid out from; it then holds a curve and no rates."""
        return self.status().get("restored_from")

    @property
    def traceback(self) -> Path:
        """Where a run that failed says how it came to that."""
        return self.folder / "traceback.txt"

    @property
    def mirrored(self) -> Path:
        """Says which tracker the whole record was replayed into."""
        return self.folder / "mirrored.json"

    def tested(self) -> bool:
        """Whether the test set was evaluated."""
        return any(name.startswith("test/") for name in self.summary())

    @property
    def picture(self) -> Path:
        """Rate and loss over time, once somebody has looked (`lrbench.plots.run`)."""
        return self.folder / "lr_and_loss.png"

    def checkpoint(self, name: str = "last") -> Path:
        return self.folder / "checkpoints" / f"{name}.pt"

    def standing(self) -> Standing:
        """How the run stands: from its files and, where it claims to be running, from its lease."""
        if not (self.folder / "experiment.yaml").exists():
            return "running" if holder(self.folder) else "new"
        if self.damage() is not None:
            return "running" if holder(self.folder) else "corrupt"
        state = str(self.status()["state"])
        if state == "running":
            return "running" if holder(self.folder) else "interrupted"
        return state  # type: ignore[return-value]

    def glance(self) -> Standing:
        """How the run stands by its status alone: for thousands of runs at a time. A damaged record may pass."""
        try:
            state = str(self.status()["state"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.standing()
        if state in DONE and (self.folder / "summary.json").exists():
            return state  # type: ignore[return-value]
        return self.standing()

    def damage(self) -> str | None:
        """What is wrong with the record's files, in words; None if it can be trusted."""
        try:
            _, status, _ = self.read()
            self.require_whole(status)
        except Damaged as damage:
            return str(damage)
        return None

    def read(self) -> tuple[Experiment, dict[str, Any], dict[str, Any]]:
        """Its experiment, its status and, of a run that is done, its summary. Raises Damaged where they cannot be
        trusted."""
        with reading("experiment.yaml"):
            experiment = self.experiment()
            if run_id(experiment) != self.run_id:
                raise Damaged("experiment.yaml does not hash to the folder's name")
        with reading("a file"):
            status = self.status()
            if status["state"] not in ("running", "interrupted", "failed", *DONE):
                raise Damaged(f"status.json has the unknown state {status['state']!r}")
            return experiment, status, self.summary() if status["state"] in DONE else {}

    def require_whole(self, status: Mapping[str, Any]) -> None:
        """Read the larger files too, given the status. Raises Damaged."""
        with reading("a file"):
            self.rows()
            if status["state"] in DONE:
                if not status.get("restored_from") and not (self.folder / "series.npy").exists():
                    raise Damaged("series.npy is missing")
                self.series()

    def create(self, experiment: Experiment, hydra: Mapping[str, str]) -> None:
        """Lay the folder out for a new run."""
        (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        for name, text in hydra.items():
            write_text(self.folder / ".hydra" / name, text)
        self.set_status("running", 0, experiment.clock.updates)
        write_text(self.folder / "experiment.yaml", yaml.dump(to_plain(experiment), Dumper=_DUMPER, sort_keys=False))

    def set_status(self, state: Standing, update: int, updates: int, error: str | None = None) -> None:
        write_json(self.folder / "status.json", {"state": state, "update": update, "updates": updates, "error": error})

    def set_aside(self, why: str) -> Path:
        """Move the folder away under a name that says why; nothing is ever overwritten."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = self.folder.with_name(f"{self.folder.name}.{why}-{stamp}-{secrets.token_hex(3)}")
        self.folder.rename(target)
        return target


def results_folder(results: str | None = None) -> Path:
    """Where records live: the `results` option, else $LRBENCH_RESULTS, else ./results."""
    return Path(results or os.environ.get("LRBENCH_RESULTS") or "results")


def series_type(names: Iterable[str]) -> np.dtype[np.void]:
    """The columns of a run whose schedule sets these."""
    return np.dtype([(name, "<f8") for name in (LOSS, NORM, *names)])


def read_series(path: Path) -> Series:
    """A .npy of named columns, also while it is being written: the rows that are there already, or none."""
    if not path.exists():
        return np.empty(0, series_type(()))
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.fromfile(file, dtype)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Written beside, then renamed: whoever reads, and a kill at any moment, finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value, indent=2) + "\n")


_STRICT = json.JSONEncoder(allow_nan=False)  # made once: a row is written every update of a short run


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON, which has no NaN and no infinity: a number that is not finite becomes null."""
    if indent is not None:
        return json.dumps(finite(value), indent=indent, allow_nan=False)
    try:
        return _STRICT.encode(value)
    except ValueError:  # something is not finite, which is rare
        return _STRICT.encode(finite(value))


def finite(value: Any) -> Any:
    """Plain data with None for every number that is not finite."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers_of(text: str) -> dict[str, Any]:
    """A row or a summary as it was before `to_json`, but for the kind of what is not finite: it is NaN."""
    return {k: math.nan if v is None else v for k, v in json.loads(text).items()}


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
