"""The levels of the config groups, and which runs a level stands for.

A run keeps its components, not the names that chose them: it may be made by hand or restored from evidence, and two
commands may make the same run. So a level stands for the runs of its class, and where several levels have that class,
for those with the very arguments (and the length) that tell it from the others. A rate does not, which people
tune: two levels that differ in nothing else stand for the same runs.
"""

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any

import yaml

from lrbench import CONF
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import class_name
from lrbench.store.index import flatten

OPEN = "???"  # a value that a level leaves to the user


@cache
def levels(group: str) -> list[str]:
    """The names of a config group's levels."""
    return sorted(p.stem for p in (CONF / group).glob("*.yaml"))


def is_of(row: Mapping[str, Any], group: str, level: str) -> bool:
    """Whether a run, as a row of the index, is what a level stands for; not so for a name that is no level."""
    told = told_by(group).get(level)
    return told is not None and all(row.get(key) == value for key, value in told.items())


def require_known(group: str, words: Sequence[str], used: Set[str]) -> None:
    """Raises ConfigError for a word that is neither a level, nor the class of one, nor a class that runs have."""
    names = {*levels(group), *used}
    classes = {_class(told[f"{group}.target"]) for told in told_by(group).values()}
    known = {name.lower() for name in names | classes}
    for word in words:
        if word.lower() not in known:
            why = f"this is no level of {group}, and the class of no run"
            raise ConfigError(group, word, why, did_you_mean(word, names))


def meaning(group: str, level: str) -> str:
    """`CosineAnnealingLR with eta_min=1e-05`; empty for a name that is no level, and for a level that does nothing."""
    told = dict(told_by(group).get(level, {}))
    name = _class(told.pop(f"{group}.target", None))
    arguments = [f"{key.rpartition('.')[2]}={value}" for key, value in told.items()]
    return f"{name} with {', '.join(arguments)}" if arguments else name


@cache
def told_by(group: str) -> Mapping[str, Mapping[str, Any]]:
    """What tells the runs of each level that names a class, by the keys of a row."""
    contents = {level: _content(group, level) for level in levels(group)}
    target = f"{group}.target"
    return {
        level: {
            key: value
            for key, value in content.items()
            if key == target or any(c.get(key) != value for c in contents.values() if c[target] == content[target])
        }
        for level, content in contents.items()
        if content[target] != OPEN
    }


def _content(group: str, level: str) -> Mapping[str, Any]:
    """A level's target, arguments and length as a row has them, without what it leaves open."""
    plain: Any = yaml.safe_load((CONF / group / f"{level}.yaml").read_text())
    kept = {"target": plain["_target_"], "args": plain.get("args", {})}
    if "length" in plain:  # a warmup's; a rate or an interval is not what a level is asked for
        kept["length"] = plain["length"]
    flat = dict(flatten(kept, f"{group}."))
    return {key: value for key, value in flat.items() if value != OPEN or key.endswith(".target")}


def _class(target: str | None) -> str:
    return class_name(target or "")
