"""Comparisons of records written by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import write_series
from report_records import CONSTANT, COSINE, arm, compare, diverged, experiment, record, two_arms
from scipy import stats

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, LRScaling, Optimizer, ParamGroups, Start, Warmup, WeightDecay
from lrbench.experiment.identity import arm_id, run_id
from lrbench.report import html, markdown
from lrbench.report.naming import names
from lrbench.report.tables import beside_table
from lrbench.report.words import family, finding, marked, reading, remarks
from lrbench.store.record import Record
from lrbench.study.runs import MARGIN

SPLIT = ParamGroups(target="lrbench.param_groups.no_decay_norm_bias", lr_scales={"decay": 1.0, "no_decay": 1.0})


def test_a_comparison_by_hand(tmp_path: Path) -> None:
    """Means 0.92 and 0.95, sd 0.02 and sqrt(0.0007), t(2) = 4.30265; differences 0.03 +- 4.30265 0.01 / sqrt(3)."""
    c = compare(two_arms(tmp_path), name="two")
    assert (c.name, c.metric, c.higher_is_better, c.baseline) == ("two", "test/accuracy", True, 0)
    first, second = c.arms
    assert [a.name for a in c.arms] == [CONSTANT, COSINE]
    assert first.differs == {"scheduler.target": "torch.optim.lr_scheduler.ConstantLR"}
    assert first.estimate.mean == pytest.approx(0.92)
    assert first.estimate.sd == pytest.approx(0.02)
    assert first.estimate.interval == pytest.approx((0.92 - 0.049683, 0.92 + 0.049683), abs=1e-6)
    assert second.estimate.mean == pytest.approx(0.95)
    assert second.estimate.sd == pytest.approx(0.0007**0.5)
    assert (second.estimate.n, second.failures, second.seeds) == (3, 0, [0, 1, 2])
    assert second.success == pytest.approx((3 / (3 + 1.959964**2), 1))
    assert second.beside["test/loss"].mean == pytest.approx(0.1)
    (pair,) = c.pairs
    assert (pair.arm, pair.seeds, pair.excluded, pair.refused) == (1, [0, 1, 2], [], {})
    assert pair.difference.mean == pytest.approx(0.03)
    assert pair.difference.interval == pytest.approx((0.03 - 0.0248414, 0.03 + 0.0248414), abs=1e-6)
    assert pair.difference.sign_flip_p == 0.25
    assert pair.success.both == 3
    assert c.shared["optimizer.lr"] == 0.1
    assert "scheduler.target" not in c.shared
    assert first.command == "lrbench -m scheduler=constant seed=0,1,2"
    assert second.command is None
    (made,) = c.environments
    assert (made.runs, made.torch, made.device, made.git) == (6, "2.14.1", "cpu", "0123456789ab+dirty")
    plain = json.loads(json.dumps(c.to_plain(), allow_nan=False))
    assert plain["pairs"][0]["difference"]["interval"] == list(pair.difference.interval or ())


def test_records_given_twice_count_once(tmp_path: Path) -> None:
    records = two_arms(tmp_path)
    assert compare(records + records) == compare(records)


def test_another_metric_and_its_direction(tmp_path: Path) -> None:
    c = compare(two_arms(tmp_path), metric="test/loss")
    assert not c.higher_is_better
    assert c.pairs[0].difference.mean == pytest.approx(-0.06)
    only_loss = [record(tmp_path / "loss", experiment(seed=s), summary={"test/loss": 1.0 + s}) for s in (0, 1)]
    assert compare(only_loss).metric == "test/loss"


def test_a_metric_whose_direction_is_not_known_is_refused_or_told(tmp_path: Path) -> None:
    """The same margins: the higher of two rates is better by one direction, the lower by the other."""
    made = [
        record(tmp_path, experiment(seed=s, lr=lr), summary={"test/margin": 10 * lr + s})
        for lr in (0.1, 0.2)
        for s in (0, 1)
    ]
    with pytest.raises(ConfigError, match=r"--metric=test/margin: .*add --higher-is-better or --lower-is-better\."):
        compare(made, metric="test/margin")
    for higher, best in ((True, 1), (False, 0)):
        c = compare(made, metric="test/margin", higher=higher)
        assert (c.higher_is_better, c.sensitivity[0].best) == (higher, best)
        assert f"; {'higher' if higher else 'lower'} is better." in reading(c)[0]
    assert compare(two_arms(tmp_path / "two"), higher=False).higher_is_better is False


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("test/acuracy", ("--metric=test/acuracy", "no run has it", "Did you mean 'test/accuracy'")),
        ("val/f1", ("no run has it", "Known: test/accuracy, test/loss")),
    ],
)
def test_a_metric_that_no_run_has(tmp_path: Path, metric: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        compare(two_arms(tmp_path), metric=metric)
    assert all(w in str(refused.value) for w in words)


def test_the_nearest_metric_is_the_one_that_is_shown_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--metric=accuracy: no run has it\. Did you mean 'test/accuracy'\?"):
        compare(two_arms(tmp_path), metric="accuracy")


def test_runs_that_evaluated_no_test_need_a_metric(tmp_path: Path) -> None:
    tuning = [
        record(tmp_path, experiment(seed=s), summary={"val/loss": 0.5 + s, "best/val/loss_update": 3}) for s in (0, 1)
    ]
    with pytest.raises(ConfigError, match=r"no run has test/accuracy or test/loss; choose one of val/loss\."):
        compare(tuning)
    assert compare(tuning, metric="val/loss").arms[0].estimate.mean == 1.0


def test_a_run_without_the_metric_is_left_out_and_said(tmp_path: Path) -> None:
    lacking = record(tmp_path, experiment(seed=9), summary={"val/loss": 0.5})
    c = compare([*two_arms(tmp_path), lacking])
    assert [(x.run_id, x.why) for x in c.left_out] == [(lacking.run_id, "it has no test/accuracy")]
    assert c.arms[0].seeds == [0, 1, 2]


def test_nothing_to_compare(tmp_path: Path) -> None:
    interrupted = record(tmp_path, experiment(), state="running")
    with pytest.raises(ConfigError, match=r"none of the runs is finished or diverged \(1 interrupted\)"):
        compare([interrupted])
    with pytest.raises(ConfigError, match="no run is selected"):
        compare([])


def test_unfinished_and_damaged_runs_are_left_out(tmp_path: Path) -> None:
    running = record(tmp_path, experiment(seed=7), state="running")
    failed = record(tmp_path, experiment(seed=8), state="failed")
    broken = record(tmp_path, experiment(seed=9), 0.9)
    (broken.folder / "summary.json").write_text("{")
    new = Record(tmp_path / "runs" / "0123456789abcdef")
    c = compare([*two_arms(tmp_path), running, failed, broken, new])
    why = {x.run_id: x.why for x in c.left_out}
    assert (why[running.run_id], why[failed.run_id]) == ("interrupted", "failed")
    assert why[broken.run_id].startswith("corrupt: ")
    assert why[new.run_id] == "not trained yet"
    assert f"Left out (failed): {failed.run_id}." in remarks(c)
    assert c.arms[0].estimate.n == 3


def test_arms_with_different_seeds_pair_what_is_common(tmp_path: Path) -> None:
    records = [*arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.91, 5: 0.8}), *arm(tmp_path, COSINE, {1: 0.93, 2: 0.5, 0: 0.9})]
    (pair,) = compare(records).pairs
    assert (pair.seeds, pair.only_arm, pair.only_baseline) == ([0, 1], [2], [5])
    assert pair.difference.n == 2
    assert pair.difference.mean == pytest.approx(0.01)
    assert remarks(compare(records))[0] == (
        "Against ConstantLR, pairs are formed from the seeds in common (seeds 0, 1; seed 2 of the arm alone, seed 5 of "
        "the baseline alone): CosineAnnealingLR."
    )
    none = [*arm(tmp_path / "none", CONSTANT, {0: 0.9}), *arm(tmp_path / "none", COSINE, {1: 0.93})]
    (pair,) = compare(none).pairs
    assert (pair.seeds, pair.difference.n, pair.difference.mean, pair.success.difference) == ([], 0, None, None)


def test_one_arm_and_one_seed(tmp_path: Path) -> None:
    c = compare(arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.92}))
    assert c.pairs == ()
    assert c.arms[0].name == "mlp Digits SGD lr 0.1 ConstantLR 4ep"
    alone = compare(arm(tmp_path / "alone", CONSTANT, {3: 0.9})).arms[0].estimate
    assert (alone.n, alone.mean, alone.interval, alone.sd) == (1, 0.9, None, None)


def test_failures_are_counted_and_not_averaged(tmp_path: Path) -> None:
    """Seed 1 of cosine diverged and seed 2 is no better than chance (10 %, with the margin 19 %)."""
    records = [
        *arm(tmp_path, CONSTANT, {0: 0.90, 1: 0.92, 2: 0.94, 3: 0.9}),
        *arm(tmp_path, COSINE, {0: 0.93, 2: 0.1 + MARGIN * 0.9, 3: 0.94}),
        diverged(tmp_path, experiment(COSINE, 1)),
    ]
    c = compare(records)
    cosine = c.arms[1]
    assert (cosine.failures, cosine.estimate.n) == (2, 2)
    assert cosine.estimate.mean == pytest.approx(0.935)
    why = {o.seed: o.failure for o in cosine.outcomes}
    assert why == {
        0: None,
        1: "diverged after update 7",
        2: "test/accuracy 19.00%: no better than chance",
        3: None,
    }
    (pair,) = c.pairs
    assert (pair.seeds, pair.excluded, pair.difference.n) == ([0, 1, 2, 3], [1, 2], 2)
    assert pair.difference.mean == pytest.approx(0.035)
    s = pair.success
    assert (s.both, s.only_first, s.only_second, s.neither) == (2, 2, 0, 0)
    assert (s.difference, s.mcnemar_p) == (-0.5, 0.5)
    by_loss = compare(records, metric="test/loss")  # judged by the accuracy of the same split
    assert by_loss.arms[1].failures == 2


def test_a_loss_that_is_not_finite_is_a_failure(tmp_path: Path) -> None:
    records = arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.9})
    path = records[0].folder / "summary.json"
    path.write_text(path.read_text().replace('"test/loss": 0.19', '"test/loss": NaN, "was": 0.19'))
    c = compare(records, metric="test/loss")
    assert (c.arms[0].failures, c.arms[0].outcomes[0].failure) == (1, "test/loss is nan")
    json.dumps(c.to_plain(), allow_nan=False)


def test_what_declares_no_chance_level_has_none(tmp_path: Path) -> None:
    """Neither of a run that declares none, nor of a metric without bounds, such as the loss."""
    loss = {"loss": {"higher_is_better": False, "low": 0.0, "chance": 2.3}}
    for declared in ({}, loss):
        c = compare([record(tmp_path, experiment(), 0.05, {"metrics": declared, "test/loss": 9.0})])
        assert c.arms[0].failures == 0


@pytest.mark.parametrize(
    ("changes", "provenance", "why"),
    [
        ({}, {"versions": {"torch": "2.15.0", "numpy": "2"}}, "torch 2.14 and 2.15"),
        ({}, {"device": "NVIDIA H100"}, "device type cpu and cuda"),
        ({"threads": 2}, {}, "threads 1 and 2"),
        ({"numerics": {"engine": 2}}, {}, "NUMERICS of engine"),
        ({"model": replace(experiment().model, numerics=2)}, {}, "NUMERICS of lrbench.models.mlp.mlp"),
        ({"numerics": {"engine": 1, "batches": 2}}, {}, "NUMERICS of batches"),  # the other run has no such count
    ],
)
def test_what_changes_numbers_by_itself_is_not_paired(tmp_path: Path, changes: Any, provenance: Any, why: str) -> None:
    others = [record(tmp_path, experiment(COSINE, s, **changes), 0.9, provenance=provenance) for s in (0, 1)]
    records = [*arm(tmp_path, CONSTANT, {0: 0.9, 1: 0.92}), *others]
    (pair,) = compare(records).pairs
    assert pair.refused == {why: [0, 1]}
    assert f", seeds 0, 1 not paired, for {why} differ: " in remarks(compare(records))[0]
    assert (pair.seeds, pair.difference.n, pair.success.both) == ([], 0, 0)


def test_the_numerics_of_parameter_groups_and_of_a_parent_count(tmp_path: Path) -> None:
    old, new = replace(SPLIT, numerics=1), replace(SPLIT, numerics=2)
    grouped = [record(tmp_path, experiment(n, param_groups=g), 0.9) for n, g in ((CONSTANT, old), (COSINE, new))]
    assert compare(grouped).pairs[0].refused == {f"NUMERICS of {SPLIT.target}": [0]}
    starts = [Start(of=experiment(numerics={"engine": n}), at="end") for n in (1, 2)]
    forks = [record(tmp_path, experiment(n, start=s), 0.9) for n, s in zip((CONSTANT, COSINE), starts, strict=True)]
    assert compare(forks).pairs[0].refused == {"NUMERICS of the parent's engine": [0]}
    scratch = record(tmp_path, experiment(COSINE), 0.9)
    assert compare([forks[0], scratch]).pairs[0].refused == {}


def test_another_patch_of_torch_is_paired(tmp_path: Path) -> None:
    other = {"versions": {"torch": "2.14.0+cpu", "numpy": "1"}, "python": "3.12"}
    records = [*arm(tmp_path, CONSTANT, {0: 0.9}), *arm(tmp_path, COSINE, {0: 0.9}, provenance=other)]
    c = compare(records)
    assert c.pairs[0].refused == {}
    assert len(c.environments) == 2


@pytest.mark.parametrize(
    ("asked", "index"),
    [(None, 0), (COSINE, 1), ("cosineannealinglr", 1), (run_id(experiment(COSINE, 2))[:7], 1), (CONSTANT, 0)],
)
def test_baselines(tmp_path: Path, asked: str | None, index: int) -> None:
    c = compare(two_arms(tmp_path), baseline=asked)
    assert c.baseline == index
    assert [p.arm for p in c.pairs] == [1 - index]


def test_baselines_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--baseline=step: no arm is called so; .*ConstantLR; CosineAnnealingLR\."):
        compare(two_arms(tmp_path), baseline="step")
    grid = [r for lr in (0.1, 0.2) for r in arm(tmp_path / "grid", CONSTANT, {0: 0.9}, lr)]
    grid += arm(tmp_path / "grid", COSINE, {0: 0.9})
    with pytest.raises(ConfigError, match="several arms have these words"):
        compare(grid, baseline="ConstantLR")
    assert compare(grid, baseline="lr=0.2 ConstantLR").baseline == 1


def test_sensitivity_to_the_rate(tmp_path: Path) -> None:
    """Cosine peaks inside its grid; constant at its lower end; a tie goes to the lower rate; failures do not count."""
    records = [
        r
        for scheduler, means in {CONSTANT: (0.9, 0.8, 0.7), COSINE: (0.8, 0.95, 0.95)}.items()
        for lr, mean in zip((0.4, 0.1, 0.2), (means[2], means[0], means[1]), strict=True)
        for r in arm(tmp_path, scheduler, {0: mean, 1: mean}, lr)
    ]
    c = compare([*records, diverged(tmp_path, experiment(COSINE, 0, 0.8))])
    constant, cosine = c.sensitivity
    assert (constant.name, cosine.name) == (CONSTANT, COSINE)
    assert constant.rates == [0.1, 0.2, 0.4]
    assert cosine.rates == [0.1, 0.2, 0.4, 0.8]
    assert (c.arms[constant.best].name, constant.at_edge) == ("ConstantLR lr=0.1", True)
    assert (c.arms[cosine.best].name, cosine.at_edge) == ("CosineAnnealingLR lr=0.2", False)
    assert compare(two_arms(tmp_path / "two")).sensitivity == ()
    lower = compare(records, metric="test/loss")
    assert lower.arms[lower.sensitivity[0].best].name == "ConstantLR lr=0.1"


def test_the_best_rate_is_one_without_failures_where_there_is_one(tmp_path: Path) -> None:
    """At 0.2 one of three survived, with the highest accuracy; at 0.4 none did."""
    records = [*arm(tmp_path, CONSTANT, {0: 0.90, 1: 0.91, 2: 0.92}), *arm(tmp_path, CONSTANT, {0: 0.99}, 0.2)]
    lost = [diverged(tmp_path, experiment(seed=s, lr=lr)) for s, lr in ((1, 0.2), (2, 0.2), (0, 0.4))]
    (line,) = compare([*records, *lost]).sensitivity
    assert (line.rates, line.best) == ([0.1, 0.2, 0.4], 0)
    failing = [*lost, *records[3:]]
    (line,) = compare(failing).sensitivity  # nothing but rates with failures: the best of them
    assert line.rates[line.arms.index(line.best)] == 0.2


def test_the_best_rate_is_chosen_on_validation_where_all_have_it(tmp_path: Path) -> None:
    """By validation 0.1 is best, by test 0.2, whose mean would be a winner's; said where it is marked and on top."""
    measured = {0.1: (0.90, 0.95), 0.2: (0.93, 0.94)}
    made = [
        record(tmp_path, experiment(seed=s, lr=lr), test, summary={"val/accuracy": val})
        for lr, (test, val) in measured.items()
        for s in (0, 1)
    ]
    c = compare([*made, diverged(tmp_path, experiment(seed=0, lr=0.4))])  # an arm without a result chooses nothing
    (line,) = c.sensitivity
    assert (line.best, line.chosen_by) == (0, "val/accuracy")
    assert marked(c).startswith("The best rate is marked by val/accuracy, not by test/accuracy, ")
    assert any("chosen by val/accuracy among the runs that it is shown with" in said for said in remarks(c))
    lacking = [record(tmp_path / "l", experiment(seed=0, lr=0.1), 0.90, summary={"val/accuracy": 0.95})]
    lacking += [record(tmp_path / "l", experiment(seed=0, lr=0.2), 0.93)]
    c = compare(lacking)
    assert (c.sensitivity[0].best, c.sensitivity[0].chosen_by) == (1, "test/accuracy")
    assert "those of a winner" in marked(c)
    by_loss = compare(made, metric="test/loss")  # there is no val/loss
    assert by_loss.sensitivity[0].chosen_by == "test/loss"


