"""Begin from another run's state: its weights, and its optimizer's moments and streams where carried."""

import inspect
from typing import Any

import numpy as np
import torch

from lrbench.engine.carried import carried
from lrbench.engine.evaluation import evaluation_updates
from lrbench.engine.legs import legs
from lrbench.engine.state import Setup, State, load, new_state, save, set_up, wrap
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Start
from lrbench.experiment.identity import run_id
from lrbench.horizon import moment
from lrbench.optim import Averaging
from lrbench.store.files import Damaged
from lrbench.store.record import Record
from lrbench.targets import resolve, with_defaults


def kept_name(update: int) -> str:
    """The name of a checkpoint kept for forks."""
    return f"update-{update:08d}"


def at_update(at: str, parent: Experiment, record: Record | None, option: str = "start.at") -> int:
    """The update of the parent that `start.at` (or an entry of `keep`, before there is a record) means.

    `plateau` is the first update with a lower rate than the one before, in a parent whose schedule hears a metric.
    """
    if at != "plateau":
        try:
            return moment(at, parent.clock, option)
        except ConfigError as error:
            if option == "start.at":
                raise
            cure = (
                f"{error.cure}; or best, for the weights with the best monitor"  # which `keep` and --weights take too
            )
            raise ConfigError(option, error.value, error.why, cure) from error
    if record is None:
        raise ConfigError(option, "plateau", "unknown before the run", "give end or an update such as 30ep")
    _require_monitor(parent)
    if source := record.restored_from():
        raise ConfigError(
            option,
            "plateau",
            f"the parent {record.run_id} was restored from {source}, which keeps no rates to find its plateau in",
            "train the parent again with force=true, or give an update such as 30ep",
        )
    rates, main = record.rates()[:, 0], parent.schedule.main.phase
    cuts = np.flatnonzero(np.diff(rates[main.start :]) < 0)
    if not cuts.size:
        raise ConfigError(option, "plateau", "the parent's schedule never cut its rate", "give an update such as 30ep")
    return int(main.start + cuts[0] + 1)


def stream_start(experiment: Experiment, record: Record) -> int:
    """The update of the streams of batches and noise that a run's update 0 takes: 0, or the one at which its parent's
    streams go on in it (which for `plateau` the parent's record knows)."""
    start = experiment.start
    if start is None or not experiment.continues:
        return 0
    parent = _parent(start, record)
    return stream_start(start.of, parent) + at_update(start.at, start.of, parent)


def start_state(setup: Setup, record: Record) -> State:
    """The state at update 0: new, or forked from the parent's record, which lies beside this one."""
    start = setup.experiment.start
    if start is None:
        return new_state(setup.experiment, setup.device)
    parent = _parent(start, record)
    theirs = kept_state(start.of, at_update(start.at, start.of, parent), parent, setup)
    if "optimizer" not in start.carry and isinstance(theirs.optimizer, Averaging):
        theirs.optimizer.eval()  # without the optimizer that averages, the model is what it evaluates
    state = new_state(setup.experiment, setup.device)
    state.model.load_state_dict(carried(state.model, theirs.model.state_dict(), start))
    try:
        if "optimizer" in start.carry:
            _carry_moments(state.optimizer, theirs.optimizer.state_dict())
            if state.scaler and theirs.scaler:
                state.scaler.load_state_dict(theirs.scaler.state_dict())
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            "start.of", parent.run_id, f"its state does not fit this experiment ({reason})", "fork from one that does"
        ) from error
    return state


def kept_state(experiment: Experiment, update: int, record: Record, setup: Setup) -> State:
    """The state of a trained run at an update: from the checkpoint it kept, else trained up to there again, which gives
    the same bits, and kept. `setup`: of whoever asks, for the device and the workers."""
    path = record.checkpoint(kept_name(update))
    if not path.exists():
        save(replayed(experiment, update, record, setup), path)
    try:
        state = load(experiment, setup.device, path)
        if state.update != update:
            raise Damaged(f"it is the state after update {state.update}")
        return state
    except Exception as error:
        why = error if isinstance(error, Damaged) else f"{type(error).__name__}: it may be damaged"
        raise ConfigError(
            str(path),
            "",
            f"the checkpoint cannot be read ({why})",
            "remove it, and it is made again from the run's experiment",
        ) from error


def _parent(start: Start, record: Record) -> Record:
    """The parent's record lies beside the child's."""
    return Record(record.folder.with_name(run_id(start.of)))


