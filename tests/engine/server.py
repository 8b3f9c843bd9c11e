"""Forks a process for every job read from stdin, and prints its pid. Not a test: `server` in conftest.py runs it.

A job: the experiment's YAML file, a file for events, the results folder, any of the patches below, and `settings`.
Events: `begin`, `update N` (with `pause`), `half` and `whole` (with `slow_save`), `said ...`, last `end STANDING` or
`raised ERROR`.
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
from lrbench.identity import from_plain
from lrbench.store.lease import Lease


def run(job: dict[str, Any]) -> None:
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def event(text: str) -> None:
        os.write(log, (text.replace("\n", " ") + "\n").encode())

    if "pause" in job:  # seconds before every update
        batch = Batches.batch

        def slow_batch(self: Batches, update: int, *parts: int) -> Any:
            event(f"update {update}")
            time.sleep(job["pause"])
            return batch(self, update, *parts)

        Batches.batch = slow_batch  # type: ignore[method-assign]
    if "slow_save" in job:  # seconds with half a checkpoint on the disk, and again before the whole one is renamed
        sync = os.fsync

        def slow_sync(descriptor: int) -> None:
            if ".pt." in os.readlink(f"/proc/self/fd/{descriptor}"):
                size = os.fstat(descriptor).st_size
                with open(f"/proc/self/fd/{descriptor}", "rb") as file:
                    content = file.read()
                os.ftruncate(descriptor, size // 2)
                event("half")
                time.sleep(job["slow_save"])
                os.pwrite(descriptor, content[size // 2 :], size // 2)
                event("whole")
                time.sleep(job["slow_save"])
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
