"""Sweeps through `hydra/launcher=slurm` on a real cluster: what goes wrong there, and that every record is the same.

`.ci/run` takes one of each kind; those marked `full` are run by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from cluster_support import Cluster, running_cluster
from sweep_support import GATED, Place, numbers, place

from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.store.record import Record

pytestmark = pytest.mark.slurm


@pytest.fixture
def here(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    with place(cluster, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[Cluster]:
    """A site without accounting, where an array has at most 4 jobs."""
    with running_cluster("--no-accounting", "--max-array-size=4") as running:
        yield running


def names(*some: str) -> str:
    return f"+model.args.name={','.join(some)}"


Same = Callable[[Any, Any], None]


# ---- A sweep, and runs that come to grief.


@pytest.mark.parametrize("others", [5, pytest.param(21, marks=pytest.mark.full)])
def test_many_runs_of_which_three_come_to_grief(others: int, here: Place, require_same_run: Same) -> None:
    """Killed, out of memory, cancelled: the others are kept, and the same command trains just the three."""
    free = [f"r{i}" for i in range(others)]
    grief = ["kill", "eat", "cancel"]
    command = (*GATED, names(*grief, *free), "hydra.launcher.max_parallel=6")
    here.say(*(f"{name}.go" for name in free))
    driver = here.sweep(*command)
    here.wait_until_under_way(*grief)
    assert here.cluster.job(here.job(free[-1]))["ArrayTaskThrottle"] == "6"
    (victim,) = here.updates("kill")
    os.kill(victim, signal.SIGKILL)
    here.say("eat.eat")
    here.cluster.run("scancel", here.job("cancel"))
    driver.wait(code=1)
    assert f"submitted {others + 3} runs in {others + 3} jobs: " in driver.err
    for name, words in (("kill", "FAILED"), ("eat", "memory"), ("cancel", "CANCELLED")):
        (line,) = [line for line in driver.err.splitlines() if f"model.args.name={name}  stopped" in line]
        assert words in line
    assert {here.record(name).standing() for name in free} == {"finished"}
    status = here.start("status", here.stored.name, "--json").wait(code=1)
    assert numbers(status)["counts"] == {"lost": 3, "finished": others}
    (here.gate / "eat.eat").unlink()
    here.say("go")
    again = here.sweep(*command).wait()
    assert f"{others + 3} runs: {others} done, " in again.err
    assert "submitted 3 runs in 3 jobs: " in again.err
    assert [len(here.begun_at(name)) for name in free] == [1] * others
    for name in (*grief, "r0"):
        require_same_run(here.record(name), here.undisturbed(name))
    done = here.sweep(*command).wait()
    assert f"{others + 3} runs: {others + 3} done" in done.err
    assert "submitted" not in done.err


# ---- Stopped by SLURM.


@pytest.mark.parametrize(
    ("packed", "grace"),
    [(2, 15), pytest.param(1, 15, marks=pytest.mark.full), pytest.param(2, 0, marks=pytest.mark.full)],
)
def test_preempted_in_the_middle(here: Place, packed: int, grace: int, require_same_run: Same) -> None:
    """Every run goes on from the very update it had reached. Without a grace SIGTERM comes with the signal."""
    runs = ["a", "b"]
    here.cluster.scontrol("update", "PartitionName=preempt", f"GraceTime={grace}")
    options = (f"hydra.launcher.runs_per_job={packed}", "hydra.launcher.partition=preempt", "hydra.launcher.mem=4G")
    driver = here.sweep(*GATED, names(*runs), *options)
    here.wait_until_under_way(*runs)
    high = here.cluster.submit("true", "-p", "high", "-c", "8")
    here.cluster.wait_for_state(high, "COMPLETED")
    here.say("go")
    driver.wait()
    assert len(here.arrays[0].groups) == 2 // packed
    for name in runs:
        reached, *_ = here.updates(name).values()
        assert here.begun_at(name) == [0, reached]
        require_same_run(here.record(name), here.undisturbed(name))


WAITS_TO_BEGIN = """
import os, pathlib, time
gate = pathlib.Path(os.environ["GATE"])
while "SLURM_PROCID" in os.environ and not (gate / "begin").exists():
    (gate / "born").touch()
    time.sleep(0.02)
