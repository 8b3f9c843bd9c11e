"""An Experiment as plain data and back, and its identity `run_id`: a hash of everything that determines the numbers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

from lrbench.experiment import Component, Data, Experiment, Start


def _names_set(value: Any) -> list[str]:
    return [f.name for f in fields(value) if getattr(value, f.name) is not None]


def to_plain(value: Any) -> Any:
    """An Experiment as plain data (dicts, lists, scalars) for YAML; None, the neutral default, is left out."""
    if is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in _names_set(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value


def from_plain(plain: Any, kind: Any = Experiment) -> Any:
    """The inverse of `to_plain`. Raises TypeError or KeyError for data that is no Experiment."""
    if kind == "Experiment":
        kind = Experiment
    options = [k for k in get_args(kind) if k is not NoneType]
    if len(options) == 1:  # `Warmup | None`
        return None if plain is None else from_plain(plain, options[0])
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: from_plain(v, hints[name]) for name, v in plain.items()})  # type: ignore[operator]
    return tuple(plain) if isinstance(plain, list) and getattr(kind, "__origin__", None) is tuple else plain


def _canonical(value: Any) -> Any:
    """Plain data with exact floats, a parent experiment replaced by its identity, and no place of the data."""
    if isinstance(value, Start):
        at = "plateau" if value.update is None else value.update  # 2ep, 32ba and end may be one moment
        return {"of": run_id(value.of), "at": at, "carry": sorted(value.carry)}
    if isinstance(value, Data) and "root" in value.args:
        return _canonical(replace(value, args={k: v for k, v in value.args.items() if k != "root"}))
    if is_dataclass(value):
        return {name: _canonical(getattr(value, name)) for name in _names_set(value)}
    if isinstance(value, Mapping):
        return {str(k): _canonical(v) for k, v in value.items()}  # an argument of None is not a missing one
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    return value.hex() if isinstance(value, float) else value


def run_id(experiment: Experiment) -> str:
    """16 hex digits that name the experiment by its content: the same question has the same record."""
    text = json.dumps(_canonical(experiment), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def arm_id(experiment: Experiment) -> str:
    """The identity without the seed, which a fork shares with its parent: the runs of one arm share it."""
    return run_id(_unseeded(experiment))


def _unseeded(experiment: Experiment) -> Experiment:
    start = experiment.start
    if start is not None and start.of.seed == experiment.seed:
        start = replace(start, of=_unseeded(start.of))
    return replace(experiment, seed=0, start=start)


def title(experiment: Experiment) -> str:
    """A short human-readable name: what is trained, how, and the seed."""

    def short(component: Component) -> str:
        return component.target.rpartition(".")[2]

    model = experiment.model.args.get("name", short(experiment.model))  # a model chosen from a library by its name
    warmup = f" warmup {experiment.warmup.length}" if experiment.warmup else ""
    start = experiment.start
    fork = f" from {run_id(start.of)[:8]} at {start.at}" if start else ""
    return (
        f"{model} {short(experiment.data)} {short(experiment.optimizer)} "
        f"lr {experiment.optimizer.lr:g} {short(experiment.scheduler)}{warmup} {experiment.horizon}{fork} "
        f"seed {experiment.seed}"
    )
