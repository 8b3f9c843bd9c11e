"""An Experiment as plain data and back, and its identity `run_id`: a hash of everything that determines the numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from lrbench.experiment.components import Data
from lrbench.experiment.experiment import Experiment, Start
from lrbench.experiment.hashing import canonical, digest, names_set


def to_plain(value: Any) -> Any:
    """An Experiment as plain data (dicts, lists, scalars) for YAML; None, the neutral default, is left out."""
    if is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in names_set(value)}
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
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: from_plain(v, hints[name]) for name, v in plain.items()})  # type: ignore[operator]
    if isinstance(plain, list) and getattr(kind, "__origin__", None) is tuple:
        return tuple(from_plain(value, get_args(kind)[0]) for value in plain)
    return plain


@cache  # asked of a class once: for an Experiment it takes as long as all else here
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


# Fields of an Experiment whose words stand in its schedule as what they come to.
_IN_THE_SCHEDULE = ("horizon", "eval_every", "scheduler", "warmup", "weight_decay")


# Of an image folder: values by which no pixel changes. Who gives them has the run of who does not.
_IDLE = {"verify": (True, False), "upright": (False,)}


def _parts(experiment: Experiment) -> dict[str, Any]:
    """What the identity is made of: every field that is set, but the schedule as what its words come to (`30ep` and
    `480ba` may be one horizon), the parent of a fork by its own identity, and no place of the data."""
    parts = {name: getattr(experiment, name) for name in names_set(experiment) if name not in _IN_THE_SCHEDULE}
    parts["schedule"] = experiment.schedule.resolved
    data = experiment.data.placeless
    parts["data"] = replace(data, args=dict(_content(data)))
    if experiment.early_stop is not None:
        parts["early_stop"] = {**vars(experiment.early_stop), "patience": experiment.patience}
    if experiment.start is not None:
        parts["start"] = _moment(experiment.start, experiment.continues)
    return parts


def _content(data: Data) -> Iterator[tuple[str, Any]]:
    """The arguments of a data set that its numbers depend on."""
    idle = _IDLE if data.target == "lrbench.data.image_folder.ImageFolder" else {}
    for name, value in data.args.items():
        if not any(value is same for same in idle.get(name, ())):
            yield name, value


def _moment(start: Start, continues: bool) -> dict[str, Any]:
    at = "plateau" if start.update is None else start.update  # 2ep, 32ba and end may be one moment
    carry = {*start.carry} - (set() if continues else {"stream"})  # which may be carried in vain
    head = {name: getattr(start, name) for name in names_set(start) if name in ("new_head", "head_names")}
    return {"of": run_id(start.of), "at": at, "carry": sorted(carry), **head}


def run_id(experiment: Experiment) -> str:
    """16 hex digits that name the experiment by its content: the same question has the same record, in whatever words
    it was asked (the record keeps those of whoever asked first). Raises ConfigError for a schedule whose words come to
    nothing."""
    return digest(canonical(_parts(experiment)))


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
    model = experiment.model.args.get("name", experiment.model.name)  # a model chosen from a library by its name
    warmup = f" warmup {experiment.warmup.length}" if experiment.warmup else ""
    start = experiment.start
    fork = f" from {run_id(start.of)[:8]} at {start.at}" if start else ""
    early = f" early_stop {experiment.early_stop.patience}" if experiment.early_stop else ""
    return (
        f"{model} {experiment.data.name} {experiment.optimizer.name} "
        f"lr {experiment.optimizer.lr:g} {experiment.scheduler.name}{warmup} {experiment.horizon}{early}{fork} "
        f"seed {experiment.seed}"
    )