"""


def test_signalled_before_it_has_begun(here: Place) -> None:
    """While Python starts, and nobody is there to hear of it: the job goes on, and does not end as one that failed."""
    (here.folder / "early").mkdir()
    (here.folder / "early" / "sitecustomize.py").write_text(WAITS_TO_BEGIN)
    here.environment["PYTHONPATH"] = f"{here.folder / 'early'}:{here.environment['PYTHONPATH']}"
    driver = here.sweep(*GATED, names("a", "b"), "hydra.launcher.runs_per_job=2", "hydra.launcher.mem=4G")
    here.cluster.wait_until((here.gate / "born").exists, "Python to start in the job")
    job = here.job("a")
    for sent in ("USR2", "TERM"):
        here.cluster.run("scancel", f"--signal={sent}", job)
    here.say("begin", "go")
    driver.wait()
    assert here.cluster.job(job)["Restarts"] == "0"
    assert [here.begun_at(name) for name in ("a", "b")] == [[0], [0]]


@pytest.mark.full
def test_requeued_by_hand(here: Place, require_same_run: Same) -> None:
    """SIGTERM, and SIGKILL some seconds later: the state is saved at every opportunity in between."""
    runs = ["a", "b"]
    driver = here.sweep(*GATED, names(*runs), "hydra.launcher.runs_per_job=2", "hydra.launcher.mem=4G")
    here.wait_until_under_way(*runs)
    here.cluster.scontrol("requeue", here.job("a"))
    here.wait_until_under_way(*runs, processes=2)
    here.say("go")
    driver.wait()
    for name in runs:
        first, *_ = here.updates(name).values()
        (zero, resumed) = here.begun_at(name)
        assert zero == 0
        assert first - 25 <= resumed <= first  # half a second of updates, and what the kill cut short
        require_same_run(here.record(name), here.undisturbed(name))


@pytest.mark.full
def test_the_time_is_up(here: Place, require_same_run: Same) -> None:
    """The real thing: SLURM looks at time limits about twice a minute. (A busy machine takes one to begin.)"""
    driver = here.sweep(*GATED, "horizon=1000ep", names("a"), "hydra.launcher.time=2")
    here.wait_until_submitted()
    here.cluster.wait_until(lambda: here.cluster.job(here.job("a"))["Restarts"] != "0", "the requeue")
    here.say("go")
    driver.wait()
    made = list(here.updates("a").values())  # on a busy machine it may be up more than once
    assert here.begun_at("a") == [0, *accumulate(made[:-1])]
    require_same_run(here.record("a"), here.undisturbed("a"))


def test_two_ranks(here: Place, require_same_run: Same) -> None:
    """DDP over two tasks of a job, told to save and go on in the next."""
    driver = here.sweep(*GATED, names("a"), "hydra.launcher.tasks=2")
    here.wait_until_under_way("a", processes=2)
    here.cluster.run("scancel", "--signal=USR2", here.job("a"))
    here.wait_until_under_way("a", processes=4)
    here.say("go")
    driver.wait()
    assert here.record("a").experiment().ranks == 2
    zero, resumed = here.begun_at("a")
    assert (zero, resumed > 0) == (0, True)


@pytest.mark.full
def test_a_node_is_lost(cluster_two_nodes: Cluster, tmp_path: Path, require_same_run: Same) -> None:
    """The run goes on at the other node, from its last checkpoint."""
    with place(cluster_two_nodes, tmp_path) as here:
        driver = here.sweep(*GATED, "checkpoint_every=8ba", names("a"))
        here.wait_until_under_way("a")
        node = here.cluster.job(here.job("a"))["NodeList"]
        here.cluster.fail_node(node)
        here.wait_until_under_way("a", processes=2)
        assert here.cluster.job(here.job("a"))["NodeList"] != node
        here.say("go")
        driver.wait()
        zero, resumed = here.begun_at("a")
        assert (zero, resumed >= 8, resumed % 8) == (0, True, 0)
        require_same_run(here.record("a"), here.undisturbed("a"))
        here.cluster.recover_node(node)


# ---- In stages.

STAGED = """
import json, sys
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.stages import Staged, carry_out_stages

