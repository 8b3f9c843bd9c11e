"""What a person sees of a sweep: a live table in a terminal, plain lines elsewhere. Failures are said at once."""

import sys
import time
from collections import Counter
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lrbench.metrics import declared_in
from lrbench.progress import QUIET_EVERY, View, numbers
from lrbench.sweep.entry import Entry
from lrbench.sweep.observer import Observer
from lrbench.sweep.plan import Plan, duration

REDRAW = 0.5  # seconds between two drawings of the live table
SHOWN = ("train/loss", "val/loss", "val/accuracy")


class Display(Observer):
    """Shows a sweep on a stream (stderr). Use as a context manager; `place` is a worker's line in the table."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        )
        self._forget(())

    def planned(self, plan: Plan) -> None:
        self._forget(plan.to_do)

    def _forget(self, to_do: tuple[Entry, ...]) -> None:
        """Nothing has happened yet of these runs."""
        self._entries, self._total = to_do, len(to_do)
        self._updates = sum(e.experiment.clock.updates for e in to_do)
        self._running: dict[int, tuple[Entry, dict[str, float], str]] = {}
        self._counts: Counter[str] = Counter()
        self._ended: dict[str, tuple[str, str]] = {}  # how, and the numbers, by run id, in order
        self._done_updates, self._began, self._drawn = 0, time.monotonic(), 0.0
        self._first_updates: dict[str, int] = {}  # where a run stood when it was first seen

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._draw(self._live)  # how all ended, however long ago the last drawing was due
            self._live.stop()

    def say(self, text: str) -> None:
        """A remark above the table."""
        self._console.print(text, markup=False)

    def began(self, place: int, entry: Entry) -> None:
        self._running[place] = entry, {}, ""

    def view(self, place: int, view: View) -> None:
        entry, latest, _ = self._running[place]
        self._first_updates.setdefault(entry.run_id, view.update)
        self._running[place] = entry, {**latest, **view.latest, "update": view.update}, view.note

    def gave_back(self, place: int, entry: Entry, why: str) -> None:
        self._running.pop(place, None)
        self.say(f"{entry.run_id[:8]} {entry.label}: {why}")

    def ended(self, place: int, entry: Entry, how: str, why: str) -> None:
        self._running.pop(place, None)
        self._counts[how] += 1
        if how != "stopped":
            self._done_updates += entry.experiment.clock.updates
        finals = _finals(entry) if how == "finished" else ""
        self._ended[entry.run_id] = how, finals
        if how != "finished" or self._live is None:
            reason = f": {why}" if why else ""
            finals = finals and f"  {finals}"
            self.say(f"[{self._counts.total()}/{self._total}] {entry.run_id[:8]} {entry.label}  {how}{finals}{reason}")

    def refresh(self) -> None:
        """Draw the table again, or say a line, if it is time."""
        now = time.monotonic()
        if now - self._drawn < (REDRAW if self._live else QUIET_EVERY):
            return
        first, self._drawn = self._drawn == 0.0, now
        if self._live:
            self._draw(self._live)
        elif not first:
            self.say(self.line())

    def _draw(self, live: Live) -> None:
        live.update(Group(Text(self.line()), self._table()), refresh=True)

    def line(self) -> str:
        """`12 of 36 ended, 1 diverged, 2 running; 40 s left`."""
        ended = self._counts.total()
        bad = [f"{self._counts[how]} {how}" for how in ("diverged", "failed", "stopped") if self._counts[how]]
        parts = [f"{ended} of {self._total} ended", *bad, f"{len(self._running)} running"]
        left = self._seconds_left()
        return ", ".join(parts) + (f"; about {duration(left)} left" if left is not None else "")

    def _seconds_left(self) -> float | None:
        """By the updates done since the start, of all runs together."""
        under_way = sum(
            latest.get("update", 0) - self._first_updates.get(entry.run_id, 0)
            for entry, latest, _ in self._running.values()
        )
        done = self._done_updates + under_way
        return (time.monotonic() - self._began) * (self._updates - done) / done if done > 0 else None

    def _table(self) -> Table:
        """All runs in the plan's order, if they fit: else those that run, the latest that ended, and those to come."""
        table = Table(box=None, pad_edge=False)
        for column in ("run", "", "state", "epoch", "at the last look"):
            table.add_column(column, no_wrap=column in ("run", "state", "epoch"))  # the others give way
        running = {entry.run_id: (latest, note) for entry, latest, note in self._running.values()}
        urgent = [*running, *reversed(self._ended), *(e.run_id for e in self._entries)]
        room = max(len(running), self._console.height - 4)
        shown = set(list(dict.fromkeys(urgent))[:room])
        for entry in (e for e in self._entries if e.run_id in shown):
            clock = entry.experiment.clock
            cells = ["", "", ""]
            if entry.run_id in running:
                latest, note = running[entry.run_id]
                epoch = f"{latest.get('update', 0) / clock.unit[0]:.1f}/{clock.updates / clock.unit[0]:g}"
                cells = ["running", epoch, f"{numbers({k: latest[k] for k in SHOWN if k in latest})}  {note}"]
            elif entry.run_id in self._ended:
                how, finals = self._ended[entry.run_id]
                cells = [how, f"{clock.updates / clock.unit[0]:g}", finals.partition("  val/")[0]]
            label, last = (Text(text, no_wrap=True, overflow="ellipsis") for text in (entry.label, cells.pop()))
            table.add_row(entry.run_id[:8], label, *cells, last)
        return table


def _finals(entry: Entry) -> str:
    """The numbers of the final weights."""
    try:
        summary = entry.record.summary()
    except (OSError, ValueError):
        return ""
    finals = {k: v for k, v in summary.items() if k.startswith(("test/", "val/"))}
    return numbers(finals, declared_in(summary))
