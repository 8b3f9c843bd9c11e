"""The commands: one short file each, parse -> call -> print or write."""

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lrbench.config.composer import Job
    from lrbench.config.grid import labels

__all__ = ["Job", "Parser", "job_of", "labels", "naming", "require_folder"]


def __getattr__(name: str) -> Any:
    """Job and labels come with Hydra, half a second for which commands that take no overrides do not wait."""
    if name == "Job":
        from lrbench.config.composer import Job

        return Job
    if name == "labels":
        from lrbench.config.grid import labels

        return labels
    raise AttributeError(name)


class Parser(argparse.ArgumentParser):
    """Of a command that leaves Hydra out. Refuses as lrbench does: one paragraph, exit code 2. A text with examples is
    shown as its lines are. options: whether it takes those of an experiment all the same, as `key=value`."""

    def __init__(self, options: bool = False, **given: Any) -> None:
        self._options = options
        shown = argparse.RawDescriptionHelpFormatter if given.get("epilog") else argparse.HelpFormatter
        super().__init__(**{"formatter_class": shown, **given})

    def add_results(self, what: str = "records", **given: Any) -> None:
        self.add_argument("--results", help=f"where {what} live (default: $LRBENCH_RESULTS, else ./results)", **given)

    def error(self, message: str) -> NoReturn:
        cure = ""
        if self._options and (flag := re.search(r"^unrecognized arguments: (--\S+)", message)):
            from lrbench.config.hydra_errors import without_dashes

            cure = without_dashes(flag[1])
        raise ConfigError(self.prog.partition(" ")[2], "", message, cure or f"{self.prog} --help says more")


def job_of(config: "DictConfig", hydra: Any) -> "Job":
    """A job from what Hydra composed (with or without its own node). Raises ConfigError for a missing value."""
    from omegaconf import OmegaConf, open_dict

    from lrbench.config.compose import resolved
    from lrbench.config.composer import Job

    task = config.copy()
    with open_dict(task):
        task.pop("hydra", None)
    overrides = tuple(cast(list[str], OmegaConf.to_container(hydra.overrides.task)))  # as typed: ${...} stays
    typed, node = (cast(dict[str, Any], OmegaConf.to_container(c, enum_to_str=True)) for c in (task, hydra))
    return Job(overrides, resolved(task), typed, node)


def require_folder(file: str | None, results: str | None) -> None:
    """Raise ConfigError for a file `out` in a folder that is not there: a slip of the pen makes no folder, but one in a
    results folder."""
    from lrbench.store.folder import results_folder

    inside = file and Path(file).absolute().is_relative_to(results_folder(results).absolute())
    if file and not inside and not Path(file).parent.is_dir():
        raise ConfigError("out", file, f"there is no folder {Path(file).parent}", "make it first, or give another file")


@contextmanager
def naming(label: str, jobs: Sequence[object]) -> Iterator[None]:
    """Say which of several jobs is refused."""
    try:
        yield
    except ConfigError as error:
        raise error if len(jobs) == 1 else ConfigError("", "", f"in the run '{label}': {error}") from error
