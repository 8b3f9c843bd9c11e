"""The state of a run as a value: model, optimizer, feedback schedule, update; saving and loading it."""

import io
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from lrbench.blame import blame, named
from lrbench.data import DataInfo, Reading, Split, Splits, Stream
from lrbench.engine.measuring import task_of
from lrbench.engine.ranks import ALONE, Ranks
from lrbench.engine.stopping import Stopping, stopping_of
from lrbench.errors import ConfigError
from lrbench.experiment import Component, Experiment
from lrbench.experiment.identity import run_id
from lrbench.metrics import Metric
from lrbench.optim import build_optimizer
from lrbench.randomness import seed_of
from lrbench.schedules import Feedback, LRTable, hears_metric, lr_table
from lrbench.store.checkpoint import close, open_checked
from lrbench.store.files import Damaged, write_bytes
from lrbench.targets import named_parameters, resolve
from lrbench.tasks import Task
from lrbench.tasks.returns import declared, kind_of

FULL = nullcontext()  # the precision without autocast


@dataclass
class State:
    """What training moves. `update` = updates done; `seconds` = time spent on them, over all attempts."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    feedback: Feedback | None
    update: int = 0
    seconds: float = 0.0
    skipped: int = 0  # steps that the fp16 scaler refused and that were tried again
    scaler: torch.amp.GradScaler | None = None  # of fp16's loss
    stopping: Stopping | None = None  # where the run may end early
    run_id: str = ""  # of the run that it is a state of
    log: Mapping[str, Any] = field(default_factory=dict)  # what the log held when it was saved (`Log.held`)
    resting: tuple[nn.Module, ...] = ()  # norms of a frozen part: in evaluation mode, so that their statistics stay
    forward: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        self.forward = self.model  # `wrap` puts a compiler or DDP around it

    def train(self) -> None:
        """Put the model into training mode, but for what is frozen."""
        self.model.train()
        for module in self.resting:
            module.eval()

    @property
    def ended(self) -> bool:
        """Whether the run ends here, before its horizon does."""
        return self.stopping is not None and self.stopping.over


@dataclass(frozen=True)
class Setup:
    """What training reads and never changes."""

    experiment: Experiment
    device: torch.device
    table: LRTable
    task: Task
    metrics: Mapping[str, Metric]  # what the task measures, by name
    splits: Splits[Stream]
    ranks: Ranks = ALONE
    workers: int = 0  # processes that read images from disk
    shift: int = 0  # update t trains on batch and noise `shift + t` of the seed's streams: see `fork.stream_start`

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of forward passes."""
        return autocast(self.experiment, self.device)


def autocast(experiment: Experiment, device: torch.device) -> AbstractContextManager[None]:
    """The precision of an experiment's forward passes."""
    if experiment.amp is None:
        return FULL
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[experiment.amp])


def choose_device(name: str, ranks: Ranks = ALONE) -> torch.device:
    """`auto` is CUDA where there is one (each rank its own), else the CPU. Raises ConfigError if it is not there."""
    if name in ("auto", "cuda"):
        name = f"cuda:{ranks.local}" if torch.cuda.is_available() or name == "cuda" else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError("device", name, f"not available here ({reason})", "use auto or cpu") from error
    return device


def set_up(
    experiment: Experiment,
    device: torch.device,
    ranks: Ranks = ALONE,
    workers: int = 0,
    splits: Splits[Split] | None = None,
    shift: int = 0,
) -> Setup:
    """Trace the schedule, load the data, pin the threads.

    splits: the experiment's data, where they are loaded already. shift: see `Setup`.
    """
    table = lr_table(experiment)
    torch.set_num_threads(experiment.threads)
    data = resolve(experiment.data.target, "data")(**experiment.data.args)
    info: DataInfo = data.info()
    if info.fingerprint != experiment.data.fingerprint:
        raise ConfigError(
            "data._target_",
            experiment.data.target,
            "the data are not those that this experiment was made for (their fingerprints differ)",
            "bring the old content back, or make the experiment anew",
        )
    reading = _reading(experiment, device, ranks, workers)
    streams = Splits(*(split.stream(reading) for split in splits or data.load(experiment.seed)))
    task = task_of(experiment, info.spec)
    metrics = declared(task, info.spec, experiment.task.target)
    return Setup(experiment, device, table, task, metrics, streams, ranks, workers, shift)


def _reading(experiment: Experiment, device: torch.device, ranks: Ranks, workers: int) -> Reading:
    """How this rank reads the data: its own parts of every update."""
    e, many = experiment, experiment.micro_batches
    mine = range(ranks.rank * many, (ranks.rank + 1) * many)
    return Reading(e.batch_size, e.seed, e.data.augment, bool(e.channels_last), device, workers, mine, e.parts)


