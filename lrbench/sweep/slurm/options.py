"""What is asked of SLURM, checked, and which of it to change when SLURM refuses."""

import re
from dataclasses import dataclass, field
from typing import Any

from lrbench.errors import ConfigError


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


# What sbatch says, and the options (of hydra.launcher) that it means. The first that is found counts.
REFUSALS = (
    ("account/partition", ("account", "partition")),
    ("partition", ("partition",)),
    ("account", ("account",)),
    ("qosmaxsubmit|assocmaxsubmit|maxsubmit|submit limit|job limit", ("runs_per_job",)),
    ("qos", ("qos",)),
    ("generic resource|gres", ("gres",)),
    ("feature|constraint", ("constraint",)),
    ("time limit|time specification|--time", ("time",)),
    ("memory|--mem", ("mem",)),
    ("node count|node configuration|cpu count|processors", ("cpus", "mem", "gres", "constraint", "nodes")),
)  # fmt: skip


def check(options: Slurm) -> None:
    """Raises ConfigError for what cannot be meant."""
    for name in ("cpus", "runs_per_job", "max_parallel", "tasks", "nodes"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"hydra.launcher.{name}", value, "give a whole number from 1")
    if options.signal_delay_s < 0:
        raise ConfigError("hydra.launcher.signal_delay_s", options.signal_delay_s, "give seconds, such as 120")
    if options.tasks % options.nodes:
        why = f"the processes of a run are spread evenly over hydra.launcher.nodes={options.nodes}"
        raise ConfigError("hydra.launcher.tasks", options.tasks, why, "give a multiple of it")
    if options.tasks > 1 and options.runs_per_job > 1:
        why = f"a run of several tasks (hydra.launcher.tasks={options.tasks}) has a job of its own"
        raise ConfigError("hydra.launcher.runs_per_job", options.runs_per_job, why, "set one of the two to 1")
    minutes(options.time)


def minutes(time: str) -> int:
    """SLURM's time (`30`, `1:30:00`, `2-12`, `2-12:30`) in whole minutes, rounded up as SLURM does.

    Raises ConfigError for anything else, and for no time at all.
    """
    days, dash, rest = time.rpartition("-")
    parts = rest.split(":")
    units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)  # what the first of the parts counts
    seconds = 0
    if len(parts) <= len(units) and all(p.isdecimal() for p in [*parts, *([days] if dash else [])]):
        seconds = int(days or 0) * 86400 + sum(int(p) * u for p, u in zip(parts, units, strict=False))
    if seconds == 0:
        cure = "give minutes (90), hours:minutes:seconds (1:30:00) or days-hours (2-12)"
        raise ConfigError("hydra.launcher.time", time or "''", "no time limit for SLURM", cure)
    return -(-seconds // 60)


def parameters(options: Slurm) -> dict[str, Any]:
    """The same in submitit's words."""
    step = [f"--cpus-per-task={options.cpus}"]  # from 22.05 on srun no longer takes it from sbatch
    if options.tasks > 1:
        step.append("--kill-on-bad-exit=1")  # a run does not outlive one of its ranks
    return {
        "job_name": "lrbench",
        "wckey": None,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "gres": options.gres,
        "constraint": options.constraint,
        "time": minutes(options.time),
        "nodes": options.nodes,
        "ntasks_per_node": options.tasks // options.nodes,
        "cpus_per_task": options.cpus,
        "mem": options.mem,
        "setup": options.setup or None,
        "srun_args": [*step, *options.srun_args],
        "signal_delay_s": options.signal_delay_s,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True},
    }


def cure_of(refusal: str) -> str:
    """Which options to change after what sbatch said."""
    if re.search("controller|socket|connect", refusal, re.IGNORECASE):
        return "SLURM does not answer; try again in a while"
    named = next((names for words, names in REFUSALS if re.search(words, refusal, re.IGNORECASE)), None)
    if named is None:
        return "change what hydra.launcher asks for; `lrbench ... --cfg hydra` shows it"
    return "change " + " or ".join(f"hydra.launcher.{name}" for name in named)
