"""Arms: named lists of overrides. A sweep is the product of its arms and its grid: an option may be given to one arm
alone."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lrbench.errors import ConfigError


class SweepArm(NamedTuple):
    """One arm of a sweep: what its runs have in common beside the grid."""

    name: str
    overrides: tuple[str, ...]


def arm_from(text: str) -> SweepArm:
    """The arm of `NAME: OVERRIDE OVERRIDE`, the overrides split as a shell does. Raises ConfigError."""
    name, colon, rest = text.partition(":")
    try:
        overrides = tuple(shlex.split(rest))
    except ValueError as error:
        raise ConfigError("--arm", text, f"this cannot be split into overrides ({error})", "close the quote") from error
    if not colon:
        cure = "give its name, a colon and its overrides, as in --arm 'warm: scheduler=cosine warmup=linear5'"
        raise ConfigError("--arm", text, "this names no arm", cure)
    return checked([SweepArm(name.strip(), overrides)], "--arm")[0]


def arms_from(content: Any, where: str) -> tuple[SweepArm, ...]:
    """The arms of a sweep's file: a mapping from names to lists of overrides. Raises ConfigError."""
    lists = content.values() if isinstance(content, Mapping) else [None]
    if not all(isinstance(given, list) and all(isinstance(o, str) for o in given) for given in lists):
        cure = "give each arm a name and a list of overrides, as in {warm: [scheduler=cosine, warmup=linear5]}"
        raise ConfigError(where, "", f"arms is no mapping from names to lists of overrides: {content}", cure)
    return checked([SweepArm(str(name), tuple(given)) for name, given in content.items()], where)


def checked(arms: Iterable[SweepArm], where: str) -> tuple[SweepArm, ...]:
    """The arms. Raises ConfigError for a name that is none, or that two of them have, and for an arm without overrides.

    where: they come from, for the error message.
    """
    arms, seen = tuple(arms), set()
    for arm in arms:
        if not re.fullmatch(r"[\w.-]*\w", arm.name):
            cure = "an arm's name is made of letters, digits, - and _"
            raise ConfigError(where, "", f"'{arm.name}' is no name for an arm", cure)
        if not arm.overrides:
            cure = f"give what makes it one, as in '{arm.name}: scheduler=cosine'"
            raise ConfigError(where, "", f"the arm '{arm.name}' has no overrides", cure)
        if arm.name in seen:
            raise ConfigError(where, "", f"two arms are called '{arm.name}'", "give each a name of its own")
        seen.add(arm.name)
    return arms
