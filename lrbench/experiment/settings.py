"""How a run is carried out: nothing here changes its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.experiment.components import Component


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out and shown: nothing here changes its numbers, so nothing here is hashed."""

    results: Path = Path("results")
    device: str = "auto"
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1min"
    keep: tuple[str, ...] = ("end",)
    tracker: Component | None = None
    workers: int = 2  # processes that read images from disk
    test: bool = True  # evaluate the test set, once, on the final weights; a run that is done may be asked later
    force: bool = False
    retry: bool = False
    strict: bool = True
    hydra: Mapping[str, str] = field(default_factory=dict)  # Hydra's own files, by name, kept with the record

    def __post_init__(self) -> None:
        if self.workers < 0:
            cure = "give a number of processes that read images from disk, 0 for none"
            raise ConfigError("workers", self.workers, cure)
