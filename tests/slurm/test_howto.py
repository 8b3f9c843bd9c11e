"""The rehearsal in `slurm/README.md`, command by command: two login sessions, the first of which is gone after it has
submitted."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cluster_support import Cluster
from sweep_support import Place, place

from lrbench.store.record import Record

TEXT = (Path(__file__).parents[2] / "slurm" / "README.md").read_text()
REHEARSAL = TEXT.partition("## A rehearsal")[2].partition("\n## ")[0]
SHORTER = ("horizon=200ep", "horizon=60ep")
NAME, RUN = "5334e924", "ff089c42"  # of the sweep, and of a run that was preempted, in the text


def commands(block: str) -> list[str]:
    """What is typed in a console block, without what belongs to the reader's own cluster."""
    typed = re.findall(r"^\$ ((?:.*\\\n)*.*)", block, re.MULTILINE)
    return [c.replace(*SHORTER) for c in typed if "dev-cluster" not in c and c != "exit"]


FIRST, SECOND = (commands(block) for block in re.findall(r"```console\n(.*?)```", REHEARSAL, re.DOTALL))


def test_the_rehearsal_is_the_whole_story() -> None:
    (submit,) = FIRST
    assert SHORTER[1] in submit
    assert {"hydra.launcher.detach=true", "hydra.launcher.partition=preempt"} <= set(submit.split())
    assert [" ".join(c.split()[:2]) for c in SECOND] == [
        "lrbench status", "srun --partition=high", "lrbench status", "lrbench wait", "sacct -X", "lrbench show",
        "lrbench report"]  # fmt: skip


@pytest.fixture
def here(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    with place(cluster, tmp_path) as made:
        made.environment["PATH"] = f"{Path(sys.executable).parent}:{made.environment['PATH']}"
        yield made


@pytest.mark.slurm
def test_the_rehearsal(here: Place) -> None:
    submitted = log_in_submit_and_be_cut_off(here, *FIRST)
    assert "12 runs: 12 new" in submitted
    (name,) = re.findall(r"lrbench status (\w{8}), wait", submitted)
    here.cluster.wait_until(lambda: under_way(here), "two jobs to be under way")
    runs, said = here.folder / "results" / "runs", ""
    for command in SECOND:
        preempted = [r.run_id for r in map(Record, runs.iterdir()) if [a["from_update"] for a in r.attempts()][1:]]
        command = command.replace(NAME, name).replace(RUN, (preempted or [RUN])[0][:8])
        said += (watched if command.startswith(f"lrbench status {name}") else shell)(here, command)
    for words in (r"12 runs: \d running, ", r"queued +\d+/960 +\d+_0 ", r"_0 +REQUEUED", r"_0 +COMPLETED"):
        assert re.search(words, said), said
    assert int(re.findall(r"  resumed at update (\d+)", said)[0]) > 0
    assert sorted(r.standing() for r in map(Record, runs.iterdir())) == ["finished"] * 12
    (page,) = re.findall(r"^page +(\S+)", said, re.MULTILINE)
    assert "<html" in (here.folder / page).read_text()


def log_in_submit_and_be_cut_off(here: Place, command: str) -> str:
    """What a command said, in a session that is then killed with all that belongs to it."""
    log = here.folder / "session.log"
    script = f"{command}\necho its exit code is $?.\nsleep 1000\n"
    with log.open("w") as file:
        session = subprocess.Popen(
            ["env", "--default-signal=HUP", "bash", "-c", script],  # which pytest under nohup leaves ignored
            cwd=here.folder,
            env=here.environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        here.cluster.wait_until(lambda: "its exit code is" in log.read_text(), "the submission")
    finally:
        os.killpg(session.pid, signal.SIGHUP)
        session.wait()
        with suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
    assert "its exit code is 0." in log.read_text(), log.read_text()
    return log.read_text()


def under_way(here: Place) -> bool:
    """Whether six runs have made updates; read here, as a command every moment would only take their processors."""
    began = [Record(p.parent) for p in (here.folder / "results" / "runs").glob("*/metrics.jsonl")]
    return sum(any(row["update"] > 0 for row in record.rows()) for record in began) >= 6


def shell(here: Place, command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=here.folder, env=here.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, command + done.stdout + done.stderr
    return done.stdout


def watched(here: Place, command: str) -> str:
    """The same in a terminal, left by Ctrl-C when the table has been drawn twice; by itself when all is done."""
    ours, its = pty.openpty()
    environment = {**here.environment, "TERM": "xterm"}
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=here.folder, env=environment, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    said, asked = b"", False
    with suppress(OSError):  # Linux's word for the other end being closed
        while True:
            said += os.read(ours, 65536)
            if said.count(b"12 runs: ") >= 2 and not asked:
                process.send_signal(signal.SIGINT)
                asked = True
    os.close(ours)
    assert process.wait() == 0, said.decode()
    assert asked or b"12 runs: 12 done" in said, said.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())
