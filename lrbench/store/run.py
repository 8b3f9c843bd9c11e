"""A run read once, from its record or from its row of evidence: the value that whoever analyses runs shares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import yaml

from lrbench.errors import printable
from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id
from lrbench.store.curves import Corners, Curves, corners_of, curves_of, grid_of
from lrbench.store.files import Damaged, reading
from lrbench.store.lease import holder
from lrbench.store.record import Record, Standing
from lrbench.store.record_files import RATES
from lrbench.store.rows import Row
from lrbench.store.series import LOSS, NORM

# Overrides of where and when, not of what.
NOT_REPEATED = (
    "seed", "results", "test", "keep", "log_every", "checkpoint_every", "force", "retry", "out", "plot",
    "find_lr", "hydra",
)  # fmt: skip


class RunSource(Protocol):
    """Where a run's larger parts are read from when they are asked for."""

    def attempts(self) -> list[dict[str, Any]]: ...

    def overrides(self) -> list[str] | None: ...

    def config_dirs(self) -> list[str]: ...

    def unsealed(self) -> bool: ...

    def curves(self) -> Curves: ...

    def rates(self) -> dict[str, Corners]: ...


@dataclass(frozen=True)
class Run:
    """What stands of a run: small things at once, the rest when first asked for.

    summary: empty unless the run is done. row: the row of evidence, where it was read from one.
    """

    run_id: str
    standing: Standing
    experiment: Experiment
    status: Mapping[str, Any]
    summary: Mapping[str, Any]
    source: RunSource
    row: Row | None = None

    @property
    def seed(self) -> int:
        return self.experiment.seed

    @cached_property
    def arm(self) -> str:
        """The id that the runs share which differ in seed alone."""
        return arm_id(self.experiment) if self.row is None else self.row.arm_id

    @cached_property
    def attempts(self) -> list[dict[str, Any]]:
        """Where, when and from which update on each attempt at the run trained it."""
        return self.source.attempts()

    @cached_property
    def curves(self) -> Curves:
        """Training loss, and what was evaluated on the way, by update, where it is finite: see `store.curves`."""
        return self.source.curves()

    @cached_property
    def rates(self) -> dict[str, Corners]:
        """What the schedule set, by its name in the record (`lr/<group>`): as the optimizer held it, by its corners."""
        return self.source.rates()

    def overrides(self) -> list[str] | None:
        """What was typed for the run's arm; None if that is not recorded."""
        return self.source.overrides()

    def config_dirs(self) -> list[str]:
        """The folders of levels that were given by --config-dir, where that is recorded."""
        return self.source.config_dirs()

    def unsealed(self) -> bool:
        """Whether nobody can tell that its files are what they were: of a record from before there were seals."""
        return self.source.unsealed()


@dataclass(frozen=True)
class Unread:
    """A run that nothing can be told of: it has no record yet (new, running), or one that is corrupt."""

    run_id: str
    standing: Standing
    why: str = ""


@dataclass(frozen=True)
class _Files:
    """A record's larger files."""

    record: Record
    experiment: Experiment

    def attempts(self) -> list[dict[str, Any]]:
        return self.record.attempts()

    def overrides(self) -> list[str] | None:
        path = self.record.folder / ".hydra" / "overrides.yaml"
        if not path.exists():
            return None
        with reading(".hydra/overrides.yaml"):
            return [printable(o) for o in yaml.safe_load(path.read_bytes()) or [] if _key(o) not in NOT_REPEATED]

    def config_dirs(self) -> list[str]:
        return self.record.config_dirs()

    def unsealed(self) -> bool:
        return not self.record.sealed()

    def curves(self) -> Curves:
        return curves_of(self.record.rows(), grid_of(self.experiment.clock))

    def rates(self) -> dict[str, Corners]:
        series, kept = self.record.series(), self.record.folder / RATES
        if len(series):
            return {name: corners_of(series[name]) for name in series.dtype.names or () if name not in (LOSS, NORM)}
        restored = json.loads(kept.read_text()) if kept.exists() else {}
        return {name: (updates, rates) for name, (updates, rates) in restored.items()}


def read(record: Record) -> Run | Unread:
    """A record's run by its small files: experiment.yaml, status.json and, of a run that is done, summary.json."""
    try:
        experiment, status, summary = record.read()
    except Damaged as damage:
        if holder(record.folder):
            return Unread(record.run_id, "running")
        new = not (record.folder / "experiment.yaml").exists()
        return Unread(record.run_id, "new") if new else Unread(record.run_id, "corrupt", str(damage))
    standing: Standing = status["state"]
    if standing == "running" and not holder(record.folder):
        standing = "interrupted"
    return Run(record.run_id, standing, experiment, status, summary, _Files(record, experiment))


def read_whole(record: Record) -> Run | Unread:
    """The same, every byte of its files looked at."""
    run = read(record)
    if isinstance(run, Run):
        try:
            record.require_whole(run.status)
            _ = run.attempts, run.overrides()
        except Damaged as damage:
            return Unread(record.run_id, "running" if holder(record.folder) else "corrupt", str(damage))
    return run


def of_row(row: Row) -> Run:
    """A row's run. Raises ConfigError for a row that is not what its id says."""
    summary, status = row.summary(), row.status()
    return Run(row.run_id, summary["state"], row.experiment, status, summary, row, row)


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition(".")[0].partition("/")[0]
