"""The loop: batch, forward, backward, clip, set the row's rates, step. Everything else happens between blocks."""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lrbench.data import Batch
from lrbench.engine.state import Setup, State
from lrbench.randomness import seed_of
from lrbench.schedules.build import momentum_of

BLOCK = 256  # updates at most between two looks at the losses
TRIES = 20  # of one update, before a run whose steps are all skipped counts as diverged
PATIENCE = 0.5  # seconds at most, for what is shown and for a prompt answer to Ctrl-C


class Block(NamedTuple):
    """What happened in updates [start, start + n)."""

    start: int
    rates: NDArray[np.float64]  # (n, columns): read back after each step, rates then momenta
    losses: NDArray[np.float64]  # (n, 1 or 2): loss, and the gradient's norm where it is clipped
    seconds: list[float]  # the run's time at the end of each update

    def first_bad(self) -> int | None:
        """The first update whose loss or gradient is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.losses).all(axis=1))
        return int(self.start + bad[0]) if bad.size else None

    def cut(self, update: int) -> "Block":
        """Only what happened before `update`."""
        n = update - self.start
        return Block(self.start, self.rates[:n], self.losses[:n], self.seconds[:n])


def planned(setup: Setup, state: State, until: int) -> list[list[float]]:
    """The rows for updates [state.update, until), as far as they are known, and BLOCK at most: rates, then momenta
    where the schedule cycles them."""
    table, now = setup.table, state.update
    until = min(until, now + BLOCK)
    if state.feedback is None or now < table.warmup:
        rows = table.lr[now : until if state.feedback is None else min(until, table.warmup)]
        if table.momentum is not None:
            rows = np.concatenate([rows, table.momentum[now : now + len(rows)]], axis=1)
        return rows.tolist()
    return [state.feedback.row] * (1 if hears_loss(setup) else until - now)


def hears_loss(setup: Setup) -> bool:
    """Whether the schedule is stepped with the loss of every update."""
    return setup.experiment.monitor == "train/loss"


def advance(setup: Setup, state: State, until: int) -> Block:
    """Train from `state.update` up to `until`, or for half a second; what was done and read back.

    The losses stay on the device until the end of the block, so that a GPU is not waited for at every update.
    """
    cycled = setup.table.momentum is not None
    groups, optimizer = state.optimizer.param_groups, state.optimizer
    generator = _noise_generator(setup.device) if may_draw(setup, state) else None
    start, began, clock = state.update, time.perf_counter() - state.seconds, time.perf_counter
    read: list[list[float]] = []
    made: list[list[float]] = []  # by one update: torch calls the hook twice where a class's step calls its parent's
    losses: list[Tensor] = []
    seconds: list[float] = []
    hook = optimizer.register_step_post_hook(lambda *_: made.append(_columns(groups, cycled)))
    try:
        for update, row in enumerate(planned(setup, state, until), start):
            made.clear()
            for _ in range(TRIES):
                outcome = _step(setup, state, update, row, cycled, generator)
                if made:  # the hook fired: the step was made
                    break
                state.skipped += 1  # the fp16 scaler skipped it: the same update again, on a smaller scale
            else:
                made.append(row)
                outcome = [torch.full_like(value, torch.nan) for value in outcome]
            read.append(made[-1])
            losses += outcome
            seconds.append(clock() - began)
            if seconds[-1] - seconds[0] > PATIENCE and setup.ranks.size == 1:
                break
    finally:
        hook.remove()
    n = len(seconds)
    state.update, state.seconds = start + n, seconds[-1]
    values = setup.ranks.mean(torch.stack(losses).double()).cpu().numpy().reshape(n, -1)
    if state.feedback and hears_loss(setup) and start >= setup.table.warmup:
        state.feedback.step(float(values[0, 0]))
    return Block(start, np.array(read), values, seconds)


def _step(
    setup: Setup, state: State, update: int, row: list[float], cycled: bool, generator: torch.Generator | None
) -> list[Tensor]:
    """One update: gradients, clipping, the row's rates, the step. Its loss, and the gradient's norm if clipped."""
    optimizer, scaler, clip = state.optimizer, state.scaler, setup.experiment.clip
    _clear_gradients(optimizer)
    outcome = [_gradients(setup, state, update, generator)]
    if clip is not None:
        if scaler:
            scaler.unscale_(optimizer)
        outcome.append(torch.nn.utils.clip_grad_norm_(state.model.parameters(), clip))
    _set(optimizer.param_groups, row, cycled)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    return outcome


def _clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """`zero_grad()`, without the profiler's hooks around torch's own, which take ten times as long as the work."""
    if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _gradients(setup: Setup, state: State, update: int, generator: torch.Generator | None) -> Tensor:
    """Forward and backward over this rank's micro-batches; their share of the update's loss, detached.

    The loss is the sum over the update's batch divided by the batch's weight: exact however unequal the parts are.
    """
    experiment, ranks = setup.experiment, setup.ranks
    accumulate, parts = experiment.accumulate or 1, experiment.parts
    batches = [setup.splits.train.batch(update, ranks.rank * accumulate + i, parts) for i in range(accumulate)]
    divisor = sum(setup.task.weight(batch) for batch in batches)
    if ranks.size > 1:  # the weight over the ranks, whose gradients DDP averages, divided by how many there are
        divisor = ranks.mean(torch.zeros((), device=setup.device) + divisor)
    losses = []
    for micro, batch in enumerate(batches):
        if generator:
            generator.manual_seed(seed_of("noise", experiment.seed, update, micro, ranks.rank))
        with _unsynchronised(state) if micro + 1 < accumulate else nullcontext():
            losses.append(_backward(setup, state, batch, divisor))
    return losses[0] if accumulate == 1 else torch.stack(losses).sum()


def _backward(setup: Setup, state: State, batch: Batch, divisor: Tensor | float) -> Tensor:
    """Forward, and backward for one micro-batch; its loss, detached. Both divided: autograd begins from 1 / divisor,
    which saves it the division."""
    with setup.autocast():
        loss = setup.task.loss(state.forward, batch)
    (state.scaler.scale(loss) if state.scaler else loss).backward(torch.ones_like(loss) / divisor)
    return loss.detach() / divisor


def _unsynchronised(state: State) -> AbstractContextManager[None]:
    """No exchange of gradients between ranks before the update's last micro-batch."""
    forward = state.forward
    return forward.no_sync() if isinstance(forward, torch.nn.parallel.DistributedDataParallel) else nullcontext()


def _set(groups: list[dict], row: list[float], cycled: bool) -> None:
    for group, rate in zip(groups, row, strict=False):
        group["lr"] = rate
    if cycled:
        for group, momentum in zip(groups, row[len(groups) :], strict=True):
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


def _columns(groups: list[dict], cycled: bool) -> list[float]:
    """What the groups hold after a step: it differs from the row if anything touched them in between."""
    rates = [group["lr"] for group in groups]
    return [*rates, *(momentum_of(group) for group in groups)] if cycled else rates  # type: ignore[list-item]


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
