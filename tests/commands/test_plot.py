"""`lrbench plot`: a picture, and a chart in the terminal that says what it draws."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process
from matplotlib.figure import Figure

from lrbench.config.experiments import experiment
from lrbench.experiment.identity import run_id
from lrbench.schedules import facts, lr_table

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No picture, which takes longer than all the rest."""
    monkeypatch.setattr("lrbench.plots.schedule.plot_schedules", lambda curves, path, scale: None)


def told(out: str) -> str:
    """What stands below a chart, its wrapped lines put together."""
    return re.sub(r"\n    (?! )", " ", out)


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


@pytest.mark.slow
def test_one(lrbench: Lrbench, tmp_path: Path, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY, "scheduler=cosine", "horizon=10ep", "warmup=linear5")
    assert (said.code, said.err) == (0, "")
    table = lr_table(experiment(*TINY, "scheduler=cosine", "horizon=10ep", "warmup=linear5"))
    area = 100 * table.lr.mean() / table.lr.max()
    assert (
        told(said.out)
        .partition("\npicture")[0]
        .endswith(
            f": first {table.lr[0, 0]:.4g}, highest {table.lr.max():.4g} (update {table.lr.argmax()}), "
            f"last {table.lr[-1, 0]:.4g}, area {area:.1f}%; 40 updates, 4 an epoch, warmup 20"
        )
    )
    assert max(map(len, said.out.splitlines())) <= 100
    assert "\x1b" not in said.out
    (name,) = re.findall(r"^picture  (.*)$", said.out, re.MULTILINE)
    assert files(tmp_path) == [name]
    assert (tmp_path / name).read_bytes().startswith(PNG)
    ((axes,),) = [f.axes for f in figures]
    # The picture shows the table, not a copy of a formula: each update from its beginning to its end.
    assert np.array_equal(axes.lines[0].get_ydata(), np.repeat(table.lr[:, 0], 2))
    assert axes.lines[0].get_xdata()[-1] == 10
    assert axes.get_xlabel() == "epoch"
    assert axes.get_ylabel() == "learning rate"
    (above,) = axes.child_axes
    assert above.get_xlabel() == "update"


@pytest.mark.slow
def test_several(lrbench: Lrbench, tmp_path: Path, figures: list[Figure]) -> None:
    said = lrbench(
        "plot", "-m", *TINY, "horizon=10ep", "scheduler=constant,cosine,multistep", "out=results/deep/lr.png"
    )
    assert said.code == 0
    for letter, scheduler in zip("abc", ("constant", "cosine", "multistep"), strict=True):
        lr = lr_table(experiment(*TINY, "horizon=10ep", f"scheduler={scheduler}")).lr
        rates = f"first {lr[0, 0]:.4g}, highest {lr.max():.4g} (update 0), last {lr[-1, 0]:.4g}, area "
        assert f"{letter} scheduler={scheduler}: {rates}" in told(said.out)
        assert letter in said.out.partition("  a scheduler=")[0]  # drawn with its letter
    assert files(tmp_path) == ["results/deep/lr.png"]
    assert (tmp_path / "results/deep/lr.png").read_bytes().startswith(PNG)
    (figure,) = figures
    shown = [t.get_text() for t in figure.legends[0].get_texts()]
    assert shown[0] == "scheduler=constant: area 100.0%, last 0.1"
    assert [text.partition(":")[0] for text in shown[1:3]] == ["scheduler=cosine", "scheduler=multistep"]
    assert shown[3:] == ["a phase begins"]


@pytest.mark.slow
def test_more_than_there_are_letters_for(lrbench: Lrbench) -> None:
    said = lrbench("plot", "-m", *TINY, "optimizer.lr=range(1,11)")
    assert "  h optimizer.lr=8" in said.out
    assert "and 2 more, in the picture" in said.out


