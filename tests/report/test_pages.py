"""The page, the Markdown and the W&B report of one comparison: the same numbers, nothing loaded, nothing injected."""

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_records import CONSTANT, COSINE, arm, compare, diverged, experiment, record, rows_of_a_run, two_arms

from lrbench.metrics import by_name
from lrbench.report import html, markdown, numbers, tables, words
from lrbench.report.result import Comparison
from lrbench.stats.intervals import ConfidenceInterval, wilson

Cells = list[list[str]]


class Page(HTMLParser):
    """Tables, figures and everything that could load something."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Cells] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.points: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "a tag is not closed"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        for name, value in attributes:
            if name in ("src", "href", "srcset", "xlink:href", "action", "data", "poster", "style") and value:
                self.loads.append(value)
            if name == "points":
                self.points.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def rich(tmp_path: Path) -> Comparison:
    """Four arms on a grid of rates, with curves, a diverged run and a seed that one arm lacks."""
    rows = {s: rows_of_a_run(s) for s in range(4)}
    own = {(CONSTANT, 0.1): 0, (CONSTANT, 0.2): 1, (COSINE, 0.1): 2, (COSINE, 0.2): 3}  # each has a spread of its own
    records = [
        record(
            tmp_path,
            experiment(name, seed, lr),
            0.9 + seed / 100 + own[name, lr] * seed * (3 - seed) / 500,
            rows=rows[seed],
            rates=[lr, lr / 2],
        )
        for name, lr in own
        for seed in range(3 if name == COSINE else 4)
    ]
    bad = diverged(tmp_path, experiment(COSINE, 3, 0.2), rows=rows[3][:3])
    return compare([*records, bad], name="a grid", baseline="ConstantLR lr=0.1")


def number_of(text: str) -> float:
    """What a cell says: 97.04%, -0.65 pt, 0.0123."""
    text = text.replace("\N{MINUS SIGN}", "-").removesuffix(" (best)")
    scale = 0.01 if text.endswith(("%", " pt")) else 1.0
    return float(text.removesuffix("%").removesuffix(" pt")) * scale


def says(cell: str, value: float | None) -> bool:
    """A cell shows the value to at least three digits, or that there is none."""
    if value is None:
        return cell == numbers.NONE
    return math.isclose(number_of(cell), value, rel_tol=5e-3, abs_tol=5.1e-5)


def says_interval(cell: str, interval: ConfidenceInterval | None) -> bool:
    if interval is None:
        return cell == numbers.NONE
    low, high = cell.removesuffix(numbers.PAST).split(" to ")
    if high.endswith(" pt") and not low.endswith(" pt"):
        low += " pt"
    return all(math.isclose(number_of(c), v, abs_tol=5.1e-3) for c, v in zip((low, high), interval, strict=True))


def require_same_numbers(c: Comparison, tables: dict[str, Cells]) -> None:
    """Every cell of the tables against the comparison itself."""
    arms = tables["arm mean"]
    for a, (name, mean, interval, sd, n, failed, _) in zip(c.arms, arms, strict=True):
        assert name == a.name
        assert says(mean, a.estimate.mean)
        assert says_interval(interval, a.estimate.interval)
        assert says(sd, a.estimate.sd)
        assert (int(n), int(failed)) == (a.estimate.n, a.failures)
    for p, row in zip(c.pairs, tables["arm difference"], strict=True):
        d = p.difference
        assert row[0] == c.arms[p.arm].name
        assert says(row[1], d.mean)
        assert says_interval(row[2], d.interval)
        assert d.sign_flip_p is not None
        assert float(row[3]) == pytest.approx(p.holm_p, rel=0.05)
        assert float(row[4]) == pytest.approx(d.sign_flip_p, rel=0.05)
        assert (int(row[5]), int(row[6])) == (d.n, len(p.excluded))
        assert says(row[7], d.sd)
        assert number_of(row[8]) == pytest.approx(d.correlation, abs=6e-3)
        assert says(row[9], d.detectable)
    failed_pairs = [p for p in c.pairs if p.excluded]
    for p, row in zip(failed_pairs, tables["arm both"], strict=True):
        s = p.success
        assert [int(x) for x in row[1:5]] == [s.both, s.only_second, s.only_first, s.neither]
        assert says(row[5], s.difference)
        assert says_interval(row[6], s.interval)
        assert float(row[7]) == pytest.approx(s.mcnemar_p, rel=0.05)
    grid = [(s, i, r) for s in c.sensitivity for i, r in zip(s.arms, s.rates, strict=True)]
    for (s, i, rate), row in zip(grid, tables["arms optimizer.lr"], strict=True):
        assert row[0] == s.name
        assert float(row[1]) == rate
        assert says(row[2], c.arms[i].estimate.mean)
        assert row[2].endswith(" (best)") == (i == s.best)
    header, *beside = tables["beside"]
    for a, row in zip(c.arms, beside, strict=True):
        for metric, cell in zip(header[1:], row[1:], strict=True):
            mean, _, sd = cell.removesuffix(")").partition(" (")
            assert says(mean, a.beside[metric].mean)
            assert says(sd, a.beside[metric].sd)


def by_kind(tables: list[Cells]) -> dict[str, Cells]:
    kinds = {" ".join(t[0][:2]): t[1:] for t in tables}
    (beside,) = [t for t in tables if "test/loss" in t[0]]
    return {**kinds, "beside": beside}


def test_the_page_has_the_numbers_of_the_comparison(rich: Comparison) -> None:
    page = Page(html.render(rich))
    require_same_numbers(rich, by_kind(page.tables))
    runs = next(t for t in page.tables if t[0][:2] == ["arm", "run"])[1:]
    outcomes = [(a, o) for a in rich.arms for o in a.outcomes]
    for (a, o), row in zip(outcomes, runs, strict=True):
        assert row[:4] == [a.name, o.run_id, o.failure or "finished", str(o.seed)]
        assert says(row[4], o.value)


def test_the_markdown_has_the_numbers_of_the_comparison(rich: Comparison) -> None:
    text = markdown.render(rich)
    tables: list[Cells] = []
    for block in text.split("\n\n"):
        if block.startswith("| "):
            lines = [[unescape(c) for c in line[2:-2].split(" | ")] for line in block.splitlines()]
            assert all(len(line) == len(lines[0]) for line in lines)
            tables.append([lines[0], *lines[2:]])
    require_same_numbers(rich, by_kind(tables))


def unescape(cell: str) -> str:
    return re.sub(r"\\(.)", r"\1", cell)


def test_what_is_said_first(rich: Comparison) -> None:
    """The finding and the remarks, word for word."""
    first = (
        "Mean test/accuracy of 4 arms goes from 91.50% (95% interval 89.45% to 93.55%, n = 4) for ConstantLR lr=0.1 to"
    )
    assert words.finding(rich).startswith(f"{first} 91.80% ")
    assert words.finding(rich).endswith(
        "for CosineAnnealingLR lr=0.2 (15 runs, 1 of them unsuccessful: 1 diverged). Of 3 paired differences from "
        "ConstantLR lr=0.1, none has a 95% interval without 0 (0.15 expected by chance alone)."
    )
    said = words.remarks(rich)
    assert said[0] == (
        "Against ConstantLR lr=0.1, pairs are formed from the seeds in common (seeds 0, 1, 2; seed 3 of the baseline "
        "alone): CosineAnnealingLR lr=0.1."
    )
    assert said[1].startswith("Against ConstantLR lr=0.1, 3 of 4 pairs make the difference, a run of the others")
    assert said[2].startswith("The best rate is at an end of the grid")
    for text in (html.render(rich), markdown.render(rich)):
        for remark in said:
            assert remark.partition(",")[0] in unescape(text)


def test_the_page_stands_alone(rich: Comparison) -> None:
    """No reference that loads anything: of the page's own parts, of CSS or of its script."""
    text = html.render(rich)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "audio", "video", "base", "form"} & set(page.tags)
    assert "default-src 'none'" in text  # and a browser holds to it
    assert page.loads == ["data:,", "position:absolute"]  # an empty icon, so that none is asked for; a style
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#plot\))|fetch|XMLHttp|WebSocket|sendBeacon|import\(", text)
    assert "$" not in text.replace("Student's", "")


