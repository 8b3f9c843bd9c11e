"""Charts and pictures from tables, without a command line."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from lrbench import CONF
from lrbench.config.experiments import experiment
from lrbench.experiment.identity import title
from lrbench.plots import schedule
from lrbench.plots.curve import ScheduleCurve, twins
from lrbench.plots.run import _scale_losses, picture_of, plot_run
from lrbench.plots.scale import logarithmic, round_numbers, spans_decades
from lrbench.plots.schedule import plot_schedules
from lrbench.plots.terminal import LETTERS, chart, rate_chart
from lrbench.report.schedules import render
from lrbench.schedules import lr_table


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def unwrapped(text):
    """What stands below a chart, its wrapped lines put together."""
    return re.sub(r"\n    (?! )", " ", text)


def curve(label, *overrides):
    made = experiment("model=mlp", "horizon=10ep", *overrides)
    return ScheduleCurve(label, made.schedule, lr_table(made))


@pytest.mark.usefixtures("terminal")
def test_the_chart_draws_each_curve_with_its_letter_where_it_is():
    text = chart([curve("high", "scheduler=constant"), curve("low", "scheduler=constant", "optimizer.lr=0.01")])
    lines = unwrapped(text).splitlines()
    drawn = [line for line in lines if "│" in line or "┤" in line]
    (a,) = [i for i, line in enumerate(drawn) if line.count("a") > 20]
    (b,) = [i for i, line in enumerate(drawn) if line.count("b") > 20]
    assert a < b  # 0.1 above 0.01
    assert lines[-2].startswith(
        "  a high: first 0.1, highest 0.1 (update 0), last 0.1, area 100.0%; 160 updates, 16 an epoch"
    )
    assert lines[-1].startswith("  b low: first 0.01, highest 0.01 (update 0), last 0.01, area 100.0%;")
    assert "\x1b" not in text


@pytest.mark.usefixtures("terminal")
def test_the_numbers_below_the_chart_are_the_tables_own():
    cosine = curve("one", "warmup=linear5")
    text = unwrapped(chart([cosine]))
    lr = cosine.table.lr[:, 0]
    numbers = [
        float(n)
        for n in re.search(r"first (\S+), highest (\S+) \(update \d+\), last (\S+), area (\S+)%;", text).groups()
    ]
    assert numbers == pytest.approx([lr[0], lr.max(), lr[-1], 100 * lr.mean() / lr.max()], rel=1e-3)
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


@pytest.mark.slow
def test_letters_enough_and_more():
    curves = [curve(f"c{i}", f"optimizer.lr=0.{i + 1}") for i in range(len(LETTERS) + 1)]
    assert chart(curves).endswith("and 1 more, in the picture")


@pytest.mark.slow
def test_more_than_can_be_overlaid_have_panels(drawn, tmp_path, monkeypatch):
    """To one scale; a momentum in grey beside it."""
    monkeypatch.setattr(schedule, "OVERLAID", 1)
    plot_schedules([curve("low", "optimizer.lr=0.01"), curve("high", "scheduler=onecycle")], tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    low, high, *_ = drawn[0].axes
    assert (low.get_title(), high.get_title()) == ("low", "high")
    assert low.get_ylim() == high.get_ylim()
    assert [axes.lines[0].get_color() for axes in drawn[0].axes if axes.lines] == ["C0", "C0", "0.6"]


def test_data_without_epochs_are_counted_in_updates(drawn, tmp_path):
    made = experiment("model=mlp", "horizon=10ep", "scheduler=linear", "scheduler.interval=batch").schedule
    plan = replace(made, clock=replace(made.clock, per_epoch=None))
    endless = ScheduleCurve("endless", plan, lr_table(plan))
    assert "160 updates, warmup 0" in unwrapped(chart([endless]))
    plot_schedules([endless], tmp_path / "x.png")
    (axes,) = drawn[0].axes
    assert (axes.get_xlabel(), axes.get_xlim(), axes.child_axes) == ("update", (0, 160), [])
    assert "Time" in render([endless], [[]])


def test_curves_with_the_same_rates_are_told(drawn, tmp_path):
    """And the earlier one is wider, so that it is seen beneath."""
    same, other = curve("one"), curve("three", "optimizer.lr=0.2")
    curves = [same, ScheduleCurve("two", same.plan, same.table), other]
    assert twins(curves) == [None, 0, None]
    assert "b two: the rates of a\n" in chart(curves)
    plot_schedules(curves, tmp_path / "x.png")
    widths = [line.get_linewidth() for line in drawn[0].axes[0].lines if len(line.get_xdata()) == 320]
    assert widths[0] > widths[1] == widths[2]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-3, 0.1, [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]),
        (4e-7, 0.1, [1e-06, 1e-05, 1e-04, 1e-03, 1e-02, 0.1]),
        (1e-12, 1.0, [1e-12, 1e-10, 1e-08, 1e-06, 1e-04, 1e-02, 1.0]),
    ],
)
def test_round_numbers_at_a_logarithmic_axis(low, high, expected):
    assert round_numbers(low, high) == expected


def test_what_a_logarithmic_axis_holds():
    """0 is not on it, nor what rounding leaves of 0; three decades are not yet a reason for one."""
    assert logarithmic([np.zeros(3)]) is None
    assert logarithmic([np.array([0.0, 1e-13, 1e-4]), np.array([0.1])]) == (1e-4, 0.1)
    assert not spans_decades([np.array([0.0, 1e-4, 0.1])])
    assert spans_decades([np.array([0.9e-4, 0.1])])


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
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
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


@pytest.mark.slow
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
    """Of one curve and several, with one group, two and 16."""
    more = () if groups == "model=mlp" else ("model=vit_micro", groups)
    one = experiment("horizon=10ep", f"scheduler={scheduler}", *more, *([groups] if not more else []))
    table = lr_table(one)
    overlaid = [f"scheduler.args.eta_min=0.0{i} " * 5 for i in range(8 if groups == "model=mlp" else 2)]
    for labels in (["alone"], overlaid):
        plot_schedules([ScheduleCurve(label, one.schedule, table) for label in labels], tmp_path / "x.png")
        require_legends_cover_no_axes(drawn[-1], 1)
    legend = drawn[0].legends[0]
    texts = [t.get_text().partition(": area")[0] for t in legend.get_texts()]
    layers = [f"layer_{i // 2}{'_no_decay' * (i % 2)}" for i in range(10)]
    expected = {
        "model=mlp": ["alone"],
        "param_groups=backbone_head": ["backbone", "head"],
        "param_groups=layer_decay": [*layers[:9], f"{layers[9]} and 6 more"],
    }
    assert legend.get_title().get_text() == "" if groups == "model=mlp" else "alone"
    assert texts == expected[groups] + ["warmup", "a phase begins"] * (scheduler == "onecycle")


@pytest.mark.slow
def test_the_legend_of_a_run_covers_no_curve(drawn, make, run):
    """The head's constant rate went along the top, where the legend was."""
    record = run(make("scheduler=constant", "param_groups=no_decay_norm_bias", "horizon=1ep"))
    assert picture_of(record).exists()
    require_legends_cover_no_axes(drawn[0], 2)
    above, below = drawn[0].axes
    (epochs,) = above.child_axes
    assert (below.get_xlabel(), epochs.get_xlabel(), above.get_yscale()) == ("update", "epoch", "linear")
    (_, validation) = below.lines
    assert validation.get_marker() == "."  # one evaluation is no line
    first, second = drawn[0].get_suptitle().split("\n")
    assert (first, second) == (title(record.experiment()), record.run_id)  # what it is, and which


