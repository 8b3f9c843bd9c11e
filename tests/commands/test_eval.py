"""`lrbench eval RUN`: the weights of a run measured again, and nothing written."""

import hashlib
import json
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process

from lrbench.experiment.identity import run_id
from lrbench.store.record import Record

KEPT = (*TINY, "horizon=3ep", "keep=[best,1ep,end]", "optimizer=schedulefree_adamw")
LEVEL = (
    "# Digits without a validation set to speak of (ours)\n_target_: lrbench.data.digits.Digits\nargs: {val_size: 60}\n"
)


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    return in_process(tmp_path, monkeypatch, capsys)


def contents(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_says_what_the_record_says_and_changes_nothing(lrbench: Lrbench, tmp_path: Path, optimizer: str) -> None:
    asked = [o for o in KEPT if not o.startswith("optimizer=")]
    lrbench(*asked, f"optimizer={optimizer}", "scheduler=constant", "optimizer.lr=0.01")
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    record, before = Record(folder), contents(tmp_path)
    summary, rows = record.summary(), {row["update"]: row for row in record.rows() if "val/loss" in row}
    end = json.loads(lrbench("eval", record.run_id[:6], "--json").out)
    assert {k: end[k] for k in ("test/loss", "test/accuracy", "update")} == {
        "test/loss": summary["test/loss"], "test/accuracy": summary["test/accuracy"], "update": 12,
    }  # fmt: skip
    for weights, update in (("best", int(summary["best/val/loss_update"])), ("1ep", 4), ("end", 12)):
        found = json.loads(lrbench("eval", str(folder), "--split", "val", "--weights", weights, "--json").out)
        assert found["update"] == update
        assert found["val/loss"] == rows[update]["val/loss"]  # to the bit
        assert found["data"]["samples"] == 360
    said = lrbench("eval", record.run_id, "--split", "train", "--weights", "4ba").out
    assert said.splitlines()[0] == f"{record.run_id} at update 4 (4ba): train of Digits, 1,077 samples"
    assert said.splitlines()[1].startswith("  train/loss ")
    assert contents(tmp_path) == before


def test_an_optimizer_that_averages_is_measured_by_its_average(lrbench: Lrbench, tmp_path: Path) -> None:
    pytest.importorskip("schedulefree")
    lrbench(*KEPT, "optimizer.lr=0.01", "scheduler=constant")
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    record = Record(folder)
    rows = {row["update"]: row for row in record.rows() if "val/loss" in row}
    for weights, update in (("best", int(record.summary()["best/val/loss_update"])), ("1ep", 4), ("end", 12)):
        found = json.loads(lrbench("eval", record.run_id, "--split", "val", "--weights", weights, "--json").out)
        assert found["val/loss"] == rows[update]["val/loss"], weights


def test_other_data(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY)
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "few.yaml").write_text(LEVEL)
    said = lrbench("eval", folder.name, "--split", "val", "data=few", "--config-dir", "conf")
    assert (said.code, said.err) == (0, "")
    assert "val of Digits, 60 samples, split otherwise than for the run" in said.out
    changed = lrbench("eval", folder.name, "--split", "val", "data.args.val_size=60")
    assert changed.out == said.out
    assert "not the run" not in lrbench("eval", folder.name, "data.args.val_size=360").out


def test_refused(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY, "keep=[]")
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    before = files(tmp_path)
    for words, said in (
        ((), ("--weights=end", "keeps no such weights (it keeps none)", "keep=[end]")),
        (("--weights", "best"), ("--weights=best", "keep=[best,end]")),
        (("--weights", "1ep"), ("--weights=1ep", "force=true keep=[1ep,end]")),
        (("--weights", "9ep"), ("--weights=9ep", "past the end of the run")),
        (("--split", "all"), ("invalid choice",)),
        (("data=nope",), ("data=nope", "there is no such level")),
        (("data=fashion_mnist",), ("shape=(1, 28, 28)", "the model was made for (1, 8, 8)")),
        (("data=noisy_quadratic",), ("the model was made for (1, 8, 8)",)),
        (("data.args.size=3",), ("data.args.size",)),
        (("data.augment.crop=2",), ("changes nothing that is measured",)),
        (("model=mlp",), ("model=mlp: this changes nothing that is measured",)),
        (("best",), ("best: this is no key=value",)),
        (("--device", "tpu"), ("device=tpu",)),
    ):
        assert_refused(lrbench("eval", folder.name, *words), *said)
    assert_refused(lrbench("eval", "feed"), "feed", "no record under")
    (folder / "summary.json").write_text("{")
    assert_refused(lrbench("eval", folder.name), folder.name, "not as it was written")
    assert files(tmp_path) == before


def test_damaged_weights_are_named(lrbench: Lrbench, tmp_path: Path) -> None:
    lrbench(*TINY, "keep=[best,1ep,end]")
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    for weights, file in (("end", "weights/end"), ("best", "weights/best"), ("1ep", "checkpoints/update-00000004")):
        path = folder / f"{file}.pt"
        path.write_bytes(path.read_bytes()[:-600])
        assert_refused(lrbench("eval", folder.name, "--weights", weights), folder.name, "weights are damaged")


def test_show_has_the_lines_that_load_the_weights(lrbench: Lrbench, tmp_path: Path, make: object) -> None:
    import torch

    import lrbench as package

    lrbench(*KEPT[:-1])
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    out = lrbench("show", folder.name).out.splitlines()
    best, end = (f"results/runs/{folder.name}/weights/{name}.pt" for name in ("best", "end"))
    at = out.index(f"weights  {best}, {end}")
    names = {"lrbench": package, "torch": torch}
    exec("\n".join(line.strip() for line in out[at + 1 : at + 3]), names)
    held = names["model"].state_dict()
    assert all(torch.equal(held[k], v) for k, v in torch.load(best, weights_only=True).items())
    assert any(line.startswith(f"  best     {best} (val/loss ") for line in out)


def test_stopped_early_is_told(lrbench: Lrbench, tmp_path: Path) -> None:
    asked = (*TINY, "horizon=30ep", "scheduler=constant", "optimizer.lr=5.0", "early_stop.patience=1ep")
    said = lrbench(*asked)
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    assert Record(folder).run_id == run_id(Record(folder).experiment())
    assert "  stopped early, of 120 updates: val/loss was no better for 1ep (early_stop)" in said.out
    assert "stopped early" in lrbench("show", folder.name).out
    report = lrbench("report")
    assert "Stopped before their horizon (early_stop), so that budgets differ: 1 of 1 runs of" in report.out
    assert lrbench("runs", "stopped_early=true").out.count(folder.name[:8]) == 1
    assert_refused(lrbench("-m", *asked, "scheduler=constant,cosine"), "early_stop.patience=1ep", "at one budget")
    assert_refused(
        lrbench("compare", *TINY[1:], "scheduler=constant,cosine", "horizon=9ep", "early_stop.patience=1ep"),
        "arm constant: early_stop.patience=1ep", "at one budget",
    )  # fmt: skip
