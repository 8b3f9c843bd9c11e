"""Who writes a run's folder: a lease that one process holds, renews, and loses when it dies.

A file created exclusively, with host, pid and a token of its own. It is stale when its process was on this host and is
gone, and after a minute without renewal where its process is on another. Taking over a stale lease happens under a file
lock, so that of two processes that see it stale only one gets it.
"""

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RENEW = 10.0  # seconds between renewals
STALE = 60.0  # seconds without one after which a lease may be taken over
_THREADS = threading.Lock()  # a POSIX lock holds between processes only


class LeaseLost(Exception):
    """Another process took the run over; nothing more may be written by this one."""


def holder(folder: Path) -> dict[str, Any] | None:
    """Who holds a live lease on a run's folder: host, pid, job, token; None if nobody does.

    Of a process on this host it is asked whether it lives: it may be stopped, or the clock have jumped. Only of others,
    and of this very process, which renews its own, the time of the last renewal tells.
    """
    path = folder / "lease.json"
    try:
        text = path.read_text()
        age = time.time() - path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        lease: dict[str, Any] = json.loads(text)
        pid, here = int(lease["pid"]), lease["host"] == socket.gethostname()
        if here and not _alive(pid, lease["born"]):
            return None
    except (ValueError, KeyError, TypeError):  # being written at this moment, or torn by a crash: live until it is old
        lease, pid, here = {"host": "?", "pid": 0}, 0, False
    return lease if age <= STALE or (here and pid != os.getpid()) else None


def _alive(pid: int, born: str) -> bool:
    return _born(pid) == born


def _born(pid: int) -> str:
    """A process's start time, so that a recycled pid is not taken for its predecessor; '' if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        try:  # no /proc (macOS): the pid alone must do
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            pass
        return "?"
    return "" if fields[0] in "ZX" else fields[19]


class Lease:
    """A held lease. `check` before every write; it renews itself in a thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lease.json"
        self._token = uuid.uuid4().hex
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lrbench-lease", daemon=True)

    def _write(self) -> None:
        mine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "born": _born(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID"),
            "token": self._token,
        }
        descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(json.dumps(mine))
        except OSError:  # a full disk: an empty lease would lock everybody out for a minute
            self._path.unlink(missing_ok=True)
            raise

    def take(self) -> bool:
        """Take the lease if nobody holds it; whether it is ours now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with alone(self._path.parent):
            if holder(self._path.parent) is not None:
                return False
            self._path.unlink(missing_ok=True)
            self._write()
        self._thread.start()
        return True

    def _renew(self) -> None:
        while not self._ended.wait(RENEW):
            try:
                self.check()
                os.utime(self._path)
            except (OSError, LeaseLost):
                return

    def check(self) -> None:
        """Raises LeaseLost if the lease is no longer ours."""
        try:
            token = json.loads(self._path.read_text())["token"]
        except (OSError, ValueError, KeyError):
            token = None
        if token != self._token:
            raise LeaseLost(f"{self._path.parent}: another process took this run over; it goes on there.")

    def release(self) -> None:
        self._ended.set()
        try:
            self.check()
        except LeaseLost:
            return
        self._path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A lock around a moment's work on a folder; it ends with its process, so it can never be left behind."""
    with _THREADS, (folder / "lease.lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield
