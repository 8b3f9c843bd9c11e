"""`lrbench -m ...` and `lrbench sweep NAME`: flags, refusals, interruption, the live table."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml
from cli_support import TINY, Lrbench, assert_refused, files, in_process
from data_support import write_image_folder
from warm import Process, Warm

from lrbench import CONF
from lrbench.config import named
from lrbench.config.compose import compose
from lrbench.config.experiments import experiment
from lrbench.data.batches import Batches
from lrbench.experiment.identity import run_id
from lrbench.store.record import Record
from lrbench.sweep.store import Sweep

QUICK = (*TINY, "horizon=1ep", "scheduler=constant")
HERE = "hydra.launcher.workers=1"


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)


# ---- The plan.


@pytest.mark.slow
def test_a_dry_run_says_the_plan_and_writes_nothing(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("-m", *QUICK, "seed=0,1", "--dry-run")
    ids = [run_id(experiment(*QUICK, f"seed={i}"))[:8] for i in (0, 1)]
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "2 runs: 2 new",
        "new (2)",
        f"  {ids[0]}  seed=0",
        f"  {ids[1]}  seed=1",
        "cost     unknown: no record and no row has the same model, data and batch size",
    ]
    assert list(tmp_path.iterdir()) == []
    assert lrbench(*QUICK, "seed=0", "--dry-run").out.startswith("1 run: 1 new\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_the_sweep_is_kept(lrbench: Lrbench, tmp_path: Path) -> None:
    assert lrbench("-m", *QUICK, "seed=0,1", HERE).code == 0
    (folder,) = (tmp_path / "results" / "sweeps").iterdir()
    sweep = Sweep.load(folder)
    assert sweep.overrides[-1] == "seed=0,1"
    assert [e.label for e in sweep.plan.entries] == ["seed=0", "seed=1"]
    assert [e.record.standing() for e in sweep.plan.entries] == ["finished", "finished"]
    planned = lrbench("-m", *QUICK, "seed=0,1,2", "--dry-run")
    assert planned.out.startswith("3 runs: 2 done, 1 new\ndone (2)\n")
    assert re.search(r"^cost     about \d+ s of training$", planned.out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_impossible_combinations_are_left_out_on_request(lrbench: Lrbench, tmp_path: Path) -> None:
    grid = ("-m", *QUICK[:-1], "scheduler=onecycle,constant", "warmup=none,linear_10pct", "horizon=10ep", HERE)
    assert_refused(lrbench(*grid), "in the run 'scheduler=onecycle warmup=linear_10pct'", "warms up by itself",
                   "--skip-invalid")  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    said = lrbench(*grid, "--skip-invalid")
    assert said.code == 0
    assert said.err.startswith(
        "3 runs: 3 new\nleft out (1)\n  scheduler=onecycle warmup=linear_10pct: warmup.length=10%: OneCycleLR warms up"
    )
    (folder,) = (tmp_path / "results" / "sweeps").iterdir()
    assert [r.label for r in Sweep.load(folder).plan.refused] == ["scheduler=onecycle warmup=linear_10pct"]
    everything = lrbench("-m", *QUICK, "batch_size=0,-1", "--skip-invalid")
    assert_refused(everything, "the sweep is empty; the first of 2 refused jobs is 'batch_size=0': batch_size=0:")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("seed=range(3,3)",), ("seed=range(3,3): this has no values, so the grid is empty",)),
        (("seed=range(1000000)",), ("1,000,000 jobs", "--yes")),
        (("seed=range(1000)", "optimizer.lr=range(1,12)"), ("11,000 jobs", "--yes")),
        (("seed=0,1", "hydra.launcher.workers=0"), ("hydra.launcher.workers=0", "from 1")),
        (("seed=0,1", "hydra.launcher.workers=many"), ("hydra.launcher.workers", "many")),
        (("seed=0,1", "hydra.launcher.wrokers=2"), ("hydra.launcher.wrokers",)),
        (("results=a,b",), ("results=a,b", "one folder")),
        (("seed=0,1", "--skipinvalid"), ("--skipinvalid: there is no such flag",)),
    ],
)
def test_bad_sweeps_are_refused(arguments: tuple[str, ...], words: tuple[str, ...], lrbench: Lrbench, tmp_path: Path):
    assert_refused(lrbench("-m", *QUICK, *arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_cannot_be_written_is_refused(lrbench: Lrbench, tiny_disk: Path, tmp_path: Path) -> None:
    size = os.statvfs(tiny_disk)
    (tiny_disk / "filler").write_bytes(b"x" * (size.f_bavail * size.f_frsize - 4096))
    said = lrbench("-m", *QUICK, "seed=0,1", f"results={tiny_disk}", HERE)
    assert said.code == 2
    assert "No space left on device" in said.err
    assert "the plan cannot be written" in said.err
    assert files(tiny_disk) == ["filler"]


def test_plots_have_no_plan(lrbench: Lrbench) -> None:
    assert_refused(lrbench("plot", *QUICK, "--dry-run"), "plot: --dry-run", "leave them out")


# ---- Named sweeps.


@pytest.mark.slow
@pytest.mark.parametrize("name", named.sweep_files())
def test_every_named_sweep_can_be_planned(name: str, lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("sweep", name, "--dry-run")
    assert said.code == 0, said.err
    assert lrbench("sweep", f"name={name}", "--dry-run").out == said.out
    assert list(tmp_path.iterdir()) == []
    header = named.sweep_files()[name].read_text().splitlines()
    assert f"# Command: lrbench sweep {name}" in header


@pytest.mark.slow
def test_the_tour_is_four_schedules_by_three_warmups_by_three_seeds(lrbench: Lrbench) -> None:
    assert lrbench("sweep", "tour", "--dry-run").out.startswith("36 runs: 36 new\n")
    assert lrbench("sweep", "tour", "seed=7", "--dry-run").out.startswith("12 runs: 12 new\n")


@pytest.mark.usefixtures("no_pictures")
def test_a_named_sweep_has_its_name(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text("set: [horizon=1ep]\ngrid: ['seed=0,1']\n")
    monkeypatch.setattr("lrbench.config.files.CONF", tmp_path)
    said = lrbench("sweep", "mine", *QUICK, HERE)
    assert said.code == 0, said.err
    assert [p.name for p in (tmp_path / "results" / "sweeps").iterdir()] == ["mine"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of the user's: a sweep over a level of the user's, one with the name of lrbench's, one without words."""
    for group in ("sweep", "scheduler"):
        (tmp_path / "own" / group).mkdir(parents=True)
    (tmp_path / "own" / "scheduler" / "halves.yaml").write_text((CONF / "scheduler" / "step.yaml").read_text())
    mine = "# Mine: two seeds.\nset: [scheduler=halves, scheduler.interval=batch]\ngrid: ['seed=0,1']\n"
    (tmp_path / "own" / "sweep" / "mine.yaml").write_text(mine)
    (tmp_path / "own" / "sweep" / "tour.yaml").write_text("# Not this one.\nset: [nonsense=1]\n")
    (tmp_path / "own" / "sweep" / "z.yaml").write_text("grid: ['seed=0,1']\n")
    return tmp_path / "own"


