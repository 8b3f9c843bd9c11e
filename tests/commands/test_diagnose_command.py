"""`lrbench diagnose`: runs, evidence and logs; what it prints, its exit codes, and what it refuses or skips."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_support import TINY, Lrbench, assert_refused, in_process

from lrbench.config.experiments import experiment
from lrbench.experiment.identity import run_id
from lrbench.store.export import write_rows
from lrbench.store.record import Record

CURVES = Path(__file__).parents[1] / "diagnose" / "loss_curves"
LOG = "step,loss,lr\n" + "".join(f"{t},{2.3 / (1 + t):.4f},0.1\n" for t in range(100))


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_a_run_that_became_nan(lrbench: Lrbench, tmp_path: Path) -> None:
    """By its id, by its folder, as JSON, and from its row of evidence; the command to try is one that composes."""
    typed = (*TINY, "optimizer.lr=1e30", "scheduler=constant")
    lrbench(*typed)
    name = run_id(experiment(*typed))
    said = lrbench("diagnose", name[:6])
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith(f"{name}: unstable-training (too-high-at-start)\n")
    assert "seen     the rate was 1e+30 when it began" in said.out
    assert "lrbench claims show diagnosis-training-unstable" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert lrbench("diagnose", f"results/runs/{name}").out == said.out
    (found,) = json.loads(lrbench("diagnose", name, "--json").out)
    assert (found["name"], found["healthy"]) == (name, False)
    first = found["found"][0]["tries"][0]
    assert first["changes"] == ["optimizer.lr=1e+29"]
    assert first["command"].startswith("lrbench tracker=none model=mlp ")
    record = Record(tmp_path / "results" / "runs" / name)
    write_rows([record], tmp_path / "results" / "claims" / "x" / "runs.csv")
    shutil.rmtree(record.folder)
    for asked in (name[:6], "results/claims/x/runs.csv"):
        said = lrbench("diagnose", asked)
        assert said.code == 1
        assert "unstable-training" in said.out.splitlines()[0]
        assert "not seen single updates" in said.out


@pytest.mark.slow
def test_a_healthy_run(lrbench: Lrbench) -> None:
    typed = (*TINY, "horizon=30ep", "scheduler=cosine", "scheduler.interval=batch")
    lrbench(*typed)
    said = lrbench("diagnose", run_id(experiment(*typed)))
    assert said.code == 0, said.out
    assert ": healthy\n" in said.out
    assert "seen     the loss fell from 2." in said.out


def test_logs(lrbench: Lrbench, tmp_path: Path) -> None:
    """Healthy ones of language models; several are counted at the end."""
    names = sorted(str(p) for p in CURVES.glob("*.csv"))
    assert len(names) == 5
    said = lrbench("diagnose", *names)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("\n5 of 5 are healthy.\n")
    (tmp_path / "log.csv").write_text(LOG.replace("0.0230,", "nan,", 1))
    said = lrbench("diagnose", "log.csv", names[0])
    assert said.code == 1
    assert said.out.startswith("log.csv: unstable-training (too-high)\n")
    assert "try      " in said.out
    assert "lrbench optimizer" not in said.out  # there is no command to change
    assert said.out.endswith("\n1 of 2 are healthy.\n")


def test_a_log_too_short_to_judge(lrbench: Lrbench, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n0,2.3\n")
    said = lrbench("diagnose", "log.csv")
    assert said.out.startswith("log.csv: too short to judge\nseen     1 loss, the last 2.3: too few to say")
    (tmp_path / "log.csv").write_text("step,loss,val_loss\n0,2.3,\n1,,2.4\n2,2.2,\n3,,\n4,,2.3\n5,,\n6,2.1,\n")
    assert "seen     3 losses, the last 2.1: too few to say" in lrbench("diagnose", "log.csv").out
    assert json.loads(lrbench("diagnose", "log.csv", "--json").out)[0]["too_short"]


@pytest.mark.slow
def test_what_a_paper_reports(lrbench: Lrbench) -> None:
    typed = (*TINY, "scheduler=constant")
    lrbench(*typed)
    name = run_id(experiment(*typed))
    accuracy = json.loads(lrbench("show", name, "--json").out)["test/accuracy"]
    above = lrbench("diagnose", name, "--reported", f"test/accuracy={accuracy + 0.03}")
    assert above.code == 1
    assert "reproduction-off" in above.out
    assert "3.00 points below the reported" in " ".join(above.out.split())
    near = lrbench("diagnose", name, "--reported", f"test/accuracy={accuracy + 0.019}")
    assert "reproduction-off" not in near.out
    assert "(note)" in lrbench("diagnose", name, "--reported", f"test/accuracy={accuracy - 0.03}").out
    assert_refused(lrbench("diagnose", name, "--reported", "test/f1=0.5"), "no such number", "test/accuracy")
    assert_refused(lrbench("diagnose", name, "--reported", "test/loss=0.5"), "is none")


def test_skipped(lrbench: Lrbench, tmp_path: Path) -> None:
    """What is not at its end, or cannot be read, is named; the rest is diagnosed."""
    made = experiment(*TINY)
    record = Record(tmp_path / "results" / "runs" / run_id(made))
    record.create(made, {})
    record.set_status("interrupted", 4, 8)
    (tmp_path / "log.csv").write_text(LOG)
    said = lrbench("diagnose", record.run_id, "log.csv")
    assert said.code == 0
    assert said.err == f"lrbench: {record.run_id} is interrupted, and skipped: nothing can be said before its end.\n"
    assert said.out.startswith("log.csv: healthy")
    text = (record.folder / "experiment.yaml").read_text()
    (record.folder / "experiment.yaml").write_text(text.replace("seed: 0", "seed: 1"))  # as of another version
    said = lrbench("diagnose", record.run_id)
    assert said.code == 2
    assert "is corrupt, and skipped: experiment.yaml does not hash to the folder's name" in said.err
    assert "none of these can be diagnosed" in said.err


def test_a_record_whose_series_was_damaged(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY)
    record = Record(tmp_path / "results" / "runs" / run_id(experiment(*TINY)))
    np.save(record.folder / "series.npy", np.zeros(8))
    (tmp_path / "log.csv").write_text(LOG)
    said = lrbench("diagnose", record.run_id, "log.csv")
    assert (said.code, said.out.partition(":")[0]) == (0, "log.csv")
    assert said.err.startswith(f"lrbench: {record.run_id} is corrupt, and skipped: series.npy is not as it was written")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("nofile.csv",), ("nofile.csv", "there is no such file")),
        (("nowhere",), ("no record under", "begins so")),
        (("log.csv", "--column", "eta=x"), ("--column", "ROLE=NAME")),
        (("log.csv", "--column", "lr=x"), ("it has no column x to be the lr",)),
        (("log.csv", "--reported", "accuracy"), ("METRIC=VALUE",)),
        (("log.csv", "--reported", "accuracy=765"), ("between 0 and 1",)),
        (("bad.csv",), ("no column is a training or validation loss", "--column loss=NAME")),
        ((), ("required: RUN",)),
    ],
)
def test_refused(asked: tuple[str, ...], words: tuple[str, ...], lrbench: Lrbench, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "bad.csv").write_text("step,mse\n1,2\n")
    assert_refused(lrbench("diagnose", *asked), *words)


def test_help(lrbench: Lrbench) -> None:
    said = lrbench("diagnose", "--help")
    assert said.code == 0
    for word in ("examples", "Exit codes", "learning_rate", "TensorBoard"):
        assert word in said.out
