"""Files as a record has them: written in one step, as strict JSON; and what reading a damaged one comes to."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrbench.errors import printable


class Damaged(ValueError):
    """A record's files cannot be trusted; it says what is wrong with them."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever a damaged file makes of its reader, as Damaged."""
    try:
        yield
    except Damaged:
        raise
    except Exception as error:
        raise Damaged(f"{what} cannot be read ({_short(error)})") from error


def _short(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # without the path: a copied record is as damaged
        return error.strerror
    return printable(f"{type(error).__name__}: {error}".splitlines()[0][:200])


def shown(value: Any) -> Any:
    """Plain data whose texts are printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [shown(v) for v in value]
    return {shown(k): shown(v) for k, v in value.items()} if isinstance(value, dict) else value


def read_json(path: Path) -> Any:
    """Plain data, its texts printable. Raises OSError, and ValueError for what is no JSON."""
    return shown(json.loads(path.read_bytes()))


def of_format(text: str | bytes, known: int) -> dict[str, Any]:
    """Plain data that say their format. Raises ValueError for another than the one that is read, KeyError for none."""
    plain: dict[str, Any] = json.loads(text)
    if plain["format"] != known:
        raise ValueError(f"its format is {plain['format']} and this lrbench reads {known}")
    return plain


def sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def write_bytes(path: Path, content: bytes | memoryview, *, lasting: bool = True) -> None:
    """Written beside, then renamed: whoever reads, and a kill at any moment, finds the old file or the new one. So does
    whoever comes after a power failure, where it is lasting: on the disk before it has its name, which takes a few
    milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """What `write_json` writes."""
    return (to_json(value, indent=2) + "\n").encode()


_STRICT = json.JSONEncoder(allow_nan=False)  # made once: a row is written every update of a short run


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON, which has no NaN and no infinity: a number that is not finite becomes null."""
    if indent is not None:
        return json.dumps(finite(value), indent=indent, allow_nan=False)
    try:
        return _STRICT.encode(value)
    except ValueError:  # something is not finite, which is rare
        return _STRICT.encode(finite(value))


def finite(value: Any) -> Any:
    """Plain data with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbers_of(text: str) -> dict[str, Any]:
    """A row or a summary as it was before `to_json`, but for the kind of what is not finite: it is NaN."""
    return {k: math.nan if v is None else v for k, v in json.loads(text).items()}
