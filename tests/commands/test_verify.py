"""`lrbench verify`: what is whole, what is not, and what becomes of it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, in_process

from lrbench.config.experiments import experiment
from lrbench.experiment.identity import run_id
from lrbench.store.files import write_json
from lrbench.store.record import Record


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def record(lrbench: Lrbench, tmp_path: Path) -> Record:
    lrbench(*TINY)
    return Record(tmp_path / "results" / "runs" / run_id(experiment(*TINY)))


def rot(path: Path, at: int) -> None:
    times, content = path.stat(), bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_whole_folder(lrbench: Lrbench, record: Record) -> None:
    said = lrbench("verify")
    assert (said.code, said.out) == (0, "1 record: 1 whole\n")
    lrbench("runs", "--export", "results/claims/runs.csv")
    assert lrbench("verify").out == "1 record and 1 file: 2 whole\n"
    told = json.loads(lrbench("verify", "--json").out)
    assert told[0] == {"what": record.run_id, "standing": "finished", "verdict": "whole", "why": []}
    assert told[1] == {"what": "claims/runs.csv", "standing": "evidence", "verdict": "whole", "why": []}
    shutil.rmtree(record.folder.parent)
    assert lrbench("verify").out == "1 file: 1 whole\n"  # rows alone, as a clone has them
    assert_refused(lrbench("verify", "--results", "elsewhere"), "no record")


def test_what_is_damaged_is_named_and_never_believed_again(lrbench: Lrbench, record: Record) -> None:
    rot(record.folder / "series.npy", -20)
    rot(record.checkpoint("update-00000008"), 900)
    assert f"{record.run_id[:8]}  finished" in lrbench("runs").out  # a look at size and time
    said = lrbench("verify", record.run_id[:6])
    assert said.code == 1
    assert said.out.splitlines() == [
        f"{record.run_id}  corrupt      damaged",
        "    series.npy is not as it was written",
        "    checkpoints/update-00000008.pt: its content does not agree with its SHA-256",
        "1 record: 1 damaged",
    ]
    assert f"{record.run_id[:8]}  corrupt" in lrbench("runs").out
    shown = lrbench("show", record.run_id)
    assert (shown.code, "is corrupt: series.npy is not as it was written" in shown.out) == (1, True)
    assert_refused(lrbench("report"), "none of the runs is finished or diverged (1 corrupt)")
    assert "series.npy is not as it was written. The folder is kept as" in lrbench(*TINY).err
    assert lrbench("verify").code == 0


def test_what_was_trained_before_there_were_seals(lrbench: Lrbench, record: Record) -> None:
    (record.folder / "seal.json").unlink()
    status = json.loads((record.folder / "status.json").read_text())
    write_json(record.folder / "status.json", {k: v for k, v in status.items() if k != "seal"})
    said = lrbench("verify")
    assert said.code == 0
    assert said.out == f"{record.run_id}  finished     not sealed\n1 record: 1 not sealed\n"
    assert "not sealed" in lrbench("show", record.run_id).out
    assert lrbench("report", "--json").code == 0  # it can still be compared
    assert lrbench("verify", "--seal").out == "1 record: 1 whole\n"
    assert "not sealed" not in lrbench("show", record.run_id).out
    rot(record.folder / "metrics.jsonl", -20)
    assert lrbench("verify").code == 1


def test_damaged_evidence_and_plans(lrbench: Lrbench, record: Record, tmp_path: Path) -> None:
    lrbench("runs", "--export", "results/claims/runs.csv")
    path = tmp_path / "results" / "claims" / "arms.json"
    path.write_text(path.read_text().replace('"lr":0.1', '"lr":0.2'))
    (tmp_path / "results" / "sweeps" / "torn").mkdir(parents=True)
    (tmp_path / "results" / "sweeps" / "torn" / "sweep.json").write_text('{"format": ')
    said = lrbench("verify")
    assert said.code == 1
    assert "claims/runs.csv         evidence     damaged" in said.out
    assert "its experiment hashes to" in said.out
    assert "sweeps/torn/sweep.json  plan         damaged" in said.out
    assert said.out.splitlines()[-1] == "1 record and 2 files: 2 damaged, 1 whole"