def test_several_differences_are_corrected_by_hand(tmp_path: Path) -> None:
    """Three arms against one: by t(2), differences 1, 2, 3 points have p 0.0742; 1, 1, 1 cannot be tested; 2, 2.1, 2.2
    have 0.00076. Two tests: 2 x 0.00076, and 0.0742."""
    base = {0: 0.5, 1: 0.6, 2: 0.7}
    steps = {"StepLR": (0.01, 0.02, 0.03), "LinearLR": (0.01, 0.01, 0.01), COSINE: (0.02, 0.021, 0.022)}
    others = [r for name, d in steps.items() for r in arm(tmp_path, name, {s: base[s] + d[s] for s in base})]
    c = compare([*arm(tmp_path, CONSTANT, base), *others])
    step, linear, cosine = c.pairs
    assert step.difference.t_p == pytest.approx(0.07418, abs=1e-5)
    assert cosine.difference.t_p == pytest.approx(0.000755, abs=1e-6)
    assert (step.holm_p, linear.holm_p) == (pytest.approx(0.07418, abs=1e-5), None)
    assert cosine.holm_p == pytest.approx(2 * 0.000755, abs=2e-6)
    assert (c.tested, c.expected_by_chance) == (2, pytest.approx(0.1))
    assert "1 has a 95% interval without 0 (0.1 expected by chance alone); 1 of them stands when corrected" in finding(
        c
    )
    assert family(c).startswith("2 paired differences tested: if no arm differs from the baseline, 0.1 are expected ")
    plain = json.loads(json.dumps(c.to_plain(), allow_nan=False))
    assert (plain["tested"], plain["pairs"][2]["holm_p"]) == (2, cosine.holm_p)
    for text in (html.render(c), markdown.render(c)):
        assert "2 paired differences tested" in text
        assert "Scandinavian Journal of Statistics" in text
    alone = compare(arm(tmp_path / "alone", CONSTANT, base))
    assert "paired differences tested" not in html.render(alone) + markdown.render(alone)


