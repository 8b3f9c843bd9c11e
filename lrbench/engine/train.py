"""`train(experiment) -> Record`: a question is trained once, and a run interrupted anywhere is taken up again."""

import sys
import time
from dataclasses import replace

from lrbench.engine.attempt import Say, attempt, cadence_of
from lrbench.engine.state import choose_device, set_up
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings, run_id
from lrbench.lease import Lease
from lrbench.progress import Show, View, silent
from lrbench.record import DONE, Record

DEFAULTS = Settings()
FOLLOW = 0.5  # seconds between two looks at a run that another process trains


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def train(experiment: Experiment, settings: Settings = DEFAULTS, show: Show = silent, say: Say = _to_stderr) -> Record:
    """Train an experiment, or return, resume or follow the run that is there already (design section 6).

    A finished or diverged run is returned. An interrupted one is resumed from its checkpoint, a failed one only
    with `settings.retry`. `settings.force` moves the old record aside first. A run that another process trains is
    followed, and taken over if that process dies. A parent to fork from is trained first.

    Raises ConfigError for input that cannot work, RunFailed when the run cannot go on, Interrupted after a signal.
    """
    if experiment.start is not None:
        _train_parent(experiment.start.of, settings, show, say)
    record = Record(settings.results / "runs" / run_id(experiment))
    cadence = cadence_of(experiment, settings)
    setup, force = None, settings.force
    while True:
        standing = record.standing()
        if standing == "running":
            _follow(record, show)
            continue
        if (standing in DONE and not force) or (standing == "failed" and not (force or settings.retry)):
            return record
        setup = setup or set_up(experiment, choose_device(settings.device))
        _require_writable(record)
        if standing == "corrupt":
            damage = record.damage()
            say(f"{record.run_id}: {damage}. The folder is kept as {record.set_aside('corrupt')}; training anew.")
        elif force and standing != "new":
            say(f"{record.run_id}: the old record is kept as {record.set_aside('old')}.")
        force = False
        lease = Lease(record.folder)
        if lease.take():
            try:
                attempt(setup, cadence, settings, record, lease, show, say)
            finally:
                lease.release()
            return record


def _train_parent(parent: Experiment, settings: Settings, show: Show, say: Say) -> None:
    record = train(parent, replace(settings, force=False), show, say)
    if record.standing() != "finished":
        raise ConfigError(f"start.of: the parent {record.run_id} is {record.standing()}; nothing can fork from it.")


def _require_writable(record: Record) -> None:
    probe = record.folder.with_name(f".{record.run_id}.probe")
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"results={record.folder.parents[1]}: cannot be written ({error.strerror}); give another folder with "
            "results=FOLDER or $LRBENCH_RESULTS."
        ) from error


def _follow(record: Record, show: Show) -> None:
    """Show the progress of a run that another process trains, until that process is done or gone."""
    while record.standing() == "running":
        latest = {k: v for row in record.rows()[-50:] for k, v in row.items()}
        show(View(int(latest.get("update", 0)), latest, "(another process trains it)"))
        time.sleep(FOLLOW)
