"""What happens inside a job: its runs are trained here, alone or side by side, and the job is queued again on SIGUSR2.

submitit calls `run_job` in every task. Nothing heavy is imported before it has taken the signal over: until then, one
that comes early ends the job.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrbench.sweep.entry import Entry

STARTS = 4  # of a run by one job at the same update, the last of which counts as failed
LINGER = 60.0  # seconds within which SLURM ends a job that it is queueing again by itself


def run_job(payloads: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Train the runs of a job, for the sweep in `folder`.

    Raises RuntimeError if one failed, so that the job counts as failed too; ends with SystemExit when queued again.
    """
    first = os.environ.get("SLURM_PROCID", "0") == "0"
    signal.signal(signal.SIGUSR2, _queue_again if first else signal.SIG_IGN)
    _let_tasks_meet()
    from lrbench.sweep.entry import from_payload

    entries = [from_payload(p) for p in payloads]
    if first:
        entries = [_as_begun(e) for e in entries if _gets_on(e, Path(folder) / "starts")]
    if len(entries) == 1:
        _train_alone(entries[0])
    elif entries:
        _train_together(entries)
    else:
        raise RuntimeError("no run of this job gets on; its log says why")


def _queue_again(number: int, frame: FrameType | None) -> None:
    """Have SLURM run this job again, from where its runs stand."""
    job = os.environ["SLURM_JOB_ID"]
    print(f"lrbench: {signal.Signals(number).name}: this job goes on in another one", flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # scontrol inherits it: preemption sends that too
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
    if done.returncode:
        print(f"lrbench: {' '.join(done.stderr.split())}; SLURM may be doing so already", flush=True)
        time.sleep(LINGER)
    sys.exit(1)


def _let_tasks_meet() -> None:
    """Where several tasks train one run: the address that `engine.ranks` needs, the same in every task."""
    if os.environ.get("SLURM_NTASKS", "1") != "1":
        os.environ.setdefault("MASTER_ADDR", os.environ["SLURM_LAUNCH_NODE_IPADDR"])
        os.environ.setdefault("MASTER_PORT", str(20000 + int(os.environ["SLURM_JOB_ID"]) % 20000))


def _gets_on(entry: "Entry", folder: Path) -> bool:
    """Note that a run is started, and where it stands; False, and the run has failed, if this job has started it there
    too often."""
    from lrbench.sweep.entry import mark_failed, saved_update

    saved = saved_update(entry)
    this = f"{os.environ['SLURM_JOB_ID']} {saved}"
    path = folder / f"{entry.run_id}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    starts = [*(path.read_text().splitlines() if path.exists() else ()), this]
    path.write_text("\n".join(starts) + "\n")
    if starts[-STARTS:] != [this] * STARTS or entry.record.glance().standing in ("finished", "diverged"):
        return True
    why = (
        f"the job was started {STARTS} times at update {saved} and never saved a later one: more time "
        "(hydra.launcher.time), a shorter checkpoint_every, or a quieter partition would help; retry=true tries again"
    )
    print(f"lrbench: {entry.run_id}: {why}", flush=True)
    mark_failed(entry, saved, why)
    return False


def _as_begun(entry: "Entry") -> "Entry":
    """`force` and `retry` hold until this job has begun the record: after that it is this job's own."""
    path = entry.record.folder / "provenance.json"
    begun = path.exists() and f'"slurm_job": "{os.environ["SLURM_JOB_ID"]}"'.encode() in path.read_bytes()
    return replace(entry, settings=replace(entry.settings, force=False, retry=False)) if begun else entry


def _train_alone(entry: "Entry") -> None:
    """In this process, which may be one rank of several."""
    from lrbench.engine.ranks import is_rank_zero
    from lrbench.engine.train import train
    from lrbench.progress import Reporter, silent
    from lrbench.sweep.entry import run_entry, with_files

    if not is_rank_zero():  # rank 0 shows and tells
        run_entry(entry.payload(), silent)
        return
    with Reporter(entry.experiment) as reporter:
        record = train(entry.experiment, with_files(entry), reporter, reporter.say)
    if record.standing() == "failed":
        raise RuntimeError(f"{entry.run_id} failed: {record.status()['error']}")


def _train_together(entries: "Sequence[Entry]") -> None:
    """In a process each. Signals reach all processes of a job; the one that workers come from has to live on."""
    handler = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from lrbench.sweep.display import Display
    from lrbench.sweep.plan import Plan
    from lrbench.sweep.pool import Pool, start_server

    start_server()
    signal.signal(signal.SIGUSR2, handler)
    plan = Plan(tuple(entries), tuple(e.run_id for e in entries))
    with Display() as display:
        display.planned(plan)
        pool = Pool(plan, len(entries), display)
        pool.run()
    if failed := [run for run, how in pool.ended.items() if how == "failed"]:
        raise RuntimeError(f"{len(failed)} of {len(entries)} runs failed: {', '.join(failed)}")
