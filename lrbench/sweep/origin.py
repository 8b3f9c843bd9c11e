"""Where a run of a sweep came from, where it was typed: Hydra's own three files about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Origin:
    """The overrides, what was composed from them as typed, and Hydra's own node, as plain data. Runs of a sweep share
    what is equal in them."""

    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    hydra: Mapping[str, Any]

    def files(self, number: int | None = None) -> dict[str, str]:
        """The text of each file by its name. number: of the job in its sweep."""
        task = list(self.overrides)
        job = {**self.hydra["job"], "override_dirname": ",".join(sorted(task))}
        if number is not None:
            job |= {"num": number, "id": str(number)}
        node = {**self.hydra, "overrides": {**self.hydra["overrides"], "task": task}, "job": job}
        files = {"config.yaml": self.config, "hydra.yaml": {"hydra": node}, "overrides.yaml": task}
        return {name: yaml.safe_dump(content, sort_keys=False, allow_unicode=True) for name, content in files.items()}