@pytest.mark.slow
def test_a_sweep_of_the_users_own(own: Path, lrbench: Lrbench) -> None:
    """The folder is told in any of three ways, before the name or after it."""
    assert_refused(lrbench("sweep", "mine"), "there is no such sweep", "tour")
    here = ["--config-dir", "own"]
    for words in (["mine", *here], [*here, "mine"], [*here, "name=mine"], ["mine", "--config-dir=own"],
                  ["-cd", "own", "mine"], ["-cd", "own", "name=mine"]):  # fmt: skip
        said = lrbench("sweep", *words, *TINY, "--dry-run")
        assert (said.code, said.out.partition("\n")[0]) == (0, "2 runs: 2 new"), said.err
    assert lrbench("sweep", "mine", *here, *TINY, "seed=5", "--dry-run").out.startswith("1 run: 1 new\n")
    assert lrbench("sweep", *here, "tour", "--dry-run").out.startswith("36 runs")  # lrbench's own comes first


@pytest.mark.usefixtures("own")
def test_without_a_name_all_are_listed(lrbench: Lrbench) -> None:
    tour = named.sweep_files()["tour"].read_text().partition("\n")[0].removeprefix("# ")
    said = lrbench("sweep")
    assert (said.code, said.err) == (0, "")
    assert f"\n  tour  {tour}\n" in said.out
    said = lrbench("sweep", "--config-dir", "own", "--dry-run")
    assert said.out == f"sweeps (lrbench sweep NAME)\n  mine  Mine: two seeds.\n  tour  {tour}\n  z\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("grdi: [seed=1]", "conf/sweep/mine.yaml: there is no key 'grdi'. Did you mean 'grid'?"),
        ("grid: seed=1", "grid is a list of overrides"),
        ("grid: [{seed: 1}]", "grid is a list of overrides"),
        ("grid: [seed", "this is no YAML"),
        ("", "give the keys set, grid, arms"),
        ("arms: [a, b]", "conf/sweep/mine.yaml: arms is no mapping from names to lists of overrides"),
        ("arms: {a: scheduler=step}", "arms is no mapping from names to lists of overrides"),
        ("arms: {a: []}", "the arm 'a' has no overrides"),
        ("arms: {a b: [seed=1]}", "'a b' is no name for an arm"),
        ("arms: {a: ['seed=1,2']}", "arm a: 'seed=1,2' has several values"),
        ("arms: {a: [seed=1], b: [sede=1]}", "in the run 'b': sede=1: there is no option 'sede'"),
        ("grid: ['sede=1,2']", "there is no option 'sede'"),
    ],
)
def test_a_bad_file_is_refused(content: str, words: str, lrbench: Lrbench, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(content)
    monkeypatch.setattr("lrbench.config.files.CONF", tmp_path)
    assert_refused(lrbench("sweep", "mine", *QUICK), words)
    assert files(tmp_path) == ["sweep/mine.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("seed=1",), "say which one"),
        (("--config-dir", "nowhere", "tour"), "--config-dir=nowhere: there is no such folder"),
        (("tuor",), "Did you mean 'tour'?"),
        (("name=x",), "name=x"),
    ],
)
def test_an_unknown_name_is_refused(arguments: tuple[str, ...], words: str, lrbench: Lrbench) -> None:
    assert_refused(lrbench("sweep", *arguments), words)


