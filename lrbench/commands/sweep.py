"""`lrbench -m ...` and `lrbench sweep NAME`: compose, check and freeze every job, print the plan, then train it.

A launcher gives the overrides of all jobs and gets a value for each: how its run stands at the end. What is frozen here
is a `lrbench.sweep.store.Sweep`, whose entries any launcher can carry elsewhere (see `lrbench.sweep.entry`).
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrbench.cli.flags import Asked, Flags, Slurm
from lrbench.commands import labels, naming
from lrbench.commands.notes import tell_of
from lrbench.commands.train import Checks, checked
from lrbench.config.composer import Job, composer
from lrbench.engine.attempt import Interrupted
from lrbench.engine.ranks import leads, rank_count
from lrbench.engine.signals import until_signalled
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.metrics import declared_in, metric_of
from lrbench.progress import Reporter
from lrbench.store.lease import Lease
from lrbench.store.locks import check_locks
from lrbench.store.record import DONE
from lrbench.store.store import Store
from lrbench.sweep.display import Display
from lrbench.sweep.entry import Entry, failure, with_files
from lrbench.sweep.mirror import mirror_sweep
from lrbench.sweep.plan import Plan, Refused, counted, make_plan
from lrbench.sweep.pool import Outcome, Pool, default_workers, start_server
from lrbench.sweep.slurm.options import check
from lrbench.sweep.store import sweep_of

INTERRUPTED = 130  # as in cli
SHOWN = 60  # runs at most in the table at the end
FINALS = ("test/accuracy", "test/loss", "val/loss")

Values = list[str | None]


def run(overrides: Sequence[Sequence[str]], asked: Asked, flags: Flags) -> tuple[int, Values]:
    """Plan the jobs and train them; the exit code, and how each job's run stands at the end (None for a refused one).

    Raises ConfigError if a job is refused and was not to be left out; then nothing is trained or written.
    """
    if isinstance(asked.workers, Slurm):
        return _on_slurm(overrides, asked, asked.workers, flags)
    workers = asked.workers
    if workers is not None and workers < 1:
        raise ConfigError(f"hydra.launcher.workers={workers}: give a number of processes from 1, or null.")
    alone = workers == 1 or len(overrides) == 1 or rank_count() > 1
    if not alone and not flags.dry_run:
        start_server()  # it imports torch while the plan is made
    entries, refused = _frozen(overrides, asked, flags.skip_invalid)
    plan = make_plan([e for e in entries if e is not None], refused)
    if not leads():  # rank 0 shows and tells
        for entry in plan.entries:
            train(entry.experiment, entry.settings)
        return 0, [None] * len(entries)
    many = 1 if alone else max(1, min(workers or default_workers(plan), len(plan.to_do)))
    if flags.dry_run:
        print("\n".join([plan.headline(), *plan.listing(), *plan.remarks(), plan.cost_line(many)]).rstrip())
        tell_of(e.experiment for e in plan.to_do)
        return 0, [None] * len(entries)
    sweep = sweep_of(plan, flags.name, asked.overrides)
    check_locks(plan.entries[0].settings.results)
    for line in filter(None, (plan.headline(), *plan.refusals(), *plan.remarks(), plan.cost_line(many))):
        print(line, file=sys.stderr)
    tell_of(e.experiment for e in plan.to_do)
    sweep.save()
    # All ranks must come to the same runs, so with several none is passed over for being done.
    here = plan.to_do if rank_count() == 1 else plan.entries
    with _driving(sweep.folder) if here else nullcontext():
        outcome = _train_here(here, plan.store) if many == 1 else _train_in_workers(plan, many)
    code = _told(plan, outcome)
    if outcome == "done":
        mirror_sweep(sweep.name, plan.entries)
    if outcome == "done" and len(plan.entries) > 1:
        print(sweep.whereabouts(), file=sys.stderr)
    return code, [None if e is None else e.record.glance() for e in entries]


@contextmanager
def _driving(folder: Path) -> Iterator[None]:
    """Hold the sweep's lease, by which others know that its runs will come; a second driver does without."""
    lease = Lease(folder)
    lease.take()
    try:
        yield
    finally:
        lease.release()


