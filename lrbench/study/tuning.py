"""The choice of each arm's value, in two rounds on seeds of its own. A pure function of what the cells came to.

The order in which runs finish plays no part: which of them count follows from the grid and the seeds alone.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrbench.plural import plural
from lrbench.stats.selection import Pick, choice_variance, regret_limit
from lrbench.study.cells import Cell, CellOutcome, Look, Needed
from lrbench.study.rules import Rules
from lrbench.study.tuning_rules import TuningRules

ENOUGH = 3  # finalists, so that the best value is seldom not among them; with fewer, all values may be the best
GIVEN_UP = 2  # failures at a value, on its first seeds, after which it is not tried on another


@dataclass(frozen=True)
class GridPoint:
    """One value of an arm's grid, and what its runs came to by seed (canonical order): None for a failure. Seeds on
    which it was not tried, for it had failed before, are no runs of it."""

    value: float
    scores: tuple[float | None, ...]

    @property
    def failures(self) -> int:
        return sum(s is None for s in self.scores)

    @property
    def mean(self) -> float | None:
        """Of the runs that did not fail."""
        good = [s for s in self.scores if s is not None]
        return float(np.mean(good)) if good else None


@dataclass(frozen=True)
class ChosenValue:
    """An arm's value. `edge`: the largest grid did not show a worse value on both sides, so the arm is not tuned;
    `failed`: no value had a run that succeeded."""

    arm: str
    value: float
    standing: Literal["tuned", "edge", "failed"]
    points: tuple[GridPoint, ...]  # by value, from the lowest
    finalists: tuple[float, ...]  # the best values, that had the further seeds, best first


def tune(rules: Rules, task: str, look: Look) -> Needed | dict[str, ChosenValue]:
    """The choice of every arm that is tuned, or the runs that are needed before anything else can be said."""
    assert rules.tuning is not None
    t, grid = rules.tuning, range(rules.tuning.points)
    while True:
        found = _rounds(rules, task, look, grid)
        if isinstance(found, Needed):
            return found
        sides = {_open_side(t, choice, grid, rules.higher) for choice in found.values()}
        before, grid = grid, grown(t, grid, "low" in sides, "high" in sides)
        if grid == before:
            return found


def grown(t: TuningRules, grid: range, low: bool, high: bool) -> range:
    """A grid with a value more at each end that asks for one, the lower end first, up to `at_most`."""
    room = t.at_most - len(grid)
    first = grid.start - (low and room > 0)
    return range(first, grid.stop + (high and room > grid.start - first))


def _rounds(rules: Rules, task: str, look: Look, grid: range) -> Needed | dict[str, ChosenValue]:
    """Both rounds on one grid."""
    t = rules.tuning
    assert t is not None
    seen = _Seen(rules, task, look)
    first = {arm: {k: seen.tried(arm, k, t.seeds) for k in grid} for arm in rules.tuned_arms}
    if seen.missing:
        return Needed(f"tuning of {plural(len(first), 'arm')}, {plural(len(grid), 'value')}", tuple(seen.missing))
    finalists = {arm: _ranked(points, rules.higher)[: t.best] for arm, points in first.items()}
    second = {
        arm: {k: seen.tried(arm, k, t.seeds + t.more) for k in ks if first[arm][k].mean is not None}
        for arm, ks in finalists.items()
    }
    if seen.missing:
        return Needed("tuning, the best values once more", tuple(seen.missing))
    choices = {}
    for arm, points in first.items():
        points |= second[arm]
        best = _ranked({k: points[k] for k in finalists[arm]}, rules.higher)
        standing = _standing(points, best[0], rules.higher)
        values = tuple(points[k].value for k in best)
        choices[arm] = ChosenValue(arm, values[0], standing, tuple(points[k] for k in grid), values)
    return choices


class _Seen:
    """Asks for cells, and keeps those that are not there."""

    def __init__(self, rules: Rules, task: str, look: Look) -> None:
        self.missing: list[Cell] = []
        self._rules, self._task, self._look = rules, task, look

    def tried(self, arm: str, k: int, many: int) -> GridPoint:
        """A value on its first `many` seeds; on fewer where it failed too often on those before."""
        assert self._rules.tuning is not None
        value, scores = self._rules.tuning.value(k), list[float | None]()
        cells = [Cell(self._task, arm, value, seed, False) for seed in self._rules.seeds("tuning", many)]
        for ask in (cells[:GIVEN_UP], cells[GIVEN_UP:]):
            outcomes = [self._look(cell) for cell in ask]
            self.missing += [cell for cell, outcome in zip(ask, outcomes, strict=True) if outcome is None]
            scores += [score(o) for o in outcomes if o is not None]
            if len(scores) < len(ask) or scores.count(None) >= GIVEN_UP:
                break
        return GridPoint(value, tuple(scores))


def score(outcome: CellOutcome) -> float | None:
    return None if outcome.failure else outcome.judge


def _ranked(points: Mapping[int, GridPoint], higher: bool) -> list[int]:
    """Values from the best: by the mean of what was measured, ties to the lower value; those with failures last, and
    after them those without a success, which were tried on fewer seeds and so may count fewer failures."""
    sign = -1.0 if higher else 1.0

    def place(k: int) -> tuple[bool, float, float, int]:
        mean, many = points[k].mean, len(points[k].scores)  # a value with further seeds has more that can fail
        return mean is None, points[k].failures / many, 0.0 if mean is None else sign * mean, k

    return sorted(points, key=place)


def _worse(than: GridPoint, points: Iterable[GridPoint], higher: bool) -> bool:
    """Whether one of these is worse."""
    return any(_ranked({0: p, 1: than}, higher) == [1, 0] for p in points)


def _sides(points: Mapping[int, GridPoint], best: int, higher: bool) -> tuple[bool, bool]:
    """Whether a worse value was seen below the best one, and above it."""
    below, above = ([p for k, p in points.items() if k < best], [p for k, p in points.items() if k > best])
    return _worse(points[best], below, higher), _worse(points[best], above, higher)


def best_of(arm: str, points: tuple[GridPoint, ...], higher: bool) -> ChosenValue:
    """The best of values that were all tried on the same seeds."""
    by_place = dict(enumerate(points))
    best = _ranked(by_place, higher)[0]
    return ChosenValue(arm, points[best].value, _standing(by_place, best, higher), points, (points[best].value,))


def _standing(points: Mapping[int, GridPoint], best: int, higher: bool) -> Literal["tuned", "edge", "failed"]:
    if points[best].mean is None:
        return "failed"
    return "tuned" if all(_sides(points, best, higher)) else "edge"


def _open_side(t: TuningRules, choice: ChosenValue, grid: range, higher: bool) -> Literal["low", "high"] | None:
    """On which side the grid has to grow for an arm. Where every value failed, lower ones may not."""
    if choice.standing == "failed":
        return "low"
    points = dict(zip(grid, choice.points, strict=True))
    below, above = _sides(points, next(k for k in grid if t.value(k) == choice.value), higher)
    return "low" if not below else "high" if not above else None


def picker(t: TuningRules, higher: bool) -> Pick:
    """The same choice from whole tables, value -> scores, shape (tables, seeds), NaN where one failed: for the variance
    of the choice, which is asked of resampled tables. A value without further seeds has only its first ones."""

    sign = -1.0 if higher else 1.0

    def ranked(scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """Each table's values from the best, by the rule of `_ranked`."""
        good = ~np.isnan(scores)
        means = np.where(good, scores, 0.0).sum(-1) / np.maximum(good.sum(-1), 1)
        # The last key counts first; stable: ties stay in the order of the values.
        return np.lexsort((sign * means, (~good).sum(-1), ~good.any(-1)), axis=-1)

    def pick(tables: Mapping[float, NDArray[np.float64]]) -> NDArray[np.float64]:
        values = np.array(sorted(tables))
        scores = np.stack([tables[v] for v in values.tolist()], axis=1)
        finalists = np.sort(ranked(scores[..., : t.seeds])[:, : t.best])
        best = ranked(np.take_along_axis(scores, finalists[..., None], 1))[:, :1]
        return np.asarray(values[np.take_along_axis(finalists, best, 1)[:, 0]])

    return pick


