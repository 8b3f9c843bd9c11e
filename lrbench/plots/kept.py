"""Which updates of a table are drawn: so few that a picture is small, and so chosen that nobody sees the difference.

A table of at most CELLS numbers is drawn whole, each update a step. Of a longer one those updates are kept between
which straight lines pass every value, near enough; wherever a value begins or ceases to stand, the updates on both
sides are kept, so that a step stays a step. Where even that is too many (a rate that turns every few updates), the
first, the last, the lowest and the highest of equal stretches are kept, which draw the same pixels (M4: Jugel et al.
2014, VLDB 7, 797-808).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

CELLS = 4000  # numbers at most, in all columns
FEWEST = 500  # updates at most, however many columns there are
WITHIN = (1e-4, 5e-4, 2e-3)  # of each value: how far a line may pass it; the first that is reached with few enough
FLOOR = 1e-11  # of a column's highest: what rounding leaves, and no picture shows


class Kept(NamedTuple):
    """The updates that are drawn. within: of each value, how far the lines between them may pass it; 0 where all are
    kept, None where extremes are."""

    rows: Rows
    within: float | None


def kept(columns: Floats, also: Sequence[int] = (), cells: int = CELLS) -> Kept:
    """The updates to draw of all columns together, in their order, those of `also` among them.

    columns: shape (updates, columns).
    """
    updates, width = columns.shape
    most = max(cells // width, FEWEST)
    if updates <= most:
        return Kept(np.arange(updates), 0.0)
    values = _different(columns)
    given = np.unique([0, updates - 1, *also])
    for within in WITHIN:
        rows = _near(values, given, within, most)
        if rows is not None:
            return Kept(rows, within)
    return Kept(np.union1d(given, _extremes(values, most // 4)), None)


def corners(rows: Rows, values: Floats) -> tuple[Floats, Floats]:
    """The corners of what is drawn, x in updates: level up to the update that follows, where it is kept too, else
    straight to the next one that is; at the end level for the last one.

    rows, values: shape (n,). Update t is drawn from t to t + 1.
    """
    level = np.append(np.diff(rows) == 1, True)
    index = np.repeat(np.arange(len(rows)), 1 + level)
    second = np.append(False, index[1:] == index[:-1])
    return (rows[index] + second).astype(np.float64), values[index]


def _different(columns: Floats) -> list[Floats]:
    """Those that do not follow another one: layers have shares of one rate."""
    found: list[Floats] = []
    for column in columns.T:
        top = np.abs(column).max()
        shape = column / top if top else column
        if not any(np.allclose(shape, other, rtol=0, atol=1e-15) for other in found):
            found.append(shape)
    return found


def _near(columns: Sequence[Floats], given: Rows, within: float, most: int) -> Rows | None:
    """Updates between which straight lines pass every value within a share of it; None where they are too many."""
    rows = np.unique(np.concatenate([given, *(_bends(column, within) for column in columns)]))
    look: NDArray[np.bool_] | None = None
    while len(rows) <= most:
        missed = np.unique(np.concatenate([_missed(column, rows, within, look) for column in columns]))
        if not len(missed):
            return rows
        far = np.zeros(len(rows) - 1, bool)
        far[np.searchsorted(rows, missed) - 1] = True
        look = np.append(np.repeat(far, np.diff(rows)), False)  # only there can be more to find
        rows = np.union1d(rows, missed)
    return None


def _bends(column: Floats, within: float) -> Rows:
    """A first guess: where it begins or ceases to stand, and so densely where it bends that chords of a parabola would
    be near enough."""
    moves = np.diff(column)
    still = moves == 0
    edges = np.flatnonzero(still[1:] != still[:-1]) + 1
    bend = np.abs(np.diff(moves))
    bend[bend < 1e-15] = 0  # rounding
    bend[edges - 1] = 0
    dense = np.sqrt(bend / (8 * _allowed(column[1:-1], within)))
    counted = np.floor(np.cumsum(np.minimum(dense, 1)))
    return np.union1d(edges, np.flatnonzero(np.diff(counted)) + 2)


def _missed(column: Floats, rows: Rows, within: float, look: NDArray[np.bool_] | None) -> Rows:
    """In every stretch between two rows that the line misses, the update that it misses most."""
    at = np.arange(len(column)) if look is None else np.flatnonzero(look)
    off = np.abs(column[at] - np.interp(at, rows, column[rows])) - _allowed(column[at], within)
    wrong = np.flatnonzero(off > 0)
    if not len(wrong):
        return wrong
    stretch = np.searchsorted(rows, at[wrong])
    first = np.flatnonzero(np.diff(stretch, prepend=-1))
    worst = np.repeat(np.maximum.reduceat(off[wrong], first), np.diff(np.append(first, len(wrong))))
    there = np.flatnonzero(off[wrong] == worst)
    _, one = np.unique(stretch[there], return_index=True)
    return at[wrong[there[one]]]


def _allowed(column: Floats, within: float) -> Floats:
    """Columns are shares of their highest value."""
    return within * np.abs(column) + FLOOR


def _extremes(columns: Sequence[Floats], stretches: int) -> Rows:
    """The first, last, lowest and highest of equal stretches of every column, as many as fit."""
    bounds = np.linspace(0, len(columns[0]), max(stretches // len(columns), 1) + 1).astype(int)
    found: list[int] = []
    for start, stop in pairwise(bounds.tolist()):
        found += [start, stop - 1]
        for column in columns:
            found += [start + int(column[start:stop].argmin()), start + int(column[start:stop].argmax())]
    return np.unique(found)
