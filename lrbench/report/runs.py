"""One record as a comparison sees it: the experiment, whether it succeeded, its numbers, and where it was made."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.report.result import Environment
from lrbench.store.record import DONE, Record
from lrbench.targets import resolve

MARGIN = 0.1  # of the way from chance to perfect: what an accuracy must exceed to count as trained
UNKNOWN = "not recorded"
NOT_DONE = {"new": "not trained yet", "running": "still running"}


@dataclass(frozen=True)
class Run:
    record: Record
    experiment: Experiment
    summary: dict[str, Any]
    environments: tuple[Environment, ...]  # one an attempt: a run that was resumed has several

    @property
    def run_id(self) -> str:
        return self.record.run_id

    @property
    def seed(self) -> int:
        return self.experiment.seed

    @cached_property
    def series(self) -> dict[str, dict[int, float]]:
        """Training loss, and what was evaluated on the way, by update, where it is finite."""
        found: dict[str, dict[int, float]] = {}
        for row in self.record.rows():
            for name, value in row.items():
                if (name == "train/loss" or name.startswith("val/")) and math.isfinite(value):
                    found.setdefault(name, {})[int(row["update"])] = value
        return found

    def metrics(self) -> list[str]:
        """What the summary holds that can be compared."""
        named = (k for k, v in self.summary.items() if isinstance(v, int | float) and "/" in k)
        return [k for k in named if not k.endswith("_update")]

    def failure(self, metric: str) -> str | None:
        """How the run failed, in words; None for a success: finite, and better than chance where that is known."""
        if self.summary["state"] == "diverged":
            return f"diverged after update {self.summary['first_bad_update']}"
        if not math.isfinite(self.summary[metric]):
            return f"{metric} is {self.summary[metric]}"
        judge, floor = accuracy_beside(metric), chance_floor(self.experiment)
        accuracy = self.summary.get(judge)
        if floor is not None and accuracy is not None and not accuracy > floor:
            return f"{judge} {accuracy:.2%}: no better than chance"
        return None


def read(record: Record) -> Run | str:
    """The run, or why it is no result: only finished and diverged runs are."""
    standing = record.standing()
    if standing not in DONE:
        return f"corrupt: {record.damage()}" if standing == "corrupt" else NOT_DONE.get(standing, standing)
    return Run(record, record.experiment(), record.summary(), _environments(record))


def accuracy_beside(metric: str) -> str:
    """The accuracy of the same split, by which a run is judged to have learned anything."""
    return f"{metric.rpartition('/')[0]}/accuracy"


def chance_floor(experiment: Experiment) -> float | None:
    """Chance accuracy plus the margin; None where the data does not tell its number of classes."""
    try:
        classes = resolve(experiment.data.target, "data")(**experiment.data.args).info().spec["num_classes"]
    except (
        ConfigError,
        AttributeError,
        KeyError,
        TypeError,
        OSError,
    ):  # a user's class that is not here, or has no classes
        return None
    return 1 / classes + MARGIN * (1 - 1 / classes)


def _environments(record: Record) -> tuple[Environment, ...]:
    return tuple(dict.fromkeys(_environment(a, record) for a in record.attempts() or [{}]))


def _environment(attempt: dict[str, Any], record: Record) -> Environment:
    versions = attempt.get("versions", {})
    return Environment(
        runs=1,
        torch=versions.get("torch", UNKNOWN),
        device=attempt.get("device", UNKNOWN),
        threads=attempt.get("threads", 0),
        python=attempt.get("python", UNKNOWN),
        numpy=versions.get("numpy", UNKNOWN),
        lrbench=attempt.get("lrbench", UNKNOWN),
        git=_short(attempt.get("git") or UNKNOWN),
        cpu=attempt.get("cpu", UNKNOWN),
    )


def _short(revision: str) -> str:
    """A commit in 12 digits, still marked where files differed from it."""
    commit, plus, dirty = revision.partition("+")
    return f"{commit[:12]}{plus}{dirty}"


def why_not_paired(first: Run, second: Run) -> list[str]:
    """In what two runs differ that changes numbers by itself: such runs are not paired. In words, none if equal."""
    why = [
        f"{what} {' and '.join(sorted(a | b))}"
        for what, a, b in (
            ("torch", _seen(first, "torch"), _seen(second, "torch")),
            ("device type", _seen(first, "device"), _seen(second, "device")),
            ("threads", {str(first.experiment.threads)}, {str(second.experiment.threads)}),
        )
        if len(a | b) > 1
    ]
    (ours, our_loop), (theirs, their_loop) = (_numerics(r.experiment) for r in (first, second))
    same_class = [k for k in ours.keys() & theirs.keys() if ours[k] != theirs[k]]
    # Every run goes through the loop: where one has no count, it was made before there was one.
    loop = [k for k in our_loop.keys() | their_loop.keys() if our_loop.get(k) != their_loop.get(k)]
    return why + [f"NUMERICS of {k}" for k in sorted(same_class + loop)]


def _seen(run: Run, what: str) -> set[str]:
    """Torch's minor version, or the type of device, of all attempts at the run."""
    if what == "torch":
        return {".".join(e.torch.split(".")[:2]) for e in run.environments}
    return {e.device if e.device in ("cpu", "mps", UNKNOWN) else "cuda" for e in run.environments}


def _numerics(experiment: Experiment) -> tuple[dict[str, Any], dict[str, Any]]:
    """By the part that has them, and by the part of the loop. A class's own stand beside its path: only the same class
    can be compared, and only parents of two forks."""
    e = experiment
    parts = (e.model, e.data, e.task, e.optimizer, e.scheduler, e.warmup, e.param_groups)
    own = {p.target: p.numerics for p in parts if p is not None}
    if e.start is not None:
        parent, loop = _numerics(e.start.of)
        own |= {f"the parent's {k}": v for k, v in (parent | loop).items()}
    return own, dict(e.numerics)
