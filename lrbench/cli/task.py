"""What Hydra calls with a composed job: the command is carried out, its exit code and its error kept."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import lrbench.plugins  # noqa: F401  (where this is unpickled)
from lrbench.cli.flags import Flags, module_of
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lrbench.commands import Job
    from lrbench.sweep.slurm.options import Slurm


class HydraTask:
    """What Hydra calls with one composed job, and the local launcher with all of them.

    It keeps the command's exit code, and its error, which Hydra would wrap and announce in its own words.
    """

    def __init__(
        self, command: str, flags: Flags, overrides: Sequence[str] = (), own: Mapping[str, Any] | None = None
    ) -> None:
        self._command, self._flags, self._own, self.code = command, flags, own or {}, 0
        self.overrides, self.yes, self.arms = overrides, flags.yes, flags.arms  # what our sweeper asks for
        self.error: BaseException | None = None
        self._elsewhere = False

    def __call__(self, config: "DictConfig") -> int:
        """One job; its exit code, which nothing else brings home from another process."""
        from hydra.core.hydra_config import HydraConfig

        from lrbench.commands import job_of

        if self._command == "train" and self._flags.dry_run:
            node = HydraConfig.get()
            self.run_all([list(node.overrides.task)], list(node.overrides.hydra), 1, 0)
        else:
            self._keeping(lambda: self._execute([job_of(config, HydraConfig.get())]))
        return self.code

    def hear(self, values: Sequence[Any]) -> None:
        """What became of all jobs of a sweep: exit codes, where a launcher of somebody else's ran them."""
        self.code = max([self.code, *(value for value in values if isinstance(value, int))])

    def run_all(
        self, overrides: Sequence[Sequence[str]], hydra: Sequence[str], workers: "int | Slurm | None", first: int
    ) -> list[Any]:
        """All jobs of a sweep, by their overrides and those of Hydra's own node, numbered from `first`; a value for
        each, or one under each arm."""
        values: list[Any] = [None] * len(overrides)

        def work() -> None:
            if self._command == "train":
                from lrbench.commands.sweep import SweepRequest
                from lrbench.commands.sweep import run as run_sweep

                flags, typed = self._flags, tuple(self.overrides)
                asked = SweepRequest(typed, tuple(hydra), workers, first, flags.arms, flags.skip_invalid, flags.name)
                self.code, values[:] = run_sweep(overrides, asked, flags.dry_run)
            else:
                from lrbench.config.composer import composer

                with composer(hydra) as composed:
                    jobs = [composed(job) for job in overrides]
                self._execute(jobs)

        self._keeping(work)
        return values

    def _execute(self, jobs: "list[Job]") -> None:
        self.code = max(self.code, import_module(f"lrbench.commands.{module_of(self._command)}").run(jobs, **self._own))

    def __getstate__(self) -> dict[str, Any]:
        """Carried to another process by a launcher of somebody else's, which has to hear of errors there.

        Raises ConfigError where there is only a plan to be made.
        """
        if self._flags.dry_run:
            why = "this hydra/launcher composes a job only where it is to run, so there is no plan of the sweep before"
            raise ConfigError("--dry-run", "", why, "leave hydra/launcher out to see it")
        return {**self.__dict__, "_elsewhere": True}

    def _keeping(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            if self._elsewhere:
                raise
            self.error = error