@pytest.mark.slow
def test_a_page_of_arms_that_are_the_same(tmp_path: Path) -> None:
    """100 comparisons of six arms of five seeds, all accuracies of one distribution: the records' summaries are written
    anew each time. The intervals without 0 are as many as expected; with the correction at most one page in twenty
    tells any arm from the baseline, within binomial bounds of 1 in 1,000."""
    schedulers = (CONSTANT, COSINE, "StepLR", "LinearLR", "ExponentialLR", "PolynomialLR")
    records = [r for name in schedulers for r in arm(tmp_path, name, dict.fromkeys(range(5), 0.9))]
    rng = np.random.default_rng(0)
    off, expected, told = 0, 0.0, 0
    for _ in range(100):
        for r in records:
            path = r.folder / "summary.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"test/accuracy": rng.normal(0.9, 0.01)}))
        c = compare(records)
        intervals = [p.difference.interval for p in c.pairs]
        off += sum(not i.low <= 0 <= i.high for i in intervals if i)
        expected += c.expected_by_chance
        told += any(p.holm_p is not None and p.holm_p <= 0.05 for p in c.pairs)
    assert expected == pytest.approx(25)
    assert 8 <= off <= 46  # they share a baseline: twice a binomial's variance
    assert told <= stats.binom.ppf(0.999, 100, 0.05)


