"""`lrbench show RUN` for a record in every standing."""

import json
import shutil
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, in_process

from lrbench.config.experiments import experiment
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.store.export import write_rows
from lrbench.store.lease import Lease
from lrbench.store.record import Record


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def made() -> Experiment:
    return experiment(*TINY)


@pytest.fixture
def record(tmp_path: Path, made: Experiment) -> Record:
    """A record that has just begun."""
    record = Record(tmp_path / "results" / "runs" / run_id(made))
    record.create(made, {})
    return record


def test_finished(lrbench: Lrbench, tmp_path: Path, made: Experiment) -> None:
    trained = lrbench(*TINY)
    name = run_id(made)
    said = lrbench("show", name[:6])
    assert said.code == 0
    assert said.out.startswith(trained.out)
    assert "learning rate used" in said.out
    rows = [line for line in said.out.splitlines() if "  epoch " in line]
    assert len(rows) == 5
    assert rows[-1].split()[:3] == ["8", "epoch", "2"]
    assert "val/accuracy" in rows[-1]
    assert "\x1b" not in said.out
    for n in (0, 1, 2, 1000):
        rows = [line for line in lrbench("show", name, "--rows", str(n)).out.splitlines() if "  epoch " in line]
        assert len(rows) == min(n, len(Record(tmp_path / "results" / "runs" / name).rows()))
    given = json.loads(lrbench("show", name, "--json").out)
    assert given["state"] == "finished"
    assert given == Record(tmp_path / "results" / "runs" / name).summary()
    # by its folder, and in another results folder
    by_folder = lrbench("show", f"results/runs/{name}").out
    assert by_folder.replace(f"{tmp_path}/", "") == said.out
    (tmp_path / "results").rename(tmp_path / "moved")
    assert lrbench("show", name, "--results", "moved").code == 0
    assert_refused(lrbench("show", name), "no record")


@pytest.mark.slow
def test_resumed(lrbench: Lrbench, record: Record) -> None:
    """How often, and from where, tells whether a job was preempted."""
    lrbench(*TINY)
    assert "resumed" not in lrbench("show", record.run_id).out
    record.note_attempts([{"from_update": n} for n in (0, 3, 7)])
    assert "  resumed at update 3, 7\n" in lrbench("show", record.run_id).out


@pytest.mark.slow
def test_diverged(lrbench: Lrbench) -> None:
    lrbench(*TINY, "optimizer.lr=1e30", "scheduler=constant")
    name = run_id(experiment(*TINY, "optimizer.lr=1e30", "scheduler=constant"))
    said = lrbench("show", name)
    assert said.code == 1
    assert said.out.startswith(f"{name} diverged: ")
    assert "no longer finite" in said.out
    as_json = lrbench("show", name, "--json")
    assert (as_json.code, json.loads(as_json.out)["state"]) == (1, "diverged")


def test_restored(lrbench: Lrbench, tmp_path: Path, made: Experiment) -> None:
    lrbench(*TINY)
    write_rows([Record(tmp_path / "results" / "runs" / run_id(made))], tmp_path / "results" / "runs.csv")
    shutil.rmtree(tmp_path / "results" / "runs")
    trained = lrbench(*TINY)
    assert trained.code == 0
    assert f"{run_id(made)}: restored from results/runs.csv, not trained" in trained.err
    said = lrbench("show", run_id(made))
    assert said.code == 0
    assert said.out.startswith(trained.out.rstrip())
    assert "restored from results/runs.csv: its curves and rates at some points, no weights" in said.out
    assert "learning rate used" not in said.out
    assert "val/accuracy" in said.out.splitlines()[-1]


def test_running(lrbench: Lrbench, record: Record) -> None:
    lease = Lease(record.folder)
    assert lease.take()
    try:
        said = lrbench("show", record.run_id)
        assert said.code == 0
        assert said.out.startswith(f"{record.run_id} running at update 0 of 8: mlp Digits SGD")
        assert json.loads(lrbench("show", record.run_id, "--json").out) == {**record.status(), "state": "running"}
    finally:
        lease.release()


def test_interrupted(lrbench: Lrbench, record: Record) -> None:
    record.set_status("interrupted", 4, 8)
    said = lrbench("show", record.run_id)
    assert (said.code, said.out.partition(":")[0]) == (0, f"{record.run_id} interrupted at update 4 of 8")
    # a run that claims to be running, and whose process is gone
    record.set_status("running", 4, 8)
    assert lrbench("show", record.run_id).out.startswith(f"{record.run_id} interrupted at update 4 of 8")
    assert json.loads(lrbench("show", record.run_id, "--json").out)["state"] == "interrupted"


def test_failed(lrbench: Lrbench, record: Record) -> None:
    record.set_status("failed", 3, 8, "RuntimeError: the device caught fire")
    said = lrbench("show", record.run_id)
    assert said.code == 1
    assert said.out.startswith(f"{record.run_id} failed at update 3 of 8: RuntimeError: the device caught fire\n")
    assert "retry=true" in said.out
    assert json.loads(lrbench("show", record.run_id, "--json").out)["error"].endswith("caught fire")


@pytest.mark.parametrize(
    ("file", "text"), [("experiment.yaml", "seed: ["), ("status.json", "{"), ("metrics.jsonl", "no json\n")]
)
def test_corrupt(file: str, text: str, lrbench: Lrbench, record: Record) -> None:
    (record.folder / file).write_text(text)
    said = lrbench("show", record.run_id)
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith(f"{record.run_id} is corrupt: ")
    assert "keeps this folder aside" in said.out
    as_json = lrbench("show", record.run_id, "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["state"] == "corrupt"


def test_new(lrbench: Lrbench, record: Record) -> None:
    (record.folder / "experiment.yaml").unlink()
    said = lrbench("show", record.run_id)
    assert (said.code, said.out) == (0, f"{record.run_id}: nothing is recorded yet.\n")
    assert json.loads(lrbench("show", record.run_id, "--json").out) == {"state": "new"}
    (record.folder / "status.json").unlink()
    assert json.loads(lrbench("show", record.run_id, "--json").out) == {"state": "new"}


def test_help(lrbench: Lrbench) -> None:
    said = lrbench("show", "--help")
    assert said.code == 0
    assert "--json" in said.out
    assert "--rows" in said.out
