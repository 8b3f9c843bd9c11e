"""A plan as jobs of SLURM: submit what is not done and not queued yet, then wait for all of it."""

import shutil
import time
from contextlib import suppress

from lrbench.errors import ConfigError
from lrbench.plural import plural
from lrbench.store.lease import alone
from lrbench.store.locks import check_locks
from lrbench.store.store import store_of
from lrbench.sweep.entry import Entry
from lrbench.sweep.observer import Observer
from lrbench.sweep.slurm.jobs import Array, job_of_each_run, load_arrays
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.slurm.states import ENDED, SETTLED, ask
from lrbench.sweep.slurm.submit import submit
from lrbench.sweep.slurm.watch import JobsEnd, JobWatch
from lrbench.sweep.store import Sweep


def run_on_slurm(sweep: Sweep, options: Slurm, observer: Observer) -> JobsEnd:
    """Raises ConfigError if SLURM refuses: then nothing is left behind of a sweep that was not there before."""
    if not sweep.plan.to_do:
        sweep.save()
        return "done"
    store = store_of(sweep.folder)
    made = [folder for folder in (store.sweeps_folder, store.folder, store.results) if not folder.exists()]
    doubt = check_locks(store.results)
    if doubt:
        observer.say(doubt)
    try:
        _submit(sweep, options, observer)
    except ConfigError:
        for folder in made:
            with suppress(OSError):  # not empty: something was submitted
                folder.rmdir()
        raise
    if options.detach:
        return "left"
    return wait_for(sweep, observer)


def wait_for(sweep: Sweep, observer: Observer) -> JobsEnd:
    """Wait for what is under way; "left" if a signal came."""
    observer.planned(sweep.plan)
    return JobWatch(sweep.folder, sweep.plan.to_do, load_arrays(sweep.folder), observer).run()


def _submit(sweep: Sweep, options: Slurm, observer: Observer) -> None:
    """Under a lock, so that a second driver finds the jobs of the first and attaches to them."""
    folder, to_do = sweep.folder, sweep.plan.to_do
    made = not (folder / "sweep.json").exists()
    sweep.save()
    with alone(folder):
        waiting = _under_way(load_arrays(folder), to_do)
        if waiting:
            some = f"{len(waiting)} of {len(to_do)} runs are in jobs already"
            observer.say(f"{some}; they are waited for, not submitted again")
        missing = [e for e in to_do if e.run_id not in waiting]
        submitted: list[Array] = []
        try:
            submit(folder, missing, options, submitted.append)
        except ConfigError as error:
            if not submitted and made:
                shutil.rmtree(folder)
            runs = sum(len(group) for array in submitted for group in array.groups)
            kept = f" {runs} of {len(missing)} runs were submitted before that and go on." if runs else ""
            raise ConfigError("", "", f"{error}{kept}") from error
        for array in submitted:
            said = plural(sum(map(len, array.groups)), "run")
            observer.say(f"submitted {said} in {plural(len(array.groups), 'job')}: {array.id}")


def _under_way(arrays: list[Array], to_do: tuple[Entry, ...]) -> set[str]:
    """The runs whose jobs wait or run. A job that has ended is looked at twice."""
    jobs = {run: job for run, job in job_of_each_run(arrays).items() if run in {e.run_id for e in to_do}}
    states = ask(jobs.values())
    if states is not None and any(s in ENDED for s in states.values()):
        time.sleep(SETTLED)
        again = ask(jobs.values())
        states = again and {job: s if s == states[job] else "UNKNOWN" for job, s in again.items()}
    if states is None:
        why = "this sweep has jobs already, and SLURM does not answer whether they go on"
        raise ConfigError("hydra/launcher", "slurm", why, "try again in a while")
    return {run for run, job in jobs.items() if states[job] not in ENDED}
