"""Range tests that were made: `<results>/find_lr/ID.json`, a file each, which is evidence as it stands.

It holds the sweeps and what was suggested from them, in under 15 kB for five seeds, to be committed: on another machine
the same question then has the same answer, and `optimizer.lr=auto` means the same runs.
"""

import json
import math
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.find_lr.found import Found, Suggestion, suggestions
from lrbench.find_lr.range_test import RangeTest
from lrbench.find_lr.sweep import RangeTestSweep
from lrbench.store.files import of_format, write_text
from lrbench.store.store import Store

FORMAT = 1  # raised when a file of before cannot be read any more


def path_of(results: Path, id: str) -> Path:
    return Store(results).find_lr_folder / f"{id}.json"


def read(results: Path, id: str, test: RangeTest) -> Found | None:
    """What is there of a range test: those of its sweeps that were made, and where these are all, what was suggested
    when they were. None for nothing. Raises ConfigError for a file that cannot be believed."""
    path = path_of(results, id)
    try:
        plain = of_format(path.read_text(), FORMAT)
        if plain["id"] != id or plain["test"] != test.of_a_sweep:
            raise ValueError("it is of another range test")
        made = {s["seed"]: RangeTestSweep(s["seed"], tuple(map(float, s["losses"])), s["end"]) for s in plain["sweeps"]}
        sweeps = tuple(made[seed] for seed in test.seeds_used if seed in made)
        said = plain["suggestions"].get(str(test.seeds), {}) if len(sweeps) == test.seeds else {}
        return Found(id, plain["title"], test, sweeps, {k: Suggestion(k, **v) for k, v in said.items()})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"what a range test found cannot be read ({type(error).__name__}: {error})"
        raise ConfigError(str(path), "", why, "take it from the commit that has it, or remove it") from error


def keep(results: Path, found: Found, made: dict[str, Any]) -> Found:
    """Add its sweeps to the file, and what they suggest; `made`: with what the new ones were made. Raises ConfigError
    where the disk refuses."""
    path = path_of(results, found.id)
    before = json.loads(path.read_text()) if path.exists() else {"sweeps": [], "suggestions": {}}
    known = {s["seed"]: s for s in before["sweeps"]}
    for s in found.sweeps:
        known.setdefault(s.seed, {"seed": s.seed, "end": s.end, "losses": list(map(_number, s.losses)), "made": made})
    done = found.test.seeds == len(found.sweeps)
    said = suggestions(found.test, found.sweeps) if done else {}
    plain = {
        "format": FORMAT, "id": found.id, "title": found.title, "test": found.test.of_a_sweep,
        "suggestions": {**before["suggestions"], **({str(found.test.seeds): _plain(said)} if done else {})},
        "sweeps": [known[seed] for seed in sorted(known)],
    }  # fmt: skip
    try:
        write_text(path, _text(plain))
    except OSError as error:
        why = f"what the range test found cannot be written ({error.strerror or error})"
        raise ConfigError(str(path), "", why, "Make room, or give another results folder") from error
    return Found(found.id, found.title, found.test, found.sweeps, said)


def _number(loss: float) -> float | str:
    """JSON has no number that is not finite: `inf` and `nan` stand as words."""
    return loss if math.isfinite(loss) else str(loss)


def _plain(said: dict[str, Suggestion]) -> dict[str, Any]:
    return {rule: {k: v for k, v in vars(s).items() if k != "rule"} for rule, s in said.items()}


def _text(plain: dict[str, Any]) -> str:
    """A line for each entry of a list or mapping, so that what is added to a file is a line in a commit."""
    lines = []
    for key, value in plain.items():
        if key == "sweeps":
            inner = ",\n".join(json.dumps(s, separators=(",", ":"), allow_nan=False) for s in value)
            lines.append(f'"{key}": [\n{inner}\n]')
        elif key == "suggestions":
            inner = ",\n".join(f'"{n}": {json.dumps(said)}' for n, said in value.items())
            lines.append(f'"{key}": {{\n{inner}\n}}')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"
