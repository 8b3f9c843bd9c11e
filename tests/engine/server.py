"""Forks a process for every job read from stdin, and prints its pid. Not a test: `server` in conftest.py runs it.

A job: the experiment's YAML file, a file for events, the results folder, any of the patches below, and `settings`.
Events: `begin`, `update N`, `half` and `whole` (with `hold_save`), `said ...`, last `end STANDING` or `raised ERROR`.
Nothing is a question of time: a process stands still at an update or in a save until it is let go or killed, and dies
of its own after so much computing.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from lrbench.data.batches import Batches
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.experiment.identity import from_plain
from lrbench.store.lease import Lease


def run(job: dict[str, Any]) -> None:
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def event(text: str) -> None:
        os.write(log, (text.replace("\n", " ") + "\n").encode())

    batch = Batches.batch
    holds, gate, passed = list(job.get("hold_at", ())), Path(job["log"]).with_suffix(".go"), 0

    def watched_batch(self: Batches, update: int, *parts: int) -> Any:
        nonlocal passed
        event(f"update {update}")
        if update in holds:  # until there is a byte more in the file beside the events
            while not gate.exists() or gate.stat().st_size <= passed:
                time.sleep(0.001)
            passed += 1
        if update == job.get("die_at"):  # this many seconds of computing later, wherever that is
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, job["die_after"])
        return batch(self, update, *parts)

    Batches.batch = watched_batch  # type: ignore[method-assign]
    if "hold_save" in job:  # stand still at the nth time that half, or the whole, of a checkpoint is on the disk
        held, nth = job["hold_save"]
        sync, count = os.fsync, 0

        def moment(name: str) -> None:
            nonlocal count
            count += name == held
            event(name)
            while name == held and count == nth:
                time.sleep(1)

        def slow_sync(descriptor: int) -> None:
            if ".pt." in os.readlink(f"/proc/self/fd/{descriptor}"):
                size = os.fstat(descriptor).st_size
                with open(f"/proc/self/fd/{descriptor}", "rb") as file:
                    content = file.read()
                os.ftruncate(descriptor, size // 2)
                moment("half")
                os.pwrite(descriptor, content[size // 2 :], size // 2)
                moment("whole")
            sync(descriptor)

        os.fsync = slow_sync
    if "race_at" in job:  # wait for a moment that others wait for too, then only ask for the lease
        lease = Lease(Path(job["results"]))
        while time.time() < job["race_at"]:
            pass
        event(f"end {lease.take()}")
        time.sleep(job["hold"])
        return
    if "largest" in job:  # bytes: what no file may exceed
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], resource.RLIM_INFINITY))
    experiment = from_plain(yaml.safe_load(Path(job["experiment"]).read_text()))
    settings = Settings(results=Path(job["results"]), **{"checkpoint_every": "1ep", **job.get("settings", {})})
    event("begin")
    try:
        record = train(experiment, settings, say=lambda text: event(f"said {text}"))
    except BaseException as error:
        event(f"raised {type(error).__name__}: {error}")
    else:
        event(f"end {record.standing()}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.optim.SGD([torch.nn.Parameter(torch.empty(0))])  # its first one imports for two seconds
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children are no zombies
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                run(json.loads(line))
            finally:
                os._exit(0)
        print(pid, flush=True)
