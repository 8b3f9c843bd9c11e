"""A run's weights, measured once more: on any split, or on other data. Nothing of it is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from lrbench.data import Reading
from lrbench.engine.evaluation import measured_on
from lrbench.engine.fork import at_update, kept_name
from lrbench.engine.measuring import task_of
from lrbench.engine.state import load, new_model, read_checkpoint, set_up
from lrbench.engine.weights import evaluated_weights, kept_best
from lrbench.errors import ConfigError
from lrbench.experiment import Data, Experiment, Settings
from lrbench.experiment.settings import BEST
from lrbench.metrics import Metric
from lrbench.store.files import Damaged
from lrbench.store.record import Record
from lrbench.targets import named_parameters, resolve
from lrbench.tasks.returns import declared


class Measured(NamedTuple):
    """What the weights of an update came to on a split of so many samples (None: without end)."""

    update: int
    samples: int | None
    values: dict[str, float]  # by the metric's name, after the split's
    metrics: dict[str, Metric]


def measure(
    record: Record,
    experiment: Experiment,
    weights: str,
    split: str,
    data: Data,
    settings: Settings,
    device: torch.device,
) -> Measured:
    """The run's metrics on a split of the data, the training images not augmented.

    weights: `end`, `best`, or an update of which a checkpoint was kept (`30ep`). data: the run's own, or others, drawn
    by the run's seed. Raises ConfigError for weights that were not kept, and for data that the model was not made for.
    """
    torch.set_num_threads(experiment.threads)
    info = resolve(data.target, "data")(**data.args).info()
    if info.fingerprint != data.fingerprint:
        why = "the data are not those that the run was trained on (their fingerprints differ)"
        raise ConfigError("data._target_", data.target, why, "bring the old content back, or name the data: data=...")
    _require_fit(experiment, info.spec)
    update, held = _weights(record, experiment, weights, settings, device)
    model = new_model(experiment, device)
    with _reading_weights(record):
        model.load_state_dict(held)
    model.eval()
    e = experiment
    reading = Reading(
        e.batch_size, e.seed, channels_last=bool(e.channels_last), device=device, workers=settings.workers
    )
    stream = getattr(resolve(data.target, "data")(**data.args).load(e.seed), split).stream(reading)
    task = task_of(experiment, info.spec)
    metrics = declared(task, info.spec, e.task.target)
    found = measured_on(stream, model, task, metrics, experiment, device)
    return Measured(update, getattr(info, f"n_{split}"), {f"{split}/{k}": v for k, v in found.items()}, metrics)


def _require_fit(experiment: Experiment, spec: dict[str, Any]) -> None:
    """Raises ConfigError where the data give another value than the run's for what the model takes from them."""
    own = resolve(experiment.data.target, "data")(**experiment.data.args).info().spec
    for name in named_parameters(experiment.model.target, "model"):
        if name in own and spec.get(name) != own[name]:
            why = f"they give {name}={spec.get(name, 'nothing')}, and the model was made for {own[name]}"
            raise ConfigError("data", "", why, "name data that are like those it was trained on")


def _weights(
    record: Record, experiment: Experiment, weights: str, settings: Settings, device: torch.device
) -> tuple[int, dict[str, Any]]:
    """The update, and its weights as they are evaluated. Raises ConfigError."""
    if weights == BEST and (best := kept_best(record)):
        with _reading_weights(record):
            return best.update, read_checkpoint(record.weights(BEST), device)
    if weights == BEST:
        raise _not_kept(record, weights, "keep=[best,end]")
    update = record.status()["update"] if weights == "end" else at_update(weights, experiment, None, "--weights")
    plain, path = record.weights(), record.checkpoint(kept_name(update))
    if weights == "end" and plain.exists():
        with _reading_weights(record):
            return update, read_checkpoint(plain, device)
    if not path.exists():
        raise _not_kept(record, weights, f"force=true keep=[{'end' if weights == 'end' else f'{weights},end'}]")
    setup = set_up(experiment, device, workers=settings.workers)
    with _reading_weights(record):
        state = load(experiment, device, path)
    return update, evaluated_weights(setup, state)


@contextmanager
def _reading_weights(record: Record) -> Iterator[None]:
    """Whatever damaged weights make of their reader, as ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except Damaged as damage:
        cure = "choose others by --weights, or train it again"
        raise ConfigError(record.run_id, "", f"its weights are damaged: {damage}", cure) from damage
    except Exception as error:
        why = f"its weights cannot be read ({type(error).__name__}: they may be damaged)"
        raise ConfigError(record.run_id, "", why, "choose others by --weights, or train it again") from error


def _not_kept(record: Record, weights: str, cure: str) -> ConfigError:
    checkpoints = sorted(record.checkpoint().parent.glob("update-*.pt"))
    there = [path.stem for path in sorted(record.weights().parent.glob("*.pt"))]
    there += [f"{int(path.stem.removeprefix('update-'))}ba" for path in checkpoints]
    why = f"{record.run_id} keeps no such weights (it keeps {', '.join(there) or 'none'})"
    return ConfigError("--weights", weights, why, f"the command that trained it keeps them with {cure}")
