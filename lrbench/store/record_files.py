"""What a run leaves on disk, file by file: `<results>/runs/<run_id>/`.

experiment.yaml   the resolved Experiment            status.json   running, finished, diverged, interrupted, failed
metrics.jsonl     rows: the source of truth          series.npy    what every update used and gave, by column
summary.json      the final numbers                  provenance.json   where, when and with what each attempt trained
.hydra/           Hydra's config, overrides          checkpoints/  last.pt, and those kept for forks
weights/          end.pt and best.pt, plain files; best.json: of which evaluation the best are
traceback.txt     of the last attempt that failed    mirrored.json the tracker that it was replayed into
lr_and_loss.png   drawn when somebody looks           rates.json    the corners of its rates, if restored from evidence
seal.json         what all of these hold: store.seal   damaged.txt   what was found wrong when somebody looked closely
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from lrbench.experiment import Experiment
from lrbench.experiment.identity import from_plain, run_id
from lrbench.store import seal as seals
from lrbench.store.files import Damaged, numbers_of, read_json, reading
from lrbench.store.series import LOSS, NORM, Series, read_series

RATES, METRICS = "rates.json", "metrics.jsonl"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is seven times as fast


@dataclass(frozen=True)
class RecordFiles:
    """One run's folder: where its files lie, and what each says by itself."""

    folder: Path

    @property
    def run_id(self) -> str:
        return seals.run_of(self.folder)

    def experiment(self) -> Experiment:
        """The Experiment that was trained."""
        with reading("experiment.yaml"):
            made: Experiment = from_plain(yaml.load((self.folder / "experiment.yaml").read_bytes(), Loader=_LOADER))
            if run_id(made) != self.run_id:
                raise Damaged("experiment.yaml does not hash to the folder's name")
            return made

    def summary(self) -> dict[str, Any]:
        with reading("summary.json"):
            return {k: math.nan if v is None else v for k, v in read_json(self.folder / "summary.json").items()}

    def attempts(self) -> list[dict[str, Any]]:
        """Where, when and from which update on (`from_update`) each attempt at the run trained it, in their order."""
        path = self.folder / "provenance.json"
        if not path.exists():
            return []
        with reading(path.name):
            attempts: list[dict[str, Any]] = read_json(path)
            if not isinstance(attempts, list) or not all(isinstance(a, dict) for a in attempts):
                raise Damaged(f"{path.name} is no list of attempts")
            return attempts

    def rows(self) -> list[dict[str, float]]:
        """The rows of metrics.jsonl; a last line that a crash cut short is left out."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        with reading(path.name):
            return [numbers_of(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def latest(self, count: int) -> list[dict[str, float]]:
        """The last rows of a run under way, as far as they can be read."""
        try:
            return self.rows()[-count:]
        except Damaged:
            return []

    def series(self) -> Series:
        """Of each update so far, by column: `train/loss`; `grad/norm` (before clipping; NaN where nobody measured it);
        what the optimizer held after the step, `lr/<group>`, `momentum/<group>`."""
        with reading("series.npy"):
            return read_series(self.folder / "series.npy")

    def rates(self) -> NDArray[np.float64]:
        """What the schedule set, as the optimizer held it after each update so far, shape (updates, columns)."""
        series = self.series()
        names = [n for n in series.dtype.names or () if n not in (LOSS, NORM)]
        return np.stack([series[n] for n in names], axis=1) if names else np.empty((len(series), 0))

    def config_dirs(self) -> list[str]:
        """The folders of levels that were given by --config-dir when the run was first asked for; none where that is
        not recorded."""
        try:
            node = yaml.load((self.folder / ".hydra" / "hydra.yaml").read_text(), Loader=_LOADER)
            sources = node["hydra"]["runtime"]["config_sources"]
            return [s["path"] for s in sources if s["provider"] == "command-line"]
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            return []

    @property
    def traceback(self) -> Path:
        """Where a run that failed says how it came to that."""
        return self.folder / "traceback.txt"

    @property
    def mirrored(self) -> Path:
        """Says which tracker the whole record was replayed into."""
        return self.folder / "mirrored.json"

    def tested(self) -> bool:
        return tested(self.summary())

    @property
    def picture(self) -> Path:
        """Rate and loss over time, once somebody has looked (`lrbench.plots.run`)."""
        return self.folder / "lr_and_loss.png"

    def checkpoint(self, name: str = "last") -> Path:
        return self.folder / "checkpoints" / f"{name}.pt"

    def weights(self, name: str = "end") -> Path:
        """The model's weights alone, as a plain file: `end`, or `best`."""
        return self.folder / "weights" / f"{name}.pt"

    def sealed(self) -> bool:
        """Whether a seal covers its files: not those of a run that was trained before there were seals."""
        return (self.folder / seals.SEAL).exists()


def tested(summary: Mapping[str, Any]) -> bool:
    """Whether the test set was evaluated."""
    return any(name.startswith("test/") for name in summary)
