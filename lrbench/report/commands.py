"""The command that trains an arm again."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml

from lrbench.store.record import Record

NOT_REPEATED = ("seed", "results", "force", "retry", "out", "hydra")  # of where and when, not of what


def command_of(records: Sequence[Record], seeds: Sequence[int]) -> str | None:
    """`lrbench ...` with the overrides that made the arm's first record, and all its seeds; None if not recorded."""
    path: Path = records[0].folder / ".hydra" / "overrides.yaml"
    if not path.exists():
        return None
    overrides = [o for o in yaml.safe_load(path.read_text()) or [] if _key(o) not in NOT_REPEATED]
    seed = f"seed={','.join(map(str, seeds))}"
    return shlex.join(["lrbench", *(["-m"] if len(seeds) > 1 else []), *overrides, seed])


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition(".")[0].partition("/")[0]