def rows_of(losses: dict[int, float], metric: str = "val/loss") -> list[dict[str, float]]:
    return [{"update": u, "epoch": u / 16, metric: v} for u, v in losses.items()]


def test_curves_by_hand(tmp_path: Path) -> None:
    """Values 1 and 3 at update 16: mean 2, half-width t(1) sqrt(2) / sqrt(2) = 12.7062; what one lacks is left out."""
    rows = [rows_of({16: 1.0, 32: 0.5}), rows_of({16: 3.0, 48: 0.25})]
    c = compare([record(tmp_path, experiment(seed=s), 0.9, rows=r) for s, r in enumerate(rows)])
    (curve,) = c.curves["val/loss"]
    assert (curve.arm, curve.n, curve.epochs, curve.mean) == (0, 2, [1.0], [2.0])
    assert curve.low == pytest.approx([2 - 12.7062], abs=1e-4)
    assert curve.high == pytest.approx([2 + 12.7062], abs=1e-4)


def test_a_value_that_is_not_finite_or_missing_takes_nothing_else_along(tmp_path: Path) -> None:
    """Seed 1 has no finite loss at update 16 nor at the end, and seed 2 measured none; all three are in the mean."""
    rows = [rows_of({16: 1.0, 32: 0.5}), rows_of({16: float("nan"), 32: 1.5}), []]
    finals = [{"test/loss": 0.25}, {"test/loss": None}, {"test/loss": 0.75}]
    made = [
        record(tmp_path, experiment(seed=s), 0.9, rows=r, summary=f)
        for s, (r, f) in enumerate(zip(rows, finals, strict=True))
    ]
    c = compare(made)
    assert c.arms[0].estimate.n == 3
    (curve,) = c.curves["val/loss"]
    assert (curve.n, curve.epochs, curve.mean) == (2, [2.0], [1.0])
    beside = c.arms[0].beside["test/loss"]
    assert (beside.n, beside.mean) == (2, 0.5)
    assert beside_table(c).rows[0][1] == "0.5 (0.354, n = 2)"
    json.dumps(c.to_plain(), allow_nan=False)
    assert "over seeds, where all have a finite value (n = 2; unsuccessful runs left out)" in html.render(c)


