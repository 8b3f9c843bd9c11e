"""A value's hash by its content: how experiments and schedules are named and told apart."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def names_set(value: Any) -> list[str]:
    """The fields of a dataclass that are set: None is the neutral default, and says nothing."""
    return [f.name for f in fields(value) if getattr(value, f.name) is not None]


def canonical(value: Any) -> Any:
    """A value as plain data with exact floats: what equal content has in common, whatever made it."""
    if is_dataclass(value):
        return {name: canonical(getattr(value, name)) for name in names_set(value)}
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}  # an argument of None is not a missing one
    if isinstance(value, list | tuple):
        return [canonical(v) for v in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else value.hex()  # 30.0 is 30
    return value


def digest(plain: Any) -> str:
    """16 hex digits of canonical data."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