# ---- Arms.

ARMS = "grid: ['seed=0,1']\narms:\n  warm: [scheduler=cosine, warmup=linear_10pct]\n  steps: [scheduler=step]\n"
ROOMY = (*TINY, "horizon=20ep")


def listed(out: str) -> list[str]:
    """The labels of a dry run's new runs."""
    return [line.split(maxsplit=1)[1] for line in out.splitlines() if re.match("  [0-9a-f]{8} ", line)]


@pytest.mark.slow
def test_a_file_with_arms(lrbench: Lrbench, own: Path) -> None:
    (own / "sweep" / "mine.yaml").write_text(ARMS)
    sweep = ("sweep", "mine", "--config-dir", "own", *ROOMY, "--dry-run")
    both = ["warm seed=0", "warm seed=1", "steps seed=0", "steps seed=1"]
    assert listed(lrbench(*sweep).out) == both
    assert listed(lrbench(*sweep, "--arm", "flat: scheduler=constant").out) == [*both, "flat seed=0", "flat seed=1"]
    assert_refused(lrbench(*sweep, "--arm", "warm: scheduler=constant"), "two arms are called 'warm'")
    assert_refused(lrbench(*sweep, "scheduler=linear"), "arm warm: 'scheduler=cosine' and 'scheduler=linear' set one")


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_arms_on_the_command_line(lrbench: Lrbench, tmp_path: Path) -> None:
    arms = ("--arm", "warm: scheduler=cosine warmup=linear_10pct", "--arm=steps: scheduler=multistep "
            "'scheduler.args.milestones=[5ep, 10ep]'")  # fmt: skip
    said = lrbench("-m", *ROOMY, "seed=0,1", *arms, HERE, "--name", "mine")
    assert said.code == 0, said.err
    sweep = Sweep.load(tmp_path / "results" / "sweeps" / "mine")
    assert [(e.label, e.arm) for e in sweep.plan.entries] == [
        ("warm seed=0", "warm"), ("warm seed=1", "warm"), ("steps seed=0", "steps"), ("steps seed=1", "steps")
    ]  # fmt: skip
    assert sweep.overrides[-2] == "warm: scheduler=cosine warmup=linear_10pct"
    assert {e.record.standing() for e in sweep.plan.entries} == {"finished"}
    assert "steps seed=1" in lrbench("status", "mine").out
    assert listed(lrbench("-m", *ROOMY, *arms, "--dry-run", "force=true").out) == ["warm", "steps"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "--arm", "scheduler=cosine"), "--arm=scheduler=cosine: this names no arm; give its name, a colon"),
        (("-m", "--arm", "warm:"), "--arm: the arm 'warm' has no overrides"),
        (("-m", "--arm", "warm: 'seed=1"), "this cannot be split into overrides"),
        (("-m", "--arm", "a: seed=1", "--arm", "a: seed=2"), "--arm: two arms are called 'a'"),
        (("--arm", "a: seed=1"), "--arm: this is of a sweep, and here is one run; add -m"),
        (("plot", "-m", "--arm", "a: seed=1"), "plot: --dry-run"),
        (
            ("-m", "hydra/launcher=basic", "--arm", "a: seed=1"),
            "--arm: this hydra/launcher composes every job by itself",
        ),
        (("-m", "--arm", "a: clip=-1", "--arm", "b: seed=1"), "in the run 'a': clip=-1.0: "),
    ],
)
def test_bad_arms_are_refused(arguments: tuple[str, ...], words: str, lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench(*arguments, *QUICK), words)
    assert list(tmp_path.iterdir()) == []


