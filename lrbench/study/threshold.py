"""Thresholds: the highest value of a grid at which an arm succeeds, seed by seed, each arm on the same grid."""

import math
from collections.abc import Sequence

from lrbench.study.cells import Cell, CellOutcome, Look, Needed
from lrbench.study.confirmation import ContrastRuns
from lrbench.study.rules import Rules

LOWEST, HIGHEST = "no value of the grid succeeded", "the highest value of the grid succeeded"


def thresholds(rules: Rules, task: str, seeds: Sequence[int], look: Look) -> Needed | list[ContrastRuns]:
    """What came of each contrast, its metric the logarithm to base 2 of each seed's highest succeeding value; or the
    cells that are still needed for it.

    The grid grows for all arms until every seed of every arm has a success, and a failure at its highest value, up to
    `at_most` values; a seed that still has not is left out of its pair, for its threshold lies beyond the grid.
    """
    assert rules.tuning is not None
    t, low, high = rules.tuning, 0, rules.tuning.points
    while True:
        cells = {
            (a, s): [Cell(task, a, t.value(k), s, False) for k in range(low, high)] for a in rules.arms for s in seeds
        }
        missing = tuple(cell for row in cells.values() for cell in row if look(cell) is None)
        if missing:
            return Needed(f"thresholds, {high - low} values on {len(seeds)} seeds", missing)
        found = {key: _threshold(row, look) for key, row in cells.items()}
        room = t.at_most - (high - low)
        grid = low, high
        if room and any(o.failure == LOWEST for o in found.values()):
            low, room = low - 1, room - 1
        if room and any(o.failure == HIGHEST for o in found.values()):
            high += 1
        if (low, high) == grid:
            return [_seen(rules, arm, seeds, found) for arm in rules.contrasts]


def _threshold(cells: Sequence[Cell], look: Look) -> CellOutcome:
    """Of one arm on one seed; as a run's outcome, that of the highest that succeeded."""
    outcomes = [outcome for cell in cells if (outcome := look(cell)) is not None]
    good = [i for i, outcome in enumerate(outcomes) if outcome.failure is None]
    if not good:
        return CellOutcome(outcomes[0].run_id, None, None, LOWEST)
    value, run_id = cells[good[-1]].value, outcomes[good[-1]].run_id
    assert value is not None
    return CellOutcome(run_id, None, math.log2(value), HIGHEST if good[-1] == len(cells) - 1 else None)


def _seen(rules: Rules, arm: str, seeds: Sequence[int], found: dict[tuple[str, int], CellOutcome]) -> ContrastRuns:
    own, base = (tuple(found[a, s] for s in seeds) for a in (arm, rules.baseline))
    return ContrastRuns(arm, (None, None), tuple(seeds), own, base)
