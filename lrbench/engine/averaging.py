"""The model as it is evaluated: in evaluation mode, and with the averaged weights of an optimizer that averages."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from lrbench.engine.state import Setup, State
from lrbench.optim import Averaging

RECALIBRATION = 50  # batches that BatchNorm sees under averaged weights, as schedulefree's documentation asks for


@contextmanager
def evaluating(setup: Setup, state: State) -> Iterator[None]:
    """Evaluate inside; afterwards the model trains on, every weight and buffer the same to the bit."""
    state.model.eval()
    kept = _average(setup, state) if isinstance(state.optimizer, Averaging) else []
    try:
        yield
    finally:
        if isinstance(state.optimizer, Averaging):
            state.optimizer.train()
            with torch.no_grad():
                for tensor, before in kept:  # going to the average and back is not exact
                    tensor.copy_(before)
        state.train()


def _average(setup: Setup, state: State) -> list[tuple[Tensor, Tensor]]:
    """Put the averaged weights into the model; what has to be put back, as (tensor, its value before)."""
    assert isinstance(state.optimizer, Averaging)
    norms = [m for m in state.model.modules() if isinstance(m, _BatchNorm) and m not in state.resting]
    tensors = [*state.model.parameters(), *(b for m in norms for b in m.buffers())]
    kept = [(t, t.detach().clone()) for t in tensors]
    state.optimizer.eval()
    if norms:  # their running statistics are those of the weights that train
        for norm in norms:
            norm.train()
        with torch.no_grad():
            now = setup.shift + state.update
            for update in range(max(0, now - RECALIBRATION), now):
                with setup.autocast():
                    setup.task.meter().add(state.model, setup.splits.train.batch(update))
        for norm in norms:
            norm.eval()
    return kept