def test_figures_lie_inside_their_frame(rich: Comparison) -> None:
    page = Page(html.render(rich))
    lines = [[tuple(map(float, p.split(","))) for p in points.split()] for points in page.points]
    assert len(lines) > 20
    for line in lines:
        assert line
        assert all(0 <= x <= 400 and -200 < y < 500 for x, y in line)
    assert page.tags.count("figure") == 3 + len(rich.curves) + 1


def test_labels_are_text_everywhere(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>|`a`_b_</td>'
    model = replace(experiment().model, args={"note": evil})
    other = replace(experiment().model, args={"note": "tame"})
    records = [record(tmp_path, experiment(model=m, seed=s), 0.9 + s / 50) for m in (model, other) for s in (0, 1)]
    c = compare(records, name="<b>&name", metric="test/accuracy")
    assert evil in c.arms[0].name
    page = Page(html.render(c))
    assert page.tags.count("script") == 1
    assert "b" not in page.tags
    assert by_kind(page.tables)["arm mean"][0][0] == c.arms[0].name
    text = markdown.render(c)
    assert "<script" not in text
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if "alert" in line and line.startswith("|")]
    assert rows
    for row in rows:  # the sign inside the label opens no column
        assert len(re.findall(r"(?<!\\)\|", row)) in (8, 4, 3, 10)


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    c = compare([*arm(tmp_path, CONSTANT, {0: 0.9}), *arm(tmp_path, COSINE, {0: 0.95})])
    text = html.render(c)
    assert "(one run, so no interval)" in text
    assert "One run that succeeded, so no interval and no spread: ConstantLR, CosineAnnealingLR." in text
    assert "no difference has an interval" in text
    assert by_kind(Page(text).tables)["arm mean"][0][2:4] == [numbers.NONE, numbers.NONE]


