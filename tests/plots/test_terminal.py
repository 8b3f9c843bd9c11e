"""Charts for the terminal."""

from lrbench.plots.terminal import interval_line


def test_an_interval_is_drawn_with_its_mean_and_zero() -> None:
    assert interval_line(-1.0, 1.0, 3.0, width=9) == "├─|─●───┤"
    assert interval_line(1.0, 2.0, 4.0, width=9) == "| ├─●───┤"
    assert interval_line(-4.0, -2.0, -1.0, width=9) == "├───●─┤ |"
    assert interval_line(0.0, 0.0, 0.0, width=3) == "●"