def test_arms_count_as_jobs(lrbench: Lrbench) -> None:
    arms = [word for i in range(3) for word in ("--arm", f"a{i}: eval_every={i + 1}ep")]
    assert_refused(lrbench("-m", *TINY, "seed=range(4000)", *arms), "12,000 jobs", "--yes")


# ---- Trained.


@pytest.mark.slow
def test_workers_by_the_command(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("-m", *QUICK, "seed=0,1,2", "hydra.launcher.workers=2")
    assert said.code == 0, said.err
    assert said.out.count("finished") == 3
    assert said.err.startswith("3 runs: 3 new\ncost     unknown")
    assert said.err.count("finished  test/loss") == 3
    config = yaml.safe_load(next(tmp_path.rglob("config.yaml")).read_text())
    assert config == yaml.safe_load(_yaml(compose([*QUICK, f"seed={config['seed']}"])))


def _yaml(config: object) -> str:
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(config)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_signal_in_the_last_update_of_a_run_stops_the_sweep(
    lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is done, and must not swallow what was meant for all."""
    batch = Batches.batch

    def acting(self: Batches, update: int, *parts: int) -> object:
        if update == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return batch(self, update, *parts)

    monkeypatch.setattr(Batches, "batch", acting)
    said = lrbench("-m", *QUICK, "seed=0,1,2", HERE)
    assert said.code == 130
    assert "lrbench: interrupted. 1 done, 2 new; the same command goes on from there.\n" in said.err
    monkeypatch.setattr(Batches, "batch", batch)
    assert lrbench("-m", *QUICK, "seed=0,1,2", HERE).err.startswith("3 runs: 1 done, 2 new\n")


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_forced_sweep_trains_all_again(lrbench: Lrbench, tmp_path: Path) -> None:
    assert lrbench("-m", *QUICK, "seed=0,1", HERE).code == 0
    said = lrbench("-m", *QUICK, "seed=0,1", HERE, "force=true")
    assert said.code == 0
    assert said.err.startswith("2 runs: 2 to be trained again\ncost     about ")
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 4  # the old records lie aside


@pytest.mark.slow
def test_two_ranks_go_through_a_sweep_together(tmp_path: Path, warm: Warm) -> None:
    """What is done already is passed over by both, not by one that leaves the other waiting."""
    for sweep, standing in (("seed=0,1", "2 new"), ("seed=0,1,2", "2 done, 1 new")):
        done = warm.ranks("-m", *QUICK, "device=cpu", sweep, folder=tmp_path)
        assert [p.returncode for p in done] == [0, 0], done[0].err
        assert f"runs: {standing}" in done[0].err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 3
    assert len(list((tmp_path / "results" / "sweeps").iterdir())) == 2


@pytest.fixture
def under_way(request: pytest.FixtureRequest, tmp_path: Path, warm: Warm) -> Iterator["UnderWay"]:
    """A long sweep in a session of its own, two of whose three runs have begun: on data that workers hold, or on
    images that each worker has two processes read."""
    data = ["batch_size=256"]
    if request.param == "read by processes":
        root = write_image_folder(tmp_path / "images")
        data = ["data=image_folder", f"data.args.root={root}", "data.args.val_size=40", "data.args.size=8",
                "data.args.resize=8", "batch_size=8"]  # fmt: skip
    command = ["-m", *TINY[:-2], *data, "horizon=20000ba", "eval_every=1000ba", "scheduler=constant", "seed=0,1,2",
               "hydra.launcher.workers=2"]  # fmt: skip
    driver = warm.start(*command, folder=tmp_path)
    begun: set[Path] = set()
    family: list[psutil.Process] = []
    try:
        while len(begun) < 2:
            assert driver.poll() is None, driver.err
            begun = {p.parent for p in tmp_path.rglob("metrics.jsonl") if p.stat().st_size}
            time.sleep(0.05)
        family = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
        if request.param == "read by processes":
            assert len(family) >= 1 + 2 + 2 * (1 + 2)  # beside the driver and what Python runs for it
        yield UnderWay(driver, family, begun)
    finally:
        with suppress(psutil.NoSuchProcess):
            family += psutil.Process(driver.pid).children(recursive=True)
        for left in filter(psutil.Process.is_running, family):
            left.kill()
        driver.kill()


class UnderWay(NamedTuple):
    driver: Process
    family: list[psutil.Process]  # the driver and all that it started, and what that started
    begun: set[Path]  # the records of two runs

    def require_gone(self) -> None:
        """Nothing is left running. (Readers look every few seconds whether their worker is there.)"""
        _gone, left = psutil.wait_procs([p for p in self.family if p.pid != self.driver.pid], timeout=300)
        assert not left


@pytest.mark.slow
@pytest.mark.parametrize("under_way", ["in memory", "read by processes"], indirect=True)
def test_ctrl_c_in_a_terminal(under_way: "UnderWay") -> None:
    """SIGINT to the whole process group, as a terminal sends it: nothing is left running, and all can go on."""
    os.killpg(under_way.driver.pid, signal.SIGINT)
    assert under_way.driver.wait() == 130, under_way.driver.err
    err = under_way.driver.err
    assert "Traceback" not in err
    assert "2 resumable, 1 new; the same command goes on from there" in err
    records = [Record(folder) for folder in under_way.begun]
    assert {r.standing() for r in records} == {"interrupted"}
    assert all(r.status()["update"] > 0 for r in records)
    under_way.require_gone()


@pytest.mark.slow
@pytest.mark.parametrize("under_way", ["in memory", "read by processes"], indirect=True)
def test_nothing_outlives_a_driver_that_is_killed(under_way: "UnderWay") -> None:
    """Its workers stop at an update and save their state, as if it had asked them to."""
    under_way.driver.kill()
    under_way.require_gone()
    records = [Record(folder) for folder in under_way.begun]
    assert {r.standing() for r in records} == {"interrupted"}
    assert all(r.checkpoint().exists() for r in records)


@pytest.mark.slow
def test_in_a_terminal_there_is_a_live_table(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    for name in ("LRBENCH_RESULTS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CI"):
        env.pop(name, None)
    command = [sys.executable, "-m", "lrbench", "-m", *TINY, "horizon=150ep", "seed=0,1,2", "optimizer.lr=0.1,1e30",
               "hydra.launcher.workers=2", "scheduler=constant"]  # fmt: skip
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
    assert running.wait(timeout=300) == 1, text  # half of them diverge
    assert re.search(r"\d of 6 ended, .*running", text)
    assert re.search(r"seed=\d optimizer.lr=0.1 +running +\d+\.\d/150", text)
    drawings = re.split(r"\d of 6 ended", text)[1:]  # each with every run: ended, running, or to come
    assert min(drawing.count("optimizer.lr=") for drawing in drawings[:-1]) == 6  # more where one is told of
    assert re.search(r"seed=\d optimizer.lr=0.1 +finished +150 +test/loss", text)
    assert "\x1b[2K" in text  # drawn again in place
    assert text.count(" diverged") >= 3
    assert json.loads(next(tmp_path.rglob("sweep.json")).read_text())["entries"]


# ---- Names.


@pytest.mark.usefixtures("no_pictures")
def test_a_sweep_has_the_name_it_is_given(lrbench: Lrbench, tmp_path: Path) -> None:
    sweep = ("-m", *QUICK, HERE, "seed=0,1")
    for flags in (["--name", "mine"], ["--name=mine"]):
        said = lrbench(*sweep, *flags)
        assert (said.code, said.err.splitlines()[-1]) == (0, "compare  lrbench report mine")
    assert [p.name for p in (tmp_path / "results" / "sweeps").iterdir()] == ["mine"]
    for name in ("a/b", "", ".."):
        assert_refused(lrbench(*sweep, f"--name={name}"), f"--name {name}", "my-sweep")
    assert_refused(lrbench("plot", *QUICK, "--name", "mine"), "--name", "for training")


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_name_is_that_of_one_sweep(lrbench: Lrbench, tmp_path: Path) -> None:
    """More runs extend it, fewer are a part of it, others are refused before anything is trained."""
    named = ("-m", *QUICK, HERE, "--name=mine")

    def labels() -> list[str]:
        return [e.label for e in Sweep.load(tmp_path / "results" / "sweeps" / "mine").plan.entries]

    assert lrbench(*named, "seed=0,1").code == 0
    assert lrbench(*named, "seed=0,1,2").code == 0
    assert labels() == ["seed=0", "seed=1", "seed=2"]
    assert lrbench(*named, "seed=1").code == 0
    assert labels() == ["seed=0", "seed=1", "seed=2"]
    before = files(tmp_path)
    said = lrbench(*named, "seed=2,3")
    assert said.code == 2
    assert "another sweep has this name: 2 of its 3 runs are none of this one's" in said.err
    assert "--name mine-2" in said.err
    assert files(tmp_path) == before
    assert labels() == ["seed=0", "seed=1", "seed=2"]
    assert lrbench("-m", *QUICK, HERE, "--name=mine-2", "seed=2,3").code == 0
