"""Hydra plugins: the sweeper and the launcher behind `-m`. No torch here: Hydra imports plugins at every command."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from lrbench.config.grid import axes, confirm, count, jobs
from lrbench.errors import ConfigError
from lrbench.sweep.slurm.options import Slurm


class Sweeper(BasicSweeper):
    """Hydra's basic sweep, counted before it is expanded. It leaves no file behind: lrbench keeps records, and a
    refused command keeps nothing."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Raises ConfigError for a grid that is empty or too large, or that is to be cut into batches, and the first
        error of a job that another launcher ran."""
        if self.max_batch_size is not None:
            why = "lrbench plans a sweep as a whole"
            many = "hydra.launcher.workers (or max_parallel, on SLURM)"
            cure = f"leave it null, and give {many} for how many may run at once"
            raise ConfigError("hydra.sweeper.max_batch_size", self.max_batch_size, why, cure)
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        grid = axes(parser, [*self._parse_config(), *arguments, *getattr(self._task, "overrides", ())])
        arms = getattr(self._task, "arms", ())
        if arms and not isinstance(self.launcher, LocalLauncher):
            why = "this hydra/launcher composes every job by itself and knows no arms"
            raise ConfigError("--arm", "", why, "leave hydra/launcher out")
        confirm(count(grid) * max(1, len(arms)), getattr(self._task, "yes", False))
        returns = self.launcher.launch([list(job) for job in jobs(grid)], initial_job_idx=0)
        values = [each.return_value for each in returns]  # raises what a job raised
        if hasattr(self._task, "hear"):
            self._task.hear(values)
        return [returns]


class LocalLauncher(Launcher):
    """Hands the overrides of all jobs to lrbench's command, which composes and checks every one before any runs.

    workers: processes that train at the same time; None for as many as there are cores for.
    """

    def __init__(self, workers: int | Slurm | None = None) -> None:
        self.workers = workers
        self.config: DictConfig | None = None
        self.task: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Raises TypeError for a task that is not lrbench's."""
        self.config, self.task = config, task_function
        if not hasattr(task_function, "run_all"):
            raise TypeError(
                "hydra/launcher=local runs lrbench's commands only; for your own task use hydra/launcher=basic"
            )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """The value of a job is how its run stands at the end; None for a command that trains nothing."""
        assert self.config is not None
        hydra = list(self.config.hydra.overrides.hydra)
        values = self.task.run_all(job_overrides, hydra, self.workers, initial_job_idx)
        return [
            JobReturn(overrides=list(o), _return_value=value, status=JobStatus.COMPLETED)
            for o, value in zip(job_overrides, values, strict=True)
        ]