def test_two_arms_have_their_difference_said(tmp_path: Path) -> None:
    assert words.finding(compare(two_arms(tmp_path))) == (
        "Mean test/accuracy of 2 arms goes from 92.00% (95% interval 87.03% to 96.97%, n = 3) for ConstantLR to 95.00% "
        "(95% interval 88.43% to 101.57%†, n = 3) for CosineAnnealingLR (6 runs, none of them unsuccessful). On the "
        "same seeds, CosineAnnealingLR minus ConstantLR is +3.00 pt (95% interval +0.52 to +5.48 pt, 3 pairs)."
    )


def test_arms_of_one_mean_are_still_two(tmp_path: Path) -> None:
    said = words.finding(
        compare([*arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.92}), *arm(tmp_path, COSINE, {0: 0.92, 1: 0.9})])
    )
    assert " for ConstantLR to 91.00% " in said
    assert " for CosineAnnealingLR (4 runs" in said


def test_shared_seeds_whose_runs_failed_are_not_said_to_be_missing(tmp_path: Path) -> None:
    bad = [diverged(tmp_path, experiment(COSINE, s)) for s in (1, 2)]
    c = compare([*arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.92, 2: 0.94}), *arm(tmp_path, COSINE, {0: 0.9}), *bad])
    assert c.pairs[0].seeds == [0, 1, 2]
    assert words.finding(c).endswith(
        "No arm has two pairs with ConstantLR in which both runs succeeded, so no difference has an interval."
    )


def test_differences_without_spread_are_no_certainty(tmp_path: Path) -> None:
    """Two pairs that are 0.03 apart, but for rounding: an interval without width would exclude 0 whatever is true."""
    third = arm(tmp_path, "StepLR", {0: 0.91, 1: 0.95})
    c = compare([*arm(tmp_path, CONSTANT, {0: 0.90, 1: 0.92}), *arm(tmp_path, COSINE, {0: 0.93, 1: 0.95}), *third])
    assert words.finding(c).endswith(
        "Of 2 paired differences from ConstantLR, none has a 95% interval without 0 (0.05 expected by chance alone)."
    )
    assert (
        "Against ConstantLR, all 2 differences are equal: an interval without width, which says nothing of other "
        "seeds: CosineAnnealingLR." in words.remarks(c)
    )
    assert tables.pair_table(c).rows[0][-1] == numbers.NONE  # the detectable effect


def test_pairs_of_two_models_do_not_begin_alike(tmp_path: Path) -> None:
    c = compare(
        [record(tmp_path, experiment(model=replace(experiment().model, target=t)), 0.9) for t in ("a.b", "a.c")]
    )
    assert any("where both arms have the same model, data, batch size and start" in said for said in words.reading(c))


def test_a_rate_of_success_does_not_round_to_what_was_not_seen(tmp_path: Path) -> None:
    """72 clean runs do not show 95 %, and 59 of 60 are not 100 %."""
    c = compare(two_arms(tmp_path))
    for n, k, shown in ((72, 72, "94.9% to 100.0%"), (60, 59, "91.1% to 99.7%"), (60, 1, "0.3% to 8.9%")):
        arms = (replace(c.arms[0], success=wilson(k, n)), c.arms[1])
        assert tables.arm_table(replace(c, arms=arms)).rows[0][-1] == shown


