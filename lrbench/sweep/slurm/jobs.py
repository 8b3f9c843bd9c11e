"""Which job has which runs: `jobs.json` in a sweep's folder, written as soon as SLURM has taken an array."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.store.files import of_format, write_json

FORMAT = 1  # raised when a jobs.json of before cannot be read any more


@dataclass(frozen=True)
class Array:
    """One submission: job i trains the runs of groups[i], by their ids; those in `again` have a record already that is
    not the answer (force, retry). `options` = what was asked of SLURM."""

    id: str
    groups: Sequence[Sequence[str]]
    again: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    submitted: str = ""

    def jobs(self) -> dict[str, Sequence[str]]:
        """The runs of each job, by SLURM's number for it: `12_3` of several, `12` where there is one."""
        if len(self.groups) == 1:
            return {self.id: self.groups[0]}
        return {f"{self.id}_{i}": group for i, group in enumerate(self.groups)}


def job_of_each_run(arrays: Sequence[Array]) -> dict[str, str]:
    """The latest job of every run, by run id."""
    return {run: job for array in arrays for job, runs in array.jobs().items() for run in runs}


def log_of(folder: Path, job: str) -> Path:
    """What a job of this sweep printed (its first task, where there are several)."""
    return folder / "jobs" / f"{job}_0_log.out"


def load_arrays(folder: Path) -> list[Array]:
    """What was submitted for a sweep, the oldest first. Raises ConfigError for what another version wrote."""
    path = folder / "jobs.json"
    try:
        plain = of_format(path.read_text(), FORMAT)
        return [Array(**array) for array in plain["arrays"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"{type(error).__name__}: {error}"
        why = f"the jobs of this sweep cannot be read ({said}), so nobody can tell what is queued already"
        cure = (
            "Look with `squeue --me`, cancel what is left, then move the file away and give the sweep's command again"
        )
        raise ConfigError(str(path), "", why, cure) from error


def add_array(folder: Path, array: Array) -> None:
    """Write an array down, in one step. Raises OSError where the disk refuses."""
    stamped = replace(array, submitted=time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    arrays = [*load_arrays(folder), stamped]
    write_json(folder / "jobs.json", {"format": FORMAT, "arrays": [asdict(a) for a in arrays]})
