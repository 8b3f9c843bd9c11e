"""What a study asks for and gets: cells and their outcomes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Cell(NamedTuple):
    """One run that a design may need. value: of the tuned key; None where the arm stands as it was given. `measured`:
    whether its metric is concluded from, so that the test set may be asked (tuning does not touch it)."""

    task: str
    arm: str
    value: float | None
    seed: int
    measured: bool


@dataclass(frozen=True)
class CellOutcome:
    """What came of a run. judge, metric: None where it failed (`failure` says how) or was not measured."""

    run_id: str
    judge: float | None
    metric: float | None = None
    failure: str | None = None


# What came of a cell's run; None where it is still to be made, or to be measured.
Look = Callable[[Cell], CellOutcome | None]


@dataclass(frozen=True)
class Needed:
    """The runs that a stage still needs."""

    stage: str
    cells: tuple[Cell, ...]
