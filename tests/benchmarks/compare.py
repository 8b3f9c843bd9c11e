"""A whole `lrbench compare` on digits, undisturbed and killed twice at random: its seconds, and whether both say the
same; by `run.py`. Some minutes on two idle cores."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import environment, keep, seconds

ASKED = ("compare", "data=digits", "model=mlp", "scheduler=constant,cosine,linear", "--pairs", "10", "--name", "mine")
ALIKE = ("verdict.json", "report.md")
KILLS = 2


def compare_digits() -> None:
    """Three arms, tuned, of 10 pairs: from nothing to the page."""
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        taken = seconds(lambda: _start(whole).wait())
        runs = len(_done(whole))
        draw = random.Random(0)
        at = sorted(draw.randrange(1, runs) for _ in range(KILLS))
        stopped = [_killed(killed, many) for many in at]
        code = _start(killed).wait()
        same = {name: _study(killed, name) == _study(whole, name) for name in ALIKE}
    keep(
        "compare_digits",
        f"lrbench {' '.join(ASKED)}: seconds; and killed with SIGKILL {KILLS} times, gone on, the same bytes",
        "<= 360 s, the same",
        {"seconds": round(taken, 1), "runs": runs, "killed_at_runs": stopped, "code_then": code, "same": same},
    )


def _start(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "lrbench", *ASKED, "tracker=none"]
    return subprocess.Popen(command, cwd=folder, env=environment(), stdout=quiet, stderr=quiet, start_new_session=True)


def _killed(folder: Path, many: int) -> int:
    """With all its workers, when so many runs are done; how many then are."""
    process = _start(folder)
    while len(_done(folder)) < many and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(_done(folder))


def _done(folder: Path) -> list[Path]:
    return list((folder / "results" / "runs").glob("*/summary.json"))


def _study(folder: Path, name: str) -> bytes:
    return (folder / "results" / "studies" / "mine" / name).read_bytes()


EVERY = (compare_digits,)
