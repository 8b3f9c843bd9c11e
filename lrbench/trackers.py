"""Mirrors of a run's record in W&B and TensorBoard: written to, never read, and a run never waits for one."""

import contextlib
import importlib.util
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lrbench.errors import ConfigError, did_you_mean

MODES = ("offline", "online")
PAUSE = 1.0  # seconds between looks at the queue: to be woken by every row would slow the training thread
INIT_TIMEOUT = 10.0  # seconds; wandb waits this long, twice, for a server that does not answer


@dataclass(frozen=True)
class Mirrored:
    """What a tracker is told about a run."""

    run_id: str
    group: str  # hash of the experiment without its seed
    name: str  # short, for people
    config: dict[str, Any]  # the resolved experiment as plain data
    folder: Path  # the run's record folder: trackers write below it only
    tags: tuple[str, ...] = ()  # the sweeps it is part of


class Tracker(Protocol):
    """A mirror of one run's record. `Mirror` calls it from one thread of its own and guards every call."""

    def open(self, run: Mirrored, say: Callable[[str], None]) -> None:
        """Start afresh: replace what an earlier attempt of this run left. `say` gives the user a remark."""

    def log(self, row: Mapping[str, float]) -> None:
        """Mirror one row of the record; rows come in the order of their updates."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mirror the run's summary and close."""

    def abandon(self) -> None:
        """Let go at once, from any thread and in any state: the process must be able to exit."""


@dataclass
class WandB:
    """Weights & Biases: one segment a run under `<folder>/wandb`, offline unless asked and able."""

    project: str = "lrbench"
    entity: str | None = None
    mode: str = "offline"
    tags: Sequence[str] = ()
    _run: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError("tracker.args.mode", self.mode, "this is no mode", did_you_mean(self.mode, MODES))

    def open(self, run: Mirrored, say: Callable[[str], None]) -> None:
        """Start a fresh segment; online falls back to offline without a key or a server, and says so."""
        import wandb

        if self.mode == "online":
            try:
                self._start(run, "online")
                return
            except Exception as error:
                say(f"wandb: offline instead of online: {_first_line(error)}")
                wandb.teardown()  # the failed attempt still holds the run's id inside wandb's service
        self._start(run, "offline")

    def log(self, row: Mapping[str, float]) -> None:
        """One history row an update: wandb merges rows of the same step, the later value of a column wins."""
        self._run.log(dict(row), step=int(row["update"]))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The record's summary over wandb's own, which holds each column's last value."""
        self._run.log({}, commit=True)  # else the last row, still pending, would overwrite the summary
        self._run.summary.update(dict(summary))
        self._run.finish()

    def abandon(self) -> None:
        """Drop wandb's service, and with it the exit hook that waits for the service without a limit."""
        import wandb

        wandb.teardown()

    def _start(self, run: Mirrored, mode: str) -> None:
        import wandb

        # wandb hands its service down to child processes; ours start their own: the parent's may end or hang.
        os.environ.pop("WANDB_SERVICE", None)
        settings = wandb.Settings(
            console="off",
            silent=True,
            symlink=False,
            save_code=False,
            disable_git=True,
            disable_code=True,
            init_timeout=INIT_TIMEOUT,
            reinit="create_new",  # another run of this process, even one abandoned, is never written to
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        wandb.setup(settings=settings)  # login reads these and would print
        if mode == "online" and not wandb.login(prompt=False, verify=False):
            raise RuntimeError("no API key; set WANDB_API_KEY or run `wandb login`")
        _remove_segments(run)
        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            dir=str(run.folder),
            id=run.run_id,
            name=run.name,
            group=run.group,
            job_type="train",
            tags=(*self.tags, *run.tags),
            config=run.config,
            mode=mode,  # type: ignore[arg-type]
            settings=settings,
        )
        self._run.define_metric("*", step_metric="update")


def _remove_segments(run: Mirrored) -> None:
    """Delete the segments of the run's earlier attempts.

    The whole record is replayed into the new one, so once synced to the same id they would overlap it. They
    hold nothing that metrics.jsonl does not, and the run's lease says that nobody else is writing them.
    """
    for segment in (run.folder / "wandb").glob(f"*run-*-{run.run_id}"):
        for log in segment.glob("*.wandb*"):
            log.unlink()  # what a sync would read: this must go
        shutil.rmtree(segment, ignore_errors=True)  # the rest may stay (a log open on NFS cannot be removed)


@dataclass
class TensorBoard:
    """TensorBoard: one event file a run in `<folder>/tensorboard`, a scalar for every column."""

    _writer: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            cure = 'pip install "lr-schedule-bench[tensorboard]"'
            raise ConfigError("tracker", "tensorboard", "this needs a package that is not installed", cure)

    def open(self, run: Mirrored, say: Callable[[str], None]) -> None:
        """Start a fresh event file; older ones would overlap it, for the whole record is replayed."""
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / "tensorboard"
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = SummaryWriter(str(folder))

    def log(self, row: Mapping[str, float]) -> None:
        """Every column but the step itself, as a scalar at the row's update."""
        for name, value in row.items():
            if name != "update":
                self._writer.add_scalar(name, value, global_step=int(row["update"]))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """The summary as text, for TensorBoard knows no final values."""
        self._writer.add_text("summary", json.dumps(dict(summary), indent=2, default=str))
        self._writer.close()

    def abandon(self) -> None:
        """Nothing: its writer is a daemon thread, which no exit waits for."""


class Mirror:
    """Runs a tracker in a daemon thread behind an unbounded queue, so that training never waits for it.

    The first failure of the tracker is said and ends the mirror: rows after it are dropped, the run goes on.
    """

    def __init__(
        self,
        tracker: Tracker,
        run: Mirrored,
        history: Iterable[Mapping[str, float]] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self._tracker = tracker
        self._say = say
        self._over = False  # the tracker failed or was given up
        self._lock = threading.Lock()  # so that only one of the two threads says so
        self._summary: Mapping[str, Any] = {}
        self._closing = threading.Event()
        # Read here, not in the thread: the record behind the history grows while training goes on.
        self._rows: deque[dict[str, float]] = deque(dict(row) for row in history)
        self._thread = threading.Thread(target=self._mirror, args=(run,), name="lrbench-mirror", daemon=True)
        self._thread.start()

    def row(self, row: Mapping[str, float]) -> None:
        """Hand over one row of the record; costs a copy and wakes nobody."""
        if not self._over:
            self._rows.append(dict(row))

    def close(self, summary: Mapping[str, Any], timeout: float = 30.0) -> bool:
        """Wait until all is mirrored; after `timeout` seconds give up, saying so. Whether the mirror is whole."""
        self._summary = dict(summary)
        self._closing.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._give_up(f"not done {timeout:g} s after the run")
        return not self._over

    def _mirror(self, run: Mirrored) -> None:
        try:
            self._tracker.open(run, self._say)
            closing = False
            while not closing:
                closing = self._closing.wait(PAUSE)
                while self._rows:
                    self._tracker.log(self._rows.popleft())
            self._tracker.finish(self._summary)
        except Exception as error:
            self._give_up(_first_line(error))

    def _give_up(self, why: str) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
        self._say(f"{type(self._tracker).__name__} tracker given up: {why}. The run's own record is whole.")
        # In a thread because it may hang as well; a second is plenty for wandb to drop its exit hook.
        letting_go = threading.Thread(target=self._abandon, name="lrbench-abandon", daemon=True)
        letting_go.start()
        letting_go.join(1.0)

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):
            self._tracker.abandon()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
