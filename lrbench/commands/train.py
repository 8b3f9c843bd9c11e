"""`lrbench train`: one experiment."""

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import yaml

from lrbench.commands import Job
from lrbench.commands.notes import tell_of
from lrbench.config.experiments import Grouped, experiment_from, settings_from
from lrbench.engine.attempt import Interrupted, RunFailed, cadence_of
from lrbench.engine.fork import check_start
from lrbench.engine.ranks import leads
from lrbench.engine.state import choose_device, new_state
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.identity import run_id
from lrbench.metrics import declared_in
from lrbench.progress import Reporter, numbers
from lrbench.schedules import hears_metric
from lrbench.store.record import DONE, Record
from lrbench.store.store import Store
from lrbench.sweep.entry import hydra_files
from lrbench.targets import resolve

OTHERS = ("constant", "cosine", "linear")  # schedules for a comparison: they go with every horizon and every warmup
NOT_COMPARED = ("scheduler", "seed", "force", "retry", "out")  # what a comparison sets anew, or has no use for
EXIT = {"finished": 0, "diverged": 1, "failed": 1}


def run(jobs: Sequence[Job]) -> int:
    """Check the job, then train it; the exit code. (Several at once are `sweep`.)"""
    (job,) = jobs
    if "lrbench_slurm" in job.hydra["launcher"]["_target_"]:
        raise ConfigError("hydra/launcher=slurm: it submits sweeps, and one run is a small one: add -m.")
    experiment, settings = checked(job, Checks())
    settings = replace(settings, hydra=hydra_files(job.overrides, job.typed, job.hydra))
    tell_of([experiment])
    if not leads():  # rank 0 shows and tells
        train(experiment, settings)
        return 0
    return _one(experiment, settings)


class Checks:
    """What was checked already: thousands of jobs of a sweep share their model, their times, their tracker."""

    def __init__(self, device: bool = True) -> None:
        """device: whether it has to be on this machine."""
        self._found: dict[str, ConfigError | None] = {}
        self.device = device
        self.grouped: list[Grouped] = []

    def __call__(self, what: object, check: Callable[[], object]) -> None:
        """Make a check, or repeat what it said of an equal thing. Raises ConfigError."""
        key = repr(what)
        if key not in self._found:
            try:
                check()
                self._found[key] = None
            except ConfigError as error:
                self._found[key] = error
        if found := self._found[key]:
            raise found


def checked(job: Job, checks: Checks) -> tuple[Experiment, Settings]:
    """A job's Experiment and Settings, and what only building shows: nothing of a sweep is trained, and no file is
    made, if a part is refused. Raises ConfigError."""
    e, s = experiment_from(job.plain, checks.grouped), settings_from(job.plain)
    checks(("times", e.clock, s.keep, s.log_every, s.checkpoint_every), lambda: cadence_of(e, s))
    if checks.device:
        checks(("device", s.device), lambda: choose_device(s.device))
    checks(("task", e.task), lambda: resolve(e.task.target, "task")(**e.task.args))
    if s.tracker is not None:
        tracker = s.tracker
        checks(("tracker", tracker), lambda: resolve(tracker.target, "tracker")(**tracker.args))
    feedback = e.schedule if hears_metric(e.schedule) else None
    parts = (e.model, e.data, e.optimizer, e.peaks, e.param_groups, e.amp, e.channels_last, feedback)
    checks(("model", *parts), lambda: new_state(e, torch.device("cpu")))  # model and optimizer
    if e.start is not None:
        check_start(e, e.start)
    return e, s


def _one(experiment: Experiment, settings: Settings) -> int:
    before = Store(settings.results).record(run_id(experiment)).standing()
    try:
        record = _train(experiment, settings)
    except (Interrupted, RunFailed) as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 1
    standing = record.standing()
    if before == standing and not (settings.force or settings.retry):
        print(f"{record.run_id} is {standing} already; this is its record (force=true trains again).", file=sys.stderr)
    print(describe(record), flush=True)
    if standing in DONE:
        from lrbench.plots.run import picture_of  # half a second, when all has been told

        picture_of(record)
    return EXIT.get(standing, 1)


def _train(experiment: Experiment, settings: Settings) -> Record:
    with Reporter(experiment) as reporter:
        return train(experiment, settings, reporter, reporter.say)


def describe(record: Record) -> str:
    """How a run ended, in a few lines: what, the numbers, where the record is, and how to go on."""
    status = record.status()
    if status["state"] == "failed":
        return (
            f"{record.run_id} failed at update {status['update']} of {status['updates']}: {status['error']}\n"
            "  retry=true goes on from its last checkpoint, force=true begins anew"
        )
    s = record.summary()
    finals = {k: v for k, v in s.items() if k.startswith(("test/", "val/", "train/"))}
    resumed = [str(attempt["from_update"]) for attempt in record.attempts()[1:]]
    head = f"{s['run_id']} {s['state']}: {s['title']}"
    if s["state"] == "diverged":
        head += f"\n  the loss was no longer finite after update {s['first_bad_update']} of {status['updates']}"
    epochs = f"{s['epochs']:g} epochs, " if "epochs" in s else ""  # an endless stream has none
    source = record.restored_from()
    restored = f"  restored from {source}: its curves and rates at some points, no weights (force=true trains it)"
    return "\n".join(
        [
            head,
            *([restored] if source else []),
            f"  {numbers(finals, declared_in(s))}",
            f"  {s['updates']} updates, {epochs}{s['seconds']:.1f} s of training, "
            f"{s['samples_per_second']:,.0f} samples/s; schedule: {s['audit']}",
            *([f"  resumed at update {', '.join(resumed)}"] if resumed else []),
            f"  record   {record.folder}",
            f"  look     lrbench show {record.run_id[:8]}",
            *([f"  compare  {command}"] if (command := comparison(record)) else []),
        ]
    )


def comparison(record: Record) -> str | None:
    """The command that trains the run's experiment under other schedules too, with everything else that was typed for
    it; None where that is not recorded: for a run made from Python, or restored."""
    try:
        files = {name: record.folder / ".hydra" / f"{name}.yaml" for name in ("overrides", "hydra")}
        overrides, node = (yaml.safe_load(path.read_text()) for path in files.values())
        choice, sources = node["hydra"]["runtime"]["choices"]["scheduler"], node["hydra"]["runtime"]["config_sources"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None
    keys = {o: o.lstrip("+~").partition("=")[0] for o in overrides or ()}
    kept = [o for o, key in keys.items() if re.split(r"[./]", key)[0] not in NOT_COMPARED]
    kept += [o for o, key in keys.items() if key == "scheduler.interval" and not o.endswith("=metric")]
    changed = any(key.startswith("scheduler.") and key != "scheduler.interval" for key in keys.values())
    schedules = dict.fromkeys([*OTHERS, *([] if changed else [choice])])
    seed = record.experiment().seed
    seeds = range(3) if seed < 3 else range(seed, seed + 3)
    folders = [word for s in sources if s["provider"] == "command-line" for word in ("--config-dir", s["path"])]
    grid = [f"scheduler={','.join(schedules)}", f"seed={','.join(map(str, seeds))}"]
    return shlex.join(["lrbench", "-m", *folders, *kept, *grid])
