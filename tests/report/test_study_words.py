"""A study's verdict in words: every standing, on worlds whose truth is known, and what is said beside it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_world import World, rules

from lrbench.config.study import compile_study
from lrbench.report.numbers import NONE
from lrbench.report.study import gains, html, markdown, words
from lrbench.report.study.remarks import remarks, sentences
from lrbench.report.study.tables import verdict_table
from lrbench.report.study.terminal import told
from lrbench.stats.power import pairs_for
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.design import Design
from lrbench.study.result import Result, TaskResult
from lrbench.study.rules import Rules
from lrbench.study.tuning_rules import TuningRules

BETTER, ALIKE, WORSE = {"a": 0.90, "b": 0.92}, {"a": 0.90, "b": 0.90}, {"a": 0.90, "b": 0.88}
TUNED = "each at its own tuned rate"


def designed(given: Rules, **more: Any) -> Design:
    return Design(**{"name": "mine", "question": "Is b better than a?", "rules": given, "arms": {}, "keys": {}, **more})


def asked(world: World, **given: Any) -> tuple[Design, Result]:
    made = rules(**given)
    return designed(made), world.run(made)


def said(world: World, **given: Any) -> str:
    return words.headline(*asked(world, **given))


def claim(**sizes: float) -> dict[str, Any]:
    return {"claims": {"b": ClaimedEffect(**sizes)}}


EXACT = {  # the truth without noise, so that every number is known: a gain of 2 points, an interval without width
    "supported": (BETTER, {}, "b gains 2.00 points of test accuracy over a (97.1% interval 2.00 to 2.00, 10 pairs, "
                  f"{TUNED}): supported."),
    "sized": (BETTER, claim(low=0.01, high=0.03, margin=0.005), "b gains 2.00 points of test accuracy over a (97.1% "
              f"interval 2.00 to 2.00, 10 pairs, {TUNED}): supported (claimed: 1 to 3 points)."),
    "larger": (BETTER, claim(low=0.005, high=0.01), f", {TUNED}): larger than claimed (0.5 to 1 point)."),
    "smaller": (BETTER, claim(low=0.05), f"2.00, 10 pairs, {TUNED}): smaller than claimed (5 points or more)."),
    "contradicted": (WORSE, {}, "b loses 2.00 points of test accuracy to a (97.1% interval 2.00 to 2.00, 10 pairs, "
                     f"{TUNED}): contradicted."),
    "null": (ALIKE, claim(low=0.01, margin=0.005), "b and a differ in test accuracy by less than 0.5 points (94.1% "),
    "inconclusive": (ALIKE, {}, "b's test accuracy came out 0.00 points above a's (97.1% interval 0.00 to 0.00, 20 "
                     f"pairs, {TUNED}), which may be chance: inconclusive."),
    "no worse": (BETTER, {"kind": "no worse", **claim(margin=0.005)}, "b is not worse than a by 0.5 points or more, at "
                 f"a mean gain of 2.00 points of test accuracy (97.1% interval 2.00 to 2.00, 10 pairs, {TUNED}): supp"),
    "worse": (WORSE, {"kind": "no worse", **claim(margin=0.005)}, "b is worse than a by 0.5 points or more, at a mean "
              "loss of 2.00 points of test accuracy (97.1% interval 2.00 to 2.00, 10 pairs"),
    "equal": (ALIKE, {"kind": "equal", **claim(margin=0.005)}, "b and a are equal within 0.5 points, at a mean gain of "
              "0.00 points of test accuracy (94.1% interval"),
    "unequal": (WORSE, {"kind": "equal", **claim(margin=0.005)}, "b and a differ by more than 0.5 points, at a mean "),
    "as given": (BETTER, {"estimand": "swap"}, "10 pairs, both as given): supported."),
    "of the baseline": (BETTER, {"estimand": "swap", "rate": "baseline tuned"}, "both at the rate tuned for a): supp"),
}  # fmt: skip


@pytest.mark.parametrize("standing", EXACT)
def test_every_standing_in_a_sentence(standing: str) -> None:
    tops, given, expected = EXACT[standing]
    assert expected in said(World(tops, sd=0.0), **given)


@pytest.mark.parametrize(
    ("tops", "sd", "given", "expected"),
    [
        (BETTER, 0.015, claim(low=0.02, high=0.03), "the direction is supported, the claimed size (2 to 3 points) is"),
        (
            WORSE,
            0.003,
            {"kind": "no worse", **claim(margin=0.02)},
            "Whether b is worse than a by 2 points or more stays",
        ),
        (WORSE, 0.003, {"kind": "equal", **claim(margin=0.02)}, "Whether b and a are equal within 2 points stays open"),
    ],
)
def test_what_noise_leaves_open(tops: dict[str, float], sd: float, given: dict[str, Any], expected: str) -> None:
    assert expected in said(World(tops, sd=sd), pairs=20, **given)


def test_pairs_that_cannot_decide() -> None:
    found = said(World(ALIKE, sd=0.02), kind="equal", **claim(margin=0.001))
    assert found.startswith("b has no verdict against a, for 10 pairs cannot decide what is claimed of b (sd ")


def half_fail(cell: Any) -> bool:
    return bool(cell.arm == "a" and cell.seed % 10 < 7)


def test_a_question_about_success_is_told_in_rates_of_success() -> None:
    """Of a loss, whose numbers play no part and whose unit is another."""
    asks = {"kind": "success", "estimand": "swap", "tuning": None, "metric": "test/loss", "judge": "val/loss",
            "higher": False, "pairs": 20, "looks": 1}  # fmt: skip
    design, result = asked(World({"a": 0.9, "b": 0.2}, fails=half_fail), **asks)
    assert words.headline(design, result).startswith("b succeeded 70.00 points more often than a (95% interval 4")
    assert words.headline(design, result).endswith("20 pairs, both as given): supported.")
    assert verdict_table(design, result.tasks[0]).rows[1][2] == "+70.00 pt"
    assert "without width" not in told(design, result, Path("page"))
    design, result = asked(World({"a": 0.9, "b": 0.2}), **asks)
    assert "without width" not in told(design, result, Path("page"))
    assert "b succeeded 0.00 points more often than a" in words.headline(design, result)
    everything = markdown.render(design, result) + html.render(design, result)
    assert "Newcombe's interval for pairs" in everything
    assert "gain over a in rate of success (points)" in everything


def test_a_fraction_is_told_in_percent_of_the_baseline() -> None:
    """Without noise 0.72 of 0.80 is 90 %, of accuracy and of a loss alike."""
    world, asks = World({"a": 0.80, "b": 0.72}, sd=0.0), {"kind": "fraction", **claim(low=0.88, high=0.95)}
    assert said(world, **asks) == (
        "b's test accuracy is 90.00% of a's (97.1% interval 90.00% to 90.00%, 10 pairs, each at its own tuned rate): "
        "supported (claimed: 88% to 95%)."
    )
    less = said(world, **{**asks, **claim(low=0.95)})
    assert less.endswith("each at its own tuned rate): smaller than claimed (95% or more).")
    more = said(world, **{**asks, **claim(high=0.5)}, metric="test/loss", judge="val/loss", higher=False, chance=None,
                estimand="swap", tuning=None)  # fmt: skip
    assert more.endswith("b's test loss is 90.00% of a's (97.1% interval 90.00% to 90.00%, 10 pairs, both as given): "
                         "larger than claimed (50% or less).")  # fmt: skip
    design, result = asked(world, **asks)
    assert verdict_table(design, result.tasks[0]).rows[1][2:5] == ("72.00%", "90.00%", "90.00% to 90.00%")
    everything = markdown.render(design, result) + html.render(design, result)
    assert "a fraction of 88% to 95% was declared; the question is 'fraction'" in everything
    assert "fraction of a&#x27;s test accuracy" in everything
    assert '<rect class="claim"' in everything


def test_a_fraction_that_stays_open_says_what_would_settle_it() -> None:
    design, result = asked(World({"a": 0.80, "b": 0.72}, sd=0.01), kind="fraction", estimand="swap", tuning=None,
                           looks=1, **claim(low=0.904))  # fmt: skip
    (contrast,) = result.tasks[0].contrasts
    assert words.headline(design, result).endswith("both as given): inconclusive (claimed: 90.4% or more).")
    told_of = "\n".join(remarks(design, result))
    assert f"{contrast.pairs_needed} pairs would settle it" in told_of
    assert "False verdicts that are expected: at most 0.05, wherever the truth lies" in told_of


def test_pairs_that_could_not_decide_a_claim_of_arms_as_given_are_told() -> None:
    """0.1 points at an sd of 2: twenty pairs find 2 points. What the same pairs could decide is not told so."""
    given: dict[str, Any] = {"estimand": "swap", "tuning": None, "pairs": 10}
    small, large = ({**given, "claims": {"b": ClaimedEffect(low=x, high=2 * x, margin=x / 2)}} for x in (0.001, 0.1))
    told = remarks(*asked(World({"a": 0.9, "b": 0.9}, sd=0.02), **small))
    (line,) = [t for t in told if "cannot decide what is claimed" in t]
    assert re.search(r"20 pairs cannot decide what is claimed \(sd 1\.\d+ points\): about [\d,]+ would", line), line
    assert not any("cannot decide" in t for t in remarks(*asked(World({"a": 0.9, "b": 0.95}, sd=0.02), **large)))


def test_what_would_sharpen_a_question_about_a_margin_is_counted_from_the_margin() -> None:
    """A loss of 1.8 points is far from 0 and near the margin of 2."""
    design, result = asked(World({"a": 0.90, "b": 0.882}, sd=0.01), kind="no worse", estimand="swap", tuning=None,
                           looks=1, **claim(margin=0.02))  # fmt: skip
    (contrast,) = result.tasks[0].contrasts
    assert contrast.tested is not None
    assert contrast.verdict == "inconclusive"
    assert contrast.tested.mean is not None
    assert contrast.tested.sd is not None
    needed = pairs_for(abs(contrast.tested.mean + 0.02), contrast.tested.sd, 0.95)
    assert f"{needed} pairs would settle it with 80% power at 95%" in "\n".join(remarks(design, result))


def test_the_unit_that_a_design_says() -> None:
    """A share of a name that tells nothing, on test and where it is chosen by."""
    given = rules(metric="test/hits", judge="val/hits", unit="%", estimand="swap", tuning=None)
    assert words.headline(designed(given), World(BETTER).run(given)).startswith("b gains 2.00 points of test hits over")
    assert gains.judged(given).unit == "%"


def test_why_there_is_no_verdict() -> None:
    edge = World(BETTER, bests={"b": 1e5})
    assert said(edge, tuning=TuningRules(first=0.1, at_most=6)) == (
        "b has no verdict against a, for b is not tuned: its best value 3.2 is the highest of 6."
    )
    failing = World(BETTER, fails=lambda cell: cell.arm == "b")
    assert said(failing) == (
        "b has no verdict against a, for b was unsuccessful at every value from 0.00078125 to 1.6 (24 of 24 runs)."
    )
    design, result = asked(failing)
    at_best = "at the best value of each, 2 of 2 runs of the arm were unsuccessful and 0 of the baseline's (McNemar p"
    assert f"b: in tuning, {at_best} = 0.5)." in remarks(design, result)
    noisy = World(ALIKE, sd=0.02, curvature=1.0)
    assert (
        "pairs, and the design allows 12 (a gain of 0.005 is found with 80 % power where the differences' sd"
        in said(noisy, pairs=None, detect=0.005, most_pairs=12)
    )


def test_failures_that_differ_are_the_reason_and_nothing_is_forecast() -> None:
    """Were it asked, 3 pairs would find so large a gain, and no rerun would agree: neither knows of failures."""
    world = World(BETTER, sd=0.003, fails=lambda cell: cell.measured and cell.arm == "b" and cell.seed % 3 == 0)
    design, result = asked(world, pairs=30)
    assert words.headline(design, result).endswith(
        f"40 pairs, {TUNED}): inconclusive, for the unsuccessful runs differ: 20 of the arm's, 0 of the baseline's; "
        "that is a verdict too."
    )
    about = [r for r in remarks(design, result) if r.startswith("b: ")]
    assert about == ["b: 20 of 60 pairs are left out: one of the two was unsuccessful."]


def test_a_metric_that_is_better_lower() -> None:
    """The same world with the sign turned: a loss that falls by 0.02."""
    world = World({"a": -0.90, "b": -0.92})
    made = rules(metric="test/loss", judge="val/loss", higher=False, chance=None, estimand="swap", tuning=None)
    found = words.headline(designed(made), world.run(made))
    assert found == (
        "b lowers test loss by 0.02 against a (97.1% interval 0.02 to 0.02, 10 pairs, both as given): supported."
    )


@pytest.fixture(scope="module")
def several() -> tuple[Design, Result]:
    """Three contrasts on two tasks, one of them secondary, with both paths; b has a rate of its own."""
    world = World({"a": 0.90, "b": 0.92, "c": 0.88, "d": 0.90}, bests={"b": 0.8}, sd=0.003)
    return asked(world, arms=("a", "b", "c", "d"), tasks=("digits", "blobs"), primary=("b", "c"), estimand="both")


def test_one_sentence_for_many_contrasts(several: tuple[Design, Result]) -> None:
    assert words.headline(*several) == (
        f"In test accuracy against a, {TUNED} on 2 tasks: b: supported; c: contradicted; d: inconclusive."
    )
    each = sentences(*several)
    assert len(each) == 6
    assert each[0].startswith("On digits, b gains ")
    assert each[5].startswith("On blobs, d's test accuracy came out ")


def test_a_verdict_that_depends_on_the_task(several: tuple[Design, Result]) -> None:
    design, result = several
    digits, blobs = result.tasks
    turned = replace(blobs, contrasts=(replace(blobs.contrasts[0], verdict="contradicted"), *blobs.contrasts[1:]))
    found = words.headline(design, replace(result, tasks=(digits, turned)))
    assert "b: depends on the task (supported on digits, contradicted on blobs); c: contradicted" in found


def test_remarks_beside_a_verdict(several: tuple[Design, Result]) -> None:
    design, result = several
    told = remarks(design, result)
    assert (
        told[0] == "Tuned against tuned: the rate of each arm was chosen on validation, on seeds that confirm nothing."
    )
    assert told[1] == (
        "False verdicts of a direction that are expected: about 0.2 where no arm differs from a (4 families, Holm's "
        "correction within each, 2 looks). Nothing is corrected across studies: of 20 such families, about one has one."
    )
    assert told[2] == "Secondary, and corrected among themselves: d."
    of_b = next(t for t in told if t.startswith("digits, b: "))
    assert "come from the swap at the baseline's rate and" in of_b
    assert "A rerun on fresh seeds would come to this verdict in over 99% of cases" in of_b
    of_d = next(
        t for t in told if t.startswith("digits, d: its rate is the baseline's, so that the swap is all of the")
    )
    assert " To sharpen it: " in of_d


def test_a_study_that_is_not_fresh_says_so_first(several: tuple[Design, Result]) -> None:
    design, result = several
    stale = replace(design, fresh=False, rules=replace(design.rules, replicate=2))
    assert words.headline(stale, result).startswith("Exploratory, not fresh: In test accuracy against a")
    first, second, *_ = remarks(stale, result)
    assert first == (
        "Exploratory, not fresh: runs that confirm it existed before this design was frozen. So the gain of b, c and d "
        "could be seen, and the design may have been written to fit it. --replicate 1 asks the same on seeds that "
        "nobody has seen."
    )
    assert second == "Replicate 2: the same design on seeds of its own."


def test_which_runs_existed_is_said_and_whether_a_gain_could_be_seen(several: tuple[Design, Result]) -> None:
    design, result = several
    shared = replace(design, fresh=False, existed={"digits": {"a": {"0.4": 10, "0.8": 1}}, "blobs": {"c": {"": 3}}})
    assert words.headline(shared, result).startswith("Not wholly fresh: In test accuracy against a")
    assert remarks(shared, result)[0] == (
        "Not wholly fresh: runs that confirm it existed before this design was frozen: digits, a at 0.4 (10 seeds) and "
        "at 0.8 (1 seed); blobs, c (3 seeds). So no gain could be seen, for none is of an arm and of its baseline, "
        "though whoever chose the arms may have known how these came out. --replicate 1 asks the same on seeds that "
        "nobody has seen."
    )
    assert "frozen after runs of one side of what it compares" in markdown.render(shared, result)
    both = {"a": {"0.4": 10}, "c": {"0.4": 2}}
    known = replace(shared, existed={"digits": both})
    assert words.headline(known, result).startswith("Not wholly fresh: In test accuracy")
    assert "So the gain of c on digits could be seen" in remarks(known, result)[0]
    assert [known.was_seen("c", "a", task) for task in ("digits", "blobs")] == [True, False]
    everywhere = replace(shared, existed={"digits": both, "blobs": both})
    assert words.headline(everywhere, result).startswith("Exploratory, not fresh: In test accuracy")
    assert "So the gain of c could be seen" in remarks(everywhere, result)[0]


@pytest.mark.slow
def test_budgets_that_differ_are_said() -> None:
    """An epoch of digits is 1,077 // 64 = 16 batches."""
    asks = {"set": ["model=mlp", "data=digits", "batch_size=64"], "budget": "differs", "estimand": "swap",
            "arms": {"long": ["horizon=4ep"], "short": ["horizon=1ep"]}, "kind": "fraction",
            "claims": {"short": {"low": 0.9}}}  # fmt: skip
    design = compile_study(asks, "study")
    result = World({"long": 0.9, "short": 0.85}, sd=0.001).run(design.rules)
    assert "Budgets differ, as the design declares: samples a run, long 4,096, short 1,024." in remarks(design, result)
    same = compile_study({**asks, "arms": {"long": ["scheduler=cosine"], "short": ["scheduler=linear"]}}, "study")
    assert not any("udgets" in told for told in remarks(same, result))


