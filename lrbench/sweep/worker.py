"""A worker process: trains the entries it is handed, one after the other, and stays warm in between.

It is forked from a server process that has imported `warm`, so that it starts in milliseconds and shares the memory
of the libraries.
"""

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from lrbench.data import Splits
from lrbench.engine.attempt import Interrupted
from lrbench.engine.signals import until_signalled
from lrbench.progress import View
from lrbench.store.store import Store
from lrbench.sweep.entry import failure, run_entry

VIEWS = 0.2  # seconds between two views of a run that are passed on


def work(connection: Connection) -> None:
    """Answer `("ready",)`, then for every payload received, which comes with its run's data or None, `("view", view)`
    and `("say", text)` as it goes, and at last `("end", standing)`, `("stopped", text)` or `("failed", text, whether
    the disk is full)`. None ends it.

    Ctrl-C reaches every process of a terminal: like SIGTERM, it stops the run at an update.
    """
    torch.set_num_interop_threads(1)
    try:
        with until_signalled() as stop:
            connection.send(("ready",))
            store: Store | None = None  # of all runs: its evidence is read once
            while not stop.asked and (given := connection.recv()) is not None:
                payload, splits = given
                store = store or Store(Path(payload["settings"]["results"]))
                connection.send(_trained(payload, splits, store, connection))
    except (KeyboardInterrupt, EOFError, OSError):  # a second Ctrl-C; or the driver is gone
        os._exit(1)


def _trained(payload: dict[str, Any], splits: Splits | None, store: Store, connection: Connection) -> tuple[Any, ...]:
    send = _sender(connection)
    try:
        return "end", run_entry(payload, _throttled(send), lambda text: send(("say", text)), splits, store)
    except Interrupted as error:
        return "stopped", str(error)
    except Exception as error:
        return "failed", *failure(error)


def _sender(connection: Connection) -> Callable[[tuple[Any, ...]], None]:
    """Sends to the driver. If that is gone, the run stops at its next update instead of failing."""

    def send(message: tuple[Any, ...]) -> None:
        try:
            connection.send(message)
        except OSError:
            os.kill(os.getpid(), signal.SIGTERM)

    return send


def _throttled(send: Callable[[tuple[Any, ...]], None]) -> Callable[[View], None]:
    last = [0.0]

    def show(view: View) -> None:
        now = time.monotonic()
        if now - last[0] >= VIEWS:
            last[0] = now
            send(("view", view))

    return show
