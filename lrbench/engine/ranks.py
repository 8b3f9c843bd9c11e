"""Several processes training one run: who this one is, and what rank 0 tells the others.

Started by torchrun (RANK, WORLD_SIZE, LOCAL_RANK) or as SLURM tasks (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID). Rank 0
keeps the record and decides; the others compute.
"""

import atexit
import os
from typing import Any, NamedTuple

import torch

from lrbench.errors import ConfigError


class Ranks(NamedTuple):
    """This process among `size`; `local` is its place on its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    def broadcast(self, value: Any = None) -> Any:
        """Rank 0's value, on every rank. A meeting point: nobody goes on before all are here."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over ranks; they hold equally many samples each."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
            values /= self.size
        return values


ALONE = Ranks()


def rank_count() -> int:
    """How many processes train this run, from the environment; 1 for an ordinary start."""
    return _from_environment().size


def is_rank_zero() -> bool:
    """Whether this process is rank 0, before any of them have met."""
    return _from_environment().rank == 0


def _from_environment() -> Ranks:
    for names in (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")):
        if all(name in os.environ for name in names):
            return Ranks(*(int(os.environ[name]) for name in names))
    return ALONE


def join(device: str) -> Ranks:
    """Join the other processes, once a process; gloo on CPUs, NCCL on GPUs.

    Raises ConfigError where the launcher did not say how the processes find each other.
    """
    ranks = _from_environment()
    if ranks.size == 1 or torch.distributed.is_initialized():
        return ranks
    os.environ.setdefault("RANK", str(ranks.rank))
    os.environ.setdefault("WORLD_SIZE", str(ranks.size))
    if "MASTER_ADDR" not in os.environ:
        raise ConfigError(
            "MASTER_ADDR",
            "",
            f"{ranks.size} processes were started, and it is not set, so they cannot meet",
            "start them with torchrun --nproc-per-node=N -m lrbench ..., or set MASTER_ADDR and MASTER_PORT in the job",
        )
    cuda = device != "cpu" and torch.cuda.is_available()
    torch.distributed.init_process_group("nccl" if cuda else "gloo")
    atexit.register(torch.distributed.destroy_process_group)
    return ranks
