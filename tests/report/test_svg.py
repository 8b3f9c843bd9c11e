"""Axes, ticks and marks of the figures, with values by hand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.report.svg import Axis, IntervalRow, Line, axis_over, interval_figure, line_figure


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.013, 0.024, [-0.01, 0, 0.01, 0.02]),
        (95.2, 98.7, [96, 97, 98]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert Axis(low, high).ticks(5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 30.0, [0.03, 0.1, 0.3, 1, 3, 10, 30]),
        (0.1, 1.0, [0.1, 0.2, 0.5, 1.0]),
        (1e-12, 1.0, [1e-12, 1e-9, 1e-6, 1e-3, 1.0]),
        (0.12, 0.19, [0.12, 0.14, 0.16, 0.18]),  # nothing of 1, 2 or 5 in between
    ],
)
def test_ticks_of_a_logarithmic_axis(low: float, high: float, expected: list[float]) -> None:
    assert Axis(low, high, log=True).ticks(6) == pytest.approx(expected)


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_its_values(values: list[float], log: bool) -> None:
    values = [abs(v) + 1e-3 for v in values] if log else values
    axis = axis_over(values, log)
    assert axis.low < axis.high
    assert all(-1e-9 <= axis(v) <= 1 + 1e-9 for v in values)
    ticks = axis.ticks(5)
    assert len(ticks) <= 8
    assert all(axis.low <= t * (1 + 1e-9) + 1e-9 and t <= axis.high * (1 + 1e-9) + 1e-9 for t in ticks if t > 0)


def points_of(text: str, tag: str) -> list[list[tuple[float, float]]]:
    found = re.findall(rf'<{tag} points="([^"]*)"', text)
    return [[(float(a), float(b)) for a, b in (p.split(",") for p in points.split())] for points in found]


def test_a_line_by_hand() -> None:
    """x from 0 to 4 over 336 pixels from 52; y from 0 to 1 (the top given) over 200 pixels upwards from 212."""
    line = Line(0, "a", [0.0, 2.0, 4.0], [0.0, 0.5, 1.0], [0.0, 0.4, 0.9], [0.1, 0.6, 1.3])
    text = line_figure([line], "epoch", "accuracy", str, top=1.0)
    assert points_of(text, "polyline") == [[(52, 212), (220, 112), (388, 12)]]
    (band,) = points_of(text, "polygon")
    assert band[:3] == [(52, 192), (220, 92), (388, -48)]  # above the frame: cut by the page
    assert band[3:] == [(388, 32), (220, 132), (52, 212)]
    assert 'clip-path="url(#plot)"' in text


def test_a_band_below_a_logarithmic_axis_ends_there() -> None:
    text = line_figure(
        [Line(0, "a", [1.0, 2.0], [1.0, 0.1], [-3.0, 0.1], [2.0, 0.1])], "epoch", "loss", str, log_y=True
    )
    (band,) = points_of(text, "polygon")
    assert band[-1] == (220, 212)


def test_markers_whiskers_and_crosses() -> None:
    line = Line(1, "a", [0.1, 1.0], [0.5, 0.6], [0.4, None], [0.6, None], crosses=[10.0], markers=True, kind="line")
    text = line_figure([line], "optimizer.lr", "accuracy", str, log_x=True)
    assert text.count('class="dot"') == 2
    assert text.count('class="bar"') == 1  # one run has no interval
    assert text.count('class="cross"') == 1
    assert 'class="series line-1 c1"' in text


def test_an_interval_by_hand() -> None:
    """-1 to 3 with 4 % of room on each side over 372 pixels from 14; 0 is drawn too."""
    text = interval_figure([IntervalRow(0, "a & b", 1.0, -1.0, 3.0, [0.0], "n = 2")], "difference", str, zero=True)
    at = {v: round(14 + (v + 1.16) / 4.32 * 372, 1) for v in (-1, 0, 1, 3)}
    bar = re.findall(r'class="bar" x1="([\d.]+)" x2="([\d.]+)"', text)
    assert [tuple(map(float, b)) for b in bar] == [(at[-1], at[3])]
    assert f'class="dot" cx="{at[1]:g}"' in text
    assert f'class="zero" x1="{at[0]:g}"' in text
    assert "a &amp; b" in text
    assert interval_figure([IntervalRow(0, "a", None, None, None)], "x", str) == ""


def test_the_thirteenth_arm_differs_by_its_dash() -> None:
    lines = [Line(i, str(i), [0.0, 1.0], [0.0, 1.0]) for i in (0, 12, 24)]
    text = line_figure(lines, "epoch", "loss", str)
    assert re.findall(r"stroke-dasharray=\"([\d ]+)\"", text) == ["6 3", "2 3"]
    assert text.count(" c0") == 3


def labels_of(text: str) -> list[str]:
    """What stands below the axis."""
    return re.findall(r'y="226" text-anchor="middle">([^<]*)<', text)


def test_rates_stand_at_their_places_where_there_is_room() -> None:
    """Doublings of a rate are each labelled; a hundredth apart, or lines without markers, get round numbers."""
    rates = [0.025, 0.05, 0.1, 0.2]
    none = [None] * 4
    line = Line(0, "a", rates, [1, 2, 3, 4], none, none, markers=True, crosses=[0.4])
    assert labels_of(line_figure([line], "lr", "y", str, log_x=True)) == ["0.025", "0.05", "0.1", "0.2", "0.4"]
    near = Line(0, "a", [0.1, 0.101, 0.4], [1, 2, 3], none[:3], none[:3], markers=True)
    assert labels_of(line_figure([near], "lr", "y", str, log_x=True)) == ["0.1", "0.2"]
    plain = Line(0, "a", rates, [1, 2, 3, 4])
    assert labels_of(line_figure([plain], "lr", "y", str)) == ["0", "0.05", "0.1", "0.15", "0.2"]


def test_the_limits_of_a_value_are_drawn_where_an_interval_passes_them() -> None:
    row = IntervalRow(0, "a", 0.95, 0.9, 1.02)
    text = interval_figure([row], "accuracy", str, limits=(0.0, 1.0))
    (at,) = re.findall(r'class="limit" x1="([\d.]+)"', text)
    assert float(at) == pytest.approx(14 + (1 - 0.8952) / (1.0248 - 0.8952) * 372, abs=0.1)  # 4 % of room on each side
    assert "limit" not in interval_figure([IntervalRow(0, "a", 0.95, 0.9, 0.99)], "accuracy", str, limits=(0.0, 1.0))
