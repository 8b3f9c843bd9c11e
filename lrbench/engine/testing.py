"""The test set of a run that is done, evaluated when somebody first asks and added to its record."""

from math import isclose
from typing import Any

from lrbench.engine.evaluation import evaluate
from lrbench.engine.fork import kept_state
from lrbench.engine.mirroring import Mirroring
from lrbench.engine.state import Setup
from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.progress import Say
from lrbench.store.lease import Lease
from lrbench.store.record import Record, write_json

SAME = 1e-4  # relative: what the order of additions alone may change in a short run


def add_test(setup: Setup, settings: Settings, record: Record, lease: Lease, say: Say) -> None:
    """Evaluate the final weights, as they were kept, else trained again, and mirror the record anew.

    Raises ConfigError where the weights cannot be had.
    """
    experiment = setup.experiment
    state = kept_state(experiment, experiment.clock.updates, record, setup)
    before = record.summary()
    if record.restored_from():
        _require_same(evaluate(setup, state, setup.splits.val, "val"), before, record)
    summary = {**before, **evaluate(setup, state, setup.splits.test, "test")}
    lease.check()
    write_json(record.folder / "summary.json", summary)
    record.mirrored.unlink(missing_ok=True)  # what was mirrored lacks the test
    with Mirroring(experiment, settings, record, record.rows(), say) as mirror:
        mirror.send()
        mirror.close(summary)


def _require_same(again: dict[str, float], before: dict[str, Any], record: Record) -> None:
    """Another processor adds in another order: weights that were trained again may be others than the recorded ones.

    Raises ConfigError where their validation says so.
    """
    for name, value in again.items():
        if name in before and not isclose(value, before[name], rel_tol=SAME, abs_tol=SAME):
            why = f"its evidence has {name} {before[name]:.6g}, and trained again here it comes to {value:.6g}"
            raise ConfigError(
                record.run_id, "", f"{why}: these are other weights", "force=true makes them the record's"
            )
