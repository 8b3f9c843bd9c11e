"""Freeze: from what is asked for to a Plan. Every run is checked and numbered before any is trained."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lrbench.check.linter import Linter
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id
from lrbench.sweep.checks import Checks
from lrbench.sweep.entry import Entry
from lrbench.sweep.plan import Plan, Refused, make_plan
from lrbench.sweep.slurm.options import Slurm, check


def freeze(
    asked: Iterable[Entry | Refused],
    skip_invalid: bool = False,
    slurm: Slurm | None = None,
    linter: Linter | None = None,
) -> Plan:
    """The plan of these runs; `slurm` where jobs of a cluster are to train them, on devices that are not here.
    `linter`: what `strict` asks.

    What is refused, already or here, is left out and kept as `Plan.refused` if `skip_invalid`; else it raises
    ConfigError. So it does for an empty sweep, one over two results folders, and options that cannot be meant.
    """
    if slurm is not None:
        check(slurm)
    checks, jobs, waiting = Checks(linter, device=slurm is None), list[Entry | Refused](), iter(asked)
    for each in waiting:
        found = _checked(each, len(jobs), checks, slurm) if isinstance(each, Entry) else each
        if isinstance(found, Refused) and not skip_invalid:
            if found.cause is not None and not jobs and next(waiting, None) is None:
                raise found.cause  # of the only run nobody asks which
            raise found.error() from found.cause
        jobs.append(found)
    _require_one_budget([job.experiment for job in jobs if isinstance(job, Entry)])
    return make_plan(jobs, here=slurm is None)


def _checked(entry: Entry, number: int, checks: Checks, slurm: Slurm | None) -> Entry | Refused:
    """The entry as it will be trained, or why it cannot be."""
    try:
        experiment = as_trained(entry.experiment, slurm)
        checks(experiment, entry.settings)
    except ConfigError as error:
        return Refused(entry.label, str(error), error)
    return replace(entry, experiment=experiment, number=number if entry.number is None else entry.number)


def _require_one_budget(experiments: Sequence[Experiment]) -> None:
    """Raises ConfigError where runs may stop early that differ in more than their seeds."""
    early = next((e.early_stop for e in experiments if e.early_stop is not None), None)
    if early is not None and len({arm_id(e) for e in experiments}) > 1:
        why = "a sweep is there to compare, at one budget, and runs that stop early each have their own"
        cure = "leave it out, or sweep seeds alone"
        raise ConfigError("early_stop.patience", early.patience, why, cure)


def as_trained(experiment: Experiment, slurm: Slurm | None) -> Experiment:
    """With as many processes as a job will have, whatever this command runs in: they are part of its identity."""
    if slurm is None:
        return experiment
    return replace(experiment, ranks=slurm.tasks if slurm.tasks > 1 else None)
