"""Hydra plugins: the sweeper and the launcher behind `-m`. No torch here: Hydra imports plugins at every command."""

from collections.abc import Callable, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class Sweeper(BasicSweeper):
    """Hydra's basic sweep, which leaves no file behind: lrbench keeps records, and a refused command keeps nothing."""

    def sweep(self, arguments: list[str]) -> Any:
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (batch,) = self.split_arguments(overrides, max_batch_size=None)
        returns = self.launcher.launch(batch, initial_job_idx=0)
        return [[job.return_value for job in returns]]


class LocalLauncher(Launcher):
    """Composes every job first, so that nothing runs if one is refused, then hands them all to lrbench's command."""

    def __init__(self) -> None:
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.run_all: Callable[[list[DictConfig]], Any] | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Raises TypeError for a task that is not lrbench's."""
        self.config, self.hydra_context = config, hydra_context
        self.run_all = getattr(task_function, "run_all", None)
        if self.run_all is None:
            raise TypeError(
                "hydra/launcher=local runs lrbench's commands only; for your own task use hydra/launcher=basic"
            )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        assert self.hydra_context is not None
        assert self.config is not None
        assert self.run_all is not None
        loader, configs = self.hydra_context.config_loader, []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id, config.hydra.job.num = str(number), number
            configs.append(config)
        value = self.run_all(configs)
        return [
            JobReturn(overrides=list(o), cfg=c, hydra_cfg=c, _return_value=value, status=JobStatus.COMPLETED)
            for o, c in zip(job_overrides, configs, strict=True)
        ]
