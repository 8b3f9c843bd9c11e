"""A range test on a model and an optimizer in use, for a loop of your own: what it moves is given back to the bit."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.find_lr.curve import CurveEnd, RangeTestCurve, curve_of
from lrbench.find_lr.generators import keeping_generators
from lrbench.find_lr.range_test import RangeTest
from lrbench.find_lr.rules import answers

DEFAULTS = RangeTest()


def range_test(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of_batch: Callable[[Any], Tensor],
    batches: Iterable[Any],
    test: RangeTest = DEFAULTS,
    scaler: "torch.amp.GradScaler | None" = None,
) -> tuple[RangeTestCurve, dict[str, float | None]]:
    """Train on batches while the rate grows, and give back everything as it was: the curve, and each rule's rate.

    loss_of_batch: forward pass and loss of one batch, a scalar tensor. batches: a loader of your own, or a fresh
    iterator; it begins again where it has fewer than `test.iterations`, which a used-up iterator cannot. A group's rate
    is its share of the highest group's, as it stands; answers are of the highest. scaler: of fp16's loss, if you have
    one.

    Given back to the bit, also after an error: weights, buffers and gradients, training or evaluation mode of every
    module; the optimizer's state and settings; the scaler; the default generators of torch, NumPy and Python. An
    iterator that was given has moved on, and so has a generator of its own. Cost: the updates, and one copy of the
    model's and the optimizer's state.

    Raises ValueError for batches that end before the sweep does.
    """
    with keeping_generators(), _keeping_model(model), _keeping_optimizer(optimizer), _keeping_scaler(scaler):
        losses = list(_losses(model, optimizer, loss_of_batch, batches, test, scaler))
    return curve_of(test, losses), answers(test, losses)


def _losses(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of_batch: Callable[[Any], Tensor],
    batches: Iterable[Any],
    test: RangeTest,
    scaler: "torch.amp.GradScaler | None",
) -> Iterator[float]:
    """Of every update until the sweep ends."""
    model.train()
    highest = max(float(group["lr"]) for group in optimizer.param_groups)
    shares = [float(group["lr"]) / highest if highest else 1.0 for group in optimizer.param_groups]
    watch = CurveEnd(test)
    for rate, batch in zip(test.rates, _again(batches, test.iterations), strict=False):
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = rate * share
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of_batch(batch)
        value = float(loss.detach())
        yield value
        if not math.isfinite(value) or watch(value):
            return
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()


def _again(batches: Iterable[Any], many: int) -> Iterator[Any]:
    """The batches, over and over. Raises ValueError where a round has none."""
    given = 0
    while given < many:
        before = given
        for batch in batches:
            given += 1
            yield batch
        if given == before:
            raise ValueError(f"the batches ended after {given} of {many} updates: give a loader that can begin again")


@contextmanager
def _keeping_model(model: nn.Module) -> Iterator[None]:
    """Weights, buffers (also those that no state_dict has), gradients, and the mode of every module."""
    held = [*model.named_parameters(), *model.named_buffers()]
    values = [tensor.detach().clone() for _, tensor in held]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]  # a forward pass may put others there
    extra = {k: deepcopy(v) for k, v in model.state_dict().items() if k.endswith("_extra_state")}
    gradients = [(p, p.grad) for p in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    for parameter, _ in gradients:
        parameter.grad = None  # so that the sweep has gradients of its own
    try:
        yield
    finally:
        for module, own in buffers:
            module._buffers.clear()
            module._buffers.update(own)
        with torch.no_grad():
            for (_, tensor), value in zip(held, values, strict=True):
                tensor.copy_(value)
        if extra:
            model.load_state_dict({**model.state_dict(), **extra})
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode


@contextmanager
def _keeping_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """The sweep works on copies of the state, and the optimizer's own is put back, the very tensors."""
    own = dict(vars(optimizer))
    groups = [dict(group) for group in optimizer.param_groups]
    settings = [{k: deepcopy(v) for k, v in group.items() if k != "params"} for group in groups]
    optimizer.state = defaultdict(dict, {p: deepcopy(state) for p, state in optimizer.state.items()})
    for group, copied in zip(optimizer.param_groups, settings, strict=True):
        group.update(copied)
    try:
        yield
    finally:
        vars(optimizer).clear()
        vars(optimizer).update(own)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            group.clear()
            group.update(before)


@contextmanager
def _keeping_scaler(scaler: "torch.amp.GradScaler | None") -> Iterator[None]:
    own = deepcopy(vars(scaler)) if scaler else {}
    try:
        yield
    finally:
        if scaler:
            vars(scaler).clear()
            vars(scaler).update(own)
