"""Charts for the terminal."""

import numpy as np

from lrbench.plots.terminal import interval_line, sweep_chart


def test_an_interval_is_drawn_with_its_mean_and_zero() -> None:
    assert interval_line(-1.0, 1.0, 3.0, width=9) == "├─|─●───┤"
    assert interval_line(1.0, 2.0, 4.0, width=9) == "| ├─●───┤"
    assert interval_line(-4.0, -2.0, -1.0, width=9) == "├───●─┤ |"
    assert interval_line(0.0, 0.0, 0.0, width=3) == "●"


def test_every_rule_stands_on_the_chart() -> None:
    """One beyond the end of a curve that exploded, as a rate of ten times another's is, and two at one rate."""
    rates = np.geomspace(1e-6, 0.1, 60)
    losses = 2 - np.exp(-((np.log10(rates) + 2) ** 2))
    marks = {"a": 0.01, "b": 0.01, "c": 0.05, "h": 0.9}
    drawn = sweep_chart([(rates, losses), (rates, losses)], marks, top=2.5)
    inside = [line.partition("┤")[2] or line.partition("│")[2] for line in drawn.splitlines()]
    letters = [letter for letter in "".join(inside) if letter in marks]
    assert sorted(letters) == sorted(marks)
    assert "ab" in drawn
    assert all(len(line) <= 100 for line in drawn.splitlines())
