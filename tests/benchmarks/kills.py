"""Kills at any moment, of runs, of sweeps, of their drivers and of their workers; by `run.py`. In all the records that
come of it are the same bits as those of what nobody disturbed. Half an hour on two cores; each time at other moments.

A victim is started warm (`tests/warm.py`), killed with SIGKILL after a random wait, and started again by the same
command, until it was killed as often as it was to be; then it is let end.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import psutil
from harness import environment, keep

sys.path.append(str(Path(__file__).parents[1]))  # what tests share

from same_run import require_same_run
from warm import Process, Warm

from lrbench.store.store import Store
from lrbench.sweep.pool import DEATHS

KILLS = 1000  # in all, at least
SPARED = DEATHS - 1  # workers that a sweep may lose: of one more, a run would count as what kills them
AT_A_TIME = 4  # as victims sleep before they are killed
EACH = 10  # of one victim, which then is let end
SHARED = ("model=mlp", "model.args.hidden=[8]", "horizon=40ep", "checkpoint_every=7ba", "tracker=none", "device=cpu")
SWEPT = ("-m", *SHARED, "seed=0,1,2,3", "scheduler=cosine,plateau", "hydra.launcher.workers=2")
VICTIMS = {  # what is started, and what of it is killed
    "a run": (SHARED, "all"),
    "a sweep": (SWEPT, "all"),
    "a driver": (SWEPT, "driver"),
    "a worker": (SWEPT, "worker"),
}


def kills() -> None:
    """Every victim as often, four at a time."""
    with ProcessPoolExecutor(AT_A_TIME, get_context("spawn")) as pool:
        parts = list(pool.map(_part, range(AT_A_TIME)))
    hit, unlike, ends = (sum(counts, Counter[str]()) for counts in zip(*parts, strict=True))
    keep(
        "kills",
        "SIGKILL at random moments, the same command again: records that are not those of an undisturbed run",
        "none",
        {"kills": dict(hit), "unlike": {name: unlike[name] for name in hit}, "last_exit_codes": dict(ends)},
    )


def _part(part: int) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Of a process's share: kills and unlike records by what was killed, and how the last starts ended."""
    hit, unlike, ends = Counter[str](), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as there, Warm(Path(there)) as warm:
        whole = {asked: _undisturbed(warm, Path(there), asked) for asked in (SHARED, SWEPT)}
        for n in count(part, AT_A_TIME):
            if sum(hit.values()) >= KILLS / AT_A_TIME:
                return hit, unlike, ends
            name = [*VICTIMS][n // AT_A_TIME % len(VICTIMS)]
            asked, of = VICTIMS[name]
            folder = Path(there) / f"killed-{n}"
            folder.mkdir()
            many, code = _disturbed(warm, folder, asked, of, random.Random(n))
            hit[name] += many
            ends[str(code)] += 1
            unlike[name] += _unlike(folder, whole[asked])
    raise AssertionError("there is no last number")


def _undisturbed(warm: Warm, there: Path, asked: tuple[str, ...]) -> Path:
    folder = there / f"whole-{_runs(asked)}"
    folder.mkdir()
    assert _start(warm, folder, asked).wait() == 0
    return folder


def _disturbed(warm: Warm, folder: Path, asked: tuple[str, ...], of: str, draw: random.Random) -> tuple[int, int]:
    """How often it was killed, and the exit code of the last start. A sweep that has lost a worker goes on."""
    done = 0
    for _ in range(EACH):
        process = _start(warm, folder, asked)
        for _ in range(SPARED if of == "worker" else 1):
            time.sleep(draw.uniform(0.02, 1.5))
            done += _kill(process, of, draw)
        process.wait()
        if len(_finished(folder)) == _runs(asked):
            break
    return done, _start(warm, folder, asked).wait()


def _start(warm: Warm, folder: Path, asked: tuple[str, ...]) -> Process:
    return warm.start(*asked, folder=folder, env=environment())


def _kill(process: Process, of: str, draw: random.Random) -> int:
    """1 where there was something to kill."""
    if process.poll() is not None:
        return 0
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if of == "all":
            os.killpg(process.pid, signal.SIGKILL)
        elif of == "driver":
            os.kill(process.pid, signal.SIGKILL)
        else:
            workers = psutil.Process(process.pid).children(recursive=True)
            if not workers:
                return 0
            draw.choice(workers).kill()
        return 1
    return 0


def _runs(asked: tuple[str, ...]) -> int:
    return 8 if asked is SWEPT else 1


def _finished(folder: Path) -> list[str]:
    return [r.run_id for r in Store(folder / "results").records() if r.standing() == "finished"]


def _unlike(folder: Path, whole: Path) -> int:
    """How many of the undisturbed records are not there to the bit."""
    wrong = 0
    for record in Store(whole / "results").records():
        try:
            require_same_run(Store(folder / "results").record(record.run_id), record)
        except (AssertionError, OSError) as error:
            print(f"{folder.name}: {record.run_id}: {error!r}", file=sys.stderr)
            wrong += 1
    return wrong


EVERY = (kills,)
