"""How a run is carried out: nothing here changes its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.experiment.components import Component
from lrbench.store.folder import results_folder

BEST = "best"  # of `keep`: the weights with the best monitor


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out and shown: nothing here changes its numbers, so nothing here is hashed.

    best_by: by which of the metrics that are evaluated on the way `keep=[best]` chooses.
    """

    results: Path = field(default_factory=results_folder)
    device: str = "auto"
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1min"
    keep: tuple[str, ...] = ("end",)
    best_by: str | None = "val/loss"
    tracker: Component | None = None
    workers: int = 2  # processes that read images from disk
    test: bool = True  # evaluate the test set, once, on the final weights; a run that is done may be asked later
    force: bool = False
    retry: bool = False
    audit: bool = True  # a rate that differs from the plan ends the run
    strict: bool = False  # what the linter finds, notes aside, stops a run before it begins
    accepts: Mapping[str, str] = field(default_factory=dict)  # findings that are meant: by their rules, the reasons
    hydra: Mapping[str, str] = field(default_factory=dict)  # Hydra's own files, by name, kept with the record

    def __post_init__(self) -> None:
        if self.workers < 0:
            cure = "give a number of processes that read images from disk, 0 for none"
            raise ConfigError("workers", self.workers, cure)
