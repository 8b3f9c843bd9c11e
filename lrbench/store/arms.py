"""`arms.json`: what many rows of the `runs.csv` beside it share, once.

By arm, the resolved Experiment without the seed, the overrides that train it, the updates of its curves and what its
task says of its metrics; and, by a hash of their content (so that files which grew on two branches merge without
renumbering), the environments and the rates that rows name. Text, a line an entry, in the order of the ids.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.store.files import finite, of_format

ARMS = "arms.json"
FORMAT = 2  # before it there was none
PARTS = ("arms", "provenance", "rates")


@dataclass(frozen=True)
class Shared:
    """Arms by their ids, environments and rates by hashes of their content."""

    arms: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, Any] = field(default_factory=dict)


def parse_shared(path: Path, content: bytes | None) -> Shared:
    """Raises ConfigError for a file that is missing (None) or cannot be read."""
    if content is None:
        why = "it is missing, and the rows beside it mean nothing without"
        raise ConfigError(str(path), "", why, "take it from the commit that wrote it, or export the runs again")
    try:
        plain = of_format(content, FORMAT)
        return Shared(*(dict(plain[part]) for part in PARTS))
    except (ValueError, KeyError, TypeError) as error:
        cure = "take it from the commit that wrote it, or export the runs again"
        raise ConfigError(str(path), "", f"it cannot be read ({type(error).__name__}: {error})", cure) from error


def shared_text(shared: Shared) -> str:
    """The file's content."""
    parts = [
        f'"{part}": {{\n' + ",\n".join(f'"{k}": {compact(v)}' for k, v in sorted(getattr(shared, part).items())) + "\n}"
        for part in PARTS
    ]
    return ",\n".join([f'{{"format": {FORMAT}', *parts]) + "\n}\n"


def key_of(value: Any) -> str:
    """8 hex digits of its content."""
    return hashlib.sha256(compact(value, sort=True).encode()).hexdigest()[:8]


def compact(value: Any, sort: bool = False) -> str:
    return json.dumps(finite(value), separators=(",", ":"), allow_nan=False, sort_keys=sort)


def without_seed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's plain data as all runs of its arm have it: the seed is left out, in a fork's parent too where
    that shares it."""
    arm = {k: v for k, v in plain.items() if k != "seed"}
    if "start" in arm and arm["start"]["of"]["seed"] == plain["seed"]:
        arm["start"] = {**arm["start"], "of": without_seed(arm["start"]["of"])}
    return arm


def key_of_arm(arm_id: str, arm: Mapping[str, Any]) -> str:
    """The arm's id; behind it `@` and the parent's seed for forks that share a parent of one seed. The run among them
    that has that seed itself is, by its words alone, one of those whose parents have their own."""
    start = arm.get("start")
    while start is not None:
        if "seed" in start["of"]:
            return f"{arm_id}@{start['of']['seed']}"
        start = start["of"].get("start")
    return arm_id


def with_seed(arm: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The inverse of `without_seed`."""
    plain = {"seed": seed, **arm}
    if "start" in plain:
        plain["start"] = {**plain["start"], "of": with_seed(plain["start"]["of"], seed)}
    return plain