def test_a_marked_rate_is_said_to_be_a_winner(rich: Comparison, tmp_path: Path) -> None:
    """On the page as in Markdown; and nowhere that nothing was chosen by the test metric, which marks it."""
    for text in (html.render(rich), unescape(markdown.render(rich))):
        assert "the mean and interval of a best rate are those of a winner" in text
        assert "nothing was chosen by looking at it" not in text
    assert "those of a winner" not in markdown.render(compare(two_arms(tmp_path)))


def test_an_interval_beyond_what_an_accuracy_can_be_is_marked_and_explained(tmp_path: Path) -> None:
    """The mean 0.95 of cosine has the interval 88.43 % to 101.57 %: shown as it is, with a mark that a remark takes up;
    a loss can go below 0 as little; one that stays inside, or without bounds, has none."""
    c = compare(two_arms(tmp_path))
    constant, cosine = tables.arm_table(c).rows
    assert (constant[2], cosine[2]) == ("87.03% to 96.97%", f"88.43% to 101.57%{numbers.PAST}")
    (said,) = words.remarks(c)
    assert said.startswith(f"{numbers.PAST} The interval goes beyond what test/accuracy can be, 0% to 100%")
    assert said.endswith(": CosineAnnealingLR.")
    assert html.render(c).count('class="limit"') == 1
    assert "Beyond the dashed line no value can be." in html.render(c)
    for text in (html.render(c), markdown.render(c)):
        assert said.partition(",")[0] in unescape(text)
    loss = compare(two_arms(tmp_path), metric="test/loss")
    assert "beyond what test/loss can be, at least 0: " in words.remarks(loss)[0]
    assert 'class="limit"' in html.render(loss)
    assert numbers.within(ACCURACY, ConfidenceInterval(-0.01, 0.5)) == f"-1.00% to 50.00%{numbers.PAST}"
    assert numbers.within(LOSS, ConfidenceInterval(-0.01, 1.5)) == "-0.01 to 1.5"


def test_one_arm(tmp_path: Path) -> None:
    c = compare(arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.92}))
    text = html.render(c)
    assert "Paired differences" not in text
    assert words.finding(c) == (
        "mlp Digits SGD lr 0.1 ConstantLR 4ep: mean test/accuracy 91.00% (95% interval 78.29% to 103.71%†, n = 2). "
        "2 runs, none of them unsuccessful."
    )
    assert "Paired differences" not in markdown.render(c)


def test_only_failures(tmp_path: Path) -> None:
    good = record(tmp_path, experiment(seed=5, lr=0.3), 0.05)  # not better than chance
    c = compare([diverged(tmp_path, experiment(seed=s)) for s in (0, 1)] + [good])
    assert words.finding(c) == "2 arms, 3 runs, all unsuccessful: there is no test/accuracy to compare."
    page = Page(html.render(c))
    assert page.points  # the legends' swatches
    assert markdown.render(c)


def test_two_hundred_runs_are_under_five_megabytes(tmp_path: Path) -> None:
    """A hundred arms of two seeds: bands, and as many lines of rates as arms. One arm is made and repeated."""
    rates = [0.1 + t % 2 for t in range(600)]  # all corners
    made = [
        record(tmp_path, experiment(seed=s, horizon="600ba"), 0.9, rows=rows_of_a_run(s, 600), rates=rates)
        for s in (0, 1)
    ]
    c = compare(made)
    (arm,), (rate,) = c.arms, c.rates
    assert (len(rate.rates), len(c.curves["train/loss"][0].mean)) == (400, 20)
    many = replace(
        c,
        arms=(arm,) * 100,
        rates=tuple(replace(rate, arm=i) for i in range(100)),
        curves={m: tuple(replace(u, arm=i) for i in range(100)) for m, (u,) in c.curves.items()},
        pairs=compare(two_arms(tmp_path / "two")).pairs * 99,
    )
    text = html.render(many)
    assert 5e5 < len(text.encode()) < 5e6
    assert len(Page(text).points) > 100 * 7


def test_many_arms_begin_without_bands(rich: Comparison) -> None:
    """Four have them; seven of them would hide each other, and the page says when they are shown."""
    assert "crowded" not in html.render(rich).partition("<body>")[2].partition("<script>")[0]
    assert 'class="all"' not in html.render(rich)
    (bare, *_), loss = rich.arms, rich.curves["val/loss"][0]
    many = replace(
        rich,
        arms=(bare,) * 7,
        pairs=(),
        sensitivity=(),
        rates=(),
        curves={"val/loss": tuple(replace(loss, arm=i) for i in range(7))},
    )
    text = html.render(many)
    assert text.count('class="figure crowded"') == 1
    assert "They are shown while at most 6 arms are, and of a line that is pointed at." in text
    assert text.count('class="all"') == 1