def _on_slurm(overrides: Sequence[Sequence[str]], asked: Asked, options: Slurm, flags: Flags) -> tuple[int, Values]:
    """The same with jobs of SLURM."""
    check(options)
    entries, refused = _frozen(overrides, asked, flags.skip_invalid, options)
    plan = make_plan([e for e in entries if e is not None], refused)
    lines = [plan.headline(), *(plan.listing() if flags.dry_run else plan.refusals()), plan.cost_line(1)]
    print("\n".join(filter(None, lines)), file=sys.stdout if flags.dry_run else sys.stderr)
    tell_of(e.experiment for e in plan.to_do)
    if flags.dry_run:
        return 0, [None] * len(entries)
    sweep = sweep_of(plan, flags.name, asked.overrides)
    from lrbench.commands.slurm import run_on_slurm  # imports submitit

    if run_on_slurm(sweep, options) == "done":
        code = _told(plan, "done")
        mirror_sweep(sweep.name, plan.entries)
        if len(plan.entries) > 1:
            print(sweep.whereabouts(), file=sys.stderr)
    else:
        name = sweep.name if flags.name else sweep.name[:8]
        print(f"The jobs go on: lrbench status {name}, wait {name}, cancel {name}.", file=sys.stderr)
        code = 0 if options.detach else INTERRUPTED
    return code, [None if e is None else e.record.glance() for e in entries]


def _frozen(
    overrides: Sequence[Sequence[str]], asked: Asked, skip_invalid: bool, slurm: Slurm | None = None
) -> tuple[list[Entry | None], list[Refused]]:
    """An entry for every job, None where it is refused and that is to be left out."""
    checks = Checks(device=slurm is None)
    entries: list[Entry | None] = []
    refused: list[Refused] = []
    with composer(asked.hydra) as composed:
        for number, (job, label) in enumerate(zip(overrides, labels(overrides), strict=True), asked.first):
            try:
                with naming(label, overrides):
                    entries.append(_entry(composed(job), label, checks, number, slurm))
            except ConfigError as error:
                if not skip_invalid:
                    hint = "" if len(overrides) == 1 else " (--skip-invalid leaves refused runs of a sweep out.)"
                    raise ConfigError(f"{error}{hint}") from error
                entries.append(None)
                refused.append(Refused(label, str(error.__cause__ or error)))
    return entries, refused


def _entry(job: Job, label: str, checks: Checks, number: int, slurm: Slurm | None) -> Entry:
    experiment, settings = checked(job, checks)
    if slurm is not None:  # as many processes as the job will have, whatever this command runs in
        experiment = replace(experiment, ranks=slurm.tasks if slurm.tasks > 1 else None)
    return Entry(label, experiment, settings, job.overrides, job.typed, job.hydra, number)


def _train_in_workers(plan: Plan, workers: int) -> Outcome:
    with Display(plan) as display:
        return Pool(plan, workers, display).run()


def _train_here(entries: Sequence[Entry], store: Store) -> Outcome:
    """All runs in this process in order; a failed one does not stop the rest."""
    with until_signalled() as stop:
        for i, entry in enumerate(entries, 1):
            if stop.asked:
                return "interrupted"
            print(f"[{i}/{len(entries)}] {entry.label}", file=sys.stderr)
            try:
                with Reporter(entry.experiment) as reporter:
                    train(entry.experiment, with_files(entry), reporter, reporter.say, store=store)
            except Interrupted as error:
                print(f"lrbench: {error}", file=sys.stderr)
                return "interrupted"
            except Exception as error:
                why = failure(error)
                print(f"lrbench: {entry.run_id} failed: {why.text}", file=sys.stderr)
                if why.disk_full:
                    return "disk full"
    return "done"


def _told(plan: Plan, outcome: Outcome) -> int:
    """Say how all runs stand at the end; the exit code."""
    standings = [e.record.glance() for e in plan.entries]
    if len(standings) <= SHOWN:
        _show_table(plan.entries)
    else:
        print(f"{len(standings)} runs: {counted(standings)}")
    if outcome != "done":
        print(f"lrbench: {outcome}. {counted(standings)}; the same command goes on from there.", file=sys.stderr)
    if outcome == "interrupted":
        return INTERRUPTED
    return 0 if set(standings) == {"finished"} else 1


def _show_table(entries: Sequence[Entry]) -> None:
    """What came out of each run."""
    table = Table(box=None, pad_edge=False)
    for column in ("run", "", "state", *FINALS, "s"):
        table.add_column(column, justify="left" if column in ("run", "", "state") else "right")
    for entry in entries:
        state = entry.record.standing()
        s = entry.record.summary() if state in DONE else {}
        cells = [metric_of(k, declared_in(s)).text(s[k]) if k in s else "" for k in FINALS]
        table.add_row(entry.run_id[:8], Text(entry.label), state, *cells, f"{s.get('seconds', 0):.1f}")
    console = Console(soft_wrap=True)
    if not console.is_terminal:  # so that a line is a run for grep
        console.width = max(console.width, 80 + max(len(e.label) for e in entries))
    console.print(table)
