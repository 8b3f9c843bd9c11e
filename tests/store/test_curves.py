"""Curves on common updates, and rates by their corners."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.horizon import Clock
from lrbench.store.curves import CORNERS, POINTS, TOLERANCE, corners_of, curves_of, from_text, grid_of, to_text

clocks = st.tuples(st.integers(1, 5000), st.integers(1, 200), st.integers(1, 5000)).map(
    lambda c: Clock(c[0], c[1], min(c[2], c[0]))
)


@given(clocks)
def test_a_grid_spans_the_run_evenly(clock):
    for updates, every in zip(grid_of(clock).values(), (range(1, clock.updates + 1), clock.evaluations()), strict=True):
        assert updates[-1] == clock.updates
        assert len(updates) == min(POINTS, len(every))
        assert set(updates) <= set(every)
        places = [0, *(list(every).index(u) + 1 for u in updates)]
        assert max(np.diff(places)) - min(np.diff(places)) <= 1


def test_training_is_averaged_and_evaluations_are_picked():
    """40 updates in stretches of two; evaluated every update, of which every other one is kept."""
    grid = grid_of(Clock(40, 10, 1))
    rows = [{"update": u, "epoch": u / 10, "lr/all": 0.1, "train/loss": float(u)} for u in range(1, 41)]
    rows += [{"update": u, "epoch": u / 10, "val/loss": 10.0 * u} for u in range(1, 41)]
    found = curves_of(rows, grid)
    assert found.keys() == {"train/loss", "val/loss"}
    assert found["train/loss"] == {u: u - 0.5 for u in range(2, 41, 2)}
    assert found["val/loss"] == {u: 10.0 * u for u in range(2, 41, 2)}


def test_what_is_not_finite_and_what_lies_beyond_is_left_out():
    grid = grid_of(Clock(2, 1, 1))
    rows = [{"update": 1, "train/loss": float("nan")}, {"update": 2, "train/loss": 3.0}, {"update": 3, "val/loss": 1.0}]
    assert curves_of(rows, grid) == {"train/loss": {2: 3.0}}


values = st.dictionaries(st.sampled_from([2, 4, 6, 8]), st.floats(-1e300, 1e300).map(lambda v: float(f"{v:.4g}")))


@given(values)
def test_text_and_back(curve):
    updates = [2, 4, 6, 8]
    assert from_text(to_text(curve, updates), updates) == curve


def test_text_by_hand():
    assert to_text({2: 0.123456, 6: 12345678.0}, [2, 4, 6, 8]) == "0.1235 - 1.235e+07"
    assert from_text("", [2, 4]) == {}


SHAPES = {
    "constant": (np.full(480, 0.1), 2),
    "linear": (np.linspace(0.1, 0, 480), 2),
    "two drops": (np.repeat([0.1, 0.01, 0.001], 160), 4),  # 0.01 to 0.001 is a drop of 9 parts in a hundred
    "cosine": (0.05 * (1 + np.cos(np.linspace(0, np.pi, 100_000))), 40),
    "one update": (np.array([0.1]), 1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_schedule_has_few_corners_and_passes_near_every_rate(shape):
    rates, most = SHAPES[shape]
    updates, drawn = corners_of(rates)
    assert updates[0] == 0
    assert updates[-1] == len(rates) - 1
    assert len(updates) <= max(most, 6)
    between = np.interp(np.arange(len(rates)), updates, drawn)
    assert np.abs(between - rates).max() <= (TOLERANCE + 1e-4) * rates.max()  # and the rounding


def test_too_many_corners_are_spaced_evenly():
    updates, drawn = corners_of(np.arange(2000) % 2 + 1.0)
    assert len(updates) == len(drawn) == CORNERS
    assert set(np.diff(updates)) <= {5, 6}