def test_training_loss_is_averaged_over_stretches(tmp_path: Path) -> None:
    """64 updates in 20 stretches, the first of updates 1 to 4; another cadence of logging has a curve beside it."""
    every = [{"update": u, "epoch": u / 16, "train/loss": float(u)} for u in range(1, 65)]
    fourth = [{"update": u, "epoch": u / 16, "train/loss": float(u)} for u in range(4, 65, 4)]
    (alone,) = compare([record(tmp_path, experiment(), 0.9, rows=every)]).curves["train/loss"]
    assert (len(alone.mean), alone.low, alone.n) == (20, None, 1)
    assert (alone.epochs[0], alone.epochs[-1]) == (0.25, 4.0)
    assert alone.mean[0] == 2.5
    both = [record(tmp_path / "b", experiment(seed=s), 0.9, rows=r) for s, r in enumerate((every, fourth))]
    (curve,) = compare(both).curves["train/loss"]
    assert (len(curve.mean), curve.n) == (16, 2)


def test_a_failed_run_has_no_part_in_the_curves(tmp_path: Path) -> None:
    rows = rows_of({16: 1.0})
    bad = diverged(tmp_path, experiment(seed=1), rows=rows_of({16: 99.0}))
    c = compare([record(tmp_path, experiment(), 0.9, rows=rows), bad])
    assert c.curves["val/loss"][0].mean == [1.0]
    assert len(c.rates) == 1


