"""Schedules as a page: it stands alone, holds the table's own numbers, and answers in a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_pages import Page, chromium, printed, titled

from lrbench.config.experiments import experiment
from lrbench.plots.curve import ScheduleCurve
from lrbench.plots.kept import CELLS
from lrbench.report import numbers
from lrbench.report.schedules import render
from lrbench.schedules import LRTable, lr_table

SMALL = ("model=mlp", "horizon=10ep")


def curve(label: str, *overrides: str) -> ScheduleCurve:
    made = experiment(*SMALL, *overrides)
    return ScheduleCurve(label, made.schedule, lr_table(made))


@pytest.fixture(scope="module")
def three() -> list[ScheduleCurve]:
    """A warmup and a cosine, a cycle with its momentum, and a plateau; one has a label that would break a page."""
    evil = '</script><script>alert("x")</script>&'
    return [
        curve(evil, "warmup=linear5"),
        curve("cycle", "scheduler=onecycle"),
        curve("plateau", "scheduler=plateau", "optimizer.lr=0.05"),
    ]


def page_of(curves: list[ScheduleCurve], **options: str) -> str:
    return render(curves, [["scheduler=cosine", "a b"]] * len(curves), **options)  # type: ignore[arg-type]


def embedded(text: str) -> list[dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="schedules">(.*?)</script>', text, re.DOTALL)
    data: list[dict[str, object]] = json.loads(found)
    return data


def test_it_stands_alone(three: list[ScheduleCurve]) -> None:
    text = page_of(three)
    page = Page(text)
    assert page.tags.count("script") == 3  # the numbers, its own, and that of every page
    assert not {"img", "iframe", "object", "embed", "audio", "video", "base"} & set(page.tags)
    assert "default-src 'none'" in text  # and a browser holds to it
    assert page.loads == ["data:,", "position:absolute"]
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#plot\))|fetch|XMLHttp|WebSocket|sendBeacon|import\(", text)
    assert "$" not in text
    assert "lrbench plot scheduler=cosine &#x27;a b&#x27;" in text


def test_its_numbers_are_the_tables(three: list[ScheduleCurve]) -> None:
    for found, drawn in zip(embedded(page_of(three)), three, strict=True):
        table = drawn.table
        assert found["updates"] == list(range(160))
        assert found["lr"] == {"all": table.lr[:, 0].tolist()}  # to the bit
        assert ("momentum" in found) == (table.momentum is not None)
        assert (found["known"], found["horizon"], found["per_epoch"]) == (table.known, 160, 16)


def test_the_table_below_has_the_facts(three: list[ScheduleCurve]) -> None:
    numbers, phases = Page(page_of(three)).tables[-2:]
    assert numbers[1:] == [
        ['</script><script>alert("x")</script>&', "0.001", "0.1", "80", "0.00954915", "50.3%", "80", "160", "16"],
        ["cycle", "0.004", "0.1", "47", "4e-07", numbers[2][5], "47", "160", "16"],
        ["plateau", "0.05", "0.05", "0", "0.05", "100.0%", "0", "160", "16"],
    ]
    area = three[1].table.lr.mean() / three[1].table.lr.max()
    assert numbers[2][5] == f"{100 * area:.1f}%"
    assert phases[-1] == ["plateau", "by metric", "16", "160"]


def test_without_its_script_the_curves_are_there(three: list[ScheduleCurve]) -> None:
    page = Page(page_of(three))
    assert page.tags.count("figure") == 2  # rate and momentum
    lines = [[tuple(map(float, p.split(","))) for p in points.split()] for points in page.points]
    drawn = [line for line in lines if len(line) > 2]
    assert len(drawn) == 4
    assert all(52 <= x <= 388 and 0 <= y <= 212 for line in drawn for x, y in line)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_any_rates_make_a_page(scale: str) -> None:
    """Zeros alone, one single update, and a rate that is 0 somewhere."""
    plan = experiment(*SMALL).schedule
    for rates in (np.zeros((160, 1)), np.full((1, 1), 0.1), np.linspace(0, 1, 160)[:, None]):
        text = page_of([ScheduleCurve("one", plan, LRTable(("all",), rates, None, 0, len(rates)))], scale=scale)
        assert "NaN" not in text
        assert "nan" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def long(label: str, rates: np.ndarray, momentum: np.ndarray | None = None) -> ScheduleCurve:
    """A table of 1.5 million updates under a plan that is shorter: a page asks the plan for words alone."""
    plan = experiment(*SMALL).schedule
    return ScheduleCurve(label, plan, LRTable(("all",), rates, momentum, 0, len(rates)))


@pytest.mark.parametrize("n", [30_000, pytest.param(1_500_000, marks=pytest.mark.full)])
def test_eight_curves_of_a_million_updates_and_a_half_are_below_a_megabyte(n: int) -> None:
    t = np.arange(n) / n
    epochs = np.repeat(np.arange(300) / 300, n // 300)
    cosine = 0.05 * (1 + np.cos(np.pi * t))
    shapes = [
        cosine,
        0.05 * (1 + np.cos(np.pi * epochs)),
        0.05 * (1 + np.cos(np.pi * (30 * t % 1))),  # 30 restarts
        0.1 * 1e-5**t,
        0.1 / np.sqrt(1 + 1000 * t),
        0.1 * np.abs(1 - 2 * (375 * t % 1)),  # 375 triangles
        0.1 * 0.1 ** np.floor(3 * t),
        0.01 + 0.09 * (np.arange(n) % 7) / 6,  # a band
    ]
    curves = [long(f"{i} {'long label ' * 8}", s[:, None], (1 - s)[:, None]) for i, s in enumerate(shapes)]
    text = page_of(curves)
    assert len(text.encode()) < 1_000_000
    assert all(len(c.kept.rows) <= CELLS for c in curves)


PROBE = """<body style="margin:0"><iframe src="FILE" style="border:0;width:WIDTHpx;height:900px"></iframe><script>
addEventListener("load", function () {
  var page = document.querySelector("iframe").contentWindow, d = page.document, seen = {};
  function cells() {
    return Array.from(d.querySelectorAll(".reading tbody tr")).map(function (row) {
      return Array.from(row.children).map(function (cell) { return cell.textContent; });
    });
  }
  function choose(name, value) {
    var input = d.querySelector("input[name=" + name + "][value=" + value + "]");
    input.checked = true;
    input.dispatchEvent(new page.Event("change", {bubbles: true}));
  }
  function texts() { return Array.from(d.querySelectorAll(".chart text")).map(function (t) { return t.textContent; }); }
  var figure = d.querySelector(".chart svg"), box = figure.getBoundingClientRect();
  var left = 62, right = 16, wide = figure.viewBox.baseVal.width;
  var middle = box.left + (left + 0.5 * (wide - left - right)) / wide * box.width;
  figure.parentNode.dispatchEvent(new page.PointerEvent("pointermove", {clientX: middle + 0.5}));
  seen.pointed = cells();
  seen.place = d.querySelector("output").textContent;
  seen.axes = texts().filter(function (t) { return t === "epoch" || t === "update"; });
  choose("unit", "update");
  seen.turned = texts().filter(function (t) { return t === "epoch" || t === "update"; });
  seen.same = d.querySelector("output").textContent;
  choose("scale", "log");
  seen.log = texts();
  d.querySelector(".legend [data-arm]").click();
  setTimeout(function () {  // the page draws in its next frame
    seen.hidden = d.querySelectorAll(".series[hidden]").length;
    seen.left = cells().length;
    var slider = d.querySelector("input[type=range]");
    slider.value = 159;
    slider.dispatchEvent(new page.Event("input"));
    seen.end = cells();
    seen.valuetext = slider.getAttribute("aria-valuetext");
    seen.wide = d.documentElement.scrollWidth;
    seen.loaded = page.performance.getEntriesByType("resource").length;
    document.title = JSON.stringify(seen);
  }, 500);
});
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(three: list[ScheduleCurve], tmp_path: Path, width: int) -> None:
    """What is pointed at is the table's; axes turn; a curve can be hidden; nothing is requested or sticks out."""
    page, probe = tmp_path / "index.html", tmp_path / "probe.html"
    page.write_text(page_of(three))
    probe.write_text(PROBE.replace("FILE", page.name).replace("WIDTH", str(width)))
    asked = (probe, max(width, 500), "--allow-file-access-from-files", "--virtual-time-budget=3000")
    found = titled(chromium(*asked))
    rates = [c.table.lr[80, 0] for c in three]
    assert [float(row[2]) for row in found["pointed"]] == pytest.approx(rates, rel=1e-3)
    assert [row[1] for row in found["pointed"]] == ["80"] * 3
    assert [row[3] for row in found["pointed"]][::2] == [numbers.NONE] * 2  # no momentum moves
    assert [row[-1] for row in found["pointed"]] == ["fall", "fall", "by metric"]
    assert found["place"] == "epoch 5"
    assert found["same"] == "update 80"
    assert sorted(found["axes"]) == sorted(found["turned"]) == ["epoch", "update"]
    assert found["axes"] != found["turned"]
    assert {"0.001", "1e-6"} & {*found["log"]}
    assert (found["hidden"], found["left"]) == (2, 2)
    assert [float(row[2]) for row in found["end"]] == pytest.approx([c.table.lr[159, 0] for c in three[1:]], rel=1e-3)
    assert found["valuetext"].startswith("update 159: cycle ")
    assert found["wide"] <= width
    assert found["loaded"] == 0


@pytest.mark.slow
def test_on_paper_no_column_is_cut(three: list[ScheduleCurve], tmp_path: Path) -> None:
    assert printed(page_of(three), tmp_path)["cut"] == 0