def test_bca_has_a_column_from_twenty_pairs(tmp_path: Path) -> None:
    records = [
        *arm(tmp_path, CONSTANT, {s: 0.9 + s % 7 / 100 for s in range(20)}),
        *arm(tmp_path, COSINE, {s: 0.92 + s % 5 / 100 for s in range(20)}),
    ]
    c = compare(records)
    header, row = tables.pair_table(c).header, tables.pair_table(c).rows[0]
    assert header[-1] == "BCa 95%"
    assert says_interval(row[-1], c.pairs[0].difference.bca)


def test_words_for_numbers() -> None:
    assert numbers.number(ACCURACY, 0.97037) == "97.04%"
    assert numbers.number(LOSS, 0.012346) == "0.01235"
    assert numbers.gap(ACCURACY, -0.00648) == "\N{MINUS SIGN}0.65 pt"
    assert numbers.gap(ACCURACY, -0.00001) == "+0.00 pt"
    assert numbers.spread(ACCURACY, 0.0048) == "0.48 pt"
    assert numbers.gap_within(ACCURACY, ConfidenceInterval(-0.01, 0.02)) == "\N{MINUS SIGN}1.00 to +2.00 pt"
    assert numbers.number(LOSS, None) == numbers.gap(LOSS, None) == numbers.NONE


def chromium(page: Path, width: int, *flags: str) -> str:
    """The page's DOM after its scripts, in a headless browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    asked = [
        found,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--dump-dom",
        f"--window-size={width},900",
        *flags,
    ]
    return subprocess.run([*asked, page.as_uri()], capture_output=True, text=True, timeout=300, check=True).stdout


ACCURACY, LOSS = by_name("accuracy"), by_name("loss")
CROWD = """<body><iframe src="FILE" style="width:1280px;height:900px"></iframe><script>
addEventListener("load", function () {
  var page = document.querySelector("iframe").contentWindow.document, seen = [];
  function look() {
    var bands = Array.from(page.querySelectorAll("svg[data-x] .series:not([hidden]) polygon"));
    seen.push(bands.filter(function (b) { return page.defaultView.getComputedStyle(b).display !== "none"; }).length);
  }
  var all = page.querySelector(".legend .all"), arms = page.querySelectorAll(".legend [data-arm]");
  look(); arms[0].click(); look(); all.click(); look(); arms[2].click(); look(); all.click(); all.click(); look();
  document.title = JSON.stringify({seen: seen, hidden: page.querySelectorAll(".series[hidden]").length});
});
</script>"""


def titled(dom: str) -> dict[str, Any]:
    """What a probe's script found."""
    found: dict[str, Any] = json.loads(re.findall(r"<title>(\{.*?\})</title>", dom, re.DOTALL)[0])
    return found


@pytest.mark.slow
def test_bands_come_in_a_browser_when_few_arms_are_shown(tmp_path: Path) -> None:
    """Seven arms with three bands each: none; six: all; none; one arm's; and everything again."""
    made = [record(tmp_path, experiment(seed=s), 0.9, rows=rows_of_a_run(s)) for s in (0, 1)]
    c = compare(made)
    seven = replace(
        c,
        arms=c.arms * 7,
        rates=(),
        curves={m: tuple(replace(u, arm=i) for i in range(7)) for m, (u,) in c.curves.items()},
    )
    (tmp_path / "index.html").write_text(html.render(seven))
    probe = tmp_path / "probe.html"
    probe.write_text(CROWD.replace("FILE", "index.html"))
    found = titled(chromium(probe, 1280, "--allow-file-access-from-files"))
    assert found == {"seen": [0, 6 * 3, 0, 3, 0], "hidden": 0}