@pytest.mark.parametrize(
    ("values", "scale"), [([2.3, 0.4, 0.2], "linear"), ([40.0, 0.4, 0.2], "log"), ([40.0, 0.4, -0.2], "linear")]
)
def test_one_early_loss_does_not_flatten_the_rest(values, scale):
    axes = Figure().subplots()
    axes.plot([1, 2], [0.5, 0.3])
    axes.plot(range(3), values)
    _scale_losses(axes)
    assert axes.get_yscale() == scale


@pytest.mark.slow
def test_the_picture_of_a_run_marks_the_phases_that_were(drawn, make, run):
    """A plateau's own drops too; over three decades the axis is logarithmic."""
    drops = ("scheduler=plateau", "scheduler.args.patience=0", "scheduler.args.threshold=0.9", "warmup=linear_10pct")
    record = run(make(*drops, "horizon=8ep", "scheduler.args.factor=0.01"))
    plot_run(record)
    above = drawn[0].axes[0]
    used = record.rates()[:, 0]
    (rings,) = [line for line in above.lines if line.get_marker() == "o"]
    assert rings.get_xdata()[0] == 13  # the warmup's end
    assert used[int(rings.get_xdata()[-1])] < used.max()
    assert above.get_yscale() == "log"
    assert np.array_equal(above.lines[0].get_ydata(), np.repeat(used, 2))  # as the optimizer held them
    assert [t.get_text() for t in above.get_legend().get_texts()] == ["lr/all", "warmup", "a phase begins"]


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
