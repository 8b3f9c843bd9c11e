"""The loop: batch, forward, backward, clip, set the row's rates, step. Everything else happens between blocks."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lrbench.data import Batch
from lrbench.engine.state import Setup, State
from lrbench.errors import ConfigError
from lrbench.randomness import seed_of
from lrbench.schedules.build import momentum_of
from lrbench.store.series import LOSS, NORM, Series, series_type
from lrbench.tasks.returns import require_loss, require_weights

NORM_EVERY = 16  # updates between two looks at the gradient's norm where it is not clipped: each costs a few percent
BLOCK = 256  # updates at most between two looks at the losses
TRIES = 20  # of one update, before a run whose steps are all skipped counts as diverged
PATIENCE = 0.5  # seconds at most, for what is shown and for a prompt answer to Ctrl-C


class UpdateBlock(NamedTuple):
    """What happened in updates [start, start + n)."""

    start: int
    series: Series  # (n,): the run's columns, what the schedule set as it was read back after each step
    seconds: list[float]  # the run's time at the end of each update
    clipped: bool  # whether the gradient's norm counts: where nothing is clipped, it is measured now and then

    def first_bad(self) -> int | None:
        """The first update whose loss, or gradient where it is clipped, is not finite."""
        good = np.isfinite(self.series[LOSS])
        if self.clipped:
            good &= np.isfinite(self.series[NORM])
        bad = np.flatnonzero(~good)
        return int(self.start + bad[0]) if bad.size else None

    def cut(self, update: int) -> "UpdateBlock":
        """Only what happened before `update`."""
        n = update - self.start
        return self._replace(series=self.series[:n], seconds=self.seconds[:n])


def planned(setup: Setup, state: State, until: int) -> list[list[float]]:
    """The table's rows for updates [state.update, until), as far as they are known, and BLOCK at most. After a warmup,
    the rates of a schedule that hears a metric are its live ones."""
    table, feedback, now = setup.table, state.feedback, state.update
    until = min(until, now + BLOCK)
    if feedback is None:
        return table.columns[now:until].tolist()
    if now < table.warmup:
        return table.columns[now : min(until, table.warmup)].tolist()
    rows = table.columns[now : now + 1 if hears_loss(setup) else until].copy()
    rows[:, : len(table.groups)] = feedback.row
    return rows.tolist()


def hears_loss(setup: Setup) -> bool:
    """Whether the schedule is stepped with the loss of every update."""
    return setup.experiment.monitor == "train/loss"


def advance(setup: Setup, state: State, until: int) -> UpdateBlock:
    """Train from `state.update` up to `until`, or for half a second; what was done and read back.

    The losses stay on the device until the end of the block, so that a GPU is not waited for at every update.
    """
    kinds = setup.table.kinds
    groups, optimizer = state.optimizer.param_groups, state.optimizer
    generator = _noise_generator(setup.device) if may_draw(setup, state) else None
    start, began, clock = state.update, time.perf_counter() - state.seconds, time.perf_counter
    read: list[list[float]] = []
    made: list[list[float]] = []  # by one update: torch calls the hook twice where a class's step calls its parent's
    losses: list[Tensor] = []  # sums, divided by their weights at the end of the block
    weights: list[Tensor | float] = []
    norms: dict[int, Tensor] = {}  # by place in the block
    seconds: list[float] = []
    hook = optimizer.register_step_post_hook(lambda *_: made.append(_columns(groups, kinds)))
    try:
        for update, row in enumerate(planned(setup, state, until), start):
            made.clear()
            for _ in range(TRIES):
                loss, weight, norm = _step(setup, state, update, row, generator)
                if made:  # the hook fired: the step was made
                    break
                state.skipped += 1  # the fp16 scaler skipped it: the same update again, on a smaller scale
            else:
                made.append(row)
                loss = torch.full_like(loss, torch.nan)
            read.append(made[-1])
            losses.append(loss)
            weights.append(weight)
            if norm is not None:
                norms[update - start] = norm
            seconds.append(clock() - began)
            if seconds[-1] - seconds[0] > PATIENCE and setup.ranks.size == 1:
                break
    finally:
        hook.remove()
    state.update, state.seconds = start + len(seconds), seconds[-1]
    columns = _measured(setup, start, losses, weights, norms)
    if state.feedback and hears_loss(setup) and start >= setup.table.warmup:
        state.feedback.step(float(columns[0, 0]))
    series = np.hstack([columns, read]).view(series_type(setup.table.names))[:, 0]
    return UpdateBlock(start, series, seconds, setup.experiment.clip is not None)


def _measured(
    setup: Setup, start: int, losses: list[Tensor], weights: list[Tensor | float], norms: dict[int, Tensor]
) -> NDArray[np.float64]:
    """Loss and gradient norm of every update of a block, (n, 2); NaN where the norm was not measured."""
    columns = np.full((len(losses), 2), np.nan)
    sums = torch.stack(losses)
    by = torch.stack(weights) if isinstance(weights[0], Tensor) else sums.new_tensor(weights)  # type: ignore[arg-type]
    _require_weight(setup, by, start)
    columns[:, 0] = setup.ranks.mean((sums / by).double()).cpu().numpy()
    if norms:
        columns[[*norms], 1] = torch.stack([*norms.values()]).double().cpu().numpy()
    return columns


def _require_weight(setup: Setup, weights: Tensor, start: int) -> None:
    """Refuse a batch that weighs nothing: its loss would be 0 / 0, and the run taken for one that diverged."""
    wrong = (~((weights > 0) & weights.isfinite())).nonzero()
    if len(wrong):
        i = int(wrong[0])
        why = f"the weight of update {start + i} is {float(weights[i]):g}, and its loss is divided by that"
        cure = "count something in every batch (one of padding alone has no loss)"
        raise ConfigError("task._target_", setup.experiment.task.target, why, cure)


def _step(
    setup: Setup, state: State, update: int, row: list[float], generator: torch.Generator | None
) -> tuple[Tensor, Tensor | float, Tensor | None]:
    """One update: gradients, clipping, the row's rates, the step. Its loss as a sum and what that is divided by, and
    the gradient's norm if measured."""
    optimizer, scaler, clip = state.optimizer, state.scaler, setup.experiment.clip
    _clear_gradients(optimizer)
    (loss, weight), norm = _gradients(setup, state, update, generator), None
    if clip is not None or update % NORM_EVERY == 0:
        if scaler:
            scaler.unscale_(optimizer)
        norm = _clipped(state.model, clip)
    _set(optimizer.param_groups, setup.table.kinds, row)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    return loss, weight, norm


