"""Train a plan on this machine: warm worker processes, each handed one entry at a time.

That a run is trained once, resumed where it stopped and taken over from the dead is a property of `train`; here it is
only decided which run is next. A worker that dies is replaced and its run given out again.
"""

import multiprocessing
import os
import signal
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Literal

import torch

from lrbench.engine.signals import Stop, stop_signal, until_signalled
from lrbench.experiment.identity import run_id
from lrbench.store.lease import holder
from lrbench.store.record import DONE
from lrbench.sweep.alike import Alike
from lrbench.sweep.entry import Entry, mark_failed, saved_update
from lrbench.sweep.observer import Observer
from lrbench.sweep.plan import Plan
from lrbench.sweep.shared_data import SharedData
from lrbench.sweep.worker import work

TICK = 0.2  # seconds at most between two looks at signals and at the display
DEATHS = 3  # of a run's workers in a row, without an update saved in between, after which the run counts as failed

Ended = Literal["finished", "diverged", "failed", "stopped"]
End = Literal["done", "interrupted", "disk full", "all alike"]  # of a whole sweep


def start_server() -> None:
    """Begin to import what workers need, in the process they are forked from, while this one plans."""
    _context()
    forkserver.ensure_running()


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lrbench.sweep.warm"])
    return context


@dataclass
class _Worker:
    process: ForkServerProcess
    connection: Connection
    place: int  # among the workers: its line in the display, and its GPU
    ready: bool = False
    entry: Entry | None = None


