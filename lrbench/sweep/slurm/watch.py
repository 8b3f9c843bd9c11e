"""Wait for the runs of a sweep. The truth about a run is its record; SLURM is asked only whether it will ever come."""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lrbench.engine.signals import until_signalled
from lrbench.progress import View
from lrbench.store.lease import holder
from lrbench.store.record import DONE
from lrbench.sweep.entry import Entry, saved_update
from lrbench.sweep.observer import Observer
from lrbench.sweep.slurm.jobs import Array, job_of_each_run, log_of
from lrbench.sweep.slurm.states import STUCK, Judge, ask, reasons

JobsEnd = Literal["done", "left"]  # all runs have ended; or their jobs go on without us

LOOK = 1.0  # seconds between two looks at the records
ASK = 4.0  # seconds between two questions to SLURM
ROOM = 64 * 1024  # bytes, without which a disk is full

# SLURM's state is FAILED for many a run that was killed for want of memory.
_ERROR = re.compile(r"^lrbench: |\w*(Error|Exception|Interrupted): ")
_MEMORY = re.compile(r"oom.kill|out of memory|exceeded \w*memory limit|MemoryError", re.IGNORECASE)


@dataclass
class JobWatch:
    """Watches entries of the sweep in `folder`, which `arrays` were submitted for. `why` = of those that will not come,
    by run id."""

    folder: Path
    entries: Sequence[Entry]
    arrays: Sequence[Array]
    observer: Observer
    why: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._job = job_of_each_run(self.arrays)
        self._again = {run for array in self.arrays for run in array.again}
        self._left = {e.run_id: e for e in self.entries}
        self._place = {e.run_id: i for i, e in enumerate(self.entries)}
        self._shown: set[str] = set()
        self._judge, self._asked, self._silent = Judge(), float("-inf"), False
        self._states: Mapping[str, str] = {}
        self._stuck: Mapping[str, str] = {}

    def run(self) -> JobsEnd:
        """Until every run is done or will not come; "left" if a signal asked to leave."""
        with until_signalled() as stop:
            while not stop.asked:
                over = self._over()
                for entry in list(self._left.values()):
                    self._look(entry, over)
                self.observer.refresh()
                if not self._left:
                    return "done"
                time.sleep(LOOK)
        return "left"

    def _over(self) -> Mapping[str, str]:
        """The jobs that will not come any more, and how they ended."""
        if time.monotonic() - self._asked >= ASK:
            self._asked = time.monotonic()
            states = ask(self._job[run] for run in self._left if run in self._job)
            if (states is None) != self._silent:
                self._silent = states is None
                self.observer.say("SLURM does not answer; waiting for it" if self._silent else "SLURM answers again")
            self._states = states or {}
            self._tell_of_stuck()
        return self._judge.ended(self._states, self._asked)

    def _tell_of_stuck(self) -> None:
        """Of jobs that wait for a person, once each time."""
        waiting = [job for job, state in self._states.items() if state == "PENDING"]
        stuck = {job: why for job, why in reasons(waiting).items() if job in waiting and STUCK.search(why)}
        for job, why in stuck.items():
            if job not in self._stuck:
                self.observer.say(f"job {job} waits ({why}): `scontrol release {job}` or `scancel {job}` goes on")
        self._stuck = stuck

    def _look(self, entry: Entry, over: Mapping[str, str]) -> None:
        run, job = entry.run_id, self._job.get(entry.run_id)
        standing, status, *_ = entry.record.glance()
        if standing == "running":
            self._show(entry)
            return
        if run in self._shown and standing == "interrupted" and self._states.get(str(job)) == "PENDING":
            self._shown.discard(run)
            self.observer.gave_back(self._place[run], entry, f"stopped at update {saved_update(entry)}, queued again")
        if standing in (*DONE, "failed") and (run not in self._again or job is None or job in over):
            self._end(entry, standing, str(status["error"]) if standing == "failed" else "")
        elif job is None and holder(self.folder):
            pass  # a command on this machine will come to it
        elif job is None:
            self._end(entry, "stopped", "it has no job; the sweep's command submits it")
        elif job in over:
            self._end(entry, "stopped", ending(self.folder, job, over[job]))

    def _show(self, entry: Entry) -> None:
        place = self._place[entry.run_id]
        if entry.run_id not in self._shown:
            self._shown.add(entry.run_id)
            self.observer.began(place, entry)
        rows = entry.record.latest(50)
        latest = {k: v for row in rows for k, v in row.items()}
        self.observer.view(place, View(int(latest.get("update", 0)), latest))

    def _end(self, entry: Entry, how: str, why: str) -> None:
        if how not in DONE:
            self.why[entry.run_id] = why
        del self._left[entry.run_id]
        self.observer.ended(self._place[entry.run_id], entry, how, why)


def ending(folder: Path, job: str, state: str) -> str:
    """How a job ended without its run: SLURM's word, and what the log of its last start says of memory, of an error, or
    last."""
    lines = last_lines(log_of(folder, job), 30)
    starts = [i for i, line in enumerate(lines) if "Starting with JobEnvironment" in line]
    lines = lines[starts[-1] :] if starts else lines
    of_memory = [line for line in lines if _MEMORY.search(line)]
    if shutil.disk_usage(folder).free < ROOM:  # the log had no room to say so
        return f"job {job} ended {state}: the disk under {folder.parents[1]} is full"
    if of_memory:
        return f"job {job} ended {state}: {of_memory[-1]} (hydra.launcher.mem gives more)"
    telling = [line for line in lines if _ERROR.search(line)] or lines
    return f"job {job} ended {state}" + (f": {telling[-1]}" if telling else "")


def last_lines(path: Path, n: int) -> list[str]:
    """The last lines of a log that say something; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-n:]
