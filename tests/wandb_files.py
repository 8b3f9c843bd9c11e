"""A run's offline W&B files, read back by W&B's own tool."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def segment(folder: Path) -> dict[str, Any]:
    """The one W&B segment under a record's folder: its path, what it says of the run, its rows, summary and metrics."""
    (path,) = (folder / "wandb").glob("*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    text = subprocess.run(command, cwd=folder.parent, check=True, capture_output=True, text=True).stdout
    records = [json.loads(line) for line in text.splitlines()]
    summary: dict[str, Any] = {}
    for record in records:
        summary |= record.get("summary", {}).get("update", {})
    (about,) = (record["run"] for record in records if record["type"] == "run")
    history = [record["history"]["item"] for record in records if record["type"] == "history"]
    metrics = [record["metric"] for record in records if record["type"] == "metric"]
    return {"path": path, "run": about, "history": history, "summary": summary, "metrics": metrics}


def columns(item: Mapping[str, Any]) -> dict[str, float]:
    """A history row without W&B's own columns, with its spelling of what JSON lacks undone."""
    return {name: float(value) for name, value in item.items() if not name.startswith("_")}


def by_update(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """A record's rows as W&B keeps them: those of one update are one row."""
    merged: dict[int, dict[str, float]] = {}
    for row in rows:
        merged.setdefault(int(row["update"]), {}).update(row)
    return list(merged.values())
