"""Records written by hand, without training: what the readers of a results folder need of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id, run_id, title, to_plain
from lrbench.store.record import DONE, Record
from lrbench.store.series import NORM, series_type


def write_series(record: Record, rates: Sequence[Sequence[float]], groups: Sequence[str] = ("all",)) -> None:
    """A record's series, of rates (updates, groups) alone: its losses are 0, its gradients were not measured."""
    series = np.zeros(len(rates), series_type([f"lr/{g}" for g in groups]))
    series[NORM] = np.nan
    for i, group in enumerate(groups):
        series[f"lr/{group}"] = [row[i] for row in rates]
    record.folder.mkdir(parents=True, exist_ok=True)
    np.save(record.folder / "series.npy", series)


def put(results: Path, experiment: Experiment, state: str = "finished", **metrics: Any) -> Record:
    """A record in a state, with metrics by name (`__` for a slash); a done one has a summary too."""
    record = Record(results / "runs" / run_id(experiment))
    record.folder.mkdir(parents=True, exist_ok=True)
    updates = experiment.clock.updates
    summary = {
        "run_id": record.run_id, "arm": arm_id(experiment), "title": title(experiment), "state": state,
        "updates": updates, "epochs": updates / experiment.clock.per_epoch,
        **{name.replace("__", "/"): value for name, value in metrics.items()},
    }  # fmt: skip
    status = {"state": state, "update": updates if state in DONE else 3, "updates": updates, "error": None}
    if state in DONE:
        (record.folder / "summary.json").write_text(json.dumps(summary))
        write_series(record, [])
    (record.folder / "status.json").write_text(json.dumps(status))
    (record.folder / "experiment.yaml").write_text(yaml.safe_dump(to_plain(experiment), sort_keys=False))
    return record


def put_many(results: Path, experiment: Experiment, count: int) -> None:
    """Finished runs of seeds 0 to count - 1, with a test accuracy that grows with the seed. Quick: text is replaced."""
    first = put(results, replace(experiment, seed=0), test__loss=0.5, test__accuracy=0.0, seconds=1.5)
    texts = {p.name: p.read_text() for p in first.folder.iterdir() if p.suffix in (".yaml", ".json")}
    series = (first.folder / "series.npy").read_bytes()
    for seed in range(1, count):
        other = replace(experiment, seed=seed)
        folder = results / "runs" / run_id(other)
        folder.mkdir()
        (folder / "series.npy").write_bytes(series)
        for name, text in texts.items():
            for before, after in {
                first.run_id: folder.name,
                "seed: 0\n": f"seed: {seed}\n",
                "seed 0": f"seed {seed}",
                '"test/accuracy": 0.0': f'"test/accuracy": {seed / count}',
            }.items():
                text = text.replace(before, after)
            (folder / name).write_text(text)
