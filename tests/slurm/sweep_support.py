"""Sweeps on a real cluster: the command in a process of its own, and runs that a test can hold and count."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster_models import UNDER_WAY
from cluster_support import Cluster

from lrbench.engine.train import train
from lrbench.store.record import Record
from lrbench.sweep.entry import Entry
from lrbench.sweep.slurm.jobs import Array, job_of_each_run, load_arrays
from lrbench.sweep.store import Sweep

HERE = Path(__file__).parent
DEADLINE = 300.0  # seconds; what is waited for takes a few on an idle machine
# 1600 updates: a second or two at full speed, 80 s at least while a test holds them back.
GATED = ("tracker=none", "model=mlp", "~model.args.hidden", "~model.args.dropout", "batch_size=256", "horizon=400ep",
         "model._target_=cluster_models.gated", "checkpoint_every=null", "device=cpu")  # fmt: skip


class Place:
    """A folder with results, and the gate of the runs in it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.gate = cluster, folder, folder / "gate"
        self.gate.mkdir()
        python = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {
            **cluster.environment,
            "PYTHONPATH": ":".join(python),
            "GATE": str(self.gate),
            "COLUMNS": "150",
        }
        self.drivers: list[Driver] = []

    def start(self, *arguments: str) -> "Driver":
        """`lrbench ...`, in the background."""
        log = self.folder / f"driver-{len(self.drivers)}"
        self.drivers.append(Driver(arguments, self.folder, self.environment, log))
        return self.drivers[-1]

    def sweep(self, *arguments: str) -> "Driver":
        return self.start("-m", "hydra/launcher=slurm", "hydra.launcher.mem=2G", *arguments)

    def say(self, *words: str) -> None:
        """Tell the runs: `go`, or `NAME.go`, `NAME.hold`, `NAME.eat`."""
        for word in words:
            (self.gate / word).touch()

    def unsay(self, word: str) -> None:
        (self.gate / word).unlink()

    def updates(self, name: str) -> dict[int, int]:
        """Updates that each process of a run has made, by its pid, the latest last."""
        files = [p for p in self.gate.glob(f"{name}.*") if p.suffix[1:].isdigit()]
        return {int(p.suffix[1:]): p.stat().st_size for p in sorted(files, key=lambda p: p.stat().st_mtime)}

    def wait_until_under_way(self, *names: str, processes: int = 1) -> None:
        """Until every run is trained by its (latest of so many) process, for some updates already."""

        def under_way(name: str) -> bool:
            latest = self.drivers[-1]
            assert latest.process.poll() in (None, 0), latest.out + latest.err
            return sum(n >= UNDER_WAY for n in self.updates(name).values()) >= processes

        self.cluster.wait_until(lambda: all(map(under_way, names)), f"{names} to be under way", DEADLINE)

    def wait_until_submitted(self) -> None:
        submitted = self.folder / "results" / "sweeps"
        self.cluster.wait_until(lambda: list(submitted.glob("*/jobs.json")), "the submission")

    @property
    def stored(self) -> Sweep:
        (path,) = (self.folder / "results" / "sweeps").glob("*/sweep.json")
        return Sweep.load(path.parent)

    @property
    def arrays(self) -> list[Array]:
        return load_arrays(self.folder / "results" / "sweeps" / self.stored.name)

    def entry(self, name: str) -> Entry:
        """The run of the model with this name."""
        (found,) = [e for e in self.stored.plan.entries if e.experiment.model.args["name"] == name]
        return found

    def record(self, name: str) -> Record:
        return Record(self.folder / "results" / "runs" / self.entry(name).run_id)

    def job(self, name: str) -> str:
        """The number of the latest job that has this run."""
        return job_of_each_run(self.arrays)[self.entry(name).run_id]

    def begun_at(self, name: str) -> list[int]:
        """The updates from which each attempt at a run went on."""
        attempts = json.loads((self.record(name).folder / "provenance.json").read_text())
        return [a["from_update"] for a in attempts]

    def undisturbed(self, name: str) -> Record:
        """The same run, trained here without any gate."""
        entry = self.entry(name)
        return train(entry.experiment, replace(entry.settings, results=self.folder / "undisturbed"))


class Driver:
    """A running `lrbench`."""

    def __init__(self, arguments: tuple[str, ...], folder: Path, environment: dict[str, str], log: Path) -> None:
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lrbench", *arguments], cwd=folder, env=environment, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait(self, code: int = 0, timeout: float = DEADLINE) -> "Driver":
        """Until it ends, with this exit code."""
        assert self.process.wait(timeout) == code, self.out + self.err
        return self

    def wait_for(self, words: str) -> None:
        """Until it has said so on stderr."""
        until = time.monotonic() + DEADLINE
        while words not in self.err:
            assert self.process.poll() is None, self.err
            assert time.monotonic() < until, self.err
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def place(cluster: Cluster, folder: Path) -> Iterator[Place]:
    """Leaves no job behind."""
    made = Place(cluster, folder)
    try:
        yield made
    finally:
        for driver in made.drivers:
            driver.kill()
        cluster.scontrol("update", "PartitionName=preempt", "GraceTime=15")  # what a test may have changed
        cluster.run("scancel", "--user", str(os.getuid()))
        cluster.wait_until(lambda: not cluster.squeue(), "an empty queue")


def numbers(driver: Driver) -> dict[str, Any]:
    """What `status --json` printed."""
    plain: dict[str, Any] = json.loads(driver.out)
    return plain