@dataclass
class Pool:
    """Trains the entries of a plan that have something to do. `ended` = how each ended so far, by run id."""

    plan: Plan
    size: int
    observer: Observer
    ended: dict[str, Ended] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._waiting = deque(self.plan.to_do)
        self._unfinished = {e.run_id for e in self.plan.to_do}
        self._workers: list[_Worker] = []
        self._shared = SharedData(self.size)
        self._deaths: dict[str, tuple[int, int]] = {}  # by run id: how many in a row, and at which saved update
        self._stillborn = 0  # workers in a row that died before they were ready
        self._end_as: End = "done"
        self._signal = Stop()
        self._alike = Alike()

    def run(self) -> End:
        """Train until all is done, or no more can be. A signal stops every run at an update.

        Raises KeyboardInterrupt at a second Ctrl-C, RuntimeError if no worker can be started.
        """
        try:
            with until_signalled() as self._signal:
                while (self._waiting and not self._stopping) or self._busy():
                    if self._signal.asked:
                        why = "stopping: every run goes on to its next update; Ctrl-C again ends at once"
                        self._ask_to_stop("interrupted", why)
                    if not self._stopping:
                        self._hand_out()
                    self._listen()
        finally:
            self._end()
        return self._end_as

    @property
    def _stopping(self) -> bool:
        return self._end_as != "done"

    def _busy(self) -> list[_Worker]:
        return [w for w in self._workers if w.entry is not None]

    def _ask_to_stop(self, end: End, why: str) -> None:
        if not self._stopping:
            self._end_as = end
            self.observer.say(why)
            for worker in self._busy():
                assert worker.process.pid is not None
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, stop_signal())  # which the engine takes as Ctrl-C

    def _hand_out(self) -> None:
        """Keep as many workers as there is work for, and give each idle one a run."""
        while len(self._workers) < min(self.size, len(self._waiting) + len(self._busy())):
            self._workers.append(self._started())
        for worker in self._workers:
            if worker.ready and worker.entry is None and (index := self._next()) is not None:
                entry = self._waiting[index]
                try:
                    worker.connection.send((_on_device(entry, worker.place).payload(), self._shared.splits(entry)))
                except OSError:  # it died a moment ago: heard of in `_listen`
                    continue
                del self._waiting[index]
                worker.entry = entry
                self.observer.began(worker.place, entry)

    def _next(self) -> int | None:
        """Which waiting run is next: one whose parent is done. Those that another process trains come last, to be
        followed, and taken over if that process dies."""
        elsewhere = None
        for index, entry in enumerate(self._waiting):
            start = entry.experiment.start
            if start is not None and run_id(start.of) in self._unfinished:
                continue
            if holder(entry.record.folder) is None:
                return index
            elsewhere = index if elsewhere is None else elsewhere
        return elsewhere

    def _started(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        # No daemon: a run may read its data by processes of its own. A worker ends when its pipe does.
        process = _context().Process(target=work, args=(theirs,), daemon=False)
        process.start()
        theirs.close()
        taken = {w.place for w in self._workers}
        return _Worker(process, ours, next(p for p in range(self.size) if p not in taken))

    def _listen(self) -> None:
        heard = wait([each for w in self._workers for each in (w.connection, w.process.sentinel)], TICK)
        for worker in [w for w in self._workers if w.connection in heard or w.process.sentinel in heard]:
            try:
                if not worker.connection.poll():  # what a dead worker started may hold its end of the pipe open
                    raise EOFError
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker)
            else:
                self._hear(worker, *message)
        self.observer.refresh()

    def _hear(self, worker: _Worker, kind: str, *rest: Any) -> None:
        if kind == "ready":
            worker.ready, self._stillborn = True, 0
        elif kind == "view":
            self.observer.view(worker.place, *rest)
        elif kind == "say":
            self.observer.say(*rest)
        elif kind == "stopped" and not (self._stopping or self._signal.asked):  # somebody asked this worker alone
            worker.ready = False  # it ends now
            self._give_back(worker, "by a signal")
        else:
            self._ended(worker, *(rest if kind == "end" else (kind, *rest)))

    def _ended(self, worker: _Worker, how: Ended, why: str = "", disk_full: bool = False) -> None:
        entry, worker.entry = worker.entry, None
        assert entry is not None
        self.ended[entry.run_id] = how
        self._unfinished.discard(entry.run_id)
        self.observer.ended(worker.place, entry, how, why)
        if disk_full:
            why = "the disk is full, so the sweep stops; make room, then give the same command again"
            self._ask_to_stop("disk full", why)
        elif told := self._alike(how, why):
            self._ask_to_stop("all alike", told)

    def _bury(self, worker: _Worker) -> None:
        """A worker died: its run waits again, unless it took too many with it."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        if self._stopping:
            if worker.entry is not None:
                self._ended(worker, "stopped", f"its worker ended {how}")
        elif worker.entry is not None:
            self._give_back(worker, how)
        else:
            self._stillborn += not worker.ready
            if self._stillborn >= DEATHS:
                raise RuntimeError(f"workers end {how} as they start; hydra.launcher.workers=1 does without them")

    def _give_back(self, worker: _Worker, how: str) -> None:
        entry = worker.entry
        assert entry is not None
        saved = saved_update(entry)
        count, at = self._deaths.get(entry.run_id, (0, saved))
        count = count + 1 if saved == at else 1
        self._deaths[entry.run_id] = count, saved
        if count >= DEATHS:
            why = f"{DEATHS} workers in a row ended {how} at update {saved} (out of memory?)"
            mark_failed(entry, saved, why)
            self._ended(worker, "failed", why)
            return
        if entry.record.glance().standing not in DONE:  # what `force` moves aside lies aside already
            entry = replace(entry, settings=replace(entry.settings, force=False))
        self._waiting.appendleft(entry)
        worker.entry = None
        self.observer.gave_back(worker.place, entry, f"its worker ended {how}; it goes on from update {saved}")

    def _end(self) -> None:
        """End all workers: idle ones are told, others (an error here, a second Ctrl-C) are killed."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
            if worker.entry is not None or not worker.ready:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()


def _on_device(entry: Entry, place: int) -> Entry:
    """Workers take turns on the GPUs, where the device was left open."""
    if entry.settings.device not in ("auto", "cuda") or not torch.cuda.is_available():
        return entry
    device = f"cuda:{place % torch.cuda.device_count()}"
    return replace(entry, settings=replace(entry.settings, device=device))
