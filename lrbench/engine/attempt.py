"""One attempt at a run, under its lease: blocks of updates, and between them everything that is written or shown."""

import math
import traceback
from dataclasses import dataclass

from lrbench.engine.evaluation import evaluate, evaluation_updates, validate
from lrbench.engine.fork import at_update, kept_name, start_state
from lrbench.engine.log import Log, Row
from lrbench.engine.loop import advance
from lrbench.engine.mirroring import Mirroring
from lrbench.engine.outcome import audit, provenance, summary
from lrbench.engine.signals import Stop, until_signalled
from lrbench.engine.state import Setup, State, load, save, wrap
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.horizon import cadence
from lrbench.progress import Say, Show, View
from lrbench.store.lease import Lease
from lrbench.store.record import Record, write_json, write_text


class Interrupted(Exception):
    """A signal asked the run to stop; its state is saved."""


class RunFailed(Exception):
    """The run could not go on; the message says why and what to do."""


@dataclass(frozen=True)
class Cadence:
    """After which updates something happens beside training."""

    log_every: int
    checkpoint_every: int
    kept: frozenset[int]
    evaluations: frozenset[int]
    stops: list[int]  # all of them, ascending, and the end


def cadence_of(experiment: Experiment, settings: Settings) -> Cadence:
    """Raises ConfigError for times that are none."""
    clock = experiment.clock
    checkpoint_every = cadence(settings.checkpoint_every, clock, "checkpoint_every")
    kept = frozenset(at_update(k, experiment, None, "keep") for k in settings.keep)
    evaluations = frozenset(evaluation_updates(experiment))
    stops = sorted({*evaluations, *kept, *range(checkpoint_every, clock.updates, checkpoint_every), clock.updates})
    log_every = cadence(settings.log_every, clock, "log_every")
    return Cadence(log_every, checkpoint_every, kept, evaluations, stops)


def attempt(
    setup: Setup, cadence: Cadence, settings: Settings, record: Record, lease: Lease, show: Show, say: Say
) -> None:
    """Train from where the record stands to the end. What happens stands in status.json.

    Raises Interrupted after a signal, RunFailed where the disk refuses or the schedule was not followed.
    """
    clock = setup.experiment.clock
    try:
        state = _begin(setup, record, settings, say)
        _note_attempt(record, setup, state)
        setup.ranks.tell(state.update)
        wrap(state, setup)
        with (
            until_signalled() as stop,
            Log(record, setup, state.update, cadence.log_every) as log,
            Mirroring(setup.experiment, settings, record, say) as mirror,
        ):
            _loop(setup, state, cadence, settings, record, log, lease, stop, show, mirror)
    except (ConfigError, Interrupted):
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
        done = record.status()["update"] if (record.folder / "status.json").exists() else 0
        write_text(record.traceback, traceback.format_exc())
        record.set_status("failed", done, clock.updates, f"{type(error).__name__}: {error}")
        raise


def refused_by_disk(record: Record, error: OSError) -> str:
    return (
        f"{record.folder}: {error.strerror or error}. The run stopped and keeps its last checkpoint; make room, then "
        "give the same command again."
    )


def _begin(setup: Setup, record: Record, settings: Settings, say: Say) -> State:
    """The last checkpoint of an interrupted run, else update 0 of a new record."""
    last = record.checkpoint()
    for unfinished in last.parent.glob(".*"):  # a checkpoint that a kill left half written
        unfinished.unlink(missing_ok=True)
    if not (record.folder / "experiment.yaml").exists() or not last.exists():
        state = start_state(setup, record)
        record.create(setup.experiment, settings.hydra)
        return state
    try:
        state = load(setup.experiment, setup.device, last)
    except Exception as error:
        raise ConfigError(
            f"{last}: the checkpoint cannot be read ({type(error).__name__}: it may be damaged); force=true keeps the "
            "record aside and trains anew."
        ) from error
    written = min(len(record.rates()), len(record.losses()))
    if written < state.update:
        raise ConfigError(
            f"{record.folder}: its checkpoint is at update {state.update} and its record ends at {written}; force=true "
            "keeps the record aside and trains anew."
        )
    say(f"{record.run_id}: resumed at update {state.update} of {setup.experiment.clock.updates}.")
    record.set_status("running", state.update, setup.experiment.clock.updates)
    return state


