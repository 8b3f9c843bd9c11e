"""`lrbench report` on runs that were really trained."""

import json
import shlex
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return in_process(tmp_path, monkeypatch, capsys)


def summary(folder: Path, name: str) -> dict[str, float]:
    told: dict[str, float] = json.loads((folder / "results" / "runs" / name / "summary.json").read_text())
    return told


def test_from_training_to_the_page(lrbench: Lrbench, tmp_path: Path) -> None:
    """Two arms of two seeds; every number again from the runs' own summaries; the commands train the same runs."""
    assert lrbench("-m", *TINY, "scheduler=constant,cosine", "seed=0,1", "hydra.launcher.workers=1").code == 0
    before = files(tmp_path)
    said = lrbench("report", "--name", "tour", "--baseline", "constant lr")
    assert_refused(said, "--baseline=constant lr", "no arm is called so", "ConstantLR; CosineAnnealingLR")
    assert files(tmp_path) == before
    said = lrbench("report", "--name", "tour", "--baseline", "ConstantLR")
    assert (said.code, said.err) == (0, "")
    first, second, *_ = said.out.splitlines()
    assert first.startswith("No arm is told apart from ConstantLR in test/accuracy.")
    assert second.startswith("Mean test/accuracy of 2 arms goes from ")
    written = [f"results/reports/tour/{f}" for f in ("comparison.json", "index.html", "report.md")]
    assert files(tmp_path) == sorted([*before, *written])
    assert said.out.splitlines()[-3:] == [
        "page      results/reports/tour/index.html",
        "markdown  results/reports/tour/report.md",
        "data      results/reports/tour/comparison.json",
    ]
    c = json.loads((tmp_path / written[0]).read_text())
    assert [a["name"] for a in c["arms"]] == ["ConstantLR", "CosineAnnealingLR"]
    for arm in c["arms"]:
        values = [summary(tmp_path, o["run_id"])["test/accuracy"] for o in arm["outcomes"]]
        assert [o["value"] for o in arm["outcomes"]] == values
        assert arm["estimate"]["mean"] == pytest.approx(sum(values) / 2)
        assert [o["seed"] for o in arm["outcomes"]] == [0, 1]
    assert c["environments"][0]["runs"] == 4
    assert set(c["curves"]) == {"train/loss", "val/loss", "val/accuracy"}
    assert c["rates"][0]["rates"] == [0.1, 0.1]  # a line has two corners
    command = shlex.split(c["arms"][1]["command"])
    assert command[:2] == ["lrbench", "-m"]
    again = lrbench(*command[1:])
    assert again.code == 0
    assert "2 done" in again.err  # the runs that are there


def test_json_writes_nothing(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY, "seed=3")
    before = files(tmp_path)
    said = lrbench("report", "--json", "--metric", "val/loss")
    assert (said.code, said.err) == (0, "")
    told = json.loads(said.out)
    assert (told["metric"], told["higher_is_better"], told["tested"]) == ("val/loss", False, 0)
    said = lrbench("report", "--json", "--metric", "val/accuracy", "--lower-is-better")
    assert json.loads(said.out)["higher_is_better"] is False
    assert files(tmp_path) == before


def test_elsewhere_and_for_wandb(lrbench: Lrbench, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    lrbench(*TINY)
    (tmp_path / "results").rename(tmp_path / "moved")
    said = lrbench("report", "--results", "moved", "--out", "here/report", "--wandb", "--project", "mine")
    assert said.code == 0, said
    assert said.out.splitlines()[-1] == "W&B       here/report/wandb.json (not published: WANDB_MODE=offline)"
    spec = json.loads((tmp_path / "here/report/wandb.json").read_text())
    assert spec["project"]["name"] == "mine"
    assert lrbench("report", "moved", "--out", "here/again").code == 0


REFUSED = [
    (("--metric", "test/acc"), ("--metric=test/acc", "no run has it", "test/accuracy")),
    (("--where", "seed=9"), ("--where=seed=9", "there is 0")),
    (("abcdef",), ("abcdef", "no record")),
    (("--name", "a/b"), ("--name=a/b", "--out")),
    (("--json", "--wandb"), ("--json", "run twice")),
    (("--out", "file"), ("--out=file", "cannot be written")),
    (("--higher-is-better", "--lower-is-better"), ("--lower-is-better", "not allowed with")),
    (("--bad",), ("report: unrecognized arguments: --bad", "lrbench report --help")),
]


def test_refused(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY)
    (tmp_path / "file").write_text("in the way")
    lrbench("runs")  # the index is brought up to date by every question, also by one that is refused
    before = files(tmp_path)
    for arguments, words in REFUSED:
        assert_refused(lrbench("report", *arguments), *words)
        assert files(tmp_path) == before


def test_nothing_there(lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench("report"), "there is no record under results/runs", "--results")
    assert files(tmp_path) == []


def test_help(lrbench: Lrbench) -> None:
    said = lrbench("report", "--help")
    assert said.code == 0
    assert "lrbench report --where model=mlp" in said.out
