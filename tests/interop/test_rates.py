"""Rates that anybody logged: what they say alone and against a plan, in the files that loggers write."""

import json
from collections.abc import Callable, Iterable, Sequence
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loops import EPOCHS, PER_EPOCH, UPDATES

from lrbench.check.finding import Finding
from lrbench.commands import check_rates
from lrbench.config.plans import plan_of
from lrbench.errors import ConfigError
from lrbench.interop.logs import read
from lrbench.interop.rates import findings_of
from lrbench.schedules import lr_table

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A CSV file of a header and rows."""

    def written(header: str, rows: Iterable[Sequence[object]]) -> Path:
        path = tmp_path / "lr.csv"
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]))
        return path

    return written


def rules(found: list[Finding]) -> list[str]:
    return [f.rule for f in found]


def cosine(update: int, length: int = UPDATES) -> float:
    return 0.05 * (1 + cos(pi * update / length))


def warm(update: int, length: int = UPDATES) -> float:
    return 0.1 * (update + 1) / 30 if update < 30 else cosine(update - 30, length - 30)


# ---- Files of loggers ---------------------------------------------------------------------------------------

FILES = {
    "ours": ("step,lr", [0, 0.1]),
    "lightning's metrics.csv": ("epoch,lr-SGD,step,train_loss", [0, 0.1, 0, ""]),
    "lightning's monitor of two groups": (
        "epoch,lr-AdamW/pg1,lr-AdamW/pg2,lr-AdamW/pg1-momentum,step",
        [0, 0.1, 0.01, 0.9, 0],
    ),
    "an export of a W&B chart": (
        '"Step","run-1 - train/learning_rate","run-1 - train/learning_rate__MIN","run-1 - train/learning_rate__MAX"',
        ['"0"', '"0.1"', '"0.1"', '"0.1"'],
    ),
    "W&B's history": ("_step,_runtime,train/global_step,train/learning_rate,train/loss", [0, 1.5, 0, 0.1, 2.3]),
    "an export of TensorBoard": ("Wall time,Step,Value", [1.7e9, 0, 0.1]),
    "with a mark of its bytes": ("\ufeffiteration,learning rate", [0, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_columns_are_found_by_their_usual_names(name: str, write: Write) -> None:
    header, row = FILES[name]
    logged = read(write(header, [row] * 1))
    assert logged.at.tolist() == [0]
    assert logged.rates.tolist() == [[0.1, 0.01] if "two groups" in name else [0.1]]
    assert logged.counts == "update"


def test_the_surest_steps_are_taken(write: Write) -> None:
    """`trainer/global_step` counts updates; W&B's own `_step` counts calls of log()."""
    logged = read(write("_step,trainer/global_step,lr", [(0, 0, 0.1), (1, 50, 0.2), (2, 100, 0.3)]))
    assert logged.at.tolist() == [0, 50, 100]


def test_rows_without_a_rate_are_of_other_metrics(write: Write) -> None:
    logged = read(write("step,lr,val_loss", [(0, 0.1, ""), (0, "", 0.7), (1, 0.2, ""), (2,), (3, "", "")]))
    assert logged.at.tolist() == [0, 1]
    assert logged.rates[:, 0].tolist() == [0.1, 0.2]


def test_a_log_of_epochs(write: Write) -> None:
    """timm's summary.csv."""
    path = write("epoch,train_loss,eval_top1,lr", [(e, 1.0, 50.0, cosine(e, EPOCHS)) for e in range(EPOCHS)])
    assert read(path).counts == "epoch"
    (found,) = findings_of(path)
    assert (found.rule, found.severity) == ("watch.log-too-sparse", "note")
    assert found.says.startswith("the rate is logged once every epoch: a schedule that turns within two epochs")
    assert found.otherwise.endswith("held against: scheduler=... --updates N --per-epoch U")
    (told,) = findings_of(path, per_epoch=39)
    assert told.says.startswith("the rate is logged once every epoch (39 updates): a schedule")