def test_rates_of_all_seeds_or_of_each(tmp_path: Path) -> None:
    same = compare(two_arms(tmp_path)).rates
    assert [(r.arm, r.group, r.seed, r.rates) for r in same] == [
        (0, "all", None, [0.1, 0.1]),
        (1, "all", None, [0.1, 0.05]),
    ]
    heard = [record(tmp_path / "p", experiment(seed=s), 0.9, rates=[0.1, 0.1 - s / 100]) for s in (0, 1)]
    assert [(r.seed, r.rates) for r in compare(heard).rates] == [(0, [0.1, 0.1]), (1, [0.1, 0.09])]
    groups = experiment(param_groups=SPLIT)
    for columns, drawn in (([[0.1, 0.2]] * 3, ["decay", "no_decay"]), ([[0.1, 0.1]] * 3, ["decay"])):
        made = record(tmp_path / "g", groups, 0.9)
        write_series(made, columns, ("decay", "no_decay"))
        assert [r.group for r in compare([made]).rates] == drawn


accuracies = st.lists(st.floats(0.3, 1.0), min_size=2, max_size=5)


@pytest.mark.slow
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accuracies, accuracies, st.randoms())
def test_what_must_not_change(tmp_path_factory: pytest.TempPathFactory, first: Any, second: Any, order: Any) -> None:
    """The order of records changes no number; another baseline turns the difference around."""
    folder = tmp_path_factory.mktemp("p")
    records = [*arm(folder, CONSTANT, dict(enumerate(first))), *arm(folder, COSINE, dict(enumerate(second)))]
    shuffled = list(records)
    order.shuffle(shuffled)
    c, mixed = (compare(r, baseline=CONSTANT) for r in (records, shuffled))
    assert {a.name: a.estimate for a in c.arms} == {a.name: a.estimate for a in mixed.arms}
    assert c.pairs[0].difference == mixed.pairs[0].difference
    turned = compare(records, baseline=COSINE).pairs[0].difference
    d = c.pairs[0].difference
    assert d.mean == pytest.approx(-(turned.mean or 0.0))
    assert d.sign_flip_p == turned.sign_flip_p
    assert d.detectable == pytest.approx(turned.detectable)
    assert c.arms[0].estimate.n + c.arms[0].failures == len(first)