def _note_attempt(record: Record, setup: Setup, state: State) -> None:
    """Keep the provenance of every attempt; the first one is that of the run."""
    this = {**provenance(setup.device, setup.experiment.threads), "from_update": state.update}
    write_json(record.folder / "provenance.json", [*record.attempts(), this])


def _loop(
    setup: Setup,
    state: State,
    cadence: Cadence,
    settings: Settings,
    record: Record,
    log: Log,
    lease: Lease,
    stop: Stop,
    show: Show,
    mirror: Mirroring,
) -> None:
    """Blocks of updates; between them, in this order: the record, evaluation, checkpoint, mirror, signals, display."""
    updates = setup.experiment.clock.updates
    bad = None
    while state.update < updates and bad is None:
        block = advance(setup, state, next(s for s in cadence.stops if s > state.update))
        bad = block.first_bad()
        if bad is not None:  # where a block ends depends on the clock: what came after the bad update is forgotten
            block = block.cut(bad + 1)
            state.update, state.seconds = bad + 1, block.seconds[-1]
        lease.check()
        rows = log.write(block)
        if bad is None and state.update in cadence.evaluations:
            rows.append(log.evaluation(state.update, validate(setup, state), state.seconds))
            bad = None if all(math.isfinite(v) for v in rows[-1].values()) else state.update - 1
        asked = bad is None and setup.ranks.tell(stop.asked)
        if bad is None:
            _checkpoint(state, cadence, record, log, now=asked or stop.save)
        mirror.rows(log.rows)
        if asked and state.update < updates:
            log.close()
            record.set_status("interrupted", state.update, updates)
            raise Interrupted(f"stopped at update {state.update} of {updates}; the same command goes on from there.")
        show(View(state.update, {k: v for row in rows for k, v in row.items()}, metrics=setup.metrics))
    log.close()
    mirror.rows(log.rows)  # a run that was killed while it finished has no updates left
    _finish(setup, state, settings, record, log.rows, bad, mirror)


def assist(setup: Setup, state: State, cadence: Cadence) -> None:
    """The part of a rank other than 0: the same blocks and meetings as `_loop`, and nothing written."""
    while state.update < cadence.stops[-1]:
        block = advance(setup, state, next(s for s in cadence.stops if s > state.update))
        if block.first_bad() is not None:
            return
        if state.update in cadence.evaluations and not all(map(math.isfinite, validate(setup, state).values())):
            return
        if setup.ranks.tell():
            return


def _checkpoint(state: State, cadence: Cadence, record: Record, log: Log, now: bool) -> None:
    """Save the state where it is due, and keep what was asked to be kept."""
    if state.update in cadence.kept:
        save(state, record.checkpoint(kept_name(state.update)))
    if state.update % cadence.checkpoint_every == 0 or now:
        log.flush()
        save(state, record.checkpoint())
        record.set_status("running", state.update, cadence.stops[-1])


def _finish(
    setup: Setup,
    state: State,
    settings: Settings,
    record: Record,
    rows: list[Row],
    bad: int | None,
    mirror: Mirroring,
) -> None:
    """The test set, once, on the final weights; the audit; summary, picture and status."""
    final = evaluate(setup, state, setup.splits.test, "test") if bad is None else {}
    found = audit(setup, state, record, rows) if bad is None else []
    if found and settings.strict:
        raise RunFailed(f"{record.run_id}: the schedule was not followed: {'; '.join(found)} (strict=false goes on).")
    numbers = {**summary(setup, state, record, rows, final, bad), "audit": found or "as planned"}
    write_json(record.folder / "summary.json", numbers)
    from lrbench.plots.run import plot_run  # matplotlib takes half a second to import

    plot_run(record, setup.table)
    record.set_status("finished" if bad is None else "diverged", state.update, setup.experiment.clock.updates)
    record.checkpoint().unlink(missing_ok=True)
    mirror.close(numbers)
