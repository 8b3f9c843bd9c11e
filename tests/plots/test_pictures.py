"""Charts and pictures from tables, without a command line."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from lrbench import CONF
from lrbench.config.experiments import experiment
from lrbench.plots.run import picture_of
from lrbench.plots.schedule import Curve, plot_schedules
from lrbench.plots.terminal import LETTERS, chart, rate_chart
from lrbench.schedules import lr_table


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def curve(label, *overrides):
    made = experiment("model=mlp", "horizon=10ep", *overrides)
    return Curve(label, made.schedule, lr_table(made))


@pytest.mark.usefixtures("terminal")
def test_the_chart_draws_each_curve_with_its_letter_where_it_is():
    text = chart([curve("high", "scheduler=constant"), curve("low", "scheduler=constant", "optimizer.lr=0.01")])
    lines = text.splitlines()
    drawn = [line for line in lines if "│" in line or "┤" in line]
    (a,) = [i for i, line in enumerate(drawn) if line.count("a") > 20]
    (b,) = [i for i, line in enumerate(drawn) if line.count("b") > 20]
    assert a < b  # 0.1 above 0.01
    assert lines[-2].startswith("  a high: first 0.1, highest 0.1 (update 0), last 0.1; 160 updates, 16 an epoch")
    assert lines[-1].startswith("  b low: first 0.01, highest 0.01 (update 0), last 0.01;")
    assert "\x1b" not in text


@pytest.mark.usefixtures("terminal")
def test_the_numbers_below_the_chart_are_the_tables_own():
    cosine = curve("one", "warmup=linear5")
    text = chart([cosine])
    lr = cosine.table.lr[:, 0]
    numbers = [float(n) for n in re.search(r"first (\S+), highest (\S+) \(update \d+\), last (\S+);", text).groups()]
    assert numbers == pytest.approx([lr[0], lr.max(), lr[-1]], rel=1e-3)
    assert f"(update {lr.argmax()})" in text
    assert "warmup 80" in text


@pytest.mark.usefixtures("terminal")
def test_a_chart_is_no_wider_than_the_terminal(monkeypatch):
    for columns in (60, 100, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        widest = max(map(len, rate_chart(np.linspace(0, 1, 1000), "rate").splitlines()))
        assert widest <= min(columns, 100)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("rates", [np.array([0.1]), np.zeros(5), np.full(3, 1e-12), np.geomspace(1, 1e-9, 50)])
def test_any_rates_can_be_charted(rates):
    assert "rate" in rate_chart(rates, "rate")


def test_letters_enough_and_more(tmp_path):
    curves = [curve(f"c{i}", f"optimizer.lr=0.{i + 1}") for i in range(len(LETTERS) + 1)]
    assert chart(curves).endswith("and 1 more, in the picture")
    plot_schedules(curves, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_long_name_leaves_room_for_the_axes(tmp_path):
    plot_schedules([curve(" ".join(["scheduler.args.eta_min=0.05"] * 20))], tmp_path / "x.png")  # a warning is an error


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    found, save = [], Figure.savefig

    def kept(figure, *args, **options):
        found.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    return found


def require_legends_cover_no_axes(figure, count):
    figure.draw_without_rendering()  # the layout at the figure's own resolution
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert len(legends) == count
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    for box in (legend.get_window_extent(renderer) for legend in legends):
        assert box.width > 20
        assert page.x0 <= box.x0 < box.x1 <= page.x1 + 1
        assert page.y0 <= box.y0 < box.y1 <= page.y1 + 1
        for axes in figure.axes:
            assert not Bbox.intersection(box.padded(-1), axes.bbox)
    for axes in figure.axes:
        assert axes.bbox.height > 100
        assert axes.bbox.width > 200


@pytest.mark.parametrize(
    ("scheduler", "groups"),
    [
        ("onecycle", "model=mlp"),
        ("onecycle", "param_groups=backbone_head"),
        ("constant", "param_groups=layer_decay"),
        pytest.param("constant", "model=mlp", marks=pytest.mark.slow),
        pytest.param("constant", "param_groups=backbone_head", marks=pytest.mark.slow),
        pytest.param("onecycle", "param_groups=layer_decay", marks=pytest.mark.slow),
    ],
)
def test_the_legend_of_schedules_covers_no_curve(drawn, tmp_path, scheduler, groups):
    """Of one and of six curves, with one group, two and 16."""
    more = () if groups == "model=mlp" else ("model=vit_micro", groups)
    one = experiment("horizon=10ep", f"scheduler={scheduler}", *more, *([groups] if not more else []))
    table = lr_table(one)
    for labels in (["alone"], [f"scheduler.args.eta_min=0.0{i} " * 5 for i in range(6)]):
        plot_schedules([Curve(label, one.schedule, table) for label in labels], tmp_path / "x.png")
        require_legends_cover_no_axes(drawn[-1], 1)
    texts = [t.get_text().replace("\n", " ") for t in drawn[0].axes[0].get_legend().get_texts()]
    expected = {
        "model=mlp": ["alone"],
        "param_groups=backbone_head": ["alone backbone", "alone head"],
        "param_groups=layer_decay": ["alone layer_0", "alone layer_0_no_decay", "alone layer_1 and 13 more"],
    }
    assert texts == expected[groups]


def test_the_legend_of_a_run_covers_no_curve(drawn, make, run):
    """The head's constant rate went along the top, where the legend was."""
    record = run(make("scheduler=constant", "param_groups=no_decay_norm_bias", "horizon=1ep"))
    assert picture_of(record).exists()
    require_legends_cover_no_axes(drawn[0], 2)
    (_, validation) = drawn[0].axes[1].lines
    assert validation.get_marker() == "."  # one evaluation is no line


def test_a_format_that_is_none_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="nope"):
        plot_schedules([curve("one")], tmp_path / "deep" / "x.nope")
    assert list(tmp_path.iterdir()) == []


def test_the_gallery_has_every_scheduler():
    """`results/gallery/draw` draws it: run it after adding a level."""
    folder = CONF.parent / "results" / "gallery"
    levels = sorted(p.stem for p in (CONF / "scheduler").glob("*.yaml"))
    assert sorted(p.stem for p in folder.glob("*.png")) == levels
    assert re.findall(r"!\[(.*)\]", (folder / "README.md").read_text()) == levels
