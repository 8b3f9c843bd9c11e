"""`lrbench plot`: a picture, and a chart in the terminal that says what it draws."""

import re
from pathlib import Path

import numpy as np
import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process
from matplotlib.figure import Figure

from lrbench.config.experiments import experiment
from lrbench.schedules import lr_table

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    saved: list[Figure] = []
    real = Figure.savefig

    def savefig(self: Figure, *args: object, **kwargs: object) -> None:
        saved.append(self)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def test_one(lrbench: Lrbench, tmp_path: Path, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY, "scheduler=cosine", "horizon=10ep", "warmup=linear5")
    assert (said.code, said.err) == (0, "")
    table = lr_table(experiment(*TINY, "scheduler=cosine", "horizon=10ep", "warmup=linear5"))
    (legend,) = [line for line in said.out.splitlines() if ": first " in line]
    assert legend.endswith(
        f": first {table.lr[0, 0]:.4g}, highest {table.lr.max():.4g} (update {table.lr.argmax()}), "
        f"last {table.lr[-1, 0]:.4g}; 40 updates, 4 an epoch, warmup 20"
    )
    assert "\x1b" not in said.out
    (name,) = re.findall(r"^picture  (.*)$", said.out, re.MULTILINE)
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_bytes().startswith(PNG)
    ((axes,),) = [f.axes for f in figures]
    drawn = axes.lines[0].get_ydata()
    assert np.array_equal(drawn, table.lr[:, 0])  # the picture shows the table, not a copy of a formula
    assert axes.get_xlabel() == "epoch"
    assert axes.get_ylabel() == "learning rate"


def test_several(lrbench: Lrbench, tmp_path: Path, figures: list[Figure]) -> None:
    said = lrbench("plot", "-m", *TINY, "horizon=10ep", "scheduler=constant,cosine,multistep", "out=deep/lr.png")
    assert said.code == 0
    for letter, scheduler in zip("abc", ("constant", "cosine", "multistep"), strict=True):
        lr = lr_table(experiment(*TINY, "horizon=10ep", f"scheduler={scheduler}")).lr
        rates = f"first {lr[0, 0]:.4g}, highest {lr.max():.4g} (update 0), last {lr[-1, 0]:.4g};"
        assert f"  {letter} scheduler={scheduler}: {rates}" in said.out
        assert letter in said.out.partition("  a scheduler=")[0]  # drawn with its letter
    assert files(tmp_path) == ["deep/lr.png"]
    assert (tmp_path / "deep/lr.png").read_bytes().startswith(PNG)
    (figure,) = figures
    shown = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert shown == ["scheduler=constant", "scheduler=cosine", "scheduler=multistep"]


@pytest.mark.slow
def test_more_than_there_are_letters_for(lrbench: Lrbench) -> None:
    said = lrbench("plot", "-m", *TINY, "optimizer.lr=range(1,11)")
    assert "  h optimizer.lr=8" in said.out
    assert "and 2 more, in the picture" in said.out


def test_a_plateau_says_how_far_it_is_certain(lrbench: Lrbench, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=plateau")
    assert "; certain up to update 4, then by metric" in said.out
    known, later = figures[0].axes[0].lines[:2]
    assert len(known.get_xdata()) == 4
    assert (known.get_linestyle(), later.get_linestyle()) == ("-", ":")
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=plateau", "scheduler.args.patience=1", "warmup=linear5")
    assert "warmup 20; certain up to update 24, then by metric" in said.out
    assert "certain" not in lrbench("plot", *TINY).out


def test_cycled_momentum_has_a_panel(lrbench: Lrbench, figures: list[Figure]) -> None:
    lrbench("plot", "-m", *TINY, "horizon=10ep", "scheduler=cosine,onecycle")
    rate, momentum = figures[0].axes
    assert momentum.get_ylabel() == "momentum"
    table = lr_table(experiment(*TINY, "horizon=10ep", "scheduler=onecycle"))
    (line,) = momentum.lines
    assert np.array_equal(line.get_ydata(), table.momentum[:, 0])
    assert (line.get_ydata().min(), line.get_ydata().max()) == (0.85, 0.95)
    assert line.get_color() == "C1" == rate.lines[2].get_color()  # the second schedule's (two lines each)


def test_a_scheduled_weight_decay_has_a_panel(lrbench: Lrbench, figures: list[Figure]) -> None:
    decaying = ("optimizer=adamw", "weight_decay=cosine", "param_groups=no_decay_norm_bias")
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=onecycle", *decaying)
    assert "weight decay 0.05 to 0.39" in said.out
    _, momentum, decay = figures[0].axes
    assert (momentum.get_ylabel(), decay.get_ylabel()) == ("momentum", "weight decay")
    rising, none = (line.get_ydata() for line in decay.lines)
    assert (rising[0], none.max()) == (0.05, 0)
    assert (np.diff(rising) > 0).all()


def test_two_groups_have_a_curve_each(lrbench: Lrbench, figures: list[Figure]) -> None:
    floors = "scheduler.args.eta_min={decay: 0.05, no_decay: 0.0}"
    said = lrbench("plot", *TINY, "horizon=10ep", "param_groups=no_decay_norm_bias", floors)
    assert said.code == 0, said.err
    shown = [t.get_text() for t in figures[0].axes[0].get_legend().get_texts()]
    assert len(shown) == 2
    assert shown[0].endswith(" decay")
    assert shown[1].endswith(" no_decay")
    decay, no_decay = (line.get_ydata() for line in figures[0].axes[0].lines if len(line.get_ydata()) == 40)
    assert decay[-1] > no_decay[-1]


def test_a_refused_job_of_several_is_named(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("plot", "-m", *TINY, "scheduler=cosine,multistep_30_60_90")
    assert_refused(said, "in the run 'scheduler=multistep_30_60_90': scheduler.args.milestones")
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_is_none(lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench("plot", *TINY, "out=deep/x.nope"), "out=deep/x.nope", "another file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_an_ending(lrbench: Lrbench, tmp_path: Path) -> None:
    assert lrbench("plot", *TINY, "out=x").out.endswith("picture  x\n")
    assert files(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes().startswith(PNG)


def test_plotting_needs_no_data_and_no_results(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrbench.data.digits import Digits

    monkeypatch.setattr(Digits, "load", lambda self, seed: 1 / 0)
    assert lrbench("plot", *TINY, "out=x.svg").code == 0
    assert files(tmp_path) == ["x.svg"]
