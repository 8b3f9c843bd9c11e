"""Ctrl-C and SIGTERM ask for an end at the next good moment; a second one of a kind ends the process at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether a signal has asked for the end."""

    asked: bool = False


_waiting: list[Stop] = []  # those under way, the outermost first: a sweep, and the run in it


@contextmanager
def until_signalled() -> Iterator[Stop]:
    """A Stop that the first SIGINT or SIGTERM sets, together with those around it; what has been asked of them holds
    for it too. In a thread other than the main one, nothing sets it."""
    stop = Stop(any(outer.asked for outer in _waiting))
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    before = {} if _waiting else {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        for each in _waiting:
            each.asked = True
        signal.signal(number, before[signal.Signals(number)] or signal.SIG_DFL)

    for s in before:
        signal.signal(s, ask)
    _waiting.append(stop)
    try:
        yield stop
    finally:
        _waiting.pop()
        for s, handler in before.items():
            signal.signal(s, handler)