@pytest.mark.slow
def test_a_plateau_says_how_far_it_is_certain(lrbench: Lrbench, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=plateau")
    assert "; certain up to update 4, then by metric" in told(said.out)
    known, later = figures[0].axes[0].lines[:2]
    assert (known.get_xdata()[-1], later.get_xdata()[-1]) == (1, 10)
    assert (known.get_linestyle(), later.get_linestyle()) == ("-", ":")
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=plateau", "scheduler.args.patience=1", "warmup=linear5")
    assert "warmup 20; certain up to update 24, then by metric" in told(said.out)
    assert "certain" not in lrbench("plot", *TINY).out


@pytest.mark.slow
def test_cycled_momentum_has_a_panel(lrbench: Lrbench, figures: list[Figure]) -> None:
    lrbench("plot", "-m", *TINY, "horizon=10ep", "scheduler=cosine,onecycle")
    rate, momentum = figures[0].axes
    assert momentum.get_ylabel() == "momentum"
    table = lr_table(experiment(*TINY, "horizon=10ep", "scheduler=onecycle"))
    (line,) = momentum.lines
    assert np.array_equal(line.get_ydata(), np.repeat(table.momentum[:, 0], 2))
    assert (line.get_ydata().min(), line.get_ydata().max()) == (0.85, 0.95)
    colors = {line.get_color() for line in rate.lines if len(line.get_xdata()) == 80}
    assert colors == {"C0", "C1"}
    assert line.get_color() == "C1"  # the second schedule's


@pytest.mark.slow
def test_a_scheduled_weight_decay_has_a_panel(lrbench: Lrbench, figures: list[Figure]) -> None:
    decaying = ("optimizer=adamw", "weight_decay=cosine", "param_groups=no_decay_norm_bias")
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=onecycle", *decaying)
    assert "weight decay 0.05 to 0.39" in told(said.out)
    _, momentum, decay = figures[0].axes
    assert (momentum.get_ylabel(), decay.get_ylabel()) == ("momentum", "weight decay")
    rising, none = (line.get_ydata() for line in decay.lines)
    assert (rising[0], none.max()) == (0.05, 0)
    assert (np.diff(rising) >= 0).all()


@pytest.mark.slow
def test_two_groups_have_a_curve_each(lrbench: Lrbench, figures: list[Figure]) -> None:
    floors = "scheduler.args.eta_min={decay: 0.05, no_decay: 0.0}"
    said = lrbench("plot", *TINY, "horizon=10ep", "param_groups=no_decay_norm_bias", floors)
    assert said.code == 0, said.err
    shown = [t.get_text().replace("\n", " ").rpartition(": area")[0] for t in figures[0].legends[0].get_texts()]
    assert shown == ["decay", "no_decay"]
    assert re.search(r"^  a decay: first 0.1, .*, area ", told(said.out), re.MULTILINE)
    assert re.search(r"^  b no_decay: first 0.1, .*, area ", told(said.out), re.MULTILINE)
    decay, no_decay = (line.get_ydata() for line in figures[0].axes[0].lines if len(line.get_ydata()) == 80)
    assert decay[-1] > no_decay[-1]


def test_a_refused_job_of_several_is_named(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("plot", "-m", *TINY, "scheduler=cosine,multistep_30_60_90")
    assert_refused(said, "in the run 'scheduler=multistep_30_60_90': scheduler.args.milestones")
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_is_none(lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(
        lrbench("plot", *TINY, "out=x.nope"),
        "out=x.nope",
        "the kind '.nope'",
        ".svg or .pdf",
        ".html for a page",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_file_without_an_ending(lrbench: Lrbench, tmp_path: Path) -> None:
    assert lrbench("plot", *TINY, "out=x").out.endswith("picture  x\n")
    assert files(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_plotting_needs_no_data_and_no_results(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrbench.data.digits import Digits

    monkeypatch.setattr(Digits, "load", lambda self, seed: 1 / 0)
    assert lrbench("plot", *TINY, "out=x.svg").code == 0
    assert files(tmp_path) == ["x.svg"]


@pytest.mark.slow
def test_numbers_for_a_program(lrbench: Lrbench, tmp_path: Path) -> None:
    """The table's own, to the bit, with its facts; no picture is asked for, so that none is written."""
    said = lrbench("plot", "-m", *TINY, "horizon=10ep", "scheduler=onecycle,plateau", "--json")
    assert (said.code, list(tmp_path.iterdir())) == (0, [])
    found = json.loads(said.out)
    assert found["picture"] is None
    for one, scheduler in zip(found["schedules"], ("onecycle", "plateau"), strict=True):
        made = experiment(*TINY, "horizon=10ep", f"scheduler={scheduler}")
        table, drawn = lr_table(made), facts(made.schedule, lr_table(made))["all"]
        assert one["label"] == f"scheduler={scheduler}"
        assert one["run_id"] == run_id(made)
        assert (one["horizon"], one["per_epoch"], one["known"], one["within"]) == (40, 4, table.known, 0)
        assert one["updates"] == list(range(40))
        assert one["lr"] == {"all": table.lr[:, 0].tolist()}
        assert one["facts"]["all"] == {
            "first": drawn.first, "peak": drawn.peak, "peak_at": drawn.peak_at, "last": drawn.last,
            "ratio": drawn.ratio, "area": drawn.area, "rises": len(drawn.rises), "drops": len(drawn.drops),
        }  # fmt: skip
    assert found["schedules"][0]["momentum"]["all"][0] == 0.95
    assert "momentum" not in found["schedules"][1]
    assert found["schedules"][1]["phases"][-1] == {"name": "by metric", "start": 4, "stop": 40}


def test_numbers_and_a_picture(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("plot", *TINY, "--json", "out=x.svg")
    assert json.loads(said.out)["picture"] == "x.svg"
    assert files(tmp_path) == ["x.svg"]


def test_a_page(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn without matplotlib."""
    monkeypatch.setattr(Figure, "savefig", lambda *args, **options: 1 / 0)
    said = lrbench("plot", "-m", *TINY, "scheduler=cosine,onecycle", "out=results/deep/lr.html", "plot.scale=log")
    assert said.out.endswith("page     results/deep/lr.html\n")
    text = (tmp_path / "results/deep/lr.html").read_text()
    assert text.startswith("<!doctype html>")
    assert "<title>2 schedules</title>" in text
    assert 'scale: "log"' in text
    assert "lrbench plot tracker=none model=mlp " in text  # to draw one again
    assert "out=deep" not in text


@pytest.mark.usefixtures("undrawn")
def test_how_it_is_drawn_is_no_part_of_its_name(lrbench: Lrbench) -> None:
    said = lrbench("plot", "horizon=2ep", "out=x.png", "plot.scale=log", "model=mlp")
    assert "  horizon=2ep model=mlp: first " in said.out


@pytest.mark.slow
def test_a_logarithmic_axis(lrbench: Lrbench, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY, "horizon=10ep", "scheduler=onecycle", "plot.scale=log")
    assert said.code == 0
    low, high = figures[0].axes[0].get_ylim()
    assert figures[0].axes[0].get_yscale() == "log"
    assert low < 4e-7 < 0.1 < high
    assert lrbench("plot", *TINY, "horizon=10ep", "scheduler=onecycle").out != said.out


@pytest.mark.slow
def test_a_scale_that_is_none(lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench("plot", *TINY, "plot.scale=lin"), "plot.scale=lin", "linear", "log")
    assert_refused(lrbench("plot", *TINY, "plot.scal=log"), "plot.scal=log", "Did you mean 'plot.scale'?")
    assert_refused(lrbench(*TINY, "--json"), "--json", "no such flag")
    assert list(tmp_path.iterdir()) == []


def test_how_it_is_drawn_changes_no_run() -> None:
    assert run_id(experiment(*TINY, "plot.scale=log", "out=x.html")) == run_id(experiment(*TINY))


@pytest.mark.slow
def test_one_single_update(lrbench: Lrbench, figures: list[Figure]) -> None:
    said = lrbench("plot", *TINY[:-2], "horizon=1ba", "eval_every=1ba")
    assert "first 0.1, highest 0.1 (update 0), last 0.1, area 100.0%; 1 update, 16 an epoch" in told(said.out)
    assert figures[0].axes[0].lines[0].get_ydata().tolist() == [0.1, 0.1]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("columns", ["40", "80"])
def test_no_line_is_wider_than_the_terminal(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = lrbench("plot", "-m", *TINY, "optimizer=adamw", "weight_decay=cosine", "scheduler=cosine,constant", "out=x")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= int(columns)


@pytest.mark.usefixtures("undrawn")
def test_what_is_accepted_is_not_told(lrbench: Lrbench) -> None:
    long = ("scheduler=constant", "horizon=300ep")
    assert "check.long-training-at-constant-rate" in lrbench("plot", *long).err
    assert lrbench("plot", *long, "+accepts={check.long-training-at-constant-rate: as it is meant}").err == ""
