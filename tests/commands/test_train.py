"""`lrbench train`: what it says at the end, what it leaves on disk, and what a second call says."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cli_support import TINY, Lrbench, files, in_process

from lrbench import CONF
from lrbench.config.experiments import experiment
from lrbench.experiment.identity import run_id
from lrbench.store.record import Record

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)


@pytest.mark.slow
def test_the_record_and_what_is_said_at_the_end(lrbench: Lrbench, tmp_path: Path) -> None:
    typed = (*TINY, "scheduler=onecycle", "clip=1.0")
    said = lrbench(*typed)
    made = experiment(*typed)
    name = run_id(made)
    folder = Path("results") / "runs" / name
    record = Record(tmp_path / folder)
    summary = record.summary()

    # the message
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith(f"{name} finished: mlp Digits SGD lr 0.1 OneCycleLR 2ep seed 0")
    for metric in ("test/accuracy", "val/accuracy"):
        assert f"{metric} {summary[metric]:.2%}" in lines[1]
    for metric in ("test/loss", "val/loss", "train/loss"):
        assert f"{metric} {summary[metric]:.4f}" in lines[1]
    assert "8 updates, 2 epochs" in lines[2]
    assert "schedule: as planned" in lines[2]
    assert lines[3].split() == ["record", str(folder)]
    assert lines[4].split() == ["look", "lrbench", "show", name[:8]]
    assert lines[5].startswith("  compare  lrbench -m tracker=none model=mlp ")  # below
    assert lrbench(*lines[4].split()[2:]).code == 0  # the hint works
    assert "\x1b" not in said.out + said.err

    # the files
    here = files(record.folder)
    assert {
        "experiment.yaml", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "status.json",
        "metrics.jsonl", "series.npy", "summary.json", "lr_and_loss.png", "provenance.json",
        "checkpoints/update-00000008.pt",
    } <= set(here)  # fmt: skip
    assert "checkpoints/last.pt" not in here
    assert {p.name for p in tmp_path.iterdir()} == {"results"}
    assert record.experiment() == made
    config = yaml.safe_load((record.folder / ".hydra/config.yaml").read_text())
    assert config["scheduler"]["args"]["div_factor"] == 25.0
    assert "hydra" not in config
    assert yaml.safe_load((record.folder / ".hydra/overrides.yaml").read_text()) == list(typed)
    hydra = yaml.safe_load((record.folder / ".hydra/hydra.yaml").read_text())["hydra"]
    assert hydra["job"]["name"] == "lrbench"
    assert hydra["runtime"]["choices"]["scheduler"] == "onecycle"
    assert record.status() == {"state": "finished", "update": 8, "updates": 8, "error": None}
    rows = [json.loads(line) for line in (record.folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["update"] == 8
    assert {"update", "epoch", "lr/all", "momentum/all", "train/loss", "grad/norm", "seconds"} <= set(rows[0])
    assert {"val/loss", "val/accuracy"} <= {k for row in rows for k in row}
    series = np.load(record.folder / "series.npy")
    assert series.dtype.names == ("train/loss", "grad/norm", "lr/all", "momentum/all")
    assert series["lr/all"].shape == (8,)
    assert series["lr/all"].max() <= 0.1
    picture = (record.folder / "lr_and_loss.png").read_bytes()
    assert picture.startswith(PNG)
    assert picture.rstrip().endswith(b"IEND\xaeB`\x82")
    (attempt,) = json.loads((record.folder / "provenance.json").read_text())
    assert attempt["versions"].keys() >= {"torch", "numpy", "hydra-core"}
    assert attempt["from_update"] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_test_that_is_asked_for_later_is_told_of(lrbench: Lrbench) -> None:
    assert "test/" not in lrbench(*TINY, "test=false").out
    told = lrbench(*TINY)
    assert "is finished already; the test set was evaluated now and added; this is its record" in told.err
    assert "test/accuracy" in told.out
    assert "evaluated" not in lrbench(*TINY).err


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_interpolations_are_kept_as_typed(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "mine")
    typed = (*TINY, "checkpoint_every=${eval_every}", "results=${oc.env:MINE}")
    said = lrbench(*typed)
    assert said.code == 0, said.err
    (overrides,) = (tmp_path / "mine").rglob("overrides.yaml")
    assert yaml.safe_load(overrides.read_text()) == list(typed)


@pytest.mark.usefixtures("no_pictures")
def test_a_second_call_trains_nothing_and_says_so(lrbench: Lrbench, tmp_path: Path) -> None:
    first = lrbench(*TINY)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    again = lrbench(*TINY)
    assert again.code == 0
    assert again.out == first.out
    assert re.fullmatch(r"\w{16} is finished already; this is its record \(force=true trains again\)\.\n", again.err)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
    forced = lrbench(*TINY, "force=true")
    assert forced.code == 0
    assert "the old record is kept as" in forced.err
    assert "already" not in forced.err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 2


TYPED: list[tuple[tuple[str, ...], str, int]] = [  # overrides, the grid of schedules that is proposed, runs of it done
    ((), "scheduler=constant,cosine,linear seed=0,1,2", 1),
    (("warmup=linear1", "optimizer.lr=0.05", "seed=7"), "scheduler=constant,cosine,linear seed=7,8,9", 1),
    (("scheduler=onecycle", "clip=1.0"), "scheduler=constant,cosine,linear,onecycle seed=0,1,2", 1),
    (("scheduler=step", "scheduler.args.step_size=1ep"), "scheduler=constant,cosine,linear seed=0,1,2", 0),
    (("scheduler=step", "scheduler.interval=batch", "force=true"), "scheduler=constant,cosine,linear,step", 1),
    (("scheduler=plateau", "scheduler.args.patience=1ep", "scheduler.interval=metric"), "constant,cosine,linear", 0),
    (("horizon=3ba", "eval_every=3ba", "scheduler=exponential"), "constant,cosine,linear,exponential", 1),
    (
        ("start.of=['model=mlp', 'model.args.hidden=[8]', 'tracker=none', 'horizon=1ep']", "start.carry=[model]"),
        "constant,cosine,linear",
        1,
    ),
    (("--config-dir", "my own", "scheduler=mine"), "scheduler=constant,cosine,linear,mine seed=0,1,2", 1),
]


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("typed", "grid", "done"),
    [
        pytest.param(*case, id=" ".join(case[0]), marks=[] if i in (0, 4, 7, 8) else [pytest.mark.slow])
        for i, case in enumerate(TYPED)
    ],
)
def test_the_proposed_comparison_works_as_printed(
    typed: tuple[str, ...], grid: str, done: int, lrbench: Lrbench, tmp_path: Path
) -> None:
    """It keeps what was typed, but for the schedule and the seed; the run itself is one of its runs."""
    (tmp_path / "my own" / "scheduler").mkdir(parents=True)
    (tmp_path / "my own" / "scheduler" / "mine.yaml").write_text((CONF / "scheduler" / "cosine.yaml").read_text())
    said = lrbench(*TINY, *typed)
    assert said.code == 0, said.err
    (printed,) = re.findall(r"^  compare  (lrbench .*)$", said.out, re.MULTILINE)
    assert grid in printed
    assert "force" not in printed
    planned = lrbench(*shlex.split(printed)[1:], "--dry-run")
    assert planned.code == 0, planned.err
    assert "left out" not in planned.out
    listed = re.findall(r"^done \((\d+)\)$", planned.out, re.MULTILINE)
    assert int(*(listed or ["0"])) >= done
    name = re.findall(r"^(\w{16}) finished", said.out, re.MULTILINE)[0]
    assert (name[:8] in planned.out) == bool(done)
    assert f"  compare  {printed}\n" in lrbench("show", name).out


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_no_comparison_is_proposed_where_nothing_was_typed(make: Any, run: Any, lrbench: Lrbench) -> None:
    said = lrbench("show", str(run(make()).folder))
    assert said.code == 0
    assert "compare" not in said.out


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_diverged_run_is_exit_code_1(lrbench: Lrbench) -> None:
    said = lrbench(*TINY, "optimizer.lr=1e30", "scheduler=constant")
    assert said.code == 1
    assert "diverged" in said.out
    assert re.search(r"no longer finite after update \d", said.out)
    again = lrbench(*TINY, "optimizer.lr=1e30", "scheduler=constant")
    assert again.code == 1
    assert "is diverged already" in again.err


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_results_go_where_the_environment_says(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRBENCH_RESULTS", str(tmp_path / "there"))
    said = lrbench(*TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    (folder,) = (tmp_path / "there" / "runs").iterdir()
    assert f"record   {folder}" in said.out
    assert lrbench("show", folder.name[:6]).code == 0


@pytest.mark.slow
def test_in_a_terminal_there_is_a_live_line(tmp_path: Path) -> None:
    """A real process on a pseudo-terminal: the line is redrawn in place, and gone at the end."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    for name in ("LRBENCH_RESULTS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CI"):
        env.pop(name, None)
    command = [sys.executable, "-m", "lrbench", *TINY, "horizon=120ep"]
    running = subprocess.Popen(command, cwd=tmp_path, env=env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:  # Linux's word for the other end being closed
            break
        if not block:
            break
        seen += block
    os.close(master)
    text = seen.decode()
    assert running.wait(timeout=300) == 0, text
    assert re.search(r"epoch \d+\.\d/120", text)
    assert "samples/s" in text
    assert "train/loss" in text
    assert text.count("\x1b[2K") > 2  # the line was cleared and drawn again
    after = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.rpartition("\x1b[2K")[2])
    assert re.search(r"^\r?\n?\w{16} finished: ", after), after


@pytest.mark.slow
def test_without_a_terminal_there_are_plain_lines(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "")
    said = lrbench(*TINY, "seed=5")
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.err
    assert re.search(r"^epoch 2\.0/2  lr/all .*train/loss .*val/accuracy .*%", said.err, re.MULTILINE)
