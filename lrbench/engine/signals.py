"""Ctrl-C and SIGTERM ask for an end at the next good moment; a second one of a kind ends the process at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stop:
    """Whether a signal has asked for the end."""

    asked: bool = False


@dataclass
class _Handler:
    """What a signal calls. Where one is inside another (a run in a sweep), both hear the signal."""

    stop: Stop
    before: dict[signal.Signals, Any] = field(default_factory=dict)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        handler: Any = self
        while isinstance(handler, _Handler):
            handler.stop.asked = True
            handler = handler.before[signal.Signals(number)]
        signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def until_signalled() -> Iterator[Stop]:
    """A Stop that the first SIGINT or SIGTERM sets. In a thread other than the main one, nothing sets it."""
    handler = _Handler(Stop())
    if threading.current_thread() is not threading.main_thread():
        yield handler.stop
        return
    handler.before = {s: signal.getsignal(s) for s in SIGNALS}
    for s in SIGNALS:
        signal.signal(s, handler)
    try:
        yield handler.stop
    finally:
        for s, before in handler.before.items():
            signal.signal(s, before)