def choice_variance_of(rules: Rules, choices: Mapping[str, ChosenValue], arm: str) -> float:
    """What the choice of both values adds to the variance of a tuned gain; nothing where none is made for the arm, or
    where one of the two failed everywhere.

    Among the finalists, as for the reach: near the rate at which training diverges, three seeds may spread over
    decades, and a resample of them, stretched, then looks better than any value is.
    """
    if arm not in choices or rules.estimand == "swap":
        return 0.0
    assert rules.tuning is not None
    both = [choices[arm], choices[rules.baseline]]
    if any(c.standing == "failed" for c in both):
        return 0.0
    ours, theirs = (_table(rules, c, _compared(c)) for c in both)
    return choice_variance(ours, theirs, _pick_of(rules, rules.tuning))


def _pick_of(rules: Rules, t: TuningRules) -> Pick:
    """The choice from tables on the scale of gains; it is made on the metric's own."""
    pick = picker(t, rules.higher)
    if rules.kind != "fraction":
        return pick
    return lambda tables: pick({value: np.exp(scores) for value, scores in tables.items()})


def reach_of(rules: Rules, choices: Mapping[str, ChosenValue], arm: str, alpha: float) -> tuple[float, float]:
    """How far a tuned gain, of both arms at their best values of the grid, may lie below the gain at the chosen values,
    for a better value of the baseline, and above it, for one of the arm: one-sided limits at 1 - alpha. Zeros where
    nothing is chosen for the arm."""
    if arm not in choices or rules.estimand == "swap":
        return 0.0, 0.0
    better_baseline, better_arm = (_regret(rules, choices[name], alpha) for name in (rules.baseline, arm))
    if rules.kind == "fraction" and not rules.higher:  # of a loss a better arm has a smaller fraction
        return better_arm, better_baseline
    return better_baseline, better_arm


def _regret(rules: Rules, choice: ChosenValue, alpha: float) -> float:
    if choice.standing == "failed":
        return 0.0
    among = _compared(choice)
    return regret_limit(_table(rules, choice, among), choice.value, among, alpha, higher_is_better=rules.higher)


def _compared(choice: ChosenValue) -> list[float]:
    """The values that had the further seeds: those that had not are too few seeds for a limit that says anything."""
    values = [p.value for p in choice.points]
    return [v for v in values if v in choice.finalists] if len(choice.finalists) >= ENOUGH else values


def _table(rules: Rules, choice: ChosenValue, among: list[float]) -> dict[float, NDArray[np.float64]]:
    """Scores on the scale of gains."""
    points = (p for p in choice.points if p.value in among)
    return {p.value: np.array([math.nan if s is None else rules.scaled(s) for s in p.scores]) for p in points}
