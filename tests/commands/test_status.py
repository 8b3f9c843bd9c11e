"""`status`, `wait` and `cancel` where there is no cluster: sweeps of this machine, and what cannot be read."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_support import TINY, Lrbench, assert_refused, in_process
from rich.console import Console

from lrbench.commands.status import _picture
from lrbench.store.lease import Lease, holder
from lrbench.store.record import Record
from lrbench.sweep import carry_out, freeze
from lrbench.sweep.slurm import watch
from lrbench.sweep.status import RunStatus, SweepStatus, failures


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def swept(lrbench: Lrbench, folder: Path) -> str:
    """Two runs, trained here; the sweep's name."""
    assert lrbench("-m", *TINY, "seed=0,1", "hydra.launcher.workers=1").code == 0
    (sweep,) = (folder / "results" / "sweeps").iterdir()
    return sweep.name


@pytest.mark.slow
@pytest.mark.usefixtures("without_picture")
def test_a_sweep_of_this_machine(lrbench: Lrbench, tmp_path: Path) -> None:
    assert "No sweep under results/sweeps yet" in lrbench("status").out
    name = swept(lrbench, tmp_path)
    assert lrbench("status").out.endswith("  2 runs: 2 done\n")
    told = json.loads(lrbench("status", name[:6], "--json").out)
    assert (told["name"], told["counts"], told["seconds_left"]) == (name, {"finished": 2}, None)
    assert [(r["label"], r["update"], r["updates"], r["job"]) for r in told["runs"]] == [
        ("seed=0", 8, 8, None), ("seed=1", 8, 8, None)]  # fmt: skip
    waited = lrbench("wait", name)
    assert (waited.code, waited.err.splitlines()[-1]) == (0, f"compare  lrbench report {name}")
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
def test_what_a_command_still_has_to_train_is_queued(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            driver.release()

    monkeypatch.setattr(watch.time, "sleep", sleep)
    waited = lrbench("wait", name)
    assert looks == [watch.LOOK] * 3, "it waits for the command, and no longer"
    assert (waited.code, waited.err.count("it has no job")) == (1, 2)


@pytest.mark.usefixtures("without_picture")
def test_while_a_sweep_trains_its_lease_is_held(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    train = carry_out.train

    def watched(*arguments: Any, **named: Any) -> Record:
        (sweep,) = (tmp_path / "results" / "sweeps").iterdir()
        held.append(holder(sweep) is not None)
        return train(*arguments, **named)

    monkeypatch.setattr(carry_out, "train", watched)
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_device_that_only_the_cluster_has(lrbench: Lrbench) -> None:
    """The login node needs no GPU."""
    command = ("-m", *TINY, "seed=0,1", "device=cuda:7", "--dry-run")
    assert lrbench(*command).code == 2
    assert lrbench(*command, "hydra/launcher=slurm").code == 0


@pytest.mark.slow
def test_ranks_are_those_of_the_job(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not those of an allocation in which the command is given."""
    monkeypatch.setattr(freeze, "make_plan", lambda jobs, here: pytest.fail(repr(jobs)))
    for tasks, ranks in (("1", "ranks=None"), ("2", "ranks=2")):
        with pytest.raises(pytest.fail.Exception, match=ranks):
            lrbench("-m", *TINY, "seed=0,1", "hydra/launcher=slurm", f"hydra.launcher.tasks={tasks}")


def lost(number: int, job: str, update: int = 0, log: Path | None = None) -> RunStatus:
    why = f"job {job} ended FAILED: exceeded memory limit " + "(5074472960 > 4194304000) " * 8
    made = (f"{number:016x}", f"seed={number}", "lost", update, 80, 0.0, 0, job, "FAILED", why)
    return RunStatus(*made, str(log) if log else None)


def test_runs_of_one_job_that_died_are_told_of_together(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\n\nthree\nfour\n")
    runs = (*(lost(i, "7_0", log=log) for i in range(3)), lost(3, "7_1", 16, log), lost(4, "7_2"))
    told = failures(SweepStatus("tour", "", runs), lines=2, most=2)
    assert told[0].startswith("00000000 seed=0 and 2 more: lost: job 7_0 ended FAILED: exceeded memory limit")
    assert told[1:4] == ["    three", "    four", f"    look: tail -n 50 {log}"]  # there is no record to show
    assert told[4].startswith("00000000 seed=3: lost at update 16: job 7_1")
    assert told[7:] == [f"    look: lrbench show 00000000; tail -n 50 {log}", "... and 1 more"]
    assert failures(SweepStatus("tour", "", runs[4:]))[-1] == "    look: lrbench show 00000000"


@pytest.mark.parametrize("height", [12, 24])
def test_a_screen_holds_what_is_drawn_on_it(height: int) -> None:
    """Else what is drawn over it would leave remains: no line is cut in two by the terminal, and none scrolls away."""
    waits = ("queued", 0, 80, 0.0, 0, "7_1", "PENDING (Priority)")
    coming = [RunStatus(f"{i:016x}", f"scheduler=cosine warmup=linear5 seed={i}", *waits) for i in range(60)]
    status = SweepStatus("tour", "", (*coming, lost(99, "7_0")))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, soft_wrap=True, width=60, height=height)
    console.print(_picture(status, height))
    lines = screen.getvalue().splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= 60
    assert re.fullmatch(r"00000000  sched.*…  queued  0/80    7_1.*…", lines[2])  # the others are needed in full
    assert "61 runs: 60 queued, 1 lost" in lines[0]
    assert lines[-2].startswith("00000000 seed=99: lost at update 0: job 7_0")
    assert f"... and {61 - (height - 5)} more" in lines
