"""`status`, `wait` and `cancel` where there is no cluster: sweeps of this machine, and what cannot be read."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cli_support import TINY, Lrbench, assert_refused, in_process

from lrbench.commands import sweep as sweep_command
from lrbench.lease import Lease, holder
from lrbench.record import Record


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def swept(lrbench: Lrbench, folder: Path) -> str:
    """Two runs, trained here; the sweep's name."""
    assert lrbench("-m", *TINY, "seed=0,1", "hydra.launcher.workers=1").code == 0
    (sweep,) = (folder / "results" / "sweeps").iterdir()
    return sweep.name


@pytest.mark.usefixtures("without_picture")
def test_a_sweep_of_this_machine(lrbench: Lrbench, tmp_path: Path) -> None:
    assert "No sweep under results/sweeps yet" in lrbench("status").out
    name = swept(lrbench, tmp_path)
    assert lrbench("status").out.endswith("  2 runs: 2 done\n")
    told = json.loads(lrbench("status", name[:6], "--json").out)
    assert (told["name"], told["counts"], told["seconds_left"]) == (name, {"finished": 2}, None)
    assert [(r["label"], r["update"], r["updates"], r["job"]) for r in told["runs"]] == [
        ("seed=0", 8, 8, None), ("seed=1", 8, 8, None)]  # fmt: skip
    assert lrbench("wait", name).code == 0
    assert_refused(lrbench("cancel", name), "has no jobs", "Ctrl-C")


@pytest.mark.usefixtures("without_picture")
def test_failures_are_told_with_the_command_to_look_closer(lrbench: Lrbench, tmp_path: Path) -> None:
    name = swept(lrbench, tmp_path)
    first, second = (Record(p) for p in sorted((tmp_path / "results" / "runs").iterdir()))
    first.set_status("failed", 3, 8, "ValueError: it broke")
    second.set_status("interrupted", 5, 8)
    said = lrbench("status", name)
    assert said.code == 1
    assert "2 runs: 1 resumable, 1 failed" in said.out
    assert "failed at update 3: ValueError: it broke" in said.out
    assert f"look: lrbench show {first.run_id[:8]}" in said.out
    assert lrbench("status").code == 1
    waited = lrbench("wait", name)
    assert waited.code == 1
    assert "it has no job; the sweep's command submits it" in waited.err


@pytest.mark.usefixtures("without_picture")
def test_what_a_command_still_has_to_train_is_queued(lrbench: Lrbench, tmp_path: Path) -> None:
    """As long as that command lives: `wait` waits for it then."""
    name = swept(lrbench, tmp_path)
    sweep = tmp_path / "results" / "sweeps" / name
    first, second = (Record(p) for p in sorted((tmp_path / "results" / "runs").iterdir()))
    shutil.rmtree(first.folder)
    second.set_status("interrupted", 5, 8)
    assert "2 runs: 1 new, 1 resumable" in lrbench("status", name).out
    driver = Lease(sweep)
    assert driver.take()
    told = json.loads(lrbench("status", name, "--json").out)
    assert told["counts"] == {"queued": 2}
    began, left = time.monotonic(), []

    def end() -> None:
        left.append(time.monotonic() - began)
        driver.release()

    threading.Timer(2.0, end).start()
    waited = lrbench("wait", name)
    assert left, "it did not wait for the command"
    assert (waited.code, waited.err.count("it has no job")) == (1, 2)


@pytest.mark.usefixtures("without_picture")
def test_while_a_sweep_trains_its_lease_is_held(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    train = sweep_command.train

    def watched(*arguments: Any) -> Record:
        (sweep,) = (tmp_path / "results" / "sweeps").iterdir()
        held.append(holder(sweep) is not None)
        return train(*arguments)

    monkeypatch.setattr(sweep_command, "train", watched)
    name = swept(lrbench, tmp_path)
    assert held == [True, True]
    assert holder(tmp_path / "results" / "sweeps" / name) is None


@pytest.mark.usefixtures("without_picture")
def test_a_sweep_is_found_from_elsewhere(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its records are those beside it, whatever folder the plan was made in."""
    name = swept(lrbench, tmp_path)
    monkeypatch.chdir("/")
    for arguments in (("--results", str(tmp_path / "results"), name), (str(tmp_path / "results" / "sweeps" / name),)):
        assert json.loads(lrbench("status", "--json", *arguments).out)["counts"] == {"finished": 2}


@pytest.mark.usefixtures("without_picture")
def test_one_that_cannot_be_read_hides_no_other(lrbench: Lrbench, tmp_path: Path) -> None:
    name = swept(lrbench, tmp_path)
    other = tmp_path / "results" / "sweeps" / "old"
    other.mkdir()
    (other / "sweep.json").write_text('{"format": 0}')
    said = lrbench("status")
    assert "2 runs: 2 done" in said.out
    assert "its format is 0" in said.err
    assert_refused(lrbench("status", "old"), "old/sweep.json", "its format is 0", "give its command again")
    assert_refused(lrbench("status", "nope"), "nope: no sweep begins so", name)
    assert_refused(lrbench("status", ""), "several sweeps begin so")
    assert_refused(lrbench("wait"), "wait: ", "SWEEP", "lrbench wait --help")


def test_the_launcher_without_a_cluster(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    command = ("-m", *TINY, "seed=0,1", "hydra/launcher=slurm")
    said = lrbench(*command)
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("lrbench: hydra/launcher=slurm: there is no sbatch or no srun here")
    assert not list((tmp_path / "results").rglob("*.*"))
    dry = lrbench(*command, "--dry-run")
    assert (dry.code, dry.out.splitlines()[0]) == (0, "2 runs: 2 new")
    assert_refused(lrbench(*TINY, "hydra/launcher=slurm"), "add -m")
    assert_refused(lrbench(*command, "hydra.launcher.tasks=3"), "accumulate=1", "3 ranks")
    assert_refused(lrbench(*command, "hydra.launcher.cpu=3"), "hydra.launcher.cpu=3", "hydra.launcher.cpus")


def test_a_device_that_only_the_cluster_has(lrbench: Lrbench) -> None:
    """The login node needs no GPU."""
    command = ("-m", *TINY, "seed=0,1", "device=cuda:7", "--dry-run")
    assert lrbench(*command).code == 2
    assert lrbench(*command, "hydra/launcher=slurm").code == 0


def test_ranks_are_those_of_the_job(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not those of an allocation in which the command is given."""
    monkeypatch.setattr(sweep_command, "make_plan", lambda entries, refused: pytest.fail(repr(entries)))
    for tasks, ranks in (("1", "ranks=None"), ("2", "ranks=2")):
        with pytest.raises(pytest.fail.Exception, match=ranks):
            lrbench("-m", *TINY, "seed=0,1", "hydra/launcher=slurm", f"hydra.launcher.tasks={tasks}")