PROBE = """<body style="margin:0"><iframe src="FILE" style="border:0;width:WIDTHpx;height:900px"></iframe><script>
addEventListener("load", function () {
  var page = document.querySelector("iframe").contentWindow, root = page.document.documentElement;
  page.document.querySelector(".legend [data-arm]").click();
  var figure = page.document.querySelector("svg[data-x]"), box = figure.getBoundingClientRect();
  figure.dispatchEvent(new page.PointerEvent("pointermove", {clientX: box.left + box.width / 2}));
  document.title = JSON.stringify({
    width: root.clientWidth, wide: root.scrollWidth,
    hidden: page.document.querySelectorAll(".series[hidden]").length,
    readout: figure.parentNode.querySelector(".readout").textContent,
    loaded: page.performance.getEntriesByType("resource").map(function (e) { return e.name; })
  });
});
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(rich: Comparison, tmp_path: Path, width: int) -> None:
    """Nothing is requested, nothing sticks out to the right, and the legend and the cursor work."""
    page = tmp_path / "index.html"
    page.write_text(html.render(rich))
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.replace("FILE", page.name).replace("WIDTH", str(width)))
    dom = chromium(probe, max(width, 500), "--allow-file-access-from-files")
    found = titled(dom)
    assert found["width"] == width
    assert found["wide"] <= width
    assert found["loaded"] == []
    assert found["hidden"] == len(rich.curves) + 1
    at = (200 - 52) / (388 - 52) * 4  # the middle of the figure, in epochs
    curve = next(u for u in rich.curves["train/loss"] if rich.arms[u.arm].name == "ConstantLR lr=0.2")
    _, value = min(zip(curve.epochs, curve.mean, strict=True), key=lambda point: abs(point[0] - at))
    read = re.match(r"about ([\d.]+): ConstantLR lr=0\.2 ([\d.]+) · ", found["readout"])
    assert read, found  # the first arm is hidden
    assert [float(x) for x in read.groups()] == pytest.approx([at, value], rel=0.02)


ON_PAPER = """<body style="margin:0"><iframe src="paper.html" style="border:0;width:703px;height:900px"></iframe>
<script>
addEventListener("load", function () {
  var page = document.querySelector("iframe").contentWindow.document, cut = 0;
  page.querySelectorAll(".wide, pre, .legend").forEach(function (box) {
    cut += box.scrollWidth > box.clientWidth || getComputedStyle(box).overflowX !== "visible";
  });
  document.title = JSON.stringify({cut: cut, wide: page.documentElement.scrollWidth});
});
</script>"""


def printed(page: str, folder: Path) -> dict[str, Any]:
    """How many boxes of a page are cut or have a scrollbar on A4 with margins of 12 mm, which is 703 pixels wide."""
    (folder / "paper.html").write_text(page.replace("@media print", "@media all"))
    probe = folder / "probe.html"
    probe.write_text(ON_PAPER)
    return titled(chromium(probe, 800, "--allow-file-access-from-files"))


@pytest.mark.slow
def test_on_paper_no_column_is_cut(rich: Comparison, tmp_path: Path) -> None:
    found = printed(html.render(rich), tmp_path)
    assert found["cut"] == 0
    assert found["wide"] <= 703


def test_the_answer_stands_first_in_one_line(rich: Comparison, tmp_path: Path) -> None:
    assert words.answer(rich) == (
        "No arm is told apart from ConstantLR lr=0.1 in test/accuracy. A look, not evidence: 3 to 4 pairs."
    )
    answer = words.answer(rich) or ""
    for text in (markdown.render(rich), html.render(rich)):
        assert text.index(answer.partition(" lr=")[0]) < text.index("Mean test/accuracy of 4 arms")
    seeds = {s: 0.90 + 0.001 * s for s in range(12)}
    better = arm(tmp_path, COSINE, {s: v + 0.05 + 0.0005 * (s % 3) for s, v in seeds.items()})
    assert words.answer(compare([*arm(tmp_path, CONSTANT, seeds), *better])) == (
        "Against ConstantLR in test/accuracy, better: CosineAnnealingLR."
    )
    assert words.answer(compare([*better, *arm(tmp_path, CONSTANT, seeds)])) == (
        "Against CosineAnnealingLR in test/accuracy, worse: ConstantLR."
    )
    assert words.answer(compare(arm(tmp_path, CONSTANT, {0: 0.9}))) is None
    once = [*arm(tmp_path, CONSTANT, {20: 0.9}), *arm(tmp_path, COSINE, {20: 0.95})]
    assert words.answer(compare(once)) == "Too few pairs of runs to tell any arm from ConstantLR in test/accuracy."


def test_rates_that_lie_far_apart_have_a_logarithmic_axis() -> None:
    assert html._foot([[0.1, 0.05], [0.2, 0.0]]) is None
    assert html._foot([[0.1, 0.05], [0.001, 0.0], [0.0]]) == pytest.approx(1e-5)
    assert html._foot([[0.0], [0.0]]) is None
