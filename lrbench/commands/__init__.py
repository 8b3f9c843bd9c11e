"""The commands: one short file each, parse -> call -> print or write."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from omegaconf import DictConfig, OmegaConf, open_dict

from lrbench.config.compose import resolved
from lrbench.config.composer import Job
from lrbench.config.grid import labels
from lrbench.errors import ConfigError

__all__ = ["Job", "Parser", "job_of", "labels", "naming"]


class Parser(argparse.ArgumentParser):
    """Of a command that takes no overrides. Refuses as lrbench does: one paragraph, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(self.prog.partition(" ")[2], "", message, f"{self.prog} --help says more")


def job_of(config: DictConfig, hydra: Any) -> Job:
    """A job from what Hydra composed (with or without its own node). Raises ConfigError for a missing value."""
    task = config.copy()
    with open_dict(task):
        task.pop("hydra", None)
    overrides = tuple(cast(list[str], OmegaConf.to_container(hydra.overrides.task)))  # as typed: ${...} stays
    typed, node = (cast(dict[str, Any], OmegaConf.to_container(c, enum_to_str=True)) for c in (task, hydra))
    return Job(overrides, resolved(task), typed, node)


@contextmanager
def naming(label: str, jobs: Sequence[object]) -> Iterator[None]:
    """Say which of several jobs is refused."""
    try:
        yield
    except ConfigError as error:
        raise error if len(jobs) == 1 else ConfigError("", "", f"in the run '{label}': {error}") from error
