"""The test set of a run that is done, evaluated when somebody first asks and added to its record."""

from math import isclose

from lrbench.engine.evaluation import evaluate
from lrbench.engine.fork import kept_state
from lrbench.engine.mirroring import Mirroring
from lrbench.engine.state import Setup
from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.progress import Say
from lrbench.store.files import Damaged
from lrbench.store.lease import Lease
from lrbench.store.record import Record

SAME = 1e-4  # relative: what the order of additions alone may change in a short run


def add_test(setup: Setup, settings: Settings, record: Record, lease: Lease, say: Say) -> None:
    """Evaluate the final weights, as they were kept, else trained again, and mirror the record anew.

    Raises ConfigError where the weights cannot be had.
    """
    experiment = setup.experiment
    try:
        record.require_whole(record.status())
    except Damaged as damage:
        raise ConfigError(
            record.run_id, "", str(damage), "force=true keeps the record aside and trains anew"
        ) from damage
    before = record.summary()
    state = kept_state(experiment, before["updates"], record, setup)
    if record.restored_from():
        for name, value in evaluate(setup, state, setup.splits.val, "val").items():
            require_same(name, value, before.get(name, value), record.run_id)
    summary = {**before, **evaluate(setup, state, setup.splits.test, "test")}
    lease.check()
    record.add_to_summary(summary)
    record.mirrored.unlink(missing_ok=True)  # what was mirrored lacks the test
    with Mirroring(experiment, settings, record, record.rows(), say) as mirror:
        mirror.send()
        mirror.close(summary)


def require_same(name: str, again: float, before: float, run_id: str) -> None:
    """Another processor adds in another order: weights that were trained again may be others than the recorded ones.

    Raises ConfigError where a metric of theirs says so.
    """
    if not isclose(again, before, rel_tol=SAME, abs_tol=SAME):
        why = f"its evidence has {name} {before:.6g}, and trained again here it comes to {again:.6g}"
        raise ConfigError(run_id, "", f"{why}: these are other weights", "force=true makes them the record's")
