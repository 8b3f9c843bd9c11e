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
from dataclasses import dataclass
from types import FrameType


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


_waiting: list[Stop] = []  # those under way, the outermost first: a sweep, and the run in it


@contextmanager
def until_signalled() -> Iterator[Stop]:
    """A Stop that the first signal sets, together with those around it; what has been asked of them holds for it too.
    In a thread other than the main one, nothing sets it.

    A SIGUSR2 in a job is passed on at the end of the outermost, to the handler that was there before.
    """
    stop = Stop(any(outer.asked for outer in _waiting), any(outer.save for outer in _waiting))
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    job, postponed = in_job(), False
    signals = (signal.SIGINT, signal.SIGTERM, *((signal.SIGUSR2,) if job else ()))
    before = {} if _waiting else {s: signal.getsignal(s) for s in signals}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal postponed
        sent = signal.Signals(number)
        for each in _waiting:
            if job and sent == signal.SIGTERM:
                each.save = True
            else:
                each.asked = True
        postponed |= sent == signal.SIGUSR2
        if not job or sent == signal.SIGINT:
            signal.signal(number, before[sent] or signal.SIG_DFL)

    for s in before:
        signal.signal(s, ask)
    _waiting.append(stop)
    try:
        yield stop
    finally:
        _waiting.pop()
        for s, handler in before.items():
            signal.signal(s, handler)
        requeue = before.get(signal.SIGUSR2)
        if postponed and callable(requeue):
            requeue(signal.SIGUSR2, None)
