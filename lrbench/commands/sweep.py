"""`lrbench -m ...` and `lrbench sweep NAME`: freeze every job, print the plan, carry it out, tell what came of it.

A launcher gives the overrides of all jobs and gets a value for each: how its run stands at the end.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from lrbench.check.linter import Linter
from lrbench.commands.notes import linter_of, print_handed_on, print_notes
from lrbench.config.arms import SweepArm
from lrbench.config.entries import entries
from lrbench.engine.ranks import is_rank_zero, rank_count
from lrbench.engine.train import to_stderr
from lrbench.errors import INTERRUPTED
from lrbench.store.folder import results_folder
from lrbench.sweep.carry_out import SweepOutcome, carry_out, worker_count
from lrbench.sweep.display import Display
from lrbench.sweep.entry import Entry
from lrbench.sweep.freeze import freeze
from lrbench.sweep.mirror import mirror_sweep
from lrbench.sweep.observer import SILENT
from lrbench.sweep.plan import Plan
from lrbench.sweep.pool import start_server
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.words import lines, table

Value = str | None  # how the run of a job stands; None for a job that was left out


@dataclass(frozen=True)
class SweepRequest:
    """What was typed for a sweep: overrides with all their values, those of Hydra's own node, and who trains it: so
    many workers here (None for as many as fit), or jobs of SLURM. Jobs are numbered from `first`."""

    overrides: tuple[str, ...]
    hydra: tuple[str, ...] = ()
    workers: int | Slurm | None = None
    first: int = 0
    arms: tuple[SweepArm, ...] = ()
    skip_invalid: bool = False
    name: str | None = None


def run(
    jobs: Sequence[Sequence[str]], asked: SweepRequest, dry_run: bool
) -> tuple[int, list[Value | tuple[Value, ...]]]:
    """Plan the jobs and train them; the exit code, and how the run of each job, or its runs under all arms, stand then.

    Raises ConfigError if a job is refused and was not to be left out; then nothing is trained or written.
    """
    slurm = asked.workers if isinstance(asked.workers, Slurm) else None
    alone = asked.workers == 1 or len(jobs) * max(1, len(asked.arms)) == 1 or rank_count() > 1
    if slurm is None and not alone and not dry_run:
        start_server()  # it imports torch while the plan is made
    say = None if dry_run else to_stderr  # of a range test that optimizer.lr=auto needs
    made = entries(jobs, asked.arms, asked.hydra, asked.first, say)
    first = next(made)
    linter = linter_of(first.settings.results if isinstance(first, Entry) else results_folder())
    plan = freeze(chain([first], made), asked.skip_invalid, slurm, linter)
    many = 1 if isinstance(asked.workers, Slurm) else worker_count(plan, asked.workers)
    if dry_run:
        remarks = plan.remarks() if slurm is None else ()
        print("\n".join([plan.headline(), *plan.listing(), *remarks, plan.cost_line(many)]).rstrip())
        _tell_of(plan, linter)
        return 0, [None] * len(jobs)
    if not is_rank_zero():  # rank 0 shows and tells
        carry_out(plan, asked.workers, SILENT, asked.name)
        return 0, [None] * len(jobs)
    _announce(plan, many)
    _tell_of(plan, linter)
    with Display() as display:
        typed = (*asked.overrides, *(f"{arm.name}: {' '.join(arm.overrides)}" for arm in asked.arms))
        outcome = carry_out(plan, asked.workers, display, asked.name, typed)
    return _told(outcome, detached=slurm is not None and slurm.detach), _values(outcome, len(jobs))


def _announce(plan: Plan, workers: int) -> None:
    remarks = plan.remarks() if plan.here else ()
    for line in filter(None, (plan.headline(), *plan.refusals(), *remarks, plan.cost_line(workers))):
        print(line, file=sys.stderr)


def _tell_of(plan: Plan, linter: Linter) -> None:
    if origin := plan.entries[0].origin:
        print_handed_on(origin)
    print_notes([e.experiment for e in plan.to_do], linter, [e.settings.accepts for e in plan.to_do])


def _told(outcome: SweepOutcome, detached: bool) -> int:
    """Say what came of it; the exit code."""
    if outcome.end != "left":
        print(table(outcome))
    whole = outcome.end != "done" or mirror_sweep(outcome)
    for line in lines(outcome):
        print(line if outcome.end in ("done", "left") else f"lrbench: {line}", file=sys.stderr)
    if outcome.end == "interrupted" or (outcome.end == "left" and not detached):
        return INTERRUPTED
    return 0 if outcome.end == "left" or (whole and set(outcome.standings()) == {"finished"}) else 1


def _values(outcome: SweepOutcome, jobs: int) -> list[Value | tuple[Value, ...]]:
    """How the runs of each job stand: the plan has all jobs under one arm after the other."""
    standings = [None if job is None else outcome.looks[job].standing for job in outcome.sweep.plan.jobs]
    if len(standings) == jobs:
        return list(standings)
    return [tuple(standings[i::jobs]) for i in range(jobs)]
