"""`train(experiment) -> Record`: a question is trained once, and a run interrupted anywhere is taken up again."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from lrbench.data import Splits
from lrbench.engine.attempt import RunFailed, assist, attempt, cadence_of, refused_by_disk
from lrbench.engine.carried import require_fit
from lrbench.engine.fork import check_start, start_state, stream_start
from lrbench.engine.legs import LegObserver
from lrbench.engine.ranks import Ranks, join
from lrbench.engine.state import Setup, choose_device, load, set_up, wrap
from lrbench.engine.testing import add_test
from lrbench.engine.weights import add_best, best_in, lacks_best, require_monitor
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings, Start
from lrbench.experiment.identity import run_id, title
from lrbench.experiment.settings import BEST
from lrbench.progress import Reporter, Say, Show, View
from lrbench.store.export import restore
from lrbench.store.lease import Lease, LeaseLost, alone
from lrbench.store.locks import check_locks
from lrbench.store.record import DONE, Record, Standing
from lrbench.store.rows import Row
from lrbench.store.store import Store, store_of

FOLLOW = 0.5  # seconds between two looks at a run that another process trains


def to_stderr(text: str) -> None:
    """Say something to a person: the default of `say`."""
    print(text, file=sys.stderr)


def train(
    experiment: Experiment,
    settings: Settings | None = None,
    show: Show | None = None,
    say: Say | None = None,
    splits: Splits | None = None,
    probes: Sequence[LegObserver] = (),
    store: Store | None = None,
) -> Record:
    """Train an experiment, or return, resume or follow the run that is there already: a question is trained once.

    A finished or diverged run is returned, its test set evaluated first where `settings.test` asks and nobody did, and
    its best weights kept where `settings.keep` asks; one that stands in evidence is restored from its row. An
    interrupted one is resumed from its checkpoint, a failed one only with `settings.retry`. `settings.force` moves the
    old record aside first, and trains whatever the evidence says. A run that another process trains is followed, and
    taken over if that process dies. A parent to fork from is trained first.

    settings: by default those of `Settings()`. show, say: told of the run's progress, and of what a person should know;
    by default a live line on a terminal, lines elsewhere, in a notebook too (`lrbench.progress.silent` shows nothing).
    splits: the experiment's data, where they are loaded already. probes: told of every leg that this call trains.
    store: that of `settings.results`, where its evidence has been read already.

    Raises ConfigError for input that cannot work, RunFailed when the run cannot go on, Interrupted after a signal.
    """
    settings = settings or Settings()
    ranks, store = join(settings.device), store or Store(settings.results)
    if ranks.rank > 0:
        return _assist(experiment, settings, ranks)
    if experiment.start is not None:  # before the run is shown: the parent's progress has times of its own
        _train_parent(experiment, experiment.start, settings, show, say or to_stderr, store)
    if show is not None:
        return _trained(experiment, settings, show, say or to_stderr, splits, probes, store, ranks)
    with Reporter(experiment) as reporter:
        return _trained(experiment, settings, reporter, say or reporter.say, splits, probes, store, ranks)


def _trained(
    experiment: Experiment,
    settings: Settings,
    show: Show,
    say: Say,
    splits: Splits | None,
    probes: Sequence[LegObserver],
    store: Store,
    ranks: Ranks,
) -> Record:
    """`train` on rank 0, once there is a parent where one is needed."""
    record = store.record(run_id(experiment))
    cadence = cadence_of(experiment, settings)
    setup, force = None, settings.force

    def work(lease: Lease, standing: Standing) -> None:
        assert setup is not None
        if standing == "finished":
            ranks.broadcast(None)
            _add_what_is_asked(setup, settings, record, lease, say)
        else:
            attempt(setup, cadence, settings, record, lease, show, say, probes)

    while True:
        standing = record.standing()
        if standing == "running":
            _follow(record, show)
        elif not force and _is_enough(record, standing, settings):
            ranks.broadcast(None)
            return record
        elif standing == "new" and not settings.force and (row := store.evidence.find(record.run_id)):
            _tell_modified(record, store, say)
            _restore(row, record, say)
        elif setup is None:  # that takes a while: look again
            if standing == "new" and not settings.force:
                _tell_modified(record, store, say)
            setup = _set_up(experiment, settings, ranks, record, splits)
            check_locks(settings.results)
        else:
            lease, force = _claim(record, standing, force, say)
            if lease is not None and _done_under(lease, record, standing, ranks, say, work):
                return record


def _is_enough(record: Record, standing: Standing, settings: Settings) -> bool:
    """Whether a run that stands so has all that is asked for."""
    if standing == "finished":
        return (record.tested() or not settings.test) and not lacks_best(record, settings)
    return standing == "diverged" or (standing == "failed" and not settings.retry)


def _add_what_is_asked(setup: Setup, settings: Settings, record: Record, lease: Lease, say: Say) -> None:
    """The test set, and the best weights, of a run that is done."""
    if settings.test and not record.tested():
        add_test(setup, settings, record, lease, say)
    if lacks_best(record, settings):
        add_best(setup, record, best_in(record.summary(), str(settings.best_by)), say)


def _claim(record: Record, standing: Standing, force: bool, say: Say) -> tuple[Lease | None, bool]:
    """The lease of a run that stands so, a corrupt record and one that `force` replaces moved aside first; None where
    another process was faster. And whether there is still something for `force` to replace."""
    try:
        if (standing == "corrupt" or (force and standing != "new")) and not _set_aside(record, standing, say):
            return None, force
        force = False
        lease = Lease(record.folder)
        return (lease if lease.take() else None), force
    except FileNotFoundError:  # another process moved the folder at the same moment
        return None, force
    except OSError as error:
        raise RunFailed(refused_by_disk(record, error)) from error


def _done_under(
    lease: Lease,
    record: Record,
    standing: Standing,
    ranks: Ranks,
    say: Say,
    work: Callable[[Lease, Standing], None],
) -> bool:
    """Work on the run while the lease is held, and release it; False where another process was done at the same
    moment, or has taken the run over, so that one has to look again."""
    try:
        now = record.standing()
        if now not in ("running", standing):
            return False
        work(lease, now)
        return True
    except LeaseLost as lost:
        if ranks.size > 1 or record.standing() not in ("running", *DONE):
            raise RunFailed(str(lost)) from lost
        say(str(lost))
        return False
    finally:
        lease.release()


def _set_up(
    experiment: Experiment, settings: Settings, ranks: Ranks, record: Record, splits: Splits | None = None
) -> Setup:
    device = choose_device(settings.device, ranks)
    setup = set_up(experiment, device, ranks, settings.workers, splits, stream_start(experiment, record))
    if BEST in settings.keep:
        require_monitor(setup.metrics, settings)
    return setup


def _tell_modified(record: Record, store: Store, say: Say) -> None:
    """That a row of the run does not count, whether another one does or not."""
    if why := store.evidence.modified.get(record.run_id):
        say(f"{why}.")


def _restore(row: Row, record: Record, say: Say) -> None:
    """Lay the record out from committed evidence, unless another process holds it at this moment."""
    row.check()  # refused before a folder is made for it
    check_locks(store_of(record.folder).results)
    lease = Lease(record.folder)
    try:
        if not lease.take():
            return
        if not (record.folder / "experiment.yaml").exists():  # else another process was done at the same moment
            restore(row, record)
            say(f"{record.run_id}: restored from {row.path}, not trained (force=true trains it).")
    except OSError as error:
        raise RunFailed(refused_by_disk(record, error)) from error
    finally:
        lease.release()


def _set_aside(record: Record, standing: Standing, say: Say) -> bool:
    """Move a record away, unless it no longer stands so: another process did it first."""
    with alone(record.folder):
        now = record.look()
        if now.standing != standing:
            return False
        kept = record.set_aside("corrupt" if standing == "corrupt" else "old")
    if standing == "corrupt":
        say(f"{record.run_id}: {now.why}. The folder is kept as {kept}; training anew.")
    else:
        say(f"{record.run_id}: the old record is kept as {kept}.")
    return True


def _assist(experiment: Experiment, settings: Settings, ranks: Ranks) -> Record:
    """`train` on a rank other than 0: rank 0 tells from which update to compute along, or nothing."""
    if experiment.start is not None:
        _assist(experiment.start.of, settings, ranks)
    record = Store(settings.results).record(run_id(experiment))
    begun = ranks.broadcast()
    if begun is not None:
        setup = _set_up(experiment, settings, ranks, record)
        state = load(experiment, setup.device, record.checkpoint()) if begun else start_state(setup, record)
        assist(setup, wrap(state, setup), cadence_of(experiment, settings))
    return record


def _train_parent(
    experiment: Experiment, start: Start, settings: Settings, show: Show | None, say: Say, store: Store
) -> None:
    """Train what is forked from, unless that is done. Raises ConfigError where it cannot be."""
    check_start(experiment, start)
    require_fit(experiment, start)
    parent = store.record(run_id(start.of))
    parent.examine()  # what is damaged in it is trained anew
    if parent.standing() not in DONE:
        say(f"{parent.run_id}: the parent that this run forks from is trained first ({title(start.of)}).")
    keep = ("end",) if start.at == "plateau" else ("end", start.at)
    asked = replace(settings, force=False, hydra={}, keep=keep, test=False)
    record = train(start.of, asked, show, say, store=store)
    if record.standing() != "finished":
        why = f"the parent is {record.standing()}, and nothing can fork from it"
        raise ConfigError("start.of", record.run_id, why, f"look at it by lrbench show {record.run_id}")


def _follow(record: Record, show: Show) -> None:
    """Show the progress of a run that another process trains, until that process is done or gone."""
    while record.standing() == "running":
        latest = {k: v for row in record.latest(50) for k, v in row.items()}
        show(View(int(latest.get("update", 0)), latest, "(another process trains it)"))
        time.sleep(FOLLOW)
