"""`lrbench train`: one experiment, or all experiments of a multirun in order."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from rich.console import Console
from rich.table import Table

from lrbench.commands import Job, labels, naming
from lrbench.config import experiment_from, settings_from
from lrbench.engine.attempt import Interrupted, RunFailed, cadence_of
from lrbench.engine.ranks import leads
from lrbench.engine.state import choose_device, new_state
from lrbench.engine.train import train
from lrbench.experiment import Experiment, Settings, run_id
from lrbench.progress import Reporter, numbers
from lrbench.record import Record
from lrbench.targets import resolve

EXIT = {"finished": 0, "diverged": 1, "failed": 1}


def run(jobs: Sequence[Job]) -> int:
    """Check every job, then train them; the exit code."""
    asked = []
    for job, label in zip(jobs, labels(jobs), strict=True):
        with naming(label, jobs):
            experiment, settings = experiment_from(job.config), replace(settings_from(job.config), hydra=job.files)
            _refuse_early(experiment, settings)
            asked.append((experiment, settings))
    if not leads():  # rank 0 shows and tells
        for experiment, settings in asked:
            train(experiment, settings)
        return 0
    if len(asked) == 1:
        return _one(*asked[0])
    return _many(asked, labels(jobs))


def _refuse_early(experiment: Experiment, settings: Settings) -> None:
    """What only building shows, so that nothing of a multirun is trained, and no file is made, if a part is refused."""
    cadence_of(experiment, settings)
    choose_device(settings.device)
    resolve(experiment.task.target, "task")(**experiment.task.args)
    if settings.tracker is not None:
        resolve(settings.tracker.target, "tracker")(**settings.tracker.args)
    new_state(experiment, torch.device("cpu"))  # model and optimizer


def _one(experiment: Experiment, settings: Settings) -> int:
    before = Record(settings.results / "runs" / run_id(experiment)).standing()
    try:
        record = _train(experiment, settings)
    except (Interrupted, RunFailed) as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 1
    standing = record.standing()
    if before == standing and not (settings.force or settings.retry):
        print(f"{record.run_id} is {standing} already; this is its record (force=true trains again).", file=sys.stderr)
    print(describe(record))
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
    head = f"{s['run_id']} {s['state']}: {s['title']}"
    if s["state"] == "diverged":
        head += f"\n  the loss was no longer finite after update {s['first_bad_update']} of {status['updates']}"
    source = record.restored_from()
    restored = f"  restored from {source}: its curve at some points, no rates or weights (force=true trains it)"
    return "\n".join(
        [
            head,
            *([restored] if source else []),
            f"  {numbers(finals)}",
            f"  {s['updates']} updates, {s['epochs']:g} epochs, {s['seconds']:.1f} s of training, "
            f"{s['samples_per_second']:,.0f} samples/s; schedule: {s['audit']}",
            f"  record   {record.folder}",
            f"  look     lrbench show {record.run_id[:8]}",
            "  compare  lrbench -m scheduler=constant,cosine,onecycle seed=0,1,2",
        ]
    )


def _many(asked: list[tuple[Experiment, Settings]], names: list[str]) -> int:
    """All runs of a multirun in order, each experiment once; a failed one does not stop the rest."""
    unique = {run_id(e): (e, s, n) for (e, s), n in reversed(list(zip(asked, names, strict=True)))}
    runs = {k: unique[k] for k in dict.fromkeys(run_id(e) for e, _ in asked)}
    records = {k: Record(s.results / "runs" / k) for k, (_, s, _) in runs.items()}
    plan = Counter(r.standing() for r in records.values())
    print(f"{len(runs)} runs: {', '.join(f'{n} {standing}' for standing, n in sorted(plan.items()))}", file=sys.stderr)
    codes = []
    for i, (key, (experiment, settings, name)) in enumerate(runs.items(), 1):
        done = records[key].standing() in ("finished", "diverged") and not settings.force
        print(f"[{i}/{len(runs)}] {name}{' (done already)' if done else ''}", file=sys.stderr)
        try:
            codes.append(EXIT.get(_train(experiment, settings).standing(), 1))
        except Interrupted as error:
            print(f"lrbench: {error}", file=sys.stderr)
            return 130
        except RunFailed as error:
            print(f"lrbench: {error}", file=sys.stderr)
            codes.append(1)
        except Exception as error:
            print(f"lrbench: {key} failed: {type(error).__name__}: {error}", file=sys.stderr)
            codes.append(1)
    _table({n: records[k] for k, (_, _, n) in runs.items()})
    return max(codes)


def _table(records: dict[str, Record]) -> None:
    """What came out of each run of a multirun."""
    table = Table(box=None, pad_edge=False)
    for column in ("run", "", "state", "test/accuracy", "test/loss", "val/loss", "s"):
        table.add_column(column, justify="right" if column not in ("run", "", "state") else "left")
    for name, record in records.items():
        state = record.standing()
        s = record.summary() if state in ("finished", "diverged") else {}
        cells = [f"{s[k]:.2%}" if k.endswith("accuracy") else f"{s[k]:.4f}" if k in s else "" for k in
                 ("test/accuracy", "test/loss", "val/loss") if k in s]  # fmt: skip
        table.add_row(record.run_id[:8], name, state, *(cells or ["", "", ""]), f"{s.get('seconds', 0):.1f}")
    Console(soft_wrap=True).print(table)