def test_what_is_tuned_is_named() -> None:
    given = rules(tuning=TuningRules(first=16, key="batch_size"))
    assert words.at(designed(given)) == "each at its own tuned batch_size"
    assert words.at(designed(given, keys={"a": "x.k", "b": "y.k"})) == "each at its own tuned value"
    assert words.at(designed(given, keys={"a": "optimizer.lr", "b": "optimizer.lr"})) == TUNED


def test_the_table_by_hand() -> None:
    design, result = asked(World(BETTER))
    t = verdict_table(design, result.tasks[0])
    assert t.header == ("arm", "rate", "mean", "gain", "interval", "level", "verdict", "pairs", "unsuccessful")
    assert t.rows == (
        ("a", "0.4", "90.00%", NONE, NONE, NONE, "baseline", NONE, "0 of 10"),
        ("b", "0.4", "92.00%", "+2.00 pt", "+2.00 to +2.00 pt", "97.1%", "supported", "10", "0 of 10"),
    )


def test_what_a_terminal_is_told() -> None:
    design, result = asked(World(BETTER))
    lines = told(design, result, Path("there/index.html")).splitlines()
    assert lines[0].startswith("b gains 2.00 points")
    assert lines[2].split() == ["arm", "rate", "mean", "gain", "interval", "level", "verdict", "pairs", "unsuccessful"]
    assert lines[-1] == "page  there/index.html"
    assert max(map(len, lines[2:5])) <= 100


