"""The words of the command line that are no part of a configuration: the commands, and lrbench's own flags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lrbench.errors import ConfigError

COMMANDS = ("train", "sweep", "plot", "show", "runs", "report", "wandb", "status", "wait", "cancel")
PLAIN = ("show", "runs", "report", "wandb", "status", "wait", "cancel")  # these take no overrides: Hydra is left out

# Beside Hydra's: how a sweep is treated.
FLAGS = {
    "--dry-run": "plan only: what is done, new, refused, and what it would cost; nothing is trained or written",
    "--yes": "do not ask before a very large sweep",
    "--skip-invalid": "leave refused jobs of a sweep out, and list them, instead of refusing the sweep",
    "--name": "NAME: what a sweep is called (`lrbench sweep NAME` says it already), else by a hash of its runs",
}
CONFIG_DIR = ("--config-dir", "-cd")


@dataclass(frozen=True)
class Flags:
    dry_run: bool = False
    yes: bool = False
    skip_invalid: bool = False
    name: str | None = None  # of the sweep


@dataclass
class Slurm:
    """What is asked of SLURM (`hydra.launcher.*`); None leaves it to the site. Explained in its YAML file."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gres: str | None = None
    constraint: str | None = None
    time: str = "1:00:00"
    cpus: int = 1
    mem: str | None = None
    setup: list[str] = field(default_factory=list)
    srun_args: list[str] = field(default_factory=list)
    runs_per_job: int = 1
    max_parallel: int | None = None
    tasks: int = 1
    nodes: int = 1
    signal_delay_s: int = 120
    detach: bool = False


@dataclass(frozen=True)
class Asked:
    """What was typed for a sweep: overrides with all their values, those of Hydra's own node, and who trains it: so
    many workers here (None for as many as fit), or jobs of SLURM. Jobs are numbered from `first`."""

    overrides: tuple[str, ...]
    hydra: tuple[str, ...] = ()
    workers: int | Slurm | None = None
    first: int = 0


def take_flags(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """lrbench's flags, and the other arguments. Raises ConfigError for a name that no folder can have."""
    name = value_of(["--name"], arguments)
    if name is not None and not re.fullmatch(r"[\w.-]*\w", name):
        raise ConfigError(f"--name {name}: a sweep's name is made of letters, digits, - and _, as in --name my-sweep.")
    rest = [a for before, a in pairwise(["", *arguments]) if before != "--name"]
    flags = Flags("--dry-run" in rest, "--yes" in rest, "--skip-invalid" in rest, name)
    return flags, [a for a in rest if a.partition("=")[0] not in FLAGS]


def command_of(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command, which may stand behind flags, and the other arguments."""
    rest = list(arguments)
    if rest and rest[0].startswith("-"):
        place = next((i for i, word in enumerate(rest) if word in COMMANDS), None)
    else:
        place = 0 if rest and rest[0] in COMMANDS else None
    return ("train", rest) if place is None else (rest[place], rest[:place] + rest[place + 1 :])


def value_of(flags: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The value of a flag in any of its spellings, behind it or behind a `=`; None where it is not given."""
    for word, following in pairwise([*arguments, ""]):
        if word in flags:
            return following
        if word.partition("=")[0] in flags:
            return word.partition("=")[2]
    return None


def config_dir_of(arguments: Sequence[str]) -> str | None:
    """Hydra's additional folder of option files."""
    return value_of(CONFIG_DIR, arguments)