sweep = Staged("toy", "toy_stages.best_rate_again", json.loads(sys.argv[1]))
print(carry_out_stages(sweep, Slurm(mem="2G", time="5", detach=True)).end)
"""


def test_a_study_that_is_left_alone(here: Place) -> None:
    """Submitted and left, waited for, and asked again for its answer."""
    tiny = ["model=mlp", "model.args.hidden=[8]", "horizon=1ep", "batch_size=256", "device=cpu"]
    slurm = ["hydra/launcher=slurm", "hydra.launcher.mem=5G", "hydra.launcher.runs_per_job=5"]
    study = ["compare", *tiny, "scheduler=constant,linear", "scheduler.interval=batch", "--swap", "--name", "left"]
    leave = "hydra.launcher.detach=true"
    blocker = here.cluster.submit("sleep 600", "-c", "8")
    here.start(*study, *slurm, leave).wait()
    assert here.start("compare", "left", *slurm, leave).wait().out == ""
    assert [len(array.groups) for array in here.arrays] == [4]  # what is queued is not submitted again
    here.cluster.run("scancel", blocker)
    here.start("wait", "left").wait()  # for a second look too, where one is taken
    told = here.start(*study).wait()
    assert "linear" in told.out
    assert (here.folder / "results" / "studies" / "left" / "verdict.json").exists()


@pytest.mark.full
def test_stages_that_are_left_alone(here: Place) -> None:
    """`wait` submits the second; what waits in the queue is not submitted again by whoever asks for the sweep."""
    here.environment["PYTHONPATH"] += f":{Path(__file__).parents[1] / 'sweep'}"
    base = ["tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=1ep", "batch_size=256", "device=cpu"]
    design = json.dumps({"base": base, "rates": [0.001, 0.1], "seeds": [1, 2]})

    def ask() -> str:
        command = [sys.executable, "-c", STAGED, design]
        done = subprocess.run(
            command, cwd=here.folder, env=here.environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submitted() -> list[int]:
        return [len(array.groups) for array in here.arrays]

    blocker = here.cluster.submit("sleep 600", "-c", "8")
    assert [ask(), ask()] == ["left", "left"]
    assert submitted() == [2]
    here.cluster.run("scancel", blocker)
    here.start("wait", "toy", "--trust", "toy_stages").wait()
    assert submitted() == [2, 2]
    assert [e.label for e in here.stored.plan.entries] == [
        "first lr=0.001", "first lr=0.1", "second lr=0.1 seed=1", "second lr=0.1 seed=2"
    ]  # fmt: skip
    assert {Record(here.folder / "results" / "runs" / e.run_id).standing() for e in here.stored.plan.entries} == {
        "finished"
    }
    assert ask() == "done"
    assert submitted() == [2, 2]


# ---- The controller and the driver come and go.


@pytest.mark.full
def test_the_controller_is_killed(here: Place) -> None:
    driver = here.sweep(*GATED, names("a", "b"))
    here.wait_until_under_way("a", "b")
    began, state = time.time(), here.cluster.folder / "state" / "job_state"
    here.cluster.wait_until(lambda: state.stat().st_mtime > began, "slurmctld to save what it knows")
    here.cluster.kill("slurmctld")
    here.say("a.go")
    here.cluster.wait_until(lambda: here.record("a").standing() == "finished", "a run to end meanwhile")
    here.cluster.start("slurmctld")
    here.say("go")
    driver.wait()
    assert [here.record(name).standing() for name in ("a", "b")] == ["finished", "finished"]


def test_the_driver_is_killed_and_others_attach(here: Place) -> None:
    command = (*GATED, names("a", "b"))
    driver = here.sweep(*command)
    here.wait_until_under_way("a", "b")
    here.say("hold")  # however long another driver takes to begin
    driver.kill()
    second = here.sweep(*command)
    second.wait_for("2 of 2 runs are in jobs already")
    here.unsay("hold")
    here.cluster.scontrol("requeuehold", here.job("a"))
    second.wait_for(f"job {here.job('a')} waits (job requeued in held state)")
    here.cluster.scontrol("release", here.job("a"))
    waiting = here.start("wait", here.stored.name[:6])
    here.say("go")
    second.wait()
    waiting.wait()
    assert len(here.arrays) == 1
    assert [len(here.begun_at(name)) for name in ("a", "b")] == [2, 1]


def test_left_queued_and_edited(here: Place) -> None:
    """Detached; what is edited while it waits changes nothing; status tells; cancelled, it goes on where it was."""
    blocker = here.cluster.submit("sleep 600", "-c", "8")
    here.cluster.wait_for_state(blocker, "RUNNING")
    level = here.folder / "conf" / "scheduler" / "mine.yaml"
    level.parent.mkdir(parents=True)
    text = "defaults: [cosine]\n"
    level.write_text(text)
    command = ("--config-dir", "conf", "scheduler=mine", *GATED, names("a", "b"), "hydra.launcher.max_parallel=1")
    driver = here.sweep(*command, "hydra.launcher.detach=true").wait()
    name = here.stored.name
    assert f"lrbench status {name[:8]}, wait {name[:8]}, cancel {name[:8]}" in driver.err
    told = numbers(here.start("status", name, "--json").wait())
    assert told["counts"] == {"queued": 2}
    assert {run["job_state"] for run in told["runs"]} <= {"PENDING (Resources)", "PENDING (Priority)", "PENDING (None)"}
    level.write_text("defaults: [constant]\n")
    here.cluster.run("scancel", blocker)
    here.wait_until_under_way("a")
    told = numbers(here.start("status", name, "--json").wait())
    assert told["counts"] == {"running": 1, "queued": 1}
    assert "2 of 2 jobs cancelled" in here.start("cancel", name).wait().out
    here.cluster.wait_until(lambda: not here.cluster.squeue(), "an empty queue")
    (reached,) = here.updates("a").values()
    assert here.record("a").status() == {"state": "interrupted", "update": reached, "updates": 1600, "error": None}
    table = here.start("status", name).wait(code=1)
    assert "2 lost" in table.out
    assert "CANCELLED" in table.out
    here.start("wait", name).wait(code=1)
    assert "none of 2 jobs" in here.start("cancel", name).wait().out
    level.write_text(text)
    here.say("go")
    here.sweep(*command).wait()
    assert here.begun_at("a") == [0, reached]
    for run in ("a", "b"):
        assert here.record(run).experiment().scheduler.target.endswith("CosineAnnealingLR")


# ---- Other sites.


def test_small_arrays_and_no_accounting(small_cluster: Cluster, tmp_path: Path) -> None:
    """Arrays of at most four jobs, one after the other; and nobody to tell of the dead but scontrol."""
    with place(small_cluster, tmp_path) as here:
        free = [f"r{i}" for i in range(4)]
        here.say(*(f"{name}.go" for name in free))
        command = (*GATED, names("kill", "cancel", *free), "hydra.launcher.max_parallel=3")
        driver = here.sweep(*command)
        here.wait_until_under_way("kill", "cancel")
        assert [len(array.groups) for array in here.arrays] == [4, 2]
        second = here.cluster.job(f"{here.arrays[1].id}_0")
        assert second["Dependency"].startswith(f"afterany:{here.arrays[0].id}")
        (victim,) = here.updates("kill")
        os.kill(victim, signal.SIGKILL)
        here.cluster.run("scancel", here.job("cancel"))
        driver.wait(code=1)
        assert "model.args.name=kill  stopped: job" in driver.err
        assert "ended CANCELLED" in driver.err
        assert {here.record(name).standing() for name in free} == {"finished"}
        here.say("go")
        again = here.sweep(*command).wait()
        assert "submitted 2 runs in 2 jobs" in again.err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("partition=nope", ("invalid partition specified: nope", "change hydra.launcher.partition")),
        *(
            pytest.param(f"gres={gres}", words, marks=pytest.mark.full)
            for gres, words in (
                ("gpu:9", ("Requested node configuration is not available", "hydra.launcher.gres")),
                ("tpu:1", ("Invalid generic resource (gres) specification", "change hydra.launcher.gres")),
            )
        ),
        ("time=soon", ("hydra.launcher.time=soon", "hours:minutes:seconds")),
    ],
)
def test_refused_by_sbatch(here: Place, option: str, words: tuple[str, ...]) -> None:
    driver = here.sweep(*GATED, names("a", "b"), f"hydra.launcher.{option}").wait(code=2)
    last = driver.err.splitlines()[-1]
    for word in ("lrbench: hydra", *words):
        assert word in last
    assert "Traceback" not in driver.err
    assert not list((here.folder / "results").rglob("*.*"))
    assert not here.cluster.squeue()


@pytest.mark.full
def test_a_full_disk(cluster: Cluster, tmp_path: Path, tiny_disk: Path) -> None:
    """The run that meets it says so and keeps its checkpoint; with room made, the same command goes on."""
    with place(cluster, tmp_path) as here:
        (tmp_path / "results").symlink_to(tiny_disk)
        command = (*GATED, names("a"), "checkpoint_every=10ba")
        driver = here.sweep(*command)
        here.cluster.wait_until(lambda: list(tiny_disk.glob("runs/*/checkpoints/last.pt")), "a checkpoint")
        size = os.statvfs(tiny_disk)
        filler = tiny_disk / "filler"
        filler.write_bytes(b"x" * (size.f_bavail * size.f_frsize))
        driver.wait(code=1)
        assert "results is full" in driver.err  # its log had no room to say so
        refused = here.sweep(*GATED, names("b")).wait(code=2)
        assert "No space left on device" in refused.err
        filler.unlink()
        here.say("go")
        here.sweep(*command).wait()
        assert here.begun_at("a")[1] >= 10


def test_hydras_own_launcher(here: Place, require_same_run: Same) -> None:
    """hydra-submitit-launcher, where it is installed: a preempted run goes on from the update it had reached."""
    try:
        version("hydra-submitit-launcher")
    except PackageNotFoundError:
        pytest.skip("hydra-submitit-launcher is not installed")
    options = ("partition=preempt", "mem_gb=2", "max_num_timeout=9", "timeout_min=60")
    requeue = "+hydra.launcher.additional_parameters.requeue=true"
    launcher = ("hydra/launcher=submitit_slurm", requeue, *(f"hydra.launcher.{o}" for o in options))
    here.cluster.scontrol("update", "PartitionName=preempt", "GraceTime=15")  # submitit's own requeue takes a moment
    driver = here.start("-m", *GATED, names("a", "b"), *launcher)
    here.wait_until_under_way("a", "b")
    high = here.cluster.submit("true", "-p", "high", "-c", "8")
    here.cluster.wait_for_state(high, "COMPLETED")
    here.say("go")
    driver.wait()
    records = [Record(p) for p in (here.folder / "results" / "runs").iterdir()]
    reached = sorted(next(iter(here.updates(name).values())) for name in ("a", "b"))
    attempts = [json.loads((r.folder / "provenance.json").read_text()) for r in records]
    assert sorted(a[1]["from_update"] for a in attempts) == reached
    for record in records:
        alone = train(record.experiment(), Settings(results=here.folder / "alone", checkpoint_every=None))
        require_same_run(record, alone)
