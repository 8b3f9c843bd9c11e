"""A run's curves as analyses see them: on updates that all runs of an arm share, at 4 significant digits.

Made of a record or read from its row of evidence they are the same numbers, so both give the same comparison.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.horizon import Clock

POINTS = 20  # of a curve
DIGITS = 4  # significant
CORNERS = 400  # of a curve of rates: with so many, a step of the schedule stays within a pixel
TOLERANCE = 0.002  # of the highest rate: half a pixel of a figure
NONE = "-"  # in a curve's text, where a run has no finite value
TRAINED, EVALUATED = ("train/", "grad/"), ("val/",)  # what rows of metrics.jsonl measure, by the beginning of its name

Grid = Mapping[str, Sequence[int]]  # updates, for what is trained (`train`) and what is evaluated (`val`)
Curves = dict[str, dict[int, float]]  # by metric, then by update; finite values only
Corners = tuple[list[int], list[float]]  # updates from 0, and what stood there; straight lines lie between


def grid_of(clock: Clock) -> dict[str, list[int]]:
    """The updates of a run's curves: the ends of 20 equal stretches, and at most 20 of its evaluations."""
    evaluations = clock.evaluations()
    n = min(len(evaluations), POINTS)
    return {
        "train": sorted({math.ceil(i * clock.updates / POINTS) for i in range(1, POINTS + 1)}),
        "val": [evaluations[i * len(evaluations) // n - 1] for i in range(1, n + 1)],
    }


def updates_of(name: str, grid: Grid) -> Sequence[int]:
    return grid["val" if name.startswith(EVALUATED) else "train"]


def curves_of(rows: Iterable[Mapping[str, float]], grid: Grid) -> Curves:
    """Curves of the rows of metrics.jsonl. What is trained is averaged over the rows of each stretch: at single updates
    its noise would be taken for a difference."""
    values: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith(TRAINED + EVALUATED) and math.isfinite(value):
                at = _place(int(row["update"]), name, grid)
                if at is not None:
                    values.setdefault(name, {}).setdefault(at, []).append(value)
    return {name: {u: short(sum(v) / len(v)) for u, v in sorted(at.items())} for name, at in values.items()}


def _place(update: int, name: str, grid: Grid) -> int | None:
    """The update of the curve that a row counts for."""
    updates = updates_of(name, grid)
    i = bisect_left(updates, update)
    if i == len(updates) or (name.startswith(EVALUATED) and updates[i] != update):
        return None
    return updates[i]


def to_text(curve: Mapping[int, float], updates: Sequence[int]) -> str:
    """A curve's values in the order of its updates, as far as it goes."""
    cells = [f"{curve[u]:.{DIGITS}g}" if u in curve else NONE for u in updates]
    while cells and cells[-1] == NONE:
        cells.pop()
    return " ".join(cells)


def from_text(text: str, updates: Sequence[int]) -> dict[int, float]:
    """The inverse of `to_text`. Raises ValueError for more values than updates, and for what is no finite number."""
    cells = text.split()
    if len(cells) > len(updates):
        raise ValueError(f"{len(cells)} values at {len(updates)} updates")
    curve = {u: float(cell) for u, cell in zip(updates, cells, strict=False) if cell != NONE}
    if not all(map(math.isfinite, curve.values())):
        raise ValueError("a value is not finite")
    return curve


def corners_of(rates: NDArray[np.float64]) -> Corners:
    """The corners of a polygon that passes every rate within 0.2 % of the highest; of more than 400, evenly spaced
    updates instead (Douglas and Peucker 1973, Cartographica 10, 112-122).

    rates: of each update, shape (updates,), at least one.
    """
    at, waiting = {0, len(rates) - 1}, [(0, len(rates) - 1)]
    allowed = TOLERANCE * float(np.abs(rates).max())
    while waiting and len(at) <= CORNERS:
        first, last = waiting.pop()
        off = np.abs(rates[first : last + 1] - np.linspace(rates[first], rates[last], last - first + 1))
        far = first + int(off.argmax())
        if off[far - first] > allowed:
            at.add(far)
            waiting += [(first, far), (far, last)]
    if len(at) > CORNERS:
        at = set(np.linspace(0, len(rates) - 1, CORNERS).round().astype(int).tolist())
    return sorted(at), [short(float(rates[t])) for t in sorted(at)]


def short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
