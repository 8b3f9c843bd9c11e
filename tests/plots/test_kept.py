"""What is drawn is the table: exact at the updates that are kept, near enough between them, every step a step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.plots.kept import CELLS, FEWEST, FLOOR, WITHIN, corners, kept

N = 6000  # more than are drawn whole


def drawn_at(columns, rows):
    """The height of what is drawn at the beginning of every update, read off the corners."""
    found = []
    for column in columns.T:
        x, y = corners(rows, column[rows])
        assert (np.diff(x) >= 0).all()
        assert x[-1] == len(column)  # to the end of the last update
        # Of two corners above each other, the later one is where the next update begins.
        last = np.append(np.diff(x) > 0, True)
        found.append(np.interp(np.arange(len(column)), x[last], y[last]))
    return np.stack(found, axis=1)


def require_drawn(columns, found):
    drawn = drawn_at(columns, found.rows)
    assert np.array_equal(drawn[found.rows], columns[found.rows])
    allowed = found.within * np.abs(columns) + FLOOR * np.abs(columns).max(axis=0) + 1e-15
    assert (np.abs(drawn - columns) <= allowed).all()


t = np.arange(N)
SMOOTH = {
    "cosine": 0.05 * (1 + np.cos(np.pi * t / N)),
    "to zero": 0.1 * (1 - t / N),
    "exponential": 0.1 * 1e-6 ** (t / N),
    "inverse root": 0.1 / np.sqrt(1 + t),
    "cycle": 0.1 - np.abs(t % 2000 - 1000) * 9e-5,
    "restarts": 0.05 * (1 + np.cos(np.pi * (t % 1500) / 1500)),
    "steps of an epoch": np.repeat(0.05 * (1 + np.cos(np.pi * np.arange(300) / 300)), 20),
    "milestones": 0.1 * 0.1 ** np.searchsorted([1800, 3600, 5400], t, side="right"),
    "zero": np.zeros(N),
    "constant": np.full(N, 0.3),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_a_long_table_is_drawn_with_few_corners(name):
    columns = SMOOTH[name][:, None]
    found = kept(columns)
    assert len(found.rows) <= 1200
    assert found.within == WITHIN[0]
    require_drawn(columns, found)


def test_both_sides_of_every_step_are_kept():
    """By hand: steps at 1800, 3600 and 5400; nothing else is worth a corner."""
    found = kept(SMOOTH["milestones"][:, None])
    assert found.rows.tolist() == [0, 1799, 1800, 3599, 3600, 5399, 5400, 5999]


def test_a_straight_line_has_two_ends():
    assert kept(SMOOTH["to zero"][:, None]).rows.tolist() == [0, N - 1]


def test_columns_share_their_updates_and_those_that_follow_another_cost_nothing():
    one = SMOOTH["cosine"]
    alone = kept(one[:, None]).rows
    assert np.array_equal(kept(np.stack([one, one / 2, one / 8], axis=1)).rows, alone)
    beside = np.stack([one, SMOOTH["milestones"]], axis=1)
    found = kept(beside)
    assert {1799, 1800, 3599, 3600} <= {*found.rows.tolist()}
    require_drawn(beside, found)


@pytest.mark.parametrize("updates", [1, 2, 160, CELLS])
def test_a_short_table_is_drawn_whole(updates):
    columns = np.random.default_rng(0).random((updates, 1))
    found = kept(columns)
    assert (found.rows.tolist(), found.within) == (list(range(updates)), 0.0)
    x, y = corners(found.rows, columns[:, 0])
    assert len(x) == 2 * updates  # each update level
    assert np.array_equal(y[::2], columns[:, 0])
    assert np.array_equal(y[1::2], columns[:, 0])


def test_corners_by_hand():
    """Level to the update that follows, straight over a gap, level at the end."""
    x, y = corners(np.array([0, 1, 4]), np.array([3.0, 2.0, 1.0]))
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [(0, 3), (1, 3), (1, 2), (4, 1), (5, 1)]


def test_what_is_asked_for_is_kept():
    assert {7, 2999} <= {*kept(SMOOTH["cosine"][:, None], also=[7, 2999]).rows.tolist()}


def test_a_rate_that_turns_all_the_time_keeps_its_extremes():
    """A sawtooth of five updates is a band in any picture: its edges are kept in every stretch, and no more."""
    column = 0.01 + 0.09 * (np.arange(60_000) % 5) / 4
    found = kept(column[:, None])
    assert found.within is None
    assert len(found.rows) <= CELLS
    for part in np.array_split(np.arange(60_000), 50):
        inside = column[found.rows[(found.rows >= part[0]) & (found.rows <= part[-1])]]
        assert (inside.min(), inside.max()) == (column.min(), column.max())


def test_many_columns_leave_room_for_the_steps():
    layers = np.stack([SMOOTH["steps of an epoch"] * 0.75**i for i in range(16)], axis=1)
    found = kept(layers)
    assert len(found.rows) <= FEWEST + 200
    assert found.within is None or found.within <= WITHIN[-1]


PIECES = st.lists(
    st.tuples(st.integers(1, 900), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["line", "level", "cosine"])),
    min_size=1,
    max_size=12,
)


@given(PIECES)
def test_any_pieces_are_drawn_as_they_are(pieces):
    """Stretches of lines, levels and half cosines with jumps between them; short ones are drawn whole."""
    parts = []
    for length, start, end, kind in pieces:
        u = np.arange(length) / length
        bend = {"line": u, "level": 0 * u, "cosine": (1 - np.cos(np.pi * u)) / 2}[kind]
        parts.append(start + (end - start) * bend)
    columns = np.concatenate(parts)[:, None]
    found = kept(columns, cells=800)
    assert {0, len(columns) - 1} <= {*found.rows.tolist()}
    assert (np.diff(found.rows) > 0).all()
    require_drawn(columns, found)
    values = columns[:, 0]
    still = np.diff(values) == 0
    stands = np.flatnonzero(still[1:] != still[:-1]) + 1
    assert {*stands.tolist()} <= {*found.rows.tolist()}  # wherever it begins or ceases to stand