def _clipped(model: nn.Module, clip: float | None) -> Tensor:
    """The norm of the gradient before it is clipped, if it is."""
    if clip is not None:
        return torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    norm = torch.linalg.vector_norm  # torch's get_total_norm takes twice as long for small models
    return norm(torch.stack([norm(p.grad) for p in model.parameters() if p.grad is not None]))


def _clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """`zero_grad()`, without the profiler's hooks around torch's own, which take ten times as long as the work."""
    if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _gradients(
    setup: Setup, state: State, update: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor | float]:
    """Forward and backward over this rank's micro-batches; their summed loss, detached, and what it is divided by.

    The loss is the sum over the update's batch divided by the batch's weight: exact however unequal the parts are.
    """
    experiment, ranks, at = setup.experiment, setup.ranks, setup.shift + update
    many, parts = experiment.micro_batches, experiment.parts
    batches = [setup.splits.train.batch(at, ranks.rank * many + i, parts) for i in range(many)]
    weights = [setup.task.weight(batch) for batch in batches]
    if state.update == update:  # the first of a block
        require_weights(weights, experiment.task.target)
    weight = sum(weights)
    if ranks.size > 1:  # summed over the ranks and divided by their number, as DDP does with their gradients
        weight = ranks.mean(torch.zeros((), device=setup.device) + weight)
    losses = []
    for micro, batch in enumerate(batches):
        if generator:
            generator.manual_seed(seed_of("noise", experiment.seed, at, micro, ranks.rank))
        with _unsynchronised(state) if micro + 1 < many else nullcontext():
            losses.append(_backward(setup, state, batch, weight))
    return losses[0] if many == 1 else torch.stack(losses).sum(), weight


def _backward(setup: Setup, state: State, batch: Batch, weight: Tensor | float) -> Tensor:
    """Forward, and backward for one micro-batch; its loss, a sum, detached. Autograd begins from 1 / weight, which
    saves it the division."""
    with setup.autocast():
        loss = setup.task.loss(state.forward, batch)
    require_loss(loss, setup.experiment.task.target)
    if isinstance(weight, Tensor):
        share = torch.ones_like(loss) / weight
    else:
        share = torch.full_like(loss, 1 / (weight or math.nan))  # 0 is refused when the block is measured
    (state.scaler.scale(loss) if state.scaler else loss).backward(share)
    return loss.detach()


def _unsynchronised(state: State) -> AbstractContextManager[None]:
    """No exchange of gradients between ranks before the update's last micro-batch."""
    forward = state.forward
    return forward.no_sync() if isinstance(forward, torch.nn.parallel.DistributedDataParallel) else nullcontext()


def _set(groups: list[dict], kinds: Sequence[str], row: list[float]) -> None:
    """Into the groups, what the row has for each kind and group."""
    values = iter(row)
    for kind in kinds:
        for group in groups:
            if kind == "momentum" and "betas" in group:
                group["betas"] = (next(values), *group["betas"][1:])
            else:
                group[kind] = next(values)


def _columns(groups: list[dict], kinds: Sequence[str]) -> list[float]:
    """What the groups hold after a step: it differs from the row if anything touched them in between."""
    return [_held(group, kind) for kind in kinds for group in groups]


def _held(group: dict, kind: str) -> float:
    """An optimizer that changes its rate before it uses it (schedulefree) says in `scheduled_lr` which one it used."""
    if kind == "momentum":
        return momentum_of(group)  # type: ignore[return-value]
    return group.get("scheduled_lr", group["lr"]) if kind == "lr" else group[kind]


# Modules that draw no random number when they are called. Whatever is not known to be one may draw.
SILENT = (
    nn.Sequential, nn.Identity, nn.Flatten, nn.Linear, nn.Conv2d, nn.BatchNorm2d, nn.LayerNorm, nn.ReLU, nn.GELU,
    nn.AdaptiveAvgPool2d, nn.PixelUnshuffle,
)  # fmt: skip


def may_draw(setup: Setup, state: State) -> bool:
    """Whether a forward pass may draw from the device's default generator, which then has to be seeded before it: 5 us
    an update, mostly for its state of 2.5 kB that goes through the caches."""
    ours = ("lrbench.models.", "lrbench.tasks.")
    parts = [setup.task, *state.model.modules()]
    return not all(type(part) in SILENT or type(part).__module__.startswith(ours) for part in parts)


def _noise_generator(device: torch.device) -> torch.Generator:
    """The device's default generator: what dropout draws from. (`torch.manual_seed` would cost 100 times more.)"""
    if device.type == "cuda":
        torch.cuda.init()
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator
