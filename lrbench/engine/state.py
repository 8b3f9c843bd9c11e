"""The state of a run as a value: model, optimizer, feedback schedule, update; saving and loading it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lrbench.data import Splits
from lrbench.data.batches import Batches
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.optim import build_optimizer
from lrbench.randomness import seed_of
from lrbench.schedules import Feedback, LRTable, hears_metric, lr_table
from lrbench.targets import resolve
from lrbench.tasks import Task


@dataclass
class State:
    """What training moves. `update` = updates done; `seconds` = time spent on them, over all attempts."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    feedback: Feedback | None
    update: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Setup:
    """What training reads and never changes."""

    experiment: Experiment
    device: torch.device
    table: LRTable
    task: Task
    splits: Splits
    batches: Batches


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises ConfigError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device={name}: not available here ({reason}); use auto or cpu.") from error
    return device


def set_up(experiment: Experiment, device: torch.device) -> Setup:
    """Trace the schedule, load the data onto the device, pin the threads."""
    table = lr_table(experiment)
    torch.set_num_threads(experiment.threads)
    data = experiment.data
    splits = resolve(data.target, "data")(**data.args).load(experiment.seed)
    batches = Batches(
        splits.train, splits.mean, splits.std, experiment.batch_size, experiment.seed, data.augment, device
    )
    on_device = splits._replace(
        val=type(splits.val)(*(t.to(device) for t in splits.val)),
        mean=splits.mean.to(device),
        std=splits.std.to(device),
    )
    task: Task = resolve(experiment.task.target, "task")(**experiment.task.args)
    return Setup(experiment, device, table, task, on_device, batches)


def new_state(experiment: Experiment, device: torch.device) -> State:
    """The state at update 0, a function of the experiment's seed alone (forks: see `fork`)."""
    info = resolve(experiment.data.target, "data")(**experiment.data.args).info()
    torch.manual_seed(seed_of("init", experiment.seed))
    target = resolve(experiment.model.target, "model")
    model: nn.Module = target(info.shape, info.num_classes, **experiment.model.args)
    model.to(device)
    feedback = Feedback(experiment) if hears_metric(experiment) else None
    return State(model, build_optimizer(model, experiment), feedback)


def save(state: State, path: Path) -> None:
    """Write a checkpoint beside its name, then rename it: a kill at any moment leaves the old one or the new one."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "metrics": state.feedback.metrics if state.feedback else [],
        "update": state.update,
        "seconds": state.seconds,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return content


def load(experiment: Experiment, device: torch.device, path: Path) -> State:
    """The state a checkpoint holds: the same bits as if training had never stopped."""
    content = read_checkpoint(path, device)
    state = new_state(experiment, device)
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.update, state.seconds = content["update"], content["seconds"]
    if state.feedback:
        state.feedback = Feedback(experiment, content["metrics"])
    return state