def test_updates_of_an_epoch_may_be_said(write: Write) -> None:
    """A cosine of 5 epochs that is stepped after every update; the file has no column of epochs."""
    path = write("step,lr", [(t, cosine(t, 2)) for t in range(UPDATES)])
    assert [f.severity for f in findings_of(path)] == ["note"]  # it may be one that is to cycle
    assert "check.epoch-schedule-stepped-by-batch" in rules(findings_of(path, per_epoch=PER_EPOCH))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column of steps; its columns are: none, it is empty"),
        ("lr,loss\n0.1,2\n", "no column of steps; its columns are: lr, loss; name one step"),
        ("step,loss\n0,2\n", "no column of rates; its columns are: step, loss; name it lr"),
        ("step,lr\n", "no row has a number for both step and lr"),
        ("step,lr\n0,\n", "no row has a number for both step and lr"),
        ("step,lr\n0,0.1\n1,fast\n", "line 3=fast: this is no number"),
    ],
)
def test_what_is_missing_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "lr.csv").write_text(text)
    with pytest.raises(ConfigError) as refused:
        findings_of(tmp_path / "lr.csv")
    assert words in str(refused.value)
    with pytest.raises(ConfigError, match="no such file"):
        findings_of(tmp_path / "none.csv")
    (tmp_path / "lr.csv").write_bytes(b"step,lr\n\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        findings_of(tmp_path / "lr.csv")


# ---- Right schedules ----------------------------------------------------------------------------------------

RIGHT: dict[str, Callable[[int], float]] = {
    "warmup and cosine": warm,
    "steps": lambda t: 0.1 * 0.1 ** (t // 100),
    "steps of one half": lambda t: 0.1 * 0.5 ** (t // 100),
    "exponential": lambda t: 0.1 * 0.98**t,
    "linear to zero": lambda t: 0.1 * (1 - t / UPDATES),
    "restarts": lambda t: cosine(t % 100, 100),
    "cycles": lambda t: 0.1 - 0.09 * abs(t % 100 - 50) / 50,
    "inverse square root": lambda t: 0.1 * min((t + 1) / 30, (30 / (t + 1)) ** 0.5),
    "a floor at a tenth": lambda t: 0.01 + 0.9 * cosine(t),
    "a warmup that is over": lambda t: 0.1 * min((t + 1) / 30, 1),
    "a warmup of epochs that is over": lambda t: 0.1 * min((t // PER_EPOCH + 1) / 5, 1),
    "warmup, then stable, then down": lambda t: 0.1 * min((t + 1) / 30, 1, (UPDATES - t) / 60),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_schedule_has_no_findings(name: str, write: Write) -> None:
    found = findings_of(write("step,epoch,lr", [(t, t // PER_EPOCH, RIGHT[name](t)) for t in range(UPDATES)]))
    assert found == []


# ---- Mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "rule", "words"),
    [
        (lambda t: cosine(t, 200), "check.schedule-ends-elsewhere", "falls to 0 (step 200) and rises again to 0.04"),
        (
            lambda t: cosine(t, 800),
            "check.schedule-ends-elsewhere",
            "still falls at the last row (step 299), where it is 69%",
        ),
        (lambda t: 0.004 + 0.001 * (t // PER_EPOCH), "check.schedule-ends-elsewhere", "still rises"),
        (lambda t: max(0.1 - 0.0005 * t, 0.0), "watch.trained-at-zero", "0 in the last 100 rows, from step 200 on"),
        (lambda t: 0.1, "watch.never-moves", "lr is 0.1 in all 300 rows, from step 0 to 299"),
        (lambda t: cosine(t) - 0.02, "watch.not-a-rate", "and a rate is never negative"),
        (lambda t: cosine(t, 2), "check.epoch-schedule-stepped-by-batch", "turns around"),
    ],
)
def test_what_a_curve_says(rate: Callable[[int], float], rule: str, words: str, write: Write) -> None:
    rows = [(t, t // PER_EPOCH, rate(t)) for t in range(UPDATES)]
    found = [f for f in findings_of(write("step,epoch,lr", rows)) if f.rule == rule]
    assert len(found) == 1
    assert words in found[0].says


@pytest.mark.parametrize("written", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_told(written: str, write: Write) -> None:
    """With the first step and how many; an empty cell is a row of another metric."""
    path = write("step,lr", [(t, "" if t % 10 else 0.1 if t <= 500 else written) for t in range(801)])
    (found,) = [f for f in findings_of(path) if f.severity == "error"]
    assert found.rule == "watch.not-a-rate"
    assert found.says == f"lr is {written} at step 510, and no finite number in 30 rows"
    assert "watch.never-moves" not in rules(findings_of(path))  # it is not 0.1 in all rows


def test_what_is_no_finite_number_is_told_beside_a_plan(write: Write) -> None:
    plan = a_plan("scheduler=cosine", "scheduler.interval=batch")
    path = write("step,lr", [(t, cosine(t) if t < 250 else "nan") for t in range(UPDATES)])
    assert rules(findings_of(path, plan)) == ["watch.not-a-rate"]
    path = write("step,lr", [(t, 3 * cosine(t) if t < 250 else "nan") for t in range(UPDATES)])
    assert {*rules(findings_of(path, plan))} == {"watch.not-a-rate", "watch.other-peak"}


def test_a_rate_of_zero_all_along(write: Write) -> None:
    (found,) = findings_of(write("step,lr", [(t, 0.0) for t in range(UPDATES)]))
    assert (found.rule, found.severity) == ("watch.trained-at-zero", "error")
    assert found.says == "lr is 0 in all 300 rows, from step 0 to 299: nothing was trained"
    frozen = [(t, 0.0, cosine(t)) for t in range(UPDATES)]
    assert findings_of(write("step,lr/frozen,lr/head", frozen)) == []


def test_a_run_that_went_on_under_another_curve(write: Write) -> None:
    rows = [*((t, cosine(t)) for t in range(200)), *((t, cosine(t, 600)) for t in range(150, UPDATES))]
    found = findings_of(write("step,lr", rows))
    assert found[0].rule == "watch.resumed-on-another-curve"
    assert found[0].says.startswith(
        "step 150 was trained twice, first at 0.05 and after going back at 0.08536, as 49 more"
    )
    same = [*((t, cosine(t)) for t in range(200)), *((t, cosine(t)) for t in range(150, UPDATES))]
    assert findings_of(write("step,lr", same)) == []


def test_what_a_sparse_log_cannot_say(write: Write) -> None:
    """A cosine of 8 updates, logged at every eighth pair of its periods, is a constant."""
    rows = [(t, cosine(t, 5)) for t in range(0, UPDATES, 10)]
    found = findings_of(write("step,lr", rows))
    assert rules(found) == ["watch.never-moves", "watch.log-too-sparse"]
    assert "once every 10 updates: a schedule that turns within 20 updates" in found[1].says
    assert found[1].claim == "per-batch-bug-detection"


# ---- Against a plan -----------------------------------------------------------------------------------------


def a_plan(*overrides: str) -> Any:
    return plan_of([*overrides, "optimizer.lr=0.1"], updates=UPDATES, per_epoch=PER_EPOCH)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("every", [1, 7, 10, 50])
def test_the_plan_wherever_the_logger_begins_to_count(first: int, every: int, write: Write) -> None:
    plan = a_plan("scheduler=cosine", "warmup=linear5", "scheduler.interval=batch")
    rows = [(t + first, rate) for t, (rate,) in enumerate(lr_table(plan).lr.tolist()) if t % every == 0]
    assert [f for f in findings_of(write("step,lr", rows), plan) if f.rule != "watch.log-too-sparse"] == []


def test_rows_of_epochs_against_a_plan(write: Write) -> None:
    plan = a_plan("scheduler=cosine", "warmup=linear5")
    rows = [(e, lr_table(plan).lr[e * PER_EPOCH, 0]) for e in range(EPOCHS)]
    assert rules(findings_of(write("epoch,lr", rows), plan)) == ["watch.log-too-sparse"]


@pytest.mark.parametrize(
    ("rate", "overrides", "rule"),
    [
        (lambda t: 0.1 * 0.1 ** (t // 9), ["scheduler=step"], "check.epoch-schedule-stepped-by-batch"),
        (lambda t: cosine(t // 10), ["scheduler=cosine", "scheduler.interval=batch"], "watch.stepped-by-epoch"),
        (lambda t: 3 * cosine(t), ["scheduler=cosine", "scheduler.interval=batch"], "watch.other-peak"),
        (lambda t: cosine(t) + 0.001 * (t == 77), ["scheduler=cosine", "scheduler.interval=batch"], "watch.off-plan"),
        (lambda t: 0.1, ["scheduler=cosine", "scheduler.interval=batch"], "watch.never-stepped"),
    ],
)
def test_off_the_plan(rate: Callable[[int], float], overrides: list[str], rule: str, write: Write) -> None:
    found = findings_of(write("step,lr", [(t, rate(t)) for t in range(UPDATES)]), a_plan(*overrides))
    assert rules([f for f in found if f.severity == "error"]) == [rule]
    if rule == "watch.off-plan":
        assert found[0].says.startswith("1 of 300 updates used another rate than the plan has, from update 77 on")


# ---- A million rows, and the command ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_million_rows_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is what the time goes into: each row is parsed once, and nothing else is done by row."""
    path = tmp_path / "lr.csv"
    with path.open("w") as file:
        file.write("step,lr,loss\n")
        file.writelines(f"{t},{0.1 * (1 - t / 1_000_000):.9g},2.5\n" for t in range(1_000_000))
    calls = 0
    real = np.isfinite

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return real(*args)

    monkeypatch.setattr(np, "isfinite", counted)
    assert findings_of(path) == []
    assert calls < 20


def test_the_command(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write("step,lr", [(t, cosine(t, 200)) for t in range(UPDATES)])
    assert check_rates.run(["--rates", str(path)]) == 0  # a warning is no error
    assert capsys.readouterr().out.startswith("warning  check.schedule-ends-elsewhere: lr falls to 0 (step 200)")
    plan = ["scheduler=cosine", "scheduler.interval=batch", "--updates", "300", "--per-epoch", "10"]
    assert check_rates.run(["--rates", str(path), *plan, "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["rule"] == "watch.off-plan"
    good = write("step,lr", [(t, cosine(t)) for t in range(UPDATES)])
    assert check_rates.run(["--rates", str(good), *plan]) == 0
    assert capsys.readouterr().out == f"{good}: nothing found.\n"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--updates", "300"], "--updates=300: there is no plan"),
        (["scheduler=cosine", "--per-epoch", "10"], "--per-epoch=10: it goes with --updates"),
        (["--rats"], "unrecognized"),
    ],
)
def test_the_command_refuses(asked: list[str], words: str, write: Write) -> None:
    path = write("step,lr", [(t, cosine(t)) for t in range(UPDATES)])
    with pytest.raises(ConfigError) as refused:
        check_rates.run(["--rates", str(path), *asked])
    assert words in str(refused.value)


def test_rates_that_differ_are_shown_apart(write: Write) -> None:
    """And a log that is longer than the plan says so first."""
    path = write("step,lr", [(t, 0.1 - t * 1e-7) for t in range(400)])
    plan = plan_of(["scheduler=constant", "optimizer.lr=0.1"], updates=300, per_epoch=10)
    (found,) = (f for f in findings_of(path, plan) if f.rule == "watch.off-plan")
    assert found.says.startswith("there are rates up to update 399, and the plan has 300 updates; ")
    assert found.says.endswith("Update 1 used 0.0999999, where the plan has 0.1")
