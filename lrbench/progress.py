"""What a person sees while a run trains: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from lrbench.experiment import Experiment
from lrbench.metrics import Metric, metric_of

UNDECLARED: Mapping[str, Metric] = {}  # what a metric's name tells is all that is known of it
QUIET_EVERY = 10.0  # seconds between lines without a terminal


class View(NamedTuple):
    """A moment of a run: updates done, the latest value of every metric, and what the run declares of them."""

    update: int
    latest: Mapping[str, float]
    note: str = ""
    metrics: Mapping[str, Metric] = UNDECLARED


Show = Callable[[View], None]
Say = Callable[[str], None]  # a remark


def silent(view: View) -> None:
    """Show nothing."""


def numbers(latest: Mapping[str, float], declared: Mapping[str, Metric] = UNDECLARED) -> str:
    """The numbers of a moment in one line: rates, losses, metrics as they are `declared`."""
    left_out = ("update", "epoch", "seconds", "momentum", "weight_decay", "grad")
    shown = {k: v for k, v in latest.items() if k.partition("/")[0] not in left_out}
    texts = (f"{v:.3g}" if k.startswith("lr/") else metric_of(k, declared).text(v) for k, v in shown.items())
    return "  ".join(map(" ".join, zip(shown, texts, strict=True)))


class _Bar(Progress):
    """A bar, and below it the numbers, which have no room beside it."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            yield Text(str(task.fields["numbers"]), style="dim", no_wrap=True, overflow="ellipsis")


class Reporter:
    """Shows one run on a stream (stderr). Use as a context manager; call it with a View."""

    def __init__(self, experiment: Experiment, stream: TextIO | None = None) -> None:
        self._clock, self._batch = experiment.clock, experiment.batch_size
        self._console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._bar = _Bar(
            TextColumn("{task.fields[at]}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("train", total=self._clock.updates, at="", speed="", numbers="")
        self._began: tuple[float, int] | None = None
        self._said = 0.0
        self._latest: dict[str, float] = {}

    def __enter__(self) -> "Reporter":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A remark above the live line."""
        self._console.print(text, markup=False)

    def __call__(self, view: View) -> None:
        now = time.monotonic()
        began = self._began = self._began or (now, view.update)
        self._latest.update(view.latest)
        rate = (view.update - began[1]) * self._batch / (now - began[0]) if now > began[0] else 0.0
        size, unit = self._clock.unit
        at = f"{unit} {view.update / size:.{0 if size == 1 else 1}f}/{self._clock.updates / size:g}"
        speed = f"{rate:,.0f} samples/s" if rate else ""
        line = numbers(self._latest, view.metrics) + (f"  {view.note}" if view.note else "")
        if self._live:
            self._bar.update(self._task, completed=view.update, at=at, speed=speed, numbers=line)
        elif now - self._said >= QUIET_EVERY or view.update == self._clock.updates:
            self._said = now
            left = (self._clock.updates - view.update) * self._batch / rate if rate else 0.0
            self.say(f"{at}  {line}" + (f"  {speed}, {left:.0f} s left" if rate else ""))
