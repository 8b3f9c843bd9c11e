"""Runs that W&B is told of while they train: what a server on this machine got is what the record holds."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from cli_support import TINY, Lrbench, in_process
from wandb_files import by_update, columns
from wandb_server import Server, serving

from lrbench import trackers
from lrbench.config.experiments import experiment
from lrbench.experiment.identity import arm_id, run_id, title, to_plain
from lrbench.store.record import Record

ONLINE = (*TINY[1:], "horizon=3ep", "tracker.args.mode=online", "tracker.args.tags=[ours]", "checkpoint_every=1ba")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(trackers, "PAUSE", 0.01)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with serving() as running:
        monkeypatch.setenv("WANDB_BASE_URL", running.url)
        wandb.teardown()  # it reads the address once in a process
        yield running
        wandb.teardown()


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def record_of(folder: Path, *overrides: str) -> Record:
    return Record(folder / "results" / "runs" / run_id(experiment(*overrides)))


def assert_equal(server: Server, record: Record, tags: list[str]) -> None:
    """History, configuration, group, name, tags and summary, as the server has them and as the record has them."""
    about, streamed, made = server.about[record.run_id], server.runs[record.run_id], record.experiment()
    assert (about["groupName"], about["displayName"], about["tags"]) == (arm_id(made), title(made), tags)
    config = {k: v["value"] for k, v in json.loads(about["config"]).items() if k != "_wandb"}
    assert config == json.loads(json.dumps(to_plain(made)))
    assert [columns(json.loads(line)) for line in streamed["wandb-history.jsonl"]] == by_update(record.rows())
    summary: dict[str, Any] = json.loads(streamed["wandb-summary.json"][-1])
    expected = json.loads((record.folder / "summary.json").read_text())
    assert {k: summary[k] for k in expected} == expected


def test_a_run(lrbench: Lrbench, server: Server, tmp_path: Path) -> None:
    assert lrbench(*ONLINE).code == 0
    assert_equal(server, record_of(tmp_path, *ONLINE), ["ours"])


def test_an_interrupted_run_has_one_history(
    lrbench: Lrbench, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrbench.engine import legs

    evaluated = legs.validate
    monkeypatch.setattr(legs, "validate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    lrbench(*ONLINE)
    record = record_of(tmp_path, *ONLINE)
    assert record.standing() == "interrupted"
    monkeypatch.setattr(legs, "validate", evaluated)
    assert lrbench(*ONLINE).code == 0
    assert_equal(server, record, ["ours"])


def test_a_sweep_is_brought_there_when_it_has_ended(lrbench: Lrbench, server: Server, tmp_path: Path) -> None:
    sweep = ("-m", *ONLINE, "seed=0,1")
    said = lrbench(*sweep)
    assert said.code == 0
    assert "mirror   2 runs to WandB in " in said.err
    (folder,) = (tmp_path / "results" / "sweeps").iterdir()
    for seed in (0, 1):
        assert_equal(server, record_of(tmp_path, *ONLINE, f"seed={seed}"), ["ours", f"sweep:{folder.name}"])
