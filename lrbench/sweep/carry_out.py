"""Carry out: a Plan to its Outcome, by this process, by warm workers beside it, or by jobs of SLURM."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from lrbench.engine.attempt import Interrupted
from lrbench.engine.ranks import is_rank_zero, rank_count
from lrbench.engine.signals import until_signalled
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.progress import View
from lrbench.store.lease import Lease
from lrbench.store.locks import check_locks
from lrbench.store.record import Look
from lrbench.store.store import Store
from lrbench.sweep.alike import Alike
from lrbench.sweep.entry import Entry, failure, with_files
from lrbench.sweep.observer import SILENT, Observer
from lrbench.sweep.plan import Plan, look_at
from lrbench.sweep.pool import End, Pool
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.store import Sweep, sweep_of


@dataclass(frozen=True)
class SweepOutcome:
    """What became of a plan: the sweep as it is kept, and how its carrying out ended ("left": the jobs go on without
    us)."""

    sweep: Sweep
    end: End | Literal["left"]

    @cached_property
    def looks(self) -> dict[str, Look]:
        """What every run's record says when this is first asked, by run id. One that there was nothing to do for was
        looked at when it was planned; the others have been trained since, here or by another process."""
        plan = self.sweep.plan
        return {**plan.looks, **{e.run_id: look_at(e.record) for e in plan.to_do}}

    def standings(self) -> list[str]:
        """How each run of the plan stands, in its order."""
        return [look.standing for look in self.looks.values()]


def carry_out(
    plan: Plan,
    workers: int | Slurm | None = None,
    observer: Observer = SILENT,
    name: str | None = None,
    overrides: tuple[str, ...] = (),
) -> SweepOutcome:
    """Train what a plan has to do, and keep the plan in `<results>/sweeps/` under its name, or a hash of its runs.

    workers: processes that train at the same time, 1 for this process alone, None for as many as fit; or what is asked
    of SLURM. overrides: what was typed for it, to be kept. A signal stops every run at an update; the same plan, frozen
    again, goes on from there. Warm workers import the main module again, as Python's do: a script guards what it does
    by `if __name__ == "__main__"`.

    Raises ConfigError where another sweep has this name, where the disk or SLURM refuses, and for a number of workers
    that is none.
    """
    sweep = sweep_of(plan, name, overrides)
    if isinstance(workers, Slurm):
        from lrbench.sweep.slurm.drive import run_on_slurm  # imports submitit

        return SweepOutcome(sweep, run_on_slurm(sweep, workers, observer))
    many = worker_count(plan, workers)
    if not is_rank_zero():  # rank 0 keeps the plan, and tells
        for entry in plan.entries:
            train(entry.experiment, entry.settings)
        return SweepOutcome(sweep, "done")
    check_locks(plan.entries[0].settings.results)
    sweep.save()
    observer.planned(plan)
    # All ranks must come to the same runs, so with several none is passed over for being done.
    here = plan.to_do if rank_count() == 1 else plan.entries
    with _driving(sweep.folder) if here else nullcontext():
        end = _in_this_process(here, observer, plan.store) if many == 1 else Pool(plan, many, observer).run()
        return SweepOutcome(sweep, end)


def worker_count(plan: Plan, asked: int | None) -> int:
    """How many workers train a plan: as many as asked for, or as fit here, and no more than it has work for. 1: it is
    trained in this process, as it is by each of several ranks.

    Raises ConfigError for a number below 1.
    """
    if asked is not None and asked < 1:
        raise ConfigError("hydra.launcher.workers", asked, "give a number of processes from 1, or null")
    if len(plan.jobs) == 1 or rank_count() > 1:
        return 1
    return max(1, min(_that_fit(plan) if asked is None else asked, len(plan.to_do)))


def _that_fit(plan: Plan) -> int:
    """One for every `threads` cores that this process may use; where there are GPUs, one a GPU."""
    if any(e.settings.device != "cpu" for e in plan.entries) and torch.cuda.is_available():
        return torch.cuda.device_count()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // max(e.experiment.threads for e in plan.entries))


@contextmanager
def _driving(folder: Path) -> Iterator[None]:
    """Hold the sweep's lease, by which others know that its runs will come; a second driver does without."""
    lease = Lease(folder)
    lease.take()
    try:
        yield
    finally:
        lease.release()


def _in_this_process(entries: Sequence[Entry], observer: Observer, store: Store) -> End:
    """All runs in order; a failed one does not stop the rest, unless the first all fail alike."""
    alike = Alike()

    def show(view: View) -> None:
        observer.view(0, view)
        observer.refresh()

    with until_signalled() as stop:
        for entry in entries:
            if stop.asked:
                return "interrupted"
            observer.began(0, entry)
            try:
                record = train(entry.experiment, with_files(entry), show, observer.say, store=store)
            except Interrupted as error:
                observer.ended(0, entry, "stopped", str(error))
                return "interrupted"
            except Exception as error:
                why = failure(error)
                observer.ended(0, entry, "failed", why.text)
                if why.disk_full:
                    return "disk full"
                if told := alike("failed", why.text):
                    observer.say(told)
                    return "all alike"
            else:
                standing = record.standing()
                observer.ended(0, entry, standing, "")
                alike(standing, "")
    return "done"
