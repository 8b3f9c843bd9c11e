"""What is asked of SLURM, checked, and which of it to change when SLURM refuses."""

import re
from typing import Any

from lrbench.cli.flags import Slurm
from lrbench.errors import ConfigError

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
            raise ConfigError(f"hydra.launcher.{name}={value}: give a whole number from 1.")
    if options.signal_delay_s < 0:
        raise ConfigError(f"hydra.launcher.signal_delay_s={options.signal_delay_s}: give seconds, such as 120.")
    if options.tasks % options.nodes:
        raise ConfigError(
            f"hydra.launcher.tasks={options.tasks}: the processes of a run are spread evenly over "
            f"hydra.launcher.nodes={options.nodes}; give a multiple of it."
        )
    if options.tasks > 1 and options.runs_per_job > 1:
        raise ConfigError(
            f"hydra.launcher.runs_per_job={options.runs_per_job}: a run of several tasks "
            f"(hydra.launcher.tasks={options.tasks}) has a job of its own; set one of the two to 1."
        )
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
        raise ConfigError(
            f"hydra.launcher.time={time}: no time limit for SLURM; give minutes (90), hours:minutes:seconds (1:30:00) "
            "or days-hours (2-12)."
        )
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


def cure(refusal: str) -> str:
    """Which options to change after what sbatch said."""
    if re.search("controller|socket|connect", refusal, re.IGNORECASE):
        return "SLURM does not answer; try again in a while"
    named = next((names for words, names in REFUSALS if re.search(words, refusal, re.IGNORECASE)), None)
    if named is None:
        return "change what hydra.launcher asks for; `lrbench ... --cfg hydra` shows it"
    return "change " + " or ".join(f"hydra.launcher.{name}" for name in named)
