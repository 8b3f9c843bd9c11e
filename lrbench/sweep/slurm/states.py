"""Whether a job will ever come to an end of its runs: what sacct says, or scontrol where there is no accounting."""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lrbench.errors import ConfigError

ENDED = frozenset(
    {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL", "REVOKED", "GONE"}
)
DOUBTFUL = frozenset({"NODE_FAIL", "PREEMPTED"})  # the end of the job, or the moment before it is queued again
SETTLED = 4.0  # seconds for which a job must be seen to have ended
DOUBT = 60.0  # the same, for a doubtful end
# Reasons to wait that do not pass by themselves.
STUCK = re.compile("held|NeverSatisfied|BadConstraints", re.IGNORECASE)

ONCE = 1000  # jobs that one command names

_TASK = re.compile(r"(?P<array>\d+)_\[?(?P<tasks>[\d,:-]+)(%\d+)?\]?")


def ask(jobs: Iterable[str]) -> dict[str, str] | None:
    """The states of jobs (`12`, `12_3`) in SLURM's words; GONE for one that it does not know any more. None where SLURM
    does not answer."""
    jobs = set(jobs)
    if not jobs:
        return {}
    arrays = sorted({job.partition("_")[0] for job in jobs})
    known = _from_sacct(arrays)
    missing = sorted({job.partition("_")[0] for job in jobs if job not in known})
    if missing:
        answers = [_from_scontrol(array) for array in missing]
        if any(answer is None for answer in answers):
            return None
        for answer in answers:
            known = {**(answer or {}), **known}
    return {job: known.get(job, "GONE") for job in jobs}


def reasons(jobs: Iterable[str]) -> dict[str, str]:
    """Why jobs wait, in SLURM's word (`Resources`, `Priority`, `JobHeldUser`); those that do not wait are left out."""
    arrays = sorted({job.partition("_")[0] for job in jobs})
    command = ["squeue", "--noheader", "--array", "--states=PENDING", "--format=%i|%r", "--jobs", ",".join(arrays)]
    lines = (_output(command) or "").splitlines() if arrays else []
    return dict(line.split("|", 1) for line in lines if "|" in line)


def _from_sacct(arrays: list[str]) -> dict[str, str]:
    """Nothing where there is no accounting."""
    command = ["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(arrays)]
    return read_sacct(_output(command) or "")


def _from_scontrol(array: str) -> dict[str, str] | None:
    """None where the controller does not answer; empty for a job that it has forgotten."""
    done = _run(["scontrol", "--oneliner", "show", "job", array])
    if done is None or (done.returncode and "Invalid job id" not in done.stderr):
        return None
    return read_scontrol(done.stdout)


def _output(command: list[str]) -> str | None:
    done = _run(command)
    return None if done is None or done.returncode else done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        environment = {**os.environ, "SLURM_BITSTR_LEN": "0"}  # else a long list of tasks ends in dots
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None


def read_sacct(text: str) -> dict[str, str]:
    """States by job from lines of `JobID|State`. (`CANCELLED by 1000` is CANCELLED.)"""
    found: dict[str, str] = {}
    for line in text.splitlines():
        job, _, state = line.partition("|")
        for each in _expanded(job.strip()):
            found[each] = state.split()[0] if state.strip() else "UNKNOWN"
    return found


def read_scontrol(text: str) -> dict[str, str]:
    """States by job from lines of `JobId=12 ArrayJobId=10 ArrayTaskId=3 ... JobState=RUNNING ...`."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        said = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "JobState" not in said:
            continue
        array, tasks = said.get("ArrayJobId"), said.get("ArrayTaskId")
        name = said["JobId"] if array is None or tasks is None else f"{array}_[{tasks}]"
        for each in _expanded(name):
            found[each] = said["JobState"]
    return found


def _expanded(job: str) -> list[str]:
    """`12`, or each job of `12_3` and `12_[3,5-7%4]`."""
    found = _TASK.fullmatch(job)
    if found is None:
        return [job]
    names = []
    for part in found["tasks"].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        names += [f"{found['array']}_{i}" for i in range(int(first), int(last or first) + 1, int(step or 1))]
    return names


@dataclass
class Judge:
    """Which jobs have ended for good: only final states count, and only if they are still so some seconds later.

    A suspended job goes on; one whose node failed, or that was preempted, is queued again, if the site does that.
    """

    _since: dict[str, tuple[str, float]] = field(default_factory=dict)  # by job: its state, and since when

    def ended(self, states: Mapping[str, str], now: float) -> dict[str, str]:
        """The states of those jobs that will not come any more. `now` in seconds, of any clock that only goes on."""
        for job, state in states.items():
            if self._since.get(job, ("", 0.0))[0] != state:
                self._since[job] = state, now
        return {job: state for job, state in states.items() if now - self._since[job][1] >= _patience(state)}


def _patience(state: str) -> float:
    if state in ENDED:
        return SETTLED
    return DOUBT if state in DOUBTFUL else float("inf")


def cancel(jobs: Iterable[str]) -> None:
    """End jobs. Ctrl-C comes first, by which a run saves its state and stops; scancel's own SIGTERM would have it go on
    until it is killed. Raises ConfigError with scancel's words."""
    numbers = sorted(jobs)
    for i in range(0, len(numbers), ONCE):
        _run(["scancel", "--signal=INT", *numbers[i : i + ONCE]])  # refuses jobs that do not run yet
        done = _run(["scancel", *numbers[i : i + ONCE]])
        if done is None or done.returncode:
            words = "scancel is not there or does not answer" if done is None else " ".join(done.stderr.split())
            raise ConfigError("", "", words, "`squeue --me` shows what is left")
