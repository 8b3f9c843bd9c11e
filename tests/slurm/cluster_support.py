"""Real SLURM clusters for tests: `slurm/dev-cluster` on free ports, in short-lived folders."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

DEV_CLUSTER = Path(__file__).parents[2] / "slurm" / "dev-cluster"
PORTS = 4  # that a cluster needs, one after the other
NOT_INSTALLED = 127  # dev-cluster's exit code
DEADLINE = 240.0  # seconds for what takes one or two on an idle machine


class Cluster:
    """A running cluster. Commands run in `environment`, which a test may also put into its own (see `enter`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "SRUN"))},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.environ["PATH"] + ":/usr/sbin",
        }

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From here to the end of the test, this process and what it starts talk to this cluster."""
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, self.environment[name])

    def run(self, *command: str, timeout: float = DEADLINE) -> str:
        """What a command printed. Fails with its error if it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, script: str, *options: str) -> str:
        """sbatch a line of shell without a log (or with --output among the options); the job's number."""
        return self.run("sbatch", "--parsable", "--output=/dev/null", *options, f"--wrap={script}").strip()

    def squeue(self, *options: str) -> list[str]:
        """Lines of squeue, without its header."""
        return self.run("squeue", "--noheader", *options).splitlines()

    def scontrol(self, *arguments: str) -> str:
        return self.run("scontrol", *arguments)

    def job(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says of one job (or task, such as 12_3): JobState, Reason, Restarts, NodeList ..."""
        (line,) = self.scontrol("--oneliner", "show", "job", job).splitlines()
        return dict(field.split("=", 1) for field in line.split() if "=" in field)

    def state(self, job: str) -> str:
        return self.job(job)["JobState"]

    def wait_for_state(self, job: str, *states: str, timeout: float = DEADLINE) -> str:
        """The first of these states that the job is seen in."""
        self.wait_until(lambda: self.state(job) in states, f"job {job} to be {' or '.join(states)}", timeout)
        return self.state(job)

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = DEADLINE) -> None:
        """SLURM tells nobody when something happens, so it is asked until it has."""
        until = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > until:
                queue = self.run("squeue", "--Format=JobArrayID:20,State,Reason:40,NodeList")
                raise AssertionError(f"waited {timeout:g} s for {what}\n{queue}{self.run('sinfo', '-Nl')}")
            time.sleep(0.05)

    def daemons(self, name: str) -> list[psutil.Process]:
        """The processes of slurmctld, slurmdbd, munged, mariadbd, or of one node's slurmd (n0, n1)."""
        command = ["slurmd", "-D", "-N", name] if name in ("n0", "n1") else [name]
        found = _processes(LRBENCH_DEV_CLUSTER=str(self.folder))
        return [p for p in found if p.cmdline()[: len(command)] == command]

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a daemon. A node's jobs live on without its slurmd; SIGKILL makes slurmctld forget its last seconds."""
        assert self.daemons(name)
        _end(self.daemons(name), how)

    def start(self, name: str) -> None:
        """Start a killed slurmctld or slurmd again, and wait until it answers."""
        command = ["slurmctld", "-D"] if name == "slurmctld" else ["slurmd", "-D", "-N", name]
        with (self.folder / "log" / f"{name}.again.out").open("a") as log:
            # In between is a shell that ends at once, so that the daemon is no child of the tests.
            subprocess.run(
                ["sh", "-c", 'setsid "$@" &', "sh", *command],
                env={**self.environment, "LRBENCH_DEV_CLUSTER": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        if name == "slurmctld":
            self.wait_until(self.answers, "an answer from slurmctld")
        else:
            states = ("idle", "mixed", "allocated")
            self.wait_until(
                lambda: self.run("sinfo", "-h", "-n", name, "-p", "main", "-o", "%T").strip() in states, f"node {name}"
            )

    def answers(self) -> bool:
        """Whether slurmctld does."""
        done = subprocess.run(["scontrol", "ping"], env=self.environment, capture_output=True, text=True)
        return "is UP" in done.stdout

    def restart_controller(self) -> None:
        """As for maintenance: slurmctld saves its state first."""
        self.kill("slurmctld", signal.SIGTERM)
        self.start("slurmctld")

    def fail_node(self, name: str) -> None:
        """A node goes down with all that runs on it. SLURM is told, as it would find out only after 30 s."""
        tasks = _processes(SLURM_CONF=self.environment["SLURM_CONF"], SLURMD_NODENAME=name)
        steps = [q for p in tasks if (q := p.parent()) is not None and q.name() == "slurmstepd"]
        _end([*self.daemons(name), *steps, *tasks])
        self.scontrol("update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def recover_node(self, name: str) -> None:
        """After fail_node."""
        self.scontrol("update", f"NodeName={name}", "State=RESUME")
        self.start(name)


def _processes(**variables: str) -> list[psutil.Process]:
    """Processes that were started with these environment variables."""
    found = []
    for process in psutil.process_iter():
        try:
            if variables.items() <= process.environ().items():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
    return found


def _end(processes: list[psutil.Process], how: signal.Signals = signal.SIGKILL) -> None:
    """Signal them, and wait until they have ended; one that nobody has reaped yet has."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(how)
    until = time.monotonic() + DEADLINE
    while any(map(_lives, processes)):
        assert time.monotonic() < until, processes
        time.sleep(0.005)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def dev_cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run slurm/dev-cluster."""
    return subprocess.run([str(DEV_CLUSTER), *arguments], capture_output=True, text=True, timeout=600)


def free_ports() -> int:
    """The first of four TCP ports that nothing listens on, below the range that the system hands out."""
    for first in random.SystemRandom().sample(range(20000, 32000, PORTS), 100):
        try:
            for port in range(first, first + PORTS):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no four free ports")


@contextmanager
def running_cluster(*options: str) -> Iterator[Cluster]:
    """A cluster, and its end. Its folder's name is short: a socket's path has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="lrb-", dir="/tmp"))
    try:
        up = dev_cluster("up", "--dir", str(folder), "--port0", str(free_ports()), *options)
        if up.returncode == NOT_INSTALLED:
            pytest.skip("SLURM is not installed (as root: slurm/dev-cluster install)")
        assert up.returncode == 0, up.stderr
        yield Cluster(folder)
    finally:
        down = dev_cluster("down", "--dir", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
    assert down.returncode == 0, down.stderr
