"""Runs -> jobs -> arrays -> sbatch."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, replace
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.slurm.slurm import SlurmExecutor

from lrbench.errors import ConfigError
from lrbench.sweep.entry import Entry
from lrbench.sweep.plan import generation
from lrbench.sweep.slurm.job import run_job
from lrbench.sweep.slurm.jobs import Array, add_array
from lrbench.sweep.slurm.options import Slurm, cure_of, parameters

# How Python is started in a job: until it has taken these signals over, they would end it, and SLURM takes a job that
# ended before it was preempted for one that failed. What is ignored here is missed, but nothing was trained yet.
PYTHON = f'sh -c \'trap "" USR2 TERM; exec "$0" "$@"\' {shlex.quote(sys.executable)}'

Group = tuple[Entry, ...]  # the runs of a job


class Chunk(NamedTuple):
    """The jobs of one array; `generation` = how many forks lie behind their runs."""

    generation: int
    groups: tuple[Group, ...]


def chunks(entries: Sequence[Entry], runs_per_job: int, largest: int) -> Iterator[Chunk]:
    """Runs packed into jobs, jobs into arrays of at most `largest`. Parents are in arrays before their children's."""
    for number, members in groupby(entries, key=lambda e: generation(e.experiment)):
        runs = list(members)
        groups = [tuple(runs[i : i + runs_per_job]) for i in range(0, len(runs), runs_per_job)]
        for i in range(0, len(groups), largest):
            yield Chunk(number, tuple(groups[i : i + largest]))


def largest_array() -> int:
    """How many jobs an array may have here. Raises ConfigError where SLURM is not there or does not answer."""
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        cure = (
            "give the command on a login node of the cluster (`module load slurm` at some sites), or leave the "
            "launcher out to train on this machine"
        )
        raise ConfigError("hydra/launcher", "slurm", "there is no sbatch or no srun here", cure)
    done = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        words = " ".join(done.stderr.split()) or "scontrol show config tells no MaxArraySize"
        raise ConfigError("hydra/launcher", "slurm", words, cure_of(words))
    return max(1, int(found[1]))


def submit(folder: Path, entries: Sequence[Entry], options: Slurm, said: Callable[[Array], None]) -> None:
    """Submit runs of the sweep in `folder`; `said` hears of every array, which is written down by then.

    Where jobs are throttled, an array waits for the one before it; children always wait for their parents' arrays.
    Raises ConfigError with sbatch's words if it refuses: then nothing of that array is left behind.
    """
    earlier: list[tuple[int, str]] = []  # generation and number of the arrays submitted here
    for chunk in chunks(entries, options.runs_per_job, largest_array()):
        waits_for = [i for number, i in earlier if options.max_parallel is not None or number < chunk.generation]
        number = _sbatch(folder, chunk.groups, options, waits_for)
        again = [e.run_id for group in chunk.groups for e in group if e.settings.force or e.settings.retry]
        array = Array(number, [[e.run_id for e in group] for group in chunk.groups], again, asdict(options))
        _write_down(folder, array)
        earlier.append((chunk.generation, number))
        said(array)


def _write_down(folder: Path, array: Array) -> None:
    """Keep an array's number; one that cannot be found again is better cancelled."""
    try:
        add_array(folder, array)
    except OSError as error:
        subprocess.run(["scancel", array.id])
        why = f"job {array.id} was submitted but cannot be written down ({error.strerror or error}), so it is cancelled"
        raise ConfigError(str(folder), "", why, "Make room, then give the same command again") from error


def _sbatch(folder: Path, groups: Sequence[Group], options: Slurm, waits_for: Sequence[str]) -> str:
    """One array; its number."""
    logs = (folder / "jobs").absolute()
    logs.mkdir(parents=True, exist_ok=True)
    before = set(logs.iterdir())
    executor = SlurmExecutor(logs, python=PYTHON)
    executor.update_parameters(
        **parameters(options),
        array_parallelism=options.max_parallel or len(groups),
        dependency=f"afterany:{':'.join(waits_for)}" if waits_for else None,
    )
    try:
        with redirect_stderr(StringIO()):  # submitit prints the error too
            jobs = executor.map_array(run_job, [_frozen(g) for g in groups], [str(folder.absolute())] * len(groups))
    except (FailedJobError, FailedSubmissionError) as error:
        for left in set(logs.iterdir()) - before:
            left.unlink()
        words = " ".join(str(error).split()) or "sbatch failed without a word"
        raise ConfigError("hydra/launcher", "slurm", words, cure_of(words)) from error
    return str(jobs[0].job_id).partition("_")[0]


def _frozen(group: Group) -> list[dict[str, Any]]:
    """What a job carries. Its folder may be another one when it starts, so that paths are made absolute here."""
    absolute = [replace(e, settings=replace(e.settings, results=e.settings.results.absolute())) for e in group]
    return [entry.payload() for entry in absolute]