def check_start(experiment: Experiment, start: Start) -> None:
    """Refuse what can be refused before the parent is trained."""
    parent = start.of
    if start.update is None:
        _require_monitor(parent)
    if parent.data.fingerprint == experiment.data.fingerprint and parent.seed != experiment.seed:
        raise ConfigError(
            "seed",
            experiment.seed,
            f"the parent has the seed {parent.seed}, which draws other splits of the same data, so it may have trained "
            "on what this run is tested on",
            "give both the same seed",
        )
    if parent.data.fingerprint == experiment.data.fingerprint:
        _require_same_splits(experiment, parent, start)
    words = [resolve(e.data.target, "data")(**e.data.args).info().spec.get("vocabulary") for e in (experiment, parent)]
    if None not in words and words[0] != words[1]:
        why = "the parent reads its text by other tokens, so that its weights mean nothing to these"
        cure = "give both the same tokenizer: data.args.tokenizer=byte is one for every text, or a tokenizer.json"
        raise ConfigError("data.args.tokenizer", experiment.data.args.get("tokenizer"), why, cure)
    if "optimizer" in start.carry and parent.optimizer.target != experiment.optimizer.target:
        ours, theirs = (e.optimizer.target.rpartition(".")[2] for e in (experiment, parent))
        raise ConfigError(
            "start.carry",
            start.carry,
            f"the parent trains with {theirs}, whose moments mean nothing to {ours}",
            "use start.carry=[model,stream]",
        )


# Arguments of data sets by which other samples of the same data are held out.
SPLITS = ("val_size", "test_size", "val_share", "test_share", "classes")


def _require_same_splits(experiment: Experiment, parent: Experiment, start: Start) -> None:
    """Refuse to evaluate on what the parent was trained on, and classes under the names of others."""
    ours, theirs = (with_defaults(e.data.target, e.data.args, "data") for e in (experiment, parent))
    if _have_no_class_in_common(ours.get("classes"), theirs.get("classes")):
        if not start.new_head:
            why = f"the parent tells {theirs['classes']} apart, so that its classifier means others"
            raise ConfigError("data.args.classes", ours["classes"], why, "give start.new_head=true start.carry=[model]")
        return
    for name in SPLITS:
        if name in ours and name in theirs and ours[name] != theirs[name]:
            why = (
                f"the parent has {theirs[name]}, which holds out other samples of the same data, so it may have "
                "trained on what this run is evaluated on"
            )
            cure = "give both the same" + (", or classes of which the parent has none" if name == "classes" else "")
            raise ConfigError(f"data.args.{name}", ours[name], why, cure)


def _have_no_class_in_common(ours: object, theirs: object) -> bool:
    return isinstance(ours, list | tuple) and isinstance(theirs, list | tuple) and not {*ours} & {*theirs}


def _require_monitor(parent: Experiment) -> None:
    if parent.monitor is None:
        raise ConfigError(
            "start.at", "plateau", "the parent's schedule hears no metric, so it has no plateau", "give 30ep"
        )


def _carry_moments(optimizer: torch.optim.Optimizer, parent: dict[str, Any]) -> None:
    """Load the parent's moments, and the counters that some optimizers keep in their groups. The settings, which are
    the constructor's arguments, stay this experiment's own; torch would replace them too."""
    groups, settings = optimizer.state_dict()["param_groups"], inspect.signature(type(optimizer)).parameters
    if [g["params"] for g in groups] != [g["params"] for g in parent["param_groups"]]:
        raise ValueError("the optimizers' parameter groups differ")
    merged = [
        {**theirs, **{k: v for k, v in ours.items() if k in settings}}
        for ours, theirs in zip(groups, parent["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": parent["state"], "param_groups": merged})


def replayed(experiment: Experiment, update: int, record: Record, asking: Setup) -> State:
    """The state of a run at an update that it kept no checkpoint of: trained again up to there."""
    if experiment.ranks is not None:
        raise ConfigError(
            record.run_id,
            "",
            f"it was trained on {experiment.ranks} ranks and kept no checkpoint at update {update}",
            f"train it again on as many with force=true 'keep=[{update}ba,end]'",
        )
    threads = torch.get_num_threads()
    shift = stream_start(experiment, record)
    setup = set_up(experiment, asking.device, workers=asking.workers, shift=shift)
    state = wrap(start_state(setup, record), setup)
    evaluations = evaluation_updates(experiment)
    for _ in legs(setup, state, [*(u for u in evaluations if u < update), update], evaluations):
        pass
    torch.set_num_threads(threads)  # those of whoever asks
    return state
