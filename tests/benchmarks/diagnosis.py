"""Benchmarks of `lrbench diagnose`: runs broken on purpose, one kind a cause, beside healthy ones, and a million rows.

Thresholds (`lrbench/diagnose/limits.py`) were set on `diagnose_thresholds`, an MLP; `diagnose_confusion` counts on
other models and other seeds what they find, and was run once they were frozen. Runs are kept in $LRBENCH_RESULTS where
that is set.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import keep

from lrbench.config import experiments as config
from lrbench.diagnose.diagnose import Diagnosed, diagnose
from lrbench.diagnose.series import of_record
from lrbench.engine.train import train
from lrbench.experiment import Experiment, Settings
from lrbench.store.run import Run, read

# By model, the seeds of runs that are broken and of those that are not; as many as there was time for.
SEEDS_OF_LIMITS = {"mlp": (range(5), range(5))}
SEEDS_OF_MATRIX = {model: (range(100, 103), range(100, 103)) for model in ("resnet8", "vit_postln", "mlp_wide_adamw")}
HEALTHY = "healthy"


@dataclass(frozen=True)
class Kind:
    """Runs broken in one way. rules: the findings that name it, as `rule` or `rule (cause)`; the first of a run's
    findings should be one of them. factor: what the model's own rate is multiplied by. mode: for a plateau scheduler
    told the wrong way, which no override can."""

    name: str
    rules: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    factor: float = 1.0
    mode: str = ""
    models: tuple[str, ...] = ()  # () for all


# An MLP of another width under another optimizer is no wholly other model: its runs are cheap, and can be left out.
# Each model with its own good rate, and the factors by which that becomes too high and absurd.
MODELS: Mapping[str, tuple[tuple[str, ...], float, float, float]] = {
    "mlp": (("model=mlp", "optimizer=sgd"), 0.1, 30, 1e4),
    "resnet8": (("model=resnet8", "optimizer=sgd"), 0.1, 100, 1e8),
    "mlp_wide_adamw": (("model=mlp", "model.args.hidden=[256]", "optimizer=adamw"), 1e-3, 300, 1e8),
    "vit_postln": (("model=vit_micro_postln", "model.args.depth=2", "optimizer=adamw"), 1e-3, 30, 1e8),
}
COMMON = ("data=digits", "horizon=20ep", "batch_size=64", "tracker=none")
WARM = "warmup=linear_10pct"
UNSTABLE, WITHOUT_EFFECT, ONECYCLE = "unstable-training", "warmup-without-effect", "onecycle"


def kinds(too_high: float, absurd: float, updates: int) -> list[Kind]:
    """Every way of breaking a run of 20 epochs."""
    early = "['@1ep','@2ep','@3ep']"
    plateau = ("scheduler=plateau",)
    return [
        Kind("rate too high, no warmup", (UNSTABLE,), ("scheduler=cosine",), too_high),
        Kind("NaN", (UNSTABLE,), ("scheduler=constant",), absurd),
        Kind(
            "post-LN transformer, no warmup",
            (UNSTABLE,),
            ("scheduler=cosine",),
            10.0,
            models=("vit_postln",),
        ),
        Kind(
            "milestones too early",
            ("plateau (cut-too-early)", "decay-too-fast (cut-too-early)"),
            ("scheduler=multistep", f"scheduler.args.milestones={early}"),
        ),
        Kind(
            "T_max much shorter",
            ("decay-too-fast (too-short)", "decay-too-fast (stepped-too-often)"),
            ("scheduler=cosine", "scheduler.args.T_max=2ep", "scheduler.only_falls=false"),
        ),
        Kind(
            "cosine of epochs stepped per update",
            ("decay-too-fast (stepped-too-often)", "decay-too-fast (too-short)"),
            ("scheduler=cosine", "scheduler.interval=batch", "scheduler.args.T_max=20", "scheduler.only_falls=false"),
        ),
        Kind(
            "OneCycle stepped per epoch",
            (f"{ONECYCLE} (stepped-too-seldom)",),
            ("scheduler=onecycle", "scheduler.interval=epoch", f"scheduler.args.total_steps={updates}"),
        ),
        Kind("OneCycle, peak too high", (f"{ONECYCLE} (peak-too-high)",), ("scheduler=onecycle",), too_high),
        Kind(
            "warmup of 1 update",
            (f"{WITHOUT_EFFECT} (too-short)",),
            ("scheduler=cosine", WARM, "warmup.length=1ba"),
            too_high,
        ),
        Kind(
            "plateau, patience longer than the evaluations",
            ("plateau-never-cuts (patience-too-long)",),
            (*plateau, "scheduler.args.patience=100"),
        ),
        Kind(
            "plateau, threshold that always counts",
            ("plateau-never-cuts (threshold-too-low)",),
            (*plateau, "scheduler.args.patience=2", "scheduler.args.threshold=-1.0"),
        ),
        Kind(
            "plateau, threshold that never counts",
            ("decay-too-fast (threshold-too-high)",),
            (*plateau, "scheduler.args.patience=2", "scheduler.args.threshold=0.9"),
        ),
        Kind(
            "plateau, wrong mode",
            ("decay-too-fast (wrong-mode)", "plateau-never-cuts (wrong-mode)"),
            (*plateau, "scheduler.args.patience=2"),
            mode="max",
        ),
        Kind(
            "floor too high",
            ("poor-final-result (rate-still-high)",),
            ("scheduler=cosine", "scheduler.args.eta_min=0.6x", WARM),
            3.0,
        ),
        Kind(
            "overfitting",
            ("poor-final-result (overfitting)",),
            ("scheduler=cosine", WARM, "data.args.val_size=850", "data.args.test_size=850", "batch_size=16"),
        ),
    ]


# What a person would run with success: eight of them a model and seed.
GOOD = (
    ("scheduler=cosine",),
    ("scheduler=cosine", "warmup=linear2"),
    ("scheduler=linear", WARM),
    ("scheduler=multistep", "warmup=linear2"),
    ("scheduler=onecycle",),
    ("scheduler=wsd", WARM),
    ("scheduler=plateau",),
    ("scheduler=step",),
    ("scheduler=polynomial", WARM),
    ("scheduler=exponential", "warmup=linear2"),
    ("scheduler=cosine_restarts", WARM),
    ("scheduler=constant", WARM),
)


def diagnose_thresholds() -> None:
    """The runs that the thresholds were set on: what they find there, which is no evidence for anything else."""
    _count("diagnose_thresholds", SEEDS_OF_LIMITS, "the MLP that thresholds were set on; no evidence")


def diagnose_confusion() -> None:
    """What they find on models and seeds that they were not set on."""
    what = "runs broken on purpose and healthy ones, of models and seeds that no threshold was set on"
    _count("diagnose_confusion", SEEDS_OF_MATRIX, what)


def _count(name: str, asked: Mapping[str, tuple[range, range]], what: str) -> None:
    matrix: dict[str, Counter[str]] = {}
    first, among, runs = Counter[str](), Counter[str](), []
    with _results() as folder:
        for model, seeds in asked.items():
            for kind, experiment, rules in _planted(model, *seeds):
                found = _diagnosed(experiment, Path(folder))
                names = _names(found)
                matrix.setdefault(kind, Counter())[names[0]] += 1
                first[kind] += _is_one(names[0], rules)
                among[kind] += any(_is_one(n, rules) for n in names)
                runs.append(_row(kind, model, experiment, found, names))
    totals = {kind: sum(row.values()) for kind, row in matrix.items()}
    figures = {
        "broken": sum(n for k, n in totals.items() if k != HEALTHY),
        "broken_found_wrong": sum(totals[k] - matrix[k][HEALTHY] for k in totals if k != HEALTHY),
        "broken_named_first": sum(n for k, n in first.items() if k != HEALTHY),
        "broken_named_at_all": sum(n for k, n in among.items() if k != HEALTHY),
        "healthy": totals[HEALTHY],
        "healthy_called_healthy": matrix[HEALTHY][HEALTHY],
        "seeds": {model: {"broken": [*b], "healthy": [*h]} for model, (b, h) in asked.items()},
        "matrix": {kind: dict(row.most_common()) for kind, row in matrix.items()},
        "named_first": {kind: f"{first[kind]} of {n}" for kind, n in totals.items()},
        "runs": runs,
    }
    keep(name, what, "reported as it is; thresholds are frozen before", figures)


def _planted(model: str, broken: range, healthy: range) -> Iterator[tuple[str, Experiment, tuple[str, ...]]]:
    """Every run, the kind it is of, and what names it."""
    chosen, lr, too_high, absurd = MODELS[model]
    base = (*COMMON, *chosen)
    updates = config.experiment(*base).clock.updates
    for seed in broken:
        for kind in kinds(too_high, absurd, updates):
            if kind.models and model not in kind.models:
                continue
            made = config.experiment(*base, *kind.overrides, f"optimizer.lr={lr * kind.factor:g}", f"seed={seed}")
            yield kind.name, _turned(made, kind.mode), kind.rules
    for seed in healthy:
        for overrides in GOOD:
            yield HEALTHY, config.experiment(*base, *overrides, f"optimizer.lr={lr:g}", f"seed={seed}"), (HEALTHY,)


def _turned(experiment: Experiment, mode: str) -> Experiment:
    """A plateau scheduler in the wrong mode, which is refused as an override."""
    if not mode:
        return experiment
    scheduler = experiment.scheduler
    return replace(experiment, scheduler=replace(scheduler, args={**scheduler.args, "mode": mode}))


def _diagnosed(experiment: Experiment, results: Path) -> Diagnosed:
    record = train(experiment, Settings(results=results), say=lambda text: None)
    run = read(record)
    assert isinstance(run, Run)
    return diagnose(of_record(run, record))


def _names(found: Diagnosed) -> list[str]:
    """What is wrong, as `rule (cause)`, first what is told first; `healthy` where nothing is."""
    wrong = [d for d in found.found if d.finding.severity != "note"]
    return [f"{d.finding.rule.removeprefix('diagnose.')} ({d.cause})" for d in wrong] or [HEALTHY]


def _is_one(name: str, rules: Sequence[str]) -> bool:
    return name in rules or name.partition(" (")[0] in rules


def _row(kind: str, model: str, experiment: Experiment, found: Diagnosed, names: list[str]) -> str:
    """A run in a line: its kind, what it is, its id, its validation accuracy, and what was found."""
    accuracy = found.series.summary.get("val/accuracy")
    reached = "diverged" if accuracy is None else f"{accuracy:.2%}"
    setting = f"{model} seed {experiment.seed} lr {experiment.optimizer.lr:g} {experiment.scheduler.name}"
    return f"{kind} | {setting} | {found.series.name} | {reached} | {', '.join(names)}"


def _results() -> "tempfile.TemporaryDirectory[str] | _Kept":
    kept = os.environ.get("LRBENCH_RESULTS")
    return _Kept(kept) if kept else tempfile.TemporaryDirectory()


@dataclass(frozen=True)
class _Kept:
    """A folder that stays."""

    folder: str

    def __enter__(self) -> str:
        return self.folder

    def __exit__(self, *_: object) -> None: ...


MILLION = """
import sys, time, json, re
from lrbench.commands.diagnose import run
began = time.perf_counter()
code = run([sys.argv[1]])
seconds = time.perf_counter() - began
# Not getrusage: after an exec that still has the peak of the process which it was forked from.
peak = int(re.search(r"VmHWM: +(\\d+) kB", open("/proc/self/status").read().replace("\t", " "))[1])
print(json.dumps({"seconds": seconds, "code": code, "peak_mb": peak / 1024}))
"""


def diagnose_million() -> None:
    """A CSV of a million rows with step, loss and rate; a process of its own, its imports not in the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w") as file:
            file.write("step,train/loss,lr\n")
            file.writelines(f"{t},{2.3 / (1 + t / 1e4) + 0.01 * (t * 7919 % 13):.6f},{0.1 * (1 - t / 1e6):.8g}\n"
                            for t in range(1_000_000))  # fmt: skip
        said = subprocess.run([sys.executable, "-c", MILLION, str(path)], capture_output=True, text=True, check=True)
    figures = {k: round(v, 2) for k, v in json.loads(said.stdout.splitlines()[-1]).items()}
    keep("diagnose_million", "lrbench diagnose of a CSV of a million rows", "<= 5 s and 500 MB", figures)


EVERY: tuple[Callable[[], None], ...] = (diagnose_million, diagnose_thresholds, diagnose_confusion)