STEP = replace(experiment("StepLR").scheduler, args={"gamma": 0.1})
HALF = replace(STEP, args={"gamma": 0.5})
WARM = Warmup(target="torch.optim.lr_scheduler.LinearLR", interval="epoch", length="2ep")
SLOW = replace(WARM, target="torch.optim.lr_scheduler.ConstantLR")
ADAM = Optimizer(target="torch.optim.AdamW", lr=0.001)
DECAYED = Optimizer(target="torch.optim.SGD", lr=0.1, args={"weight_decay": 0.01})
FALLING = WeightDecay(target="torch.optim.lr_scheduler.LinearLR", interval="epoch")
FORKS = [Start(of=experiment(seed=s), at="end") for s in (1, 2)]


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ([experiment(CONSTANT), experiment(COSINE)], ["ConstantLR", "CosineAnnealingLR"]),
        ([experiment(), experiment(lr=0.2)], ["lr=0.1", "lr=0.2"]),
        (
            [experiment(scheduler=s) for s in (STEP, HALF)] + [experiment()],
            ["StepLR gamma=0.1", "StepLR gamma=0.5", "ConstantLR"],
        ),
        ([experiment(scheduler=STEP), experiment()], ["StepLR", "ConstantLR"]),
        ([experiment(), experiment(warmup=WARM)], ["no warmup", "warmup=2ep"]),
        ([experiment(warmup=w) for w in (WARM, SLOW)], ["LinearLR", "ConstantLR"]),
        (
            [experiment(optimizer=DECAYED, weight_decay=w) for w in (FALLING, None)],
            ["weight decay by LinearLR", "constant weight decay"],
        ),
        ([experiment(), experiment(optimizer=ADAM)], ["SGD lr=0.1", "AdamW lr=0.001"]),
        ([experiment(), experiment(clip=1.0)], ["clip=none", "clip=1"]),
        (
            [experiment(), experiment(lr_scaling=LRScaling(rule="linear"))],
            ["rule=none base_batch=none", "rule=linear base_batch=256"],
        ),
        ([experiment(), experiment(monitor="val/loss", scheduler=STEP)], ["ConstantLR", "StepLR"]),
        ([experiment(start=s) for s in FORKS], [f"from {run_id(s.of)[:8]}" for s in FORKS]),
        (
            [experiment(start=FORKS[0]), experiment()],
            [f"from {run_id(FORKS[0].of)[:8]} at=end carry=[model,optimizer,stream]", "no fork"],
        ),
        ([experiment(numerics={"engine": n}) for n in (1, 2)], ["engine=1", "engine=2"]),
    ],
)
def test_names_say_what_differs(arms: list[Experiment], expected: list[str]) -> None:
    assert names(arms) == expected


def test_no_two_names_are_alike() -> None:
    """Classes of one name in two modules are told apart by the arms' ids."""
    arms = [experiment(model=replace(experiment().model, target=t)) for t in ("a.net", "b.net")]
    assert names(arms) == [f"net {arm_id(a)[:6]}" for a in arms]
