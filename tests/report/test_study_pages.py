"""A study's page, Markdown and figure: well-formed, nothing loaded, the numbers of its result, the same bytes twice."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_world import World, rules
from test_pages import Page, chromium, printed, titled

from lrbench.report.study import html, markdown, write
from lrbench.report.study.forest import forest
from lrbench.report.study.replicate import beside, twice
from lrbench.report.study.words import headline
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.tuning_rules import TuningRules

SVG = "{http://www.w3.org/2000/svg}"


def study(world: World, **given: Any) -> tuple[Design, Result]:
    made = rules(**given)
    return Design("mine", "Is b better than a?", made, {}, {}), world.run(made)


@pytest.fixture(scope="module")
def rich() -> tuple[Design, Result]:
    """Three contrasts on two tasks, with claims, both paths, and rates at which seeds fail."""
    world = World(
        {"a": 0.9, "b": 0.92, "c": 0.899, "d": 0.9},
        bests={"b": 0.8, "d": 1.6},
        sd=0.006,
        fails=lambda cell: cell.value is not None and cell.value >= 1.6 and cell.seed % 3 == 0,
    )
    arms, claims = ("a", "b", "c", "d"), {"b": ClaimedEffect(0.01, 0.03, 0.004), "c": ClaimedEffect(0.005)}
    return study(
        world, arms=arms, tasks=("digits", "blobs"), claims=claims, primary=("b", "c"), estimand="both", pairs=24
    )


@pytest.mark.slow
def test_the_page_begins_with_the_answer(rich: tuple[Design, Result]) -> None:
    text = html.render(*rich)
    found = [text.index(part) for part in (rich[0].question, headline(*rich), 'class="claim"', "baseline</td>", "<h2>")]
    assert found == sorted(found)


def test_the_page_stands_alone(rich: tuple[Design, Result]) -> None:
    text = html.render(*rich)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.loads == ["data:,", "position:absolute"]
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#plot\))|fetch|XMLHttp|WebSocket|sendBeacon|import\(", text)
    assert "$" not in text
    assert page.tags.count("figure") == 1 + 3 * 2  # the answer; of each task rates, paths and pairs


def test_tables_are_those_of_the_markdown(rich: tuple[Design, Result]) -> None:
    """Cell by cell; the page has one more, of run ids."""
    shown = Page(html.render(*rich)).tables
    told = []
    for block in markdown.render(*rich).split("\n\n"):
        if block.startswith("| "):
            lines = [[re.sub(r"\\(.)", r"\1", c) for c in line[2:-2].split(" | ")] for line in block.splitlines()]
            told.append([lines[0], *lines[2:]])
    assert len(shown) == len(told) + 1
    assert all(t in shown for t in told)


def test_numbers_are_those_of_the_result(rich: tuple[Design, Result]) -> None:
    design, result = rich
    grids = [t for t in Page(html.render(*rich)).tables if t[0][:2] == ["arm", "rate"] and "verdict" in t[0]]
    for task, grid in zip(result.tasks, grids, strict=True):
        for c, row in zip(task.contrasts, grid[2:], strict=True):
            assert c.tested is not None
            assert c.tested.mean is not None
            assert (row[0], float(row[1]), int(row[7])) == (c.arm, c.values[0], c.tested.n)
            shown = float(row[3].replace("\N{MINUS SIGN}", "-").removesuffix(" pt"))
            assert shown == pytest.approx(100 * c.tested.mean, abs=0.005001)
            assert row[6].startswith(str(c.verdict))
    assert design.hash in html.render(*rich)


def test_the_forest_by_hand() -> None:
    """The truth without noise: a gain of 2 points in a claimed 1 to 3, with a margin of 0.5. The axis goes from -0.5 to
    3 points with 4 % of room, over 372 pixels from 14."""
    design, result = study(World({"a": 0.9, "b": 0.92}), claims={"b": ClaimedEffect(0.01, 0.03, 0.005)})
    root = ET.fromstring(forest(design, result))

    def px(points: float) -> float:
        return 14 + 372 * (points + 0.5 + 0.04 * 3.5) / (3.5 * 1.08)

    same, claim = (next(r for r in root.iter("rect") if r.get("class") == kind) for kind in ("same", "claim"))
    for band, low, high in ((same, -0.5, 0.5), (claim, 1.0, 3.0)):
        assert float(band.get("x", "")) == pytest.approx(px(low), abs=0.06)
        assert float(band.get("width", "")) == pytest.approx(px(high) - px(low), abs=0.06)
    (dot,) = root.iter("circle")
    assert float(dot.get("cx", "")) == pytest.approx(px(2.0), abs=0.06)
    (zero,) = (line for line in root.iter("line") if line.get("class") == "zero")
    assert float(zero.get("x1", "")) == pytest.approx(px(0.0), abs=0.06)


def test_a_claim_that_is_open_upwards_is_shaded_to_the_edge(rich: tuple[Design, Result]) -> None:
    root = ET.fromstring(forest(*rich))
    ends = {float(r.get("x", "")) + float(r.get("width", "")) for r in root.iter("rect") if r.get("class") == "claim"}
    assert max(ends) == pytest.approx(386, abs=0.1)


def test_figures_lie_inside_their_frame(rich: tuple[Design, Result]) -> None:
    page = Page(html.render(*rich))
    for points in page.points:
        for x, y in (map(float, p.split(",")) for p in points.split()):
            assert 0 <= x <= 400
            assert -10 < y < 500


def test_the_same_result_is_written_as_the_same_bytes(rich: tuple[Design, Result], tmp_path: Path) -> None:
    """And again in another folder: no date, no path, no time."""
    names = {"verdict.json", "report.md", "index.html", "figure.svg"}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(*rich, tmp_path / folder)
        assert {p.name for p in (tmp_path / folder).iterdir()} == names
    for name in names:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two
        assert str(tmp_path).encode() not in one
    root = ET.parse(tmp_path / "one" / "figure.svg").getroot()
    assert root.tag == f"{SVG}svg"
    assert json.loads((tmp_path / "one" / "verdict.json").read_text())["headlines"].keys() == {"b", "c", "d"}


def test_a_study_without_estimates_has_a_page_and_no_figure(tmp_path: Path) -> None:
    """Not one of before either."""
    (tmp_path / "figure.svg").write_text("of a result of before")
    found = study(World({"a": 0.9, "b": 0.92}, fails=lambda cell: cell.arm == "b"))
    write(*found, tmp_path)
    assert not (tmp_path / "figure.svg").exists()
    page = Page((tmp_path / "index.html").read_text())
    assert page.tags.count("figure") == 1  # rates
    assert any("unsuccessful everywhere" in row for table in page.tables for row in table)


@pytest.mark.parametrize("fails", [lambda cell: True, lambda cell: cell.measured])
def test_only_failures(fails: Any, tmp_path: Path) -> None:
    write(*study(World({"a": 0.9, "b": 0.92}, fails=fails), tuning=TuningRules(first=0.1, at_most=5)), tmp_path)
    Page((tmp_path / "index.html").read_text())


def test_a_replicate_stands_beside_the_first_study(tmp_path: Path) -> None:
    """b gains in both; c, whose gain is as large as the noise lets one see, in the first one alone."""
    world = World({"a": 0.9, "b": 0.93, "c": 0.906}, sd=0.006)
    _, first = study(world, arms=("a", "b", "c"))
    design, again = study(World({"a": 0.9, "b": 0.93, "c": 0.9}, sd=0.006), arms=("a", "b", "c"), replicate=1)
    assert [t.same for t in twice(first, again)] == [True, False]
    assert beside(first, again).startswith("The verdict is that of the first study in 1 of 2 contrasts; by the noise")
    told = write(design, again, tmp_path, first)
    assert "Beside the first study\n  arm" in told
    assert "## Beside the first study" in (tmp_path / "report.md").read_text()
    table = next(t for t in Page((tmp_path / "index.html").read_text()).tables if "expected" in t[0])
    assert [row[-2] for row in table[1:]] == ["yes", "no"]
    assert [row[3] for row in table[1:]] == ["supported", "supported"]


def test_names_are_text_everywhere(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>|`b`_c_</td>'
    design, result = study(World({"a": 0.9, evil: 0.92}), arms=("a", evil), tasks=("<i>t",))
    design = replace(design, question="<b>is it?</b>", name="<u>n")
    write(design, result, tmp_path)
    page = Page((tmp_path / "index.html").read_text())
    assert page.tags.count("script") == 1
    assert not {"b", "u", "i"} & set(page.tags)
    text = (tmp_path / "report.md").read_text()
    assert not re.search(r"<script|<b>|<i>", text.partition("## To run it again")[0])
    ET.parse(tmp_path / "figure.svg")


PROBE = """<body style="margin:0"><iframe src="index.html" style="border:0;width:WIDTHpx;height:900px"></iframe><script>
addEventListener("load", function () {
  var page = document.querySelector("iframe").contentWindow, root = page.document.documentElement;
  var box = page.document.querySelector("figure svg").getBoundingClientRect();
  document.title = JSON.stringify({width: root.clientWidth, wide: root.scrollWidth, figure: box.top,
    loaded: page.performance.getEntriesByType("resource").map(function (e) { return e.name; })});
});
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(rich: tuple[Design, Result], tmp_path: Path, width: int) -> None:
    """Nothing is requested, nothing sticks out to the right, and the figure begins on the first screen."""
    write(*rich, tmp_path)
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.replace("WIDTH", str(width)))
    found = titled(chromium(probe, max(width, 500), "--allow-file-access-from-files"))
    assert found["width"] == width
    assert found["wide"] <= width
    assert found["loaded"] == []
    assert found["figure"] < 500


@pytest.mark.slow
def test_on_paper_no_column_is_cut(rich: tuple[Design, Result], tmp_path: Path) -> None:
    found = printed(html.render(*rich), tmp_path)
    assert found["cut"] == 0
    assert found["wide"] <= 703
