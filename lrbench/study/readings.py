"""Readings: one number, in doublings of the value, that a grid of runs gives for a seed, each arm on the same grid."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lrbench.plural import plural
from lrbench.study.cells import Cell, CellOutcome, Look, Needed
from lrbench.study.confirmation import ContrastRuns
from lrbench.study.rules import Rules
from lrbench.study.tuning import ChosenValue, GridPoint, best_of, grown, score

LOWEST, HIGHEST = "the grid does not reach low enough", "the grid does not reach high enough"

# Of the values of a grid that ascends, and what came of each: the reading.
Reading = Callable[[Rules, Sequence[float], Sequence[CellOutcome]], CellOutcome]


def read_off(rules: Rules, task: str, seeds: Sequence[int], look: Look) -> Needed | list[ContrastRuns]:
    """What came of each contrast, its metric the reading of each seed; or the cells that are still needed for it."""
    grid = _grown(rules, task, seeds, look)
    if isinstance(grid, Needed):
        return grid
    found = {key: READINGS[rules.kind](rules, grid.values, row) for key, row in grid.outcomes.items()}
    return [_seen(rules, arm, seeds, found) for arm in rules.contrasts]


def tried(rules: Rules, task: str, seeds: Sequence[int], look: Look) -> dict[str, ChosenValue]:
    """What every value came to on all of these seeds, arm by arm, once it is known. None is chosen: the value that
    stands for an arm is the best in the mean."""
    grid = _grown(rules, task, seeds, look)
    assert not isinstance(grid, Needed)

    def points(arm: str) -> tuple[GridPoint, ...]:
        rows = [grid.outcomes[arm, seed] for seed in seeds]
        return tuple(GridPoint(v, tuple(score(row[k]) for row in rows)) for k, v in enumerate(grid.values))

    return {arm: best_of(arm, points(arm), rules.higher) for arm in rules.arms}


@dataclass(frozen=True)
class _Grid:
    """Values that ascend, and what came of them by arm and seed."""

    values: tuple[float, ...]
    outcomes: Mapping[tuple[str, int], tuple[CellOutcome, ...]]


def _grown(rules: Rules, task: str, seeds: Sequence[int], look: Look) -> Needed | _Grid:
    """The grid grows for all arms until every seed of every arm has its reading, up to `at_most` values; a seed that
    still has none is left out of its pair, for what is asked lies beyond the grid."""
    assert rules.tuning is not None
    t, grid = rules.tuning, range(rules.tuning.points)
    while True:
        values = tuple(t.value(k) for k in grid)
        cells = {(a, s): [Cell(task, a, v, s, False) for v in values] for a in rules.arms for s in seeds}
        missing = tuple(cell for row in cells.values() for cell in row if look(cell) is None)
        if missing:
            return Needed(f"{rules.kind}, {plural(len(values), 'value')} on {plural(len(seeds), 'seed')}", missing)
        outcomes = {key: tuple(o for cell in row if (o := look(cell))) for key, row in cells.items()}
        beyond = {READINGS[rules.kind](rules, values, row).failure for row in outcomes.values()}
        before, grid = grid, grown(t, grid, LOWEST in beyond, HIGHEST in beyond)
        if grid == before:
            return _Grid(values, outcomes)


def threshold(rules: Rules, values: Sequence[float], outcomes: Sequence[CellOutcome]) -> CellOutcome:
    """The highest value that succeeds, as the outcome of its run; there has to be a failure above it."""
    good = [i for i, outcome in enumerate(outcomes) if outcome.failure is None]
    if not good:
        return _beyond(outcomes[0], LOWEST)
    return _at(outcomes[good[-1]], math.log2(values[good[-1]]), HIGHEST if good[-1] == len(values) - 1 else None)


def optimum(rules: Rules, values: Sequence[float], outcomes: Sequence[CellOutcome]) -> CellOutcome:
    """The value that is best by the metric on validation, ties to the lower: the peak of the parabola through it and
    its neighbours over the logarithm of the value; the value itself where a neighbour failed."""
    goodness = _goodness(rules, outcomes)
    best = max(range(len(values)), key=goodness.__getitem__)
    if best in (0, len(values) - 1):
        return _beyond(outcomes[best], HIGHEST if best else LOWEST)
    below, top, above = goodness[best - 1 : best + 2]
    bend = 2 * top - below - above
    shift = (above - below) / (2 * bend) if 0 < bend < math.inf else 0.0
    step = math.log2(values[best + 1] / values[best])
    return _at(outcomes[best], math.log2(values[best]) + shift * step)


def width(rules: Rules, values: Sequence[float], outcomes: Sequence[CellOutcome]) -> CellOutcome:
    """From the lowest to the highest value of those around the best that are no worse than it by `within`; there has to
    be a worse one, or a failure, on both sides."""
    assert rules.within is not None
    goodness = _goodness(rules, outcomes)
    best = max(range(len(values)), key=goodness.__getitem__)
    if math.isinf(goodness[best]):
        return _beyond(outcomes[best], LOWEST)
    first = last = best
    while first > 0 and goodness[first - 1] >= goodness[best] - rules.within:
        first -= 1
    while last < len(values) - 1 and goodness[last + 1] >= goodness[best] - rules.within:
        last += 1
    beyond = LOWEST if first == 0 else HIGHEST if last == len(values) - 1 else None
    return _at(outcomes[best], math.log2(values[last] / values[first]), beyond)


READINGS: Mapping[str, Reading] = {"threshold": threshold, "optimum": optimum, "width": width}


def _goodness(rules: Rules, outcomes: Sequence[CellOutcome]) -> list[float]:
    """The metric on validation, above where better; minus infinity of a run that failed."""
    sign = 1.0 if rules.higher else -1.0
    return [-math.inf if o.judge is None or o.failure else sign * o.judge for o in outcomes]


def _at(outcome: CellOutcome, metric: float, failure: str | None = None) -> CellOutcome:
    return CellOutcome(outcome.run_id, None, metric, failure)


def _beyond(outcome: CellOutcome, failure: str) -> CellOutcome:
    return CellOutcome(outcome.run_id, None, None, failure)


def _seen(rules: Rules, arm: str, seeds: Sequence[int], found: Mapping[tuple[str, int], CellOutcome]) -> ContrastRuns:
    own, base = (tuple(found[a, s] for s in seeds) for a in (arm, rules.baseline))
    return ContrastRuns(arm, (None, None), tuple(seeds), own, base)
