"""`lrbench wandb export`: records replayed into offline segments, read back by W&B's own tool."""

import json
import os
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process
from wandb_files import by_update, columns, segment
from wandb_server import serving

from lrbench.config.experiments import experiment
from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id, run_id
from lrbench.store.lease import Lease
from lrbench.store.record import Record


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def made() -> Experiment:
    return experiment(*TINY)


@pytest.fixture
def record(tmp_path: Path, made: Experiment) -> Record:
    return Record(tmp_path / "results" / "runs" / run_id(made))


@pytest.mark.slow
def test_a_record_is_replayed_and_again_gives_the_same(lrbench: Lrbench, record: Record, made: Experiment) -> None:
    lrbench(*TINY)
    for tags in ((), ("--tag", "tour")):
        said = lrbench("wandb", "export", *tags)
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith("1 run in ")
        found = segment(record.folder)
        assert (found["run"]["run_id"], found["run"]["run_group"]) == (record.run_id, arm_id(made))
        assert found["run"].get("tags", []) == list(tags[1:])
        assert [columns(row) for row in found["history"]] == by_update(record.rows())
        assert found["summary"]["test/accuracy"] == record.summary()["test/accuracy"]
    assert not (record.folder / "lease.json").exists()


def test_only_what_is_done_and_nobody_writes(lrbench: Lrbench, record: Record, made: Experiment) -> None:
    record.create(made, {})
    assert_refused(lrbench("wandb", "export"), "wandb export", "of 1 run none is finished")
    lrbench(*TINY)
    lrbench(*TINY, "seed=1")
    other = Record(record.folder.with_name(run_id(experiment(*TINY, "seed=1"))))
    other.set_status("interrupted", 1, 8)
    said = lrbench("wandb", "export")
    assert (said.code, said.err) == (0, "passed over, not done: 1 run\n")
    assert not (other.folder / "wandb").exists()
    lease = Lease(record.folder)
    assert lease.take()
    try:
        assert_refused(lrbench("wandb", "export", record.run_id), record.run_id, "another process is writing")
    finally:
        lease.release()


@pytest.mark.slow
def test_sync(lrbench: Lrbench, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By W&B's own command to a server on this machine: its history is the record's rows, also when sent again."""
    lrbench(*TINY)
    before = files(tmp_path)
    assert_refused(lrbench("wandb", "sync"), record.run_id, "no segment", "lrbench wandb export")
    assert files(tmp_path) == before
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        for _ in range(2):
            assert lrbench("wandb", "export").out.startswith("1 run in ")
            assert lrbench("wandb", "sync", record.run_id[:6]).code == 0
            history = [json.loads(line) for line in server.runs[record.run_id]["wandb-history.jsonl"]]
            assert [columns(row) for row in history] == by_update(record.rows())


def test_sync_without_a_key(lrbench: Lrbench) -> None:
    lrbench(*TINY)
    lrbench("wandb", "export")
    assert lrbench("wandb", "sync").code == 1


def test_refused(lrbench: Lrbench) -> None:
    assert_refused(lrbench("wandb"), "what", "lrbench wandb --help")
    assert_refused(lrbench("wandb", "publish"), "publish", "export")
    assert_refused(lrbench("wandb", "export"), "there is no record")