def test_a_contrast_without_one_whole_pair() -> None:
    """Every confirmation run of the arm fails, where tuning had none."""
    world = World(BETTER, fails=lambda cell: cell.measured and cell.arm == "b")
    design, result = asked(world)
    assert words.headline(design, result).startswith("b and a both succeeded in none of 20 pairs: inconclusive")
    task: TaskResult = result.tasks[0]
    assert verdict_table(design, task).rows[1][-1] == "20 of 20"


def test_what_is_read_off_a_grid_is_told_in_doublings_and_the_values_as_they_are() -> None:
    world = World({"a": 0.9, "b": 0.9}, {"a": 0.3, "b": 1.2}, sd=1e-6)
    design, result = asked(world, kind="optimum", looks=1, **claim(low=1.6, high=2.4))
    assert words.headline(design, result) == (
        "The best value is 2 doublings more for b than for a (95% interval 2 to 2, 10 pairs, one grid for both): "
        "supported (claimed: 1.6 to 2.4 doublings)."
    )
    assert [row[1] for row in verdict_table(design, result.tasks[0]).rows] == ["0.3", "1.2"]
    page = markdown.render(replace(design, arms={}), result)
    assert "## What each value came to" in page
    assert "| b | 1.6 (best) |" in page
    assert "Read off one grid for all arms, seed by seed, on validation: the best value, in doublings." in page


