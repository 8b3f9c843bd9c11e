"""What `torch.optim.lr_scheduler.CosineAnnealingLR` does and asks for, alone and behind a warmup."""

import inspect
from collections.abc import Callable
from itertools import pairwise

from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from lrbench.claims.code.stepping import sgd, used


def to_choose() -> dict[str, bool | int]:
    """What one has to choose for it."""
    parameters = inspect.signature(CosineAnnealingLR).parameters
    required = {name for name, p in parameters.items() if p.default is p.empty}
    return {
        "takes milestones": any("milestone" in name for name in parameters),
        "must be told besides the optimizer and the length of training": len(required - {"optimizer", "T_max"}),
    }


def eta_min_by_default() -> dict[str, float]:
    return {"eta_min by default": inspect.signature(CosineAnnealingLR).parameters["eta_min"].default}


def largest_falls() -> dict[str, float]:
    """How far the rate falls from one epoch to the next, in 100 epochs from 0.1 to 1e-5."""
    rates = used(CosineAnnealingLR(sgd(0.1), T_max=100, eta_min=1e-5), 100)
    pairs = list(pairwise(rates))
    return {
        "largest fall from an epoch to the next, as a share of the peak": max(a - b for a, b in pairs) / 0.1,
        "largest factor from an epoch to the next": max(a / b for a, b in pairs),
    }


def changed_midway() -> dict[str, bool]:
    """Whether a cosine of 100 epochs follows what is changed at its epoch 50, or reacts to a metric by itself."""

    def rates_after(change: Callable[[CosineAnnealingLR], None], epochs: int) -> list[float]:
        scheduler = CosineAnnealingLR(sgd(0.1), T_max=100, eta_min=1e-5)
        used(scheduler, 50)
        change(scheduler)
        return used(scheduler, epochs)

    def longer(scheduler: CosineAnnealingLR) -> None:
        scheduler.T_max = 200

    def halved(scheduler: CosineAnnealingLR) -> None:
        scheduler.optimizer.param_groups[0]["lr"] /= 2

    as_planned, by_hand = rates_after(lambda _: None, 40), rates_after(halved, 40)
    stretched = rates_after(longer, 151)
    return {
        "reacts to the loss by itself": "metrics" in inspect.signature(CosineAnnealingLR.step).parameters,
        "a T_max of 200, set at epoch 50, is followed down to eta_min at epoch 200": (
            min(stretched[:-1]) > 1.1e-5 and abs(stretched[-1] - 1e-5) < 1e-9
        ),
        "a rate halved by hand at epoch 50 stays about halved": all(
            0.45 < b / a < 0.55 for a, b in zip(as_planned[1:], by_hand[1:], strict=True)
        ),
    }


def behind_a_warmup() -> dict[str, float | bool]:
    """Five epochs of LinearLR, then 95 of cosine, through SequentialLR; a rate of 0.1."""
    optimizer = sgd(0.1)
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    cosine = CosineAnnealingLR(optimizer, T_max=95, eta_min=1e-5)
    rates = used(SequentialLR(optimizer, [warmup, cosine], milestones=[5]), 101)
    return {
        "rate of epoch 0": rates[0],
        "rises every epoch up to epoch 5": rates[:6] == sorted(set(rates[:6])),
        "rate of epoch 5": rates[5],
        "falls every epoch from epoch 5 to 100": rates[5:] == sorted(set(rates[5:]), reverse=True),
        "rate of epoch 100": rates[100],
    }
