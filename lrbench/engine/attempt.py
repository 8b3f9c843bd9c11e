"""One attempt at a run, under its lease: its legs, and after each everything that is written or shown."""

import math
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.engine.evaluation import evaluate, evaluation_updates
from lrbench.engine.fork import at_update, kept_name, start_state
from lrbench.engine.legs import Leg, LegObserver, legs
from lrbench.engine.log import Log
from lrbench.engine.mirroring import Mirroring
from lrbench.engine.outcome import audit, provenance, summary
from lrbench.engine.signals import Stop, until_signalled
from lrbench.engine.state import Setup, State, load, save, wrap, write_tensors
from lrbench.engine.weights import KeepBest, evaluated_weights
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.settings import BEST
from lrbench.horizon import cadence, wall_time
from lrbench.progress import Say, Show, View
from lrbench.store.files import Damaged, write_text
from lrbench.store.lease import Lease
from lrbench.store.record import Record

ANEW = "force=true keeps the record aside and trains anew"


class Interrupted(Exception):
    """A signal asked the run to stop; its state is saved."""


class RunFailed(Exception):
    """The run could not go on; the message says why and what to do."""


@dataclass(frozen=True)
class Cadence:
    """After which updates something happens beside training."""

    log_every: int
    save_every: int  # updates
    save_after: float  # seconds without a checkpoint, after which the next leg's end has one
    kept: frozenset[int]
    evaluations: frozenset[int]
    stops: list[int]  # all of them, ascending, and the end


def cadence_of(experiment: Experiment, settings: Settings) -> Cadence:
    """Raises ConfigError for times that are none."""
    clock = experiment.clock
    save_after = wall_time(settings.checkpoint_every or "")
    save_every = clock.updates
    if save_after is None:
        save_every = cadence(settings.checkpoint_every, clock, "checkpoint_every")
    keep = {*settings.keep} - {BEST} | (set() if settings.test else {"end"})  # the test set waits for the final weights
    kept = frozenset(at_update(k, experiment, None, "keep") for k in keep)
    evaluations = frozenset(evaluation_updates(experiment))
    stops = sorted({*evaluations, *kept, *range(save_every, clock.updates, save_every), clock.updates})
    log_every = cadence(settings.log_every, clock, "log_every")
    return Cadence(log_every, save_every, save_after or math.inf, kept, evaluations, stops)


def attempt(
    setup: Setup,
    cadence: Cadence,
    settings: Settings,
    record: Record,
    lease: Lease,
    show: Show,
    say: Say,
    probes: Sequence[LegObserver] = (),
) -> None:
    """Train from where the record stands to the end. What happens stands in status.json.

    Raises Interrupted after a signal, RunFailed where the disk refuses or the schedule was not followed.
    """
    clock, begun = setup.experiment.clock, False
    try:
        state = _begin(setup, record, settings, say)
        begun = True
        setup.ranks.broadcast(state.update)
        wrap(state, setup)
        with (
            until_signalled() as stop,
            Log(record, setup, state.update, cadence.log_every, state.log) as log,
            Mirroring(setup.experiment, settings, record, log.rows, say) as mirror,
        ):
            saves = Saves(record, cadence, log, stop)
            best = [KeepBest(setup, record, settings, log.rows)] if BEST in settings.keep else []  # before a checkpoint
            observers: tuple[LegObserver, ...] = (log, *best, saves, mirror, _shown(setup, log, show), *probes)
            bad = _observed(setup, state, cadence, lease, stop, observers)
            log.close()
            mirror.send()  # a run that was killed while it finished has no updates left
            if bad is None and state.update < clock.updates and not state.ended:
                record.set_status("interrupted", state.update, clock.updates)
                raise Interrupted(
                    f"stopped at update {state.update} of {clock.updates}; the same command goes on from there."
                )
            for keeper in best:
                keeper.settle(say)
            mirror.close(_finish(setup, state, settings, record, log, bad))
    except Interrupted:
        raise
    except ConfigError as error:
        if begun:  # an image that cannot be read, say: the record tells, and retry=true goes on
            _fail(record, lease, clock.updates, str(error))
        raise
    except OSError as error:
        raise RunFailed(refused_by_disk(record, error)) from error
    except Exception as error:
        if setup.ranks.size > 1 and isinstance(error, RuntimeError):  # a lost rank shows as one
            raise RunFailed(
                f"{record.run_id}: a rank was lost or failed ({str(error).splitlines()[0]}). The record keeps its last "
                "checkpoint; the same command goes on from there."
            ) from error
        lease.check()
        write_text(record.traceback, traceback.format_exc())
        _fail(record, lease, clock.updates, f"{type(error).__name__}: {error}")
        raise


def _fail(record: Record, lease: Lease, updates: int, why: str) -> None:
    """Say so in the record, while it is ours."""
    lease.check()
    try:
        done = int(record.status()["update"])
    except Damaged:
        done = 0
    record.set_status("failed", done, updates, why)


