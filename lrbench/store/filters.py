"""A condition on runs, as it is typed.

A filter is `KEY=VALUE` with one of = != < <= > >=; = and != take several values, separated by commas. A key is an
option (`optimizer.lr`, `scheduler.args.T_max`), a component (`scheduler`, by its level or the last part of its target),
a metric of the summary (`test/accuracy`), or what a run is and did (`run_id`, `arm`, `state`, `update`, `seconds`).
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lrbench.config.levels import is_of, levels
from lrbench.errors import ConfigError
from lrbench.numbers import is_number
from lrbench.store.index import SHORT

ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
IDS = ("run_id", "arm", "start.of")  # equal to their beginning too
NONE = ("none", "null", "nan")  # equal to what is missing


@dataclass(frozen=True)
class Filter:
    """One condition; `values` as they were typed, several only for = and !=."""

    key: str
    sign: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{','.join(self.values)}"

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether a run is chosen. What it lacks, or is NaN, equals `none`, differs from all else and has no order."""
        value = row.get(self.key)
        if self.sign in ORDER:
            asked = _to_number(self.values[0])
            return asked is not None and is_number(value) and ORDER[self.sign](value, asked)
        known = levels(self.key) if self.key in SHORT else ()
        equal = any(is_of(row, self.key, v) if v in known else _equal(value, v, self.key in IDS) for v in self.values)
        return equal if self.sign == "=" else not equal


def parse(text: str) -> Filter:
    """Read a filter. Raises ConfigError for what is none."""
    found = re.fullmatch(r"([^=<>!\s]+)\s*(==|!=|<=|>=|=|<|>)\s*([^=<>\s].*)", text.strip())
    if found is None:
        why = "a filter is KEY=VALUE with one of = != < <= > >=, such as 'optimizer.lr>0.05'"
        raise ConfigError(text, "", why, "quote it, since a shell takes < and > for itself")
    key, sign, given = named(found[1]), found[2].replace("==", "="), found[3]
    values = (_list(text, given),) if given.startswith("[") else tuple(v.strip() for v in given.split(","))
    if not all(values):
        raise ConfigError(text, "", "a value is missing beside the comma", f"`none` asks for runs without {key}")
    if sign in ORDER and _to_number(given) is None:
        raise ConfigError(text, "", f"{sign} compares numbers, and {given!r} is none")
    return Filter(key, sign, values)


def missing(value: Any) -> bool:
    """None or NaN."""
    return value is None or value != value


def named(key: str) -> str:
    """A key as the configuration or as the record has it."""
    return key.replace("._target_", ".target")


def _equal(value: Any, text: str, beginning: bool) -> bool:
    if missing(value):
        return text.lower() in NONE
    if is_number(value):
        return bool(value == _to_number(text))
    mine, asked = str(value).lower(), text.lower()
    return mine.startswith(asked) if beginning else mine == asked


def _to_number(text: str) -> float | None:
    for kind in (int, float):  # a float does not hold every seed
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _list(text: str, given: str) -> str:
    """A list as rows have it: as JSON."""
    try:
        return json.dumps(yaml.safe_load(given))
    except yaml.YAMLError as error:
        why, cure = f"{given} cannot be read as a list", "write it as in [16, 32] or ['@30ep']"
        raise ConfigError(text, "", why, cure) from error
