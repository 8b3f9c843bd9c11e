"""The commands: one short file each, parse -> call -> print or write."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from omegaconf import DictConfig, OmegaConf, open_dict

from lrbench.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Of a command that takes no overrides. Refuses as lrbench does: one paragraph, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.partition(' ')[2]}: {message}; {self.prog} --help says more.")


@dataclass(frozen=True)
class Job:
    """One composed configuration, the overrides that made it, and Hydra's own files about it."""

    config: DictConfig
    overrides: tuple[str, ...]
    files: dict[str, str]


def job_of(config: DictConfig, hydra: Any) -> Job:
    """A job from what Hydra composed (with or without its own node)."""
    task = config.copy()
    with open_dict(task):
        task.pop("hydra", None)
    overrides = tuple(cast(list[str], OmegaConf.to_container(hydra.overrides.task)))  # as typed: ${...} stays
    files = {
        "config.yaml": OmegaConf.to_yaml(task),
        "hydra.yaml": OmegaConf.to_yaml(OmegaConf.create({"hydra": OmegaConf.to_container(hydra)})),
        "overrides.yaml": OmegaConf.to_yaml(OmegaConf.create(list(overrides))),
    }
    return Job(task, overrides, files)


def labels(jobs: Sequence[Job]) -> list[str]:
    """What tells the jobs apart: the overrides that not all of them share."""
    shared = set.intersection(*(set(j.overrides) for j in jobs))
    return [" ".join(o for o in j.overrides if len(jobs) == 1 or o not in shared) or "defaults" for j in jobs]


@contextmanager
def naming(label: str, jobs: Sequence[Job]) -> Iterator[None]:
    """Say which of several jobs is refused."""
    try:
        yield
    except ConfigError as error:
        raise error if len(jobs) == 1 else ConfigError(f"in the run '{label}': {error}") from error
