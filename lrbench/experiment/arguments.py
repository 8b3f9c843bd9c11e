"""A scheduler's arguments, from the words of a configuration to the numbers its class takes.

Pure, and without torch, since a run's identity is made of what its words come to.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from lrbench.errors import ConfigError, did_you_mean
from lrbench.horizon import GRAMMAR, Phase, factor_per_step, is_time, looks_numeric, position, steps
from lrbench.targets import MARKS, is_target

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)  # no sign, no nan, no inf


def value(raw: Any, phase: Phase, group: str, peaks: Mapping[str, float], option: str) -> Any:
    """One argument, for one parameter group: time words become steps, `0.01x` a share of the group's peak.

    Bare numbers, booleans, None and plain words go to torch untouched. A mapping with a `_target_` is something to be
    built, its other keys arguments like these. Raises ConfigError for what starts like a number and is none, for a
    mapping that does not name every group, and for times that do not fall on a step.
    """
    if is_target(raw):
        return {k: v if k in MARKS else value(v, phase, group, peaks, f"{option}.{k}") for k, v in raw.items()}
    if isinstance(raw, Mapping):
        return value(_of_group(raw, group, peaks, option), phase, group, peaks, option)
    if isinstance(raw, list | tuple):
        return _values(raw, phase, group, peaks, option)
    if not isinstance(raw, str):
        return raw
    if raw.startswith("@"):
        return position(raw, phase, option)
    if is_time(raw):
        return steps(raw, phase, option)
    number, slash, length = raw.partition("/")
    if slash and _NUMBER.fullmatch(number):
        return factor_per_step(float(number), length, phase, option)
    if raw.endswith("x") and _NUMBER.fullmatch(raw[:-1]):
        return float(raw[:-1]) * peaks[group]  # the product to the bit, as a person's loop has it
    if looks_numeric(raw):
        raise ConfigError(
            option,
            raw,
            f"neither a number nor a time. {GRAMMAR[0].upper()}{GRAMMAR[1:]}, a position as @30ep, a factor as "
            "0.95/ep, a rate relative to the peak as 0.01x",
            "without spaces, signs or quotes",
        )
    return raw


def _of_group(raw: Mapping[str, Any], group: str, peaks: Mapping[str, float], option: str) -> Any:
    for name in raw:
        if name not in peaks:
            raise ConfigError(f"{option}.{name}", "", f"no such parameter group.{did_you_mean(name, peaks)}")
    if group not in raw:
        raise ConfigError(option, "", f"gives no value for the parameter group '{group}'", "name every group")
    return raw[group]


def _values(raw: list[Any] | tuple[Any, ...], phase: Phase, group: str, peaks: Mapping[str, float], option: str) -> Any:
    positions = [isinstance(v, str) and v.startswith("@") for v in raw]
    if any(positions) and not all(positions):
        raise ConfigError(option, str(list(raw)), "write every position with an at sign and a unit, or none")
    resolved = [value(v, phase, group, peaks, option) for v in raw]
    if any(positions) and any(b <= a for a, b in pairwise(resolved)):
        raise ConfigError(option, str(list(raw)), "positions must ascend, each later than the one before")
    return resolved
