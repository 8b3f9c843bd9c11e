"""What a finished run says of itself: the audit of its schedule, its summary, and where it came from."""

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lrbench import __version__
from lrbench.engine.evaluation import evaluation_updates
from lrbench.engine.log import LogRow
from lrbench.engine.state import Setup, State
from lrbench.engine.stopping import last_update
from lrbench.experiment.identity import arm_id, run_id, title
from lrbench.metrics import metric_of, to_plain
from lrbench.schedules import lr_table
from lrbench.store.record import Record

LAST_K = 5  # evaluations averaged beside the last one


def audit(setup: Setup, state: State, record: Record, rows: list[LogRow]) -> list[str]:
    """What differs between the run and its plan, in words; empty when the run was as planned.

    The plan is the table; for a feedback schedule it is traced anew from the metrics it heard, which are compared
    with the record's evaluations too. The run is what the optimizer held after each step.
    """
    experiment, clock = setup.experiment, setup.experiment.clock
    metrics = state.feedback.metrics if state.feedback else []
    plan = lr_table(experiment, metrics) if state.feedback else setup.table
    columns, used = plan.columns, record.rates()
    found = []
    evaluated = {int(r["update"]): r for r in rows if any(k.startswith("val/") for k in r)}
    planned = last_update(experiment, evaluated)
    if len(used) != planned:
        found.append(f"{len(used)} updates were made and {planned} planned")
    n = min(len(used), len(columns))
    differ = np.flatnonzero((used[:n] != columns[:n]).any(axis=1))
    if differ.size:
        t = int(differ[0])
        found.append(f"update {t} used the rates {used[t].tolist()} and {columns[t].tolist()} were planned")
    if setup.splits.train.per_epoch != clock.per_epoch:
        found.append(f"an epoch had {setup.splits.train.per_epoch} updates and {clock.per_epoch} were planned")
    due = [update for update in evaluation_updates(experiment) if update <= planned]
    if list(evaluated) != due:
        found.append(f"evaluations were made after updates {list(evaluated)}, planned {due}")
    if experiment.monitor is not None and not found:
        if experiment.scheduler.interval == "batch":
            heard = record.series()["train/loss"][plan.warmup :].tolist()
        else:
            heard = [evaluated[u][experiment.monitor] for u in evaluated if u > plan.warmup and u % clock.per_eval == 0]
        if metrics != heard:
            found.append("the schedule heard other metrics than the record holds")
    return found


def summary(
    setup: Setup, state: State, record: Record, rows: list[LogRow], final: LogRow, bad: int | None
) -> dict[str, Any]:
    """The run's numbers: final weights first; best and mean-of-last evaluations on validation beside them."""
    experiment, clock = setup.experiment, setup.experiment.clock
    evaluations = [r for r in rows if any(k.startswith("val/") for k in r)]
    trained = [r["train/loss"] for r in rows if "train/loss" in r]
    out: dict[str, Any] = {
        "run_id": run_id(experiment),
        "arm": arm_id(experiment),
        "title": title(experiment),
        "state": "finished" if bad is None else "diverged",
        "updates": state.update,
        **({"epochs": round(state.update / clock.per_epoch, 6)} if clock.per_epoch else {}),
        **({} if bad is None else {"first_bad_update": bad}),
        **({"stopped_early": True} if state.ended and state.update < clock.updates else {}),
        **final,
        **{k: v for r in evaluations[-1:] for k, v in r.items() if k.startswith("val/")},
        **({"train/loss": trained[-1]} if trained else {}),
    }
    if evaluations:
        for name in (k for k in evaluations[-1] if k.startswith("val/")):
            higher = metric_of(name, setup.metrics).higher_is_better
            if higher is not None:  # else no evaluation can be called the best
                best = (max if higher else min)(evaluations, key=lambda r: r[name])
                out[f"best/{name}"] = best[name]
                out[f"best/{name}_update"] = int(best["update"])
            out[f"last{LAST_K}/{name}"] = float(np.mean([r[name] for r in evaluations[-LAST_K:]]))
    out |= {"metrics": to_plain(setup.metrics.values())} | _lr_ratios(setup, record)
    if state.skipped:
        out["skipped_steps"] = state.skipped
    if experiment.parts > 1 and any(isinstance(m, _BatchNorm) for m in state.model.modules()):
        out["ghost_batch"] = experiment.batch_size // experiment.parts  # what BatchNorm saw at once
    if experiment.parts > 1 and getattr(setup.task, "ghost_normaliser", False):
        out["ghost_normaliser"] = experiment.batch_size // experiment.parts  # over what the loss took its means
    out["seconds"] = round(state.seconds, 3)
    out["samples_per_second"] = round(state.update * experiment.batch_size / max(state.seconds, 1e-9), 1)
    return out


def _lr_ratios(setup: Setup, record: Record) -> dict[str, list[float]]:
    """For several groups: the least and largest rate each had, relative to the group with the highest peak."""
    peaks = list(setup.experiment.peaks.values())
    if len(peaks) == 1:
        return {}
    rates = record.rates()[:, : len(peaks)]
    highest = rates[:, [int(np.argmax(peaks))]]
    moving = highest[:, 0] > 0
    ratios: Any = (rates[moving] / highest[moving]).T if moving.any() else []
    return {f"lr_ratio/{g}": [float(r.min()), float(r.max())] for g, r in zip(setup.table.groups, ratios, strict=False)}


def provenance(device: torch.device, threads: int) -> dict[str, Any]:
    """Where and with what a run was made. timm and torchvision count where something has imported them."""
    used = [n for n in ("timm", "torchvision") if n in sys.modules]
    return {
        "lrbench": __version__,
        "git": _git_revision(),
        "python": platform.python_version(),
        "versions": {n: _version(n) for n in ("torch", "numpy", "hydra-core", "omegaconf", *used)},
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpus": os.cpu_count(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": threads,
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def made_on(attempt: Mapping[str, Any]) -> str:
    """The device of a provenance's attempt: the GPU's name, or the processor's."""
    return str(attempt["cpu"] if attempt["device"] == "cpu" else attempt["device"])


def device_here(device: torch.device) -> str:
    """The same for a device of this machine."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()


@cache  # the code of a process stays what it was when it was imported
def _git_revision() -> str | None:
    """The checkout's commit, with '+dirty' when files differ from it; None for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        asked = ["git", "-C", str(root), "describe", "--always", "--dirty=+dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


@cache  # as with the code: what was imported stays
def _version(package: str) -> str:
    return metadata.version(package)


@cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