def test_how_far_apart_seeds_lie_is_told_in_doublings() -> None:
    """Noise that is shared and four times as much: two doublings, without a width."""
    world = World(BETTER, sd=0.01, correlation=1.0, wider={"b": 4.0})
    asks = {"kind": "spread", "estimand": "swap", "tuning": None, "looks": 1}
    design, result = asked(world, **asks, **claim(low=1.0))
    assert words.headline(design, result) == (
        "The mean difference of two seeds in test accuracy is 2 doublings more for b than for a (95% interval 2 to 2, "
        "10 pairs, both as given): supported (claimed: 1 doubling or more)."
    )
    table = verdict_table(design, result.tasks[0])
    assert table.header[1:3] == ("spread", "gain")
    (_, base, *_), (_, arm, gain, *_) = table.rows
    assert (float(arm.split()[0]) / float(base.split()[0]), gain) == (pytest.approx(4, rel=0.02), "+2")
    page = html.render(replace(design, arms={}), result)
    assert "pseudo-value" in page
    assert "The spread is by how much two seeds of an arm differ" in page
    assert "Arvesen" in page
    same = World(BETTER)  # every seed the same, so that there is no ratio
    assert "hardly differ from seed to seed" in said(same, **asks)


def test_a_narrower_range() -> None:
    world = World({"a": 0.9, "b": 0.9}, fails=lambda cell: cell.arm == "b" and cell.value not in (0.4, 0.8))
    design, result = asked(world, kind="width", within=0.011, looks=1)
    assert words.headline(design, result).startswith("The width of the range of good values is 1 doubling less for b")
