"""lrbench's own flags, beside Hydra's: how a sweep is treated; they are no part of a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

FLAGS = {
    "--dry-run": "plan only: what is done, new, refused, and what it would cost; nothing is trained or written",
    "--yes": "do not ask before a very large sweep",
    "--skip-invalid": "leave refused jobs of a sweep out, and list them, instead of refusing the sweep",
}


@dataclass(frozen=True)
class Flags:
    dry_run: bool = False
    yes: bool = False
    skip_invalid: bool = False
    name: str | None = None  # of a sweep in conf/sweep


@dataclass(frozen=True)
class Asked:
    """What was typed for a sweep: overrides with all their values, those of Hydra's own node, and how many workers."""

    overrides: tuple[str, ...]
    hydra: tuple[str, ...] = ()
    workers: int | None = None


def take_flags(arguments: Sequence[str], name: str | None = None) -> tuple[Flags, list[str]]:
    """lrbench's flags, and the other arguments."""
    given = {flag[2:].replace("-", "_"): flag in arguments for flag in FLAGS}
    return Flags(**given, name=name), [a for a in arguments if a not in FLAGS]