def new_state(experiment: Experiment, device: torch.device) -> State:
    """The state at update 0, a function of the experiment's seed alone (forks: see `fork`)."""
    model = new_model(experiment, device)
    feedback = Feedback(experiment.schedule) if hears_metric(experiment.schedule) else None
    scaler = torch.amp.GradScaler(device.type) if experiment.amp == "fp16" else None
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = build_optimizer(model, experiment)
    freezes = any(not p.requires_grad for p in trainable)  # by its grouping, not in the model itself
    resting = _resting(model) if freezes else ()
    stopping = stopping_of(experiment)
    of = run_id(experiment)
    state = State(model, optimizer, feedback, scaler=scaler, stopping=stopping, run_id=of, resting=resting)
    state.train()
    return state


def _resting(model: nn.Module) -> tuple[nn.Module, ...]:
    """The norms whose parameters are not trained; one without parameters goes with the layer before it."""
    found, trained = [], True
    for module in model.modules():
        if own := [*module.parameters(recurse=False)]:
            trained = any(p.requires_grad for p in own)
        if isinstance(module, _NormBase) and not trained:
            found.append(module)
    return tuple(found)


def new_model(experiment: Experiment, device: torch.device) -> nn.Module:
    """The model at update 0, on the device."""
    torch.manual_seed(seed_of("init", experiment.seed))
    model = build_model(experiment.model, experiment.data)
    model.to(device)
    if experiment.channels_last:
        model.to(memory_format=torch.channels_last)
    return model


def build_model(model: Component, data: Component) -> nn.Module:
    """The model for a data set: what its parameters ask for by a name that stands in the data's spec is taken from
    there. Its weights are drawn from torch's default generator."""
    spec = resolve(data.target, "data")(**data.args).info().spec
    asked = {name: value for name, value in spec.items() if name in named_parameters(model.target, "model")}
    try:
        made: nn.Module = resolve(model.target, "model")(**asked, **model.args)
    except ConfigError:
        raise
    except Exception as error:
        if blame(error):
            raise
        name, said = model.args.get("name", model.name), named(error).splitlines()[0][:300]
        raise ConfigError("model", name, f"it cannot be built ({said})", "change model.args") from error
    if not isinstance(made, nn.Module):
        why = f"what it makes is {kind_of(made)}, no torch.nn.Module"
        raise ConfigError("model._target_", model.target, why, "what a model is: the head of conf/model/custom.yaml")
    return made


def wrap(state: State, setup: Setup) -> State:
    """Put the compiler and DDP around the model's forward pass, where asked. The state keeps the bare model."""
    if setup.experiment.compile:
        _require_compiler(setup.device)
        state.forward = torch.compile(state.model)
    if setup.ranks.size > 1:
        gpu = [setup.device] if setup.device.type == "cuda" else None
        state.forward = nn.parallel.DistributedDataParallel(state.model, device_ids=gpu)
    return state


def _require_compiler(device: torch.device) -> None:
    """Raises ConfigError unless torch.compile works here, tried on a sum."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            "compile", True, f"torch.compile does not work here ({reason})", "use compile=false"
        ) from error


def save(state: State, path: Path, log: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint, in one step; `log`: what the record's log holds at this moment, for one to go on from. Raises
    OSError where the disk refuses (torch.save alone would hide it)."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "metrics": state.feedback.metrics if state.feedback else [],
        "update": state.update,
        "seconds": state.seconds,
        "skipped": state.skipped,
        "scaler": state.scaler.state_dict() if state.scaler else {},
        **({"heard": state.stopping.heard} if state.stopping else {}),
    }
    about = {"run_id": state.run_id, "update": state.update, **({} if log is None else {"log": log})}
    write_tensors(path, content, about)


def write_tensors(path: Path, content: Any, about: Mapping[str, Any]) -> None:
    """In one step, what `torch.load(path, weights_only=True)` reads, with what is said of it and a hash. Raises OSError
    where the disk refuses."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, close(buffer, about))


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """What a checkpoint holds. Raises Damaged before a number of it is used, if it is not what was saved."""
    return _read(path, device)[0]


def _read(path: Path, device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """And what it says of itself."""
    content, about = open_checked(path)
    held: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return held, about


def load(experiment: Experiment, device: torch.device, path: Path) -> State:
    """The state a checkpoint holds: the same bits as if training had never stopped. Raises Damaged for one that is not
    what was saved, or is of another run."""
    content, about = _read(path, device)
    state = new_state(experiment, device)
    if about.get("run_id", state.run_id) != state.run_id:
        raise Damaged(f"it is a state of the run {about['run_id']}")
    state.log = about.get("log", {})
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.update, state.seconds, state.skipped = content["update"], content["seconds"], content["skipped"]
    if state.scaler:
        state.scaler.load_state_dict(content["scaler"])
    if state.feedback:
        state.feedback = Feedback(experiment.schedule, content["metrics"])
    state.stopping = stopping_of(experiment, content.get("heard"))
    return state
