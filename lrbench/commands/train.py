"""`lrbench train`: one experiment."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from lrbench.commands import Job
from lrbench.commands.notes import linter_of, print_handed_on, print_notes
from lrbench.config.auto import with_found_rate
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.engine.attempt import Interrupted, RunFailed
from lrbench.engine.ranks import is_rank_zero
from lrbench.engine.train import to_stderr, train
from lrbench.engine.weights import kept_best
from lrbench.errors import INTERRUPTED, ConfigError, printable
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import run_id
from lrbench.metrics import declared_in
from lrbench.progress import numbers
from lrbench.store.record import DONE, Record
from lrbench.store.store import Store
from lrbench.sweep.checks import Checks
from lrbench.sweep.origin import Origin

OTHERS = ("constant", "cosine", "linear")  # schedules for a comparison: they go with every horizon and every warmup
# What a comparison sets anew, or has no use for.
NOT_COMPARED = ("scheduler", "seed", "test", "force", "retry", "out", "plot", "find_lr", "accepts")
EXIT = {"finished": 0, "diverged": 1, "failed": 1}


def run(jobs: Sequence[Job]) -> int:
    """Check the job, then train it; the exit code. (Several at once are `sweep`.)"""
    (job,) = jobs
    if "lrbench_slurm" in job.hydra["launcher"]["_target_"]:
        raise ConfigError("hydra/launcher", "slurm", "it submits sweeps, and one run is a small one", "add -m")
    job = with_found_rate(job, to_stderr)
    experiment, settings = experiment_from(job.plain), settings_from(job.plain)
    linter = linter_of(settings.results)
    Checks(linter)(experiment, settings)
    origin = Origin(job.overrides, job.typed, job.hydra)
    settings = replace(settings, hydra=origin.files())
    print_handed_on(origin)
    print_notes([experiment], linter, [settings.accepts])
    if not is_rank_zero():  # rank 0 shows and tells
        train(experiment, settings)
        return 0
    return _one(experiment, settings)


def _one(experiment: Experiment, settings: Settings) -> int:
    asked = Store(settings.results).record(run_id(experiment))
    before = asked.standing()
    untested = before == "finished" and not asked.tested()
    try:
        record = train(experiment, settings)
    except (Interrupted, RunFailed) as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return INTERRUPTED if isinstance(error, Interrupted) else 1
    standing = record.standing()
    if before == standing and not (settings.force or settings.retry):
        added = "the test set was evaluated now and added; " if untested and record.tested() else ""
        known = f"{record.run_id} is {standing} already; {added}this is its record"
        print(f"{known} (force=true trains again).", file=sys.stderr)
    print(describe(record), flush=True)
    if standing in DONE:
        from lrbench.plots.run import picture_of  # half a second, when all has been told

        picture_of(record)
    return EXIT.get(standing, 1)


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
            *([f"  {early}"] if (early := stopped_early(record, s)) else []),
            *([f"  resumed at update {', '.join(resumed)}"] if resumed else []),
            f"  record   {record.folder}",
            *([f"  best     {best}"] if (best := best_weights(record)) else []),
            f"  look     lrbench show {record.run_id[:8]}",
            *([f"  compare  {command}"] if (command := comparison(record)) else []),
        ]
    )


def stopped_early(record: Record, summary: Mapping[str, Any]) -> str | None:
    """That the run ended before its horizon, and by which rule; None where it did not."""
    rule = record.experiment().early_stop
    if rule is None or not summary.get("stopped_early"):
        return None
    least = f" by more than {rule.min_delta:g}" if rule.min_delta else ""
    planned = record.status()["updates"]
    return f"stopped early, of {planned} updates: {rule.monitor} was no better{least} for {rule.patience} (early_stop)"


def best_weights(record: Record) -> str | None:
    """The file of the best weights, and of which evaluation they are; None where none are kept."""
    best = kept_best(record)
    return best and f"{record.weights('best')} ({best.monitor} {best.value:.4g} at update {best.update})"


def comparison(record: Record) -> str | None:
    """The command that trains the run's experiment under other schedules too, with everything else that was typed for
    it; None where that is not recorded: for a run made from Python, or restored."""
    try:
        files = {name: record.folder / ".hydra" / f"{name}.yaml" for name in ("overrides", "hydra")}
        overrides, node = (yaml.safe_load(path.read_text()) for path in files.values())
        choice = node["hydra"]["runtime"]["choices"]["scheduler"]
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError):
        return None
    keys = {o: o.lstrip("+~").partition("=")[0] for o in overrides or ()}
    kept = [o for o, key in keys.items() if re.split(r"[./]", key)[0] not in NOT_COMPARED]
    kept += [o for o, key in keys.items() if key == "scheduler.interval" and not o.endswith("=metric")]
    changed = any(key.startswith("scheduler.") and key != "scheduler.interval" for key in keys.values())
    schedules = dict.fromkeys([*OTHERS, *([] if changed else [choice])])
    seed = record.experiment().seed
    seeds = range(3) if seed < 3 else range(seed, seed + 3)
    folders = [word for folder in record.config_dirs() for word in ("--config-dir", folder)]
    grid = [f"scheduler={','.join(schedules)}", f"seed={','.join(map(str, seeds))}"]
    return printable(shlex.join(["lrbench", "-m", *folders, *kept, *grid]))
