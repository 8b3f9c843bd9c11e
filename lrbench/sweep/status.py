"""How a sweep stands, from its plan, its records and, where it has jobs, SLURM's word on them. Nothing here writes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from lrbench.plural import plural
from lrbench.store.lease import holder
from lrbench.store.record import DONE, Look
from lrbench.store.store import store_of
from lrbench.sweep.entry import Entry
from lrbench.sweep.plan import WORDS, duration
from lrbench.sweep.slurm.jobs import job_of_each_run, load_arrays, log_of
from lrbench.sweep.slurm.states import ENDED, ask, reasons
from lrbench.sweep.slurm.watch import ending, last_lines
from lrbench.sweep.store import Sweep

TOLD = {**WORDS, "running": "running", "starting": "starting", "queued": "queued", "lost": "lost"}
COMING = ("running", "starting", "queued")
ORDER = (*COMING, "new", "interrupted", "lost", "failed", "corrupt", "diverged", "finished")
WRONG = ("lost", "failed", "corrupt")


@dataclass(frozen=True)
class RunStatus:
    """`state` is a record's standing, or queued (its job, or the sweep's command, will come to it), starting (its job
    is there, the run is not yet) or lost (its job ended without it)."""

    run_id: str
    label: str
    state: str
    update: int
    updates: int
    seconds: float  # of training so far
    samples: int  # a second, while it runs
    job: str | None
    job_state: str | None
    why: str = ""
    log: str | None = None


@dataclass(frozen=True)
class SweepStatus:
    name: str
    planned: str
    runs: tuple[RunStatus, ...]

    @property
    def counts(self) -> dict[str, int]:
        counted = Counter(r.state for r in self.runs)
        return {state: counted[state] for state in ORDER if counted[state]}

    @property
    def under_way(self) -> bool:
        return any(r.state in COMING for r in self.runs)

    @property
    def samples_per_second(self) -> int:
        return sum(r.samples for r in self.runs)

    @property
    def seconds_left(self) -> float | None:
        """For the runs that will come, at the pace of the median run and with as many at once as now."""
        paces = [r.seconds / r.update for r in self.runs if r.update and r.seconds]
        left = sum(r.updates - r.update for r in self.runs if r.state in COMING)
        at_once = sum(r.state in ("running", "starting") for r in self.runs)
        return left * median(paces) / max(1, at_once) if paces and left else None

    def headline(self) -> str:
        """`24 runs: 2 running, 12 queued, 10 done; 8,000 samples/s, about 3 min left`."""
        text = f"{plural(len(self.runs), 'run')}: " + ", ".join(
            f"{n} {TOLD[state]}" for state, n in self.counts.items()
        )
        pace = [f"{self.samples_per_second:,} samples/s"] if self.samples_per_second else []
        if self.seconds_left is not None:
            pace.append(f"about {duration(self.seconds_left)} left")
        return f"{text}; {', '.join(pace)}" if pace else text

    def plain(self) -> dict[str, Any]:
        """For a program."""
        numbers = {"counts": self.counts, "samples_per_second": self.samples_per_second}
        return {**asdict(self), **numbers, "seconds_left": self.seconds_left}


def status_of(sweep: Sweep) -> SweepStatus:
    """Raises ConfigError for jobs that cannot be read."""
    arrays = load_arrays(sweep.folder)
    jobs = job_of_each_run(arrays)
    looks = {e.run_id: e.record.glance() for e in sweep.plan.entries}
    open_jobs = {jobs[run] for run, look in looks.items() if run in jobs and look.standing not in DONE}
    states = ask(open_jobs) or {}
    waiting = [job for job, state in states.items() if state == "PENDING"]
    states |= {job: f"PENDING ({why})" for job, why in reasons(waiting).items() if job in waiting}
    driven = holder(sweep.folder) is not None
    runs = [_run(sweep.folder, e, looks[e.run_id], jobs.get(e.run_id), states, driven) for e in sweep.plan.entries]
    return SweepStatus(sweep.name, sweep.planned, tuple(runs))


def _run(folder: Path, entry: Entry, look: Look, job: str | None, states: Mapping[str, str], driven: bool) -> RunStatus:
    record, standing = entry.record, look.standing
    job_state = states.get(job) if job else None
    state: str = standing
    why = ""
    if standing in ("new", "interrupted") and job_state is not None and job is not None:
        state = "lost" if job_state in ENDED else "starting" if job_state == "RUNNING" else "queued"
        why = ending(folder, job, job_state) if state == "lost" else ""
    elif standing in ("new", "interrupted") and driven:
        state = "queued"
    elif standing == "failed":
        why = str(look.status["error"])
    elif standing == "corrupt":
        why = look.why
    rows = record.latest(20) if standing == "running" else []
    at = max((int(r["update"]) for r in rows), default=int(look.status.get("update", 0)))
    seconds = max((r.get("seconds", 0.0) for r in rows), default=0.0)
    if standing in DONE:
        seconds = float(look.summary["seconds"])
    pace = round(at * entry.experiment.batch_size / seconds) if rows and seconds else 0
    log = log_of(folder, job) if job else record.traceback if standing == "failed" else None
    updates = entry.experiment.clock.updates
    return RunStatus(entry.run_id, entry.label, state, at, updates, seconds, pace, job, job_state, why, _text(log))


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None and path.exists() else None


def failures(status: SweepStatus, lines: int = 3, most: int = 10) -> list[str]:
    """What went wrong, with the last lines of its log and the command to look closer. Runs that one cause ended (the
    end of their job, say) are told of together."""
    together: dict[tuple[str, str], list[RunStatus]] = {}
    for run in status.runs:
        if run.state in WRONG:
            together.setdefault((run.state, run.why), []).append(run)
    text: list[str] = []
    for (state, why), runs in list(together.items())[:most]:
        first, others = runs[0], len(runs) - 1
        whose = f" and {others:,} more: {TOLD[state]}" if others else f": {TOLD[state]} at update {first.update}"
        text.append(f"{first.run_id[:8]} {first.label}{whose}: {why}")
        text += [f"    {line}" for line in (last_lines(Path(first.log), lines) if first.log else [])]
        text.append("    look: " + "; ".join(_looks(first)))
    left = sum(len(runs) for runs in list(together.values())[most:])
    return text + ([f"... and {left:,} more"] if left else [])


def _looks(run: RunStatus) -> list[str]:
    """Commands; a run that was lost before its first update has nothing to show but its log."""
    log = [f"tail -n 50 {run.log}"] if run.log else []
    return log if log and run.state == "lost" and run.update == 0 else [f"lrbench show {run.run_id[:8]}", *log]


def read_sweep(folder: Path) -> Sweep:
    """A sweep with its records beside it: it may be read from another folder than it was planned in.

    Raises ConfigError.
    """
    sweep, results = Sweep.load(folder), store_of(folder).results
    entries = [replace(e, settings=replace(e.settings, results=results)) for e in sweep.plan.entries]
    return replace(sweep, plan=replace(sweep.plan, entries=tuple(entries)))