def refused_by_disk(record: Record, error: OSError) -> str:
    return (
        f"{record.folder}: {error.strerror or error}. The run stopped and keeps its last checkpoint; make room, then "
        "give the same command again."
    )


def _begin(setup: Setup, record: Record, settings: Settings, say: Say) -> State:
    """The last checkpoint of an interrupted run, else update 0 of a new record."""
    last = record.checkpoint()
    for folder in (last.parent, record.weights().parent):
        for unfinished in folder.glob(".*"):  # what a kill left half written
            unfinished.unlink(missing_ok=True)
    if not (record.folder / "experiment.yaml").exists() or not last.exists():
        state = start_state(setup, record)
        record.create(setup.experiment, settings.hydra, [*_earlier(record), _this_attempt(setup, state)])
        return state
    try:
        state = load(setup.experiment, setup.device, last)
    except Exception as error:
        told = error if isinstance(error, Damaged) else f"{type(error).__name__}: it may be damaged"
        why = f"the checkpoint cannot be read ({told})"
        raise ConfigError(str(last), "", why, ANEW) from error
    try:
        written = len(record.series())
        if written < state.update:
            raise Damaged(f"its checkpoint is at update {state.update} and its record ends at {written}")
        record.require_whole(record.status(), log=False)
        record.require_begun(state.log)
        record.note_attempts([*record.attempts(), _this_attempt(setup, state)])
    except Damaged as damage:
        raise ConfigError(str(record.folder), "", str(damage), ANEW) from damage
    say(f"{record.run_id}: resumed at update {state.update} of {setup.experiment.clock.updates}.")
    record.set_status("running", state.update, setup.experiment.clock.updates)
    return state


def _this_attempt(setup: Setup, state: State) -> dict[str, Any]:
    """Its provenance; the first attempt's is that of the run."""
    return {**provenance(setup.device, setup.experiment.threads), "from_update": state.update}


def _earlier(record: Record) -> list[dict[str, Any]]:
    """Attempts that came to no checkpoint. Nothing of them is in the run: where their note is damaged it is dropped."""
    try:
        record.require_whole(record.status(), log=False)
        return record.attempts()
    except Damaged:
        return []


def _observed(
    setup: Setup, state: State, cadence: Cadence, lease: Lease, stop: Stop, observers: Sequence[LegObserver]
) -> int | None:
    """Train to the end, or until a signal; every observer is told of every leg, in this order, while the lease is ours.
    The update at which the run diverged, if it did."""
    bad = None
    for leg in legs(setup, state, cadence.stops, cadence.evaluations, lambda: stop.asked):
        lease.check()
        for observe in observers:
            observe(state, leg)
        bad = leg.bad
    return bad


def assist(setup: Setup, state: State, cadence: Cadence) -> None:
    """The part of a rank other than 0: the same legs, and nothing written."""
    for _ in legs(setup, state, cadence.stops, cadence.evaluations):
        pass


@dataclass
class Saves:
    """The state, saved where it is due, and kept where that was asked for."""

    record: Record
    cadence: Cadence
    log: Log
    stop: Stop

    def __post_init__(self) -> None:
        self._saved = time.monotonic()

    def __call__(self, state: State, leg: Leg) -> None:
        if leg.bad is not None:
            return
        if state.update in self.cadence.kept or (state.ended and self.cadence.stops[-1] in self.cadence.kept):
            save(state, self.record.checkpoint(kept_name(state.update)))
        due = state.update % self.cadence.save_every == 0 or time.monotonic() - self._saved >= self.cadence.save_after
        if due or leg.asked or self.stop.save:
            self.log.flush()
            save(state, self.record.checkpoint(), self.log.held())
            self.record.set_status("running", state.update, self.cadence.stops[-1])
            self._saved = time.monotonic()


def _shown(setup: Setup, log: Log, show: Show) -> LegObserver:
    def observe(state: State, leg: Leg) -> None:
        show(View(state.update, {k: v for row in log.fresh for k, v in row.items()}, metrics=setup.metrics))

    return observe


def _finish(
    setup: Setup, state: State, settings: Settings, record: Record, log: Log, bad: int | None
) -> dict[str, object]:
    """The test set on the final weights, where it is asked for; the audit; summary and status."""
    final = evaluate(setup, state, setup.splits.test, "test") if bad is None and settings.test else {}
    found = audit(setup, state, record, log.rows) if bad is None else []
    if found and settings.audit:
        raise RunFailed(f"{record.run_id}: the schedule was not followed: {'; '.join(found)} (audit=false goes on).")
    numbers = {**summary(setup, state, record, log.rows, final, bad), "audit": found or "as planned"}
    if bad is None and "end" in settings.keep:
        write_tensors(
            record.weights(), evaluated_weights(setup, state), {"run_id": state.run_id, "update": state.update}
        )
    record.finish("finished" if bad is None else "diverged", numbers, setup.experiment.clock.updates, log.written())
    for left in (record.checkpoint(), record.traceback):  # of an attempt before this one that failed
        left.unlink(missing_ok=True)
    return numbers
