"""Records written by hand, for comparisons whose numbers a person can check."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from made_records import write_series

from lrbench.experiment import Component, Data, Experiment, Optimizer, Scheduler
from lrbench.experiment.identity import arm_id, run_id, to_plain
from lrbench.report.compare import compare as compare_runs
from lrbench.report.result import Comparison
from lrbench.store.record import Record
from lrbench.store.run import read_whole

CONSTANT, COSINE = "ConstantLR", "CosineAnnealingLR"
MADE_WITH = {
    "lrbench": "0.1.0",
    "git": "0123456789abcdef+dirty",
    "python": "3.11.7",
    "versions": {"torch": "2.14.1", "numpy": "2.4.6"},
    "cpu": "a processor",
    "device": "cpu",
    "threads": 1,
    "started": "2026-01-01T00:00:00+0000",
}


METRICS = {
    "loss": {"unit": "nats", "higher_is_better": False, "low": 0.0},
    "accuracy": {"unit": "%", "higher_is_better": True, "low": 0.0, "high": 1.0, "chance": 0.1},
}


def compare(records: Iterable[Record], *arguments: Any, **options: Any) -> Comparison:
    """The comparison of records as `lrbench report` makes it."""
    return compare_runs([read_whole(r) for r in records], *arguments, **options)


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def experiment(scheduler: str | Scheduler = CONSTANT, seed: int = 0, lr: float = 0.1, **changes: Any) -> Experiment:
    """A perceptron on digits: 16 updates an epoch, 4 epochs; 10 classes, so that chance is 10 %."""
    made = Experiment(
        model=Component(target="lrbench.models.mlp.mlp", args={"hidden": [8]}, numerics=1),
        data=Data(target="lrbench.data.digits.Digits", n_train=1077, fingerprint="f", numerics=1),
        task=Component(target="lrbench.tasks.classification.Classification", numerics=1),
        optimizer=Optimizer(target="torch.optim.SGD", lr=lr, numerics=1),
        scheduler=Scheduler(target=f"torch.optim.lr_scheduler.{scheduler}", interval="epoch")
        if isinstance(scheduler, str)
        else scheduler,
        horizon="4ep",
        batch_size=64,
        seed=seed,
        numerics={"engine": 1},
    )
    return replace(made, **changes)


def record(
    results: Path,
    made: Experiment,
    accuracy: float | None = None,
    summary: Mapping[str, Any] | None = None,
    rows: Sequence[Mapping[str, float]] = (),
    rates: Sequence[float] = (0.1, 0.1),
    provenance: Mapping[str, Any] | None = None,
    overrides: Sequence[str] | None = None,
    state: str = "finished",
) -> Record:
    """A record in <results>/runs: finished with an accuracy, or as `state` and `summary` say."""
    out = Record(results / "runs" / run_id(made))
    _write(out.folder / "experiment.yaml", yaml.safe_dump(to_plain(made)))
    _write(out.folder / "status.json", {"state": state, "update": 64, "updates": 64, "error": None})
    _write(out.folder / "provenance.json", [{**MADE_WITH, **(provenance or {})}])
    _write(out.folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    write_series(out, [[rate] for rate in rates])
    measured = {"test/accuracy": accuracy, "test/loss": 2 * (1 - accuracy)} if accuracy is not None else {}
    told = {
        "run_id": run_id(made),
        "arm": arm_id(made),
        "state": state,
        "updates": 64,
        **measured,
        "metrics": METRICS,
        **(summary or {}),
    }
    _write(out.folder / "summary.json", told)
    if overrides is not None:
        _write(out.folder / ".hydra" / "overrides.yaml", yaml.safe_dump(list(overrides)))
    return out


def diverged(results: Path, made: Experiment, **more: Any) -> Record:
    return record(results, made, state="diverged", summary={"first_bad_update": 7, "val/loss": 3.0}, **more)


def arm(results: Path, scheduler: str, accuracies: Mapping[int, float], lr: float = 0.1, **more: Any) -> list[Record]:
    """Finished runs of one arm, an accuracy a seed."""
    return [record(results, experiment(scheduler, seed, lr), a, **more) for seed, a in accuracies.items()]


def two_arms(results: Path) -> list[Record]:
    """Constant 0.90, 0.92, 0.94; cosine 0.93, 0.94, 0.98: differences 0.03, 0.02, 0.04."""
    return [
        *arm(results, CONSTANT, {0: 0.90, 1: 0.92, 2: 0.94}, overrides=["scheduler=constant", "results=/x", "seed=0"]),
        *arm(results, COSINE, {0: 0.93, 1: 0.94, 2: 0.98}, rates=[0.1, 0.05]),
    ]


def rows_of_a_run(seed: int, updates: int = 64) -> list[dict[str, float]]:
    """A row of training an update, and an evaluation an epoch of 16 updates."""
    rows: list[dict[str, float]] = []
    for u in range(1, updates + 1):
        rows.append({"update": u, "epoch": u / 16, "lr/all": 0.1, "train/loss": 2.5 / u + 0.01 * seed})
        if u % 16 == 0:
            rows.append(
                {"update": u, "epoch": u / 16, "val/loss": 3 / u + 0.1 * seed, "val/accuracy": 1 - 8 / (u + seed)}
            )
    return rows
