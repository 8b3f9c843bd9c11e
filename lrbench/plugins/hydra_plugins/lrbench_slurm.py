"""Hydra plugin: the launcher `hydra/launcher=slurm`. No torch and no submitit here: Hydra imports plugins at every
command."""

from typing import Any

from lrbench.plugins.hydra_plugins.lrbench_local import LocalLauncher
from lrbench.sweep.slurm.options import Slurm


class SlurmLauncher(LocalLauncher):
    """Hands the overrides of all jobs to lrbench's command, as the local launcher does, with what is asked of SLURM in
    place of a number of workers.

    options: the fields of `lrbench.sweep.slurm.options.Slurm`, of the types that the schema gives them.
    """

    def __init__(self, **options: Any) -> None:
        lists = {name: [str(line) for line in options[name]] for name in ("setup", "srun_args")}
        super().__init__(Slurm(**{**options, **lists}))
