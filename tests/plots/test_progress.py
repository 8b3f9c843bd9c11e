"""What a person sees while a run trains: a live line in a terminal, few plain lines elsewhere."""

import io
import re
from itertools import pairwise

import pytest

from lrbench import progress
from lrbench.config.experiments import experiment
from lrbench.progress import QUIET_EVERY, Reporter, View, numbers

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def made():
    return experiment("model=mlp", "horizon=100ep")  # 1600 updates


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def test_without_a_terminal_a_line_at_most_every_ten_seconds_and_the_last(made, clock):
    stream = io.StringIO()
    moments = []
    with Reporter(made, stream) as reporter:
        for update in range(1, 1601):
            clock[0] += 0.025  # 40 seconds in all
            before = len(stream.getvalue())
            reporter(View(update, {"train/loss": 1.0 / update}))
            if len(stream.getvalue()) > before:
                moments.append((update, clock[0]))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    assert len(lines) == len(moments) == 1 + 40 / QUIET_EVERY  # the first one, every ten seconds, the last
    assert moments[-1][0] == 1600
    times = [t for _, t in moments]
    assert all(b - a >= QUIET_EVERY - 1e-6 for a, b in pairwise(times[:-1]))
    assert lines[-1].startswith("epoch 100.0/100  train/loss 0.0006")
    assert re.search(r"\d[\d,]* samples/s, 0 s left$", lines[-1])
    assert re.search(r"epoch \d+\.\d/100 .*, (29|30) s left$", lines[1]), lines[1]


def test_a_quick_run_says_its_last_line(made, clock):
    stream = io.StringIO()
    clock[0] = 3.0  # a machine that has just started: its monotonic clock is below ten seconds
    with Reporter(made, stream) as reporter:
        reporter(View(800, {"train/loss": 2.0}))
        clock[0] += 1
        reporter(View(1600, {"train/loss": 1.0, "val/accuracy": 0.5}))
    assert stream.getvalue().splitlines()[-1].startswith("epoch 100.0/100  train/loss 1.0000  val/accuracy 50.00%")


def test_in_a_terminal_one_line_that_goes_away(made):
    stream = Terminal()
    with Reporter(made, stream) as reporter:
        for update in (400, 800, 1200):
            reporter(View(update, {"lr/all": 0.1, "train/loss": 0.5}))
        reporter.say("wandb: [bold]no[/bold] server")
        reporter._bar.refresh()
    text = stream.getvalue()
    assert "\x1b[2K" in text  # a line is cleared before it is drawn again
    plain = ESCAPE.sub("", text)
    assert "wandb: [bold]no[/bold] server\n" in plain.replace("\r", "")  # a remark stays, and is no markup
    assert re.search(r"epoch 75\.0/100 .*75% .*samples/s .*left\s*\n\s*lr/all 0\.1  train/loss 0\.5000", plain)


def test_at_80_columns_the_bar_and_the_time_left_have_their_room(made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    with Reporter(made, stream) as reporter:
        for update in (400, 1200):
            reporter(View(update, {"lr/all": 0.000123, **{f"val/metric_{i}": 0.123456 for i in range(9)}}))
            reporter._bar.refresh()
    lines = [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", stream.getvalue())) if line.strip()]
    assert all(len(line) <= 80 for line in lines)
    (bar, numbers), *_ = [pair for pair in pairwise(lines) if "75%" in pair[0]]
    assert re.search(r"epoch 75\.0/100 \S{20}\s+75%  [\d,]+ samples/s \S+ left", bar)
    assert numbers.startswith("lr/all 0.000123  val/metric_0 0.1235")
    assert numbers.rstrip().endswith("\N{HORIZONTAL ELLIPSIS}")


def test_what_is_shown_lasts(made, clock):
    """The validation of an earlier moment stands beside the newer training loss."""
    stream = io.StringIO()
    with Reporter(made, stream) as reporter:
        reporter(View(16, {"val/loss": 2.0}))
        clock[0] += 20
        reporter(View(32, {"train/loss": 1.0}, "(another process trains it)"))
    last = stream.getvalue().splitlines()[-1]
    assert "val/loss 2.0000  train/loss 1.0000  (another process trains it)" in last


def test_numbers():
    row = {"update": 3, "epoch": 1.5, "lr/all": 1e-5, "momentum/all": 0.9, "val/accuracy": 0.5, "val/loss": 2}
    assert numbers({**row, "seconds": 1.0}) == "lr/all 1e-05  val/accuracy 50.00%  val/loss 2.0000"
