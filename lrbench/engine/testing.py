"""The test set of a run that is done, evaluated when somebody first asks and added to its record."""

from lrbench.engine.evaluation import evaluate
from lrbench.engine.fork import kept_state
from lrbench.engine.mirroring import Mirroring
from lrbench.engine.state import Setup
from lrbench.experiment import Settings
from lrbench.progress import Say
from lrbench.store.lease import Lease
from lrbench.store.record import Record, write_json


def add_test(setup: Setup, settings: Settings, record: Record, lease: Lease, say: Say) -> None:
    """Evaluate the final weights, as they were kept, else trained again, and mirror the record anew.

    Raises ConfigError where the weights cannot be had.
    """
    experiment = setup.experiment
    state = kept_state(experiment, experiment.clock.updates, record, setup)
    summary = {**record.summary(), **evaluate(setup, state, setup.splits.test, "test")}
    lease.check()
    write_json(record.folder / "summary.json", summary)
    record.mirrored.unlink(missing_ok=True)  # what was mirrored lacks the test
    with Mirroring(experiment, settings, record, record.rows(), say) as mirror:
        mirror.send()
        mirror.close(summary)
