"""What a comparison asks of a run: whether it succeeded, what it measured, and where it was made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.experiment import Experiment
from lrbench.metrics import Metric, declared_in, metric_of
from lrbench.store.record import DONE
from lrbench.store.rows import place
from lrbench.store.run import Run, Unread

MARGIN = 0.1  # of the way from chance to the best there is: what a metric must exceed to count as learned
UNKNOWN = "not recorded"
NOT_DONE = {"new": "not trained yet", "running": "still running"}


@dataclass(frozen=True)
class Environment:
    """With what runs were made, and how many."""

    runs: int
    torch: str
    device: str
    threads: int
    python: str
    numpy: str
    lrbench: str
    git: str
    cpu: str


def why_no_result(run: Run | Unread) -> str | None:
    """Why a run is no result: only finished and diverged ones are. None for one that is."""
    if run.standing in DONE:
        return None
    if isinstance(run, Unread) and run.standing == "corrupt":
        return f"corrupt: {run.why}"
    return NOT_DONE.get(run.standing, run.standing)


def metrics_of(run: Run) -> list[str]:
    """What the summary holds that can be compared."""
    named = (k for k, v in run.summary.items() if isinstance(v, int | float) and "/" in k)
    return sorted((k for k in named if not k.endswith("_update")), key=place)


def declared_by(runs: Sequence[Run]) -> dict[str, Metric]:
    """What the runs declare of their metrics, the first that speaks of one counting."""
    return {name: metric for run in reversed(runs) for name, metric in declared_in(run.summary).items()}


def failure(run: Run, metric: str) -> str | None:
    """How the run failed, in words; None for a success: finite, and better than chance where that is known."""
    if run.standing == "diverged":
        return f"diverged after update {run.summary['first_bad_update']}"
    if not math.isfinite(run.summary[metric]):
        return f"{metric} is {run.summary[metric]}"
    declared, split = declared_in(run.summary), metric.rpartition("/")[0]
    for name in declared:
        judge = f"{split}/{name}"
        value, m = run.summary.get(judge), metric_of(judge, declared)
        if value is not None and not _is_learned(value, m):
            return f"{judge} {m.text(value)}: no better than chance"
    return None


def _is_learned(value: float, m: Metric) -> bool:
    """Better than chance by the margin. Only a metric between two bounds judges: a loss grows without limit where a
    model is wrong and sure, however often it is right."""
    if m.chance is None or m.low is None or m.high is None or m.higher_is_better is None:
        return True
    best = m.high if m.higher_is_better else m.low
    if best == m.chance:  # guessing is as good as it gets, as for the best three of three classes
        return True
    floor = m.chance + MARGIN * (best - m.chance)
    return value > floor if m.higher_is_better else value < floor


def environments(run: Run) -> tuple[Environment, ...]:
    """With what it was made, one an attempt: a run that was resumed may have several."""
    return tuple(dict.fromkeys(_environment(a) for a in run.attempts or [{}]))


def _environment(attempt: Mapping[str, Any]) -> Environment:
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
    if first.experiment.early_stop is not None or second.experiment.early_stop is not None:
        why.append("budgets (early_stop)")
    return why + [f"NUMERICS of {k}" for k in sorted(same_class + loop)]


def _seen(run: Run, what: str) -> set[str]:
    """Torch's minor version, or the type of device, of all attempts at the run."""
    if what == "torch":
        return {".".join(e.torch.split(".")[:2]) for e in environments(run)}
    return {e.device if e.device in ("cpu", "mps", UNKNOWN) else "cuda" for e in environments(run)}


def _numerics(experiment: Experiment) -> tuple[dict[str, Any], dict[str, Any]]:
    """By the part that has them, and by the part of the loop. A class's own stand beside its path: only the same class
    can be compared, and only parents of two forks."""
    e = experiment
    parts = (e.model, e.data, e.task, e.optimizer, e.scheduler, e.warmup, e.weight_decay, e.param_groups)
    own = {p.target: p.numerics for p in parts if p is not None}
    if e.start is not None:
        parent, loop = _numerics(e.start.of)
        own |= {f"the parent's {k}": v for k, v in (parent | loop).items()}
    return own, dict(e.numerics)
