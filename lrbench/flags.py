"""lrbench's own flags, beside Hydra's: how a sweep is treated; they are no part of a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass, field

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


def take_flags(arguments: Sequence[str], name: str | None = None) -> tuple[Flags, list[str]]:
    """lrbench's flags, and the other arguments."""
    given = {flag[2:].replace("-", "_"): flag in arguments for flag in FLAGS}
    return Flags(**given, name=name), [a for a in arguments if a not in FLAGS]
