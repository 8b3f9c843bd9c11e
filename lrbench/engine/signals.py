"""Ctrl-C and SIGTERM ask for an end at the next good moment; a second one of a kind ends the process at once.

In a job of submitit (ours, or hydra-submitit-launcher's) signals mean something else. SIGUSR2 announces preemption or
the end of the time: the run stops at its next update, and then whoever handled the signal before has the job queued
again. SIGTERM is followed by SIGKILL some time later, whatever the job does, and comes with `scancel` as well as with a
preemption that queues the job again by itself: the run goes on, and saves its state at every opportunity.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


@dataclass
class Stop:
    """Whether a signal has asked for the end, or for the state to be saved from now on."""

    asked: bool = False
    save: bool = False


def in_job() -> bool:
    """Whether this process is a job of submitit, or was started by one."""
    return "SUBMITIT_EXECUTOR" in os.environ


def stop_signal() -> signal.Signals:
    """What asks another process of ours to stop at an update."""
    return signal.SIGUSR2 if in_job() else signal.SIGTERM


@dataclass
class _Handler:
    """What a signal calls. Where one is inside another (a run in a sweep), both hear the signal."""

    stop: Stop
    before: dict[signal.Signals, Any] = field(default_factory=dict)
    postponed: bool = False  # a SIGUSR2, for the handler before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        sent, job = signal.Signals(number), in_job()
        handler: Any = self
        while isinstance(handler, _Handler):
            handler.stop.save |= job and sent == signal.SIGTERM
            handler.stop.asked |= not (job and sent == signal.SIGTERM)
            handler.postponed |= sent == signal.SIGUSR2
            handler = handler.before[sent]
        if not job or sent == signal.SIGINT:
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def until_signalled() -> Iterator[Stop]:
    """A Stop that signals set. In a thread other than the main one, nothing sets it.

    A SIGUSR2 in a job is passed on at the end, to the handler that was there before.
    """
    handler = _Handler(Stop())
    if threading.current_thread() is not threading.main_thread():
        yield handler.stop
        return
    signals = (signal.SIGINT, signal.SIGTERM, *((signal.SIGUSR2,) if in_job() else ()))
    handler.before = {s: signal.getsignal(s) for s in signals}
    for s in signals:
        signal.signal(s, handler)
    try:
        yield handler.stop
    finally:
        for s, before in handler.before.items():
            signal.signal(s, before)
        before = handler.before.get(signal.SIGUSR2)
        if handler.postponed and callable(before) and not isinstance(before, _Handler):
            before(signal.SIGUSR2, None)
