"""Which records a comparison is of."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, did_you_mean
from lrbench.record import Record, find_record
from lrbench.report.naming import flat


def records_of(results: Path, selection: Sequence[str], where: Sequence[str] = ()) -> list[Record]:
    """Records by run id (or its beginning), record folder or results folder; without any, all under `results`.

    where: `KEY=VALUE` filters on the experiment's dotted keys; a class may be given by its last name, as in
    `scheduler=StepLR`. Raises ConfigError for what is not there, and where nothing is left.
    """
    chosen = [r for name in selection for r in _named(results, name)] if selection else _all_in(results)
    for condition in where:
        chosen = _filtered(chosen, condition)
    if not chosen:
        raise ConfigError(f"nothing to compare: there is no record under {results / 'runs'}; train some first, or give "
                          "--results FOLDER.")  # fmt: skip
    return chosen


def _named(results: Path, name: str) -> list[Record]:
    folder = Path(name)
    return _all_in(folder) if (folder / "runs").is_dir() else [find_record(results, name)]


def _all_in(results: Path) -> list[Record]:
    """The records of a results folder in the order in which they were begun; those set aside are not among them."""
    folders = (p for p in (results / "runs").glob("*") if p.is_dir() and "." not in p.name)
    return sorted((Record(p) for p in folders), key=_began)


def _began(record: Record) -> tuple[str, int, str]:
    """For sorting: the second in which it was begun, then which file is older."""
    path = record.folder / "experiment.yaml"
    written = path.stat().st_mtime_ns if path.exists() else 0
    try:
        attempts = json.loads((record.folder / "provenance.json").read_text())
        return str(attempts[0]["started"]), written, record.run_id
    except (OSError, ValueError, LookupError):
        return "", written, record.run_id


def _filtered(records: Sequence[Record], condition: str) -> list[Record]:
    key, equals, value = condition.partition("=")
    if not equals:
        raise ConfigError(f"--where {condition}: give KEY=VALUE, such as scheduler=StepLR or optimizer.lr=0.1.")
    configs = [(r, _config(r)) for r in records if r.damage() is None]
    if not any(key in c for _, c in configs):
        raise ConfigError(f"--where {condition}: no run has the key {key}.{did_you_mean(key, _keys(configs))}")
    found = [r for r, c in configs if key in c and value in _spellings(c[key])]
    if not found:
        seen = sorted({_spellings(c[key])[-1] for _, c in configs if key in c})
        raise ConfigError(f"--where {condition}: no run has this value; there are {', '.join(seen)}.")
    return found


def _config(record: Record) -> Mapping[str, Any]:
    """Dotted keys; `scheduler` stands for `scheduler.target`."""
    experiment = record.experiment()
    config = flat(experiment)
    targets = {k.removesuffix(".target"): v for k, v in config.items() if k.endswith(".target")}
    return {**config, **targets, "seed": experiment.seed}


def _keys(configs: Sequence[tuple[Record, Mapping[str, Any]]]) -> list[str]:
    return sorted({k for _, c in configs for k in c if not k.endswith((".target", "numerics", "fingerprint"))})


def _spellings(value: Any) -> list[str]:
    """How a value may be written, the shortest last."""
    if isinstance(value, float):
        return [repr(value), f"{value:g}"]
    return [str(value), str(value).rpartition(".")[2]] if isinstance(value, str) else [str(value), str(value).lower()]
