"""What a person who debugs a schedule sees: printed rates, rates set by hand, and SequentialLR."""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch.optim import lr_scheduler as lrs

from lrbench.claims.code.stepping import sgd, used


def _rates(make: Callable[[torch.optim.Optimizer], lrs.LRScheduler], steps: int, cut_at: int = 0) -> list[float]:
    """The rate of each epoch; times 0.1 by hand before epoch `cut_at`."""
    optimizer = sgd(0.1)
    scheduler = make(optimizer)
    before = used(scheduler, cut_at)
    if cut_at:
        optimizer.param_groups[0]["lr"] *= 0.1
    return [*before, *used(scheduler, steps - cut_at)]


def spikes_traced_by_printing() -> dict[str, float]:
    """How well two printed columns, each epoch's rate and mean loss, tell spikes that the rate made from others.

    Twenty linear regressions by SGD, five of each: the rate times 100 from epoch 5 on, the rate times 0.1, a bad batch
    in epoch 5, nothing. A spike is an epoch whose loss is more than 1.1 times the one before; it is laid to the rate if
    the rate of that epoch is another than the epoch before had.
    """
    traced = {
        (cause, seed): _laid_to_the_rate(cause, seed) for cause in ("up", "down", "bad", "none") for seed in range(5)
    }
    flagged = [cause for (cause, _), found in traced.items() if found]
    right = flagged.count("up")
    return {"recall": right / 5, "precision": right / max(len(flagged), 1)}


def _laid_to_the_rate(cause: str, seed: int) -> bool:
    """Of one run, by hand: whether a spike falls together with a change of the rate."""
    draw = np.random.default_rng(seed)
    x, noise = draw.standard_normal((10, 32, 10)), draw.standard_normal((10, 32))  # batches, samples, dimensions
    y, w, rate = x.sum(2) + noise, np.zeros(10), 0.05
    rates, losses = [], []
    for epoch in range(8):
        if epoch == 5 and cause in ("up", "down"):
            rate *= {"up": 100, "down": 0.1}[cause]
        rates.append(rate)
        total = 0.0
        for batch in range(10):
            inputs = x[batch] * (30 if (cause, epoch, batch) == ("bad", 5, 0) else 1)
            error = inputs @ w - y[batch]
            w = w - rate * 2 * inputs.T @ error / 32
            total += (error**2).mean()
        losses.append(total / 10)
    return any(losses[e] > 1.1 * losses[e - 1] and rates[e] != rates[e - 1] for e in range(1, 8))


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], lrs.LRScheduler]] = {
    "a constant rate": lambda o: lrs.ConstantLR(o, factor=1.0),
    "StepLR": lambda o: lrs.StepLR(o, 40),
    "MultiStepLR": lambda o: lrs.MultiStepLR(o, [40, 80]),
    "ExponentialLR": lambda o: lrs.ExponentialLR(o, 0.95),
    "CosineAnnealingLR": lambda o: lrs.CosineAnnealingLR(o, 100),
    "PolynomialLR": lambda o: lrs.PolynomialLR(o, 100),
    "LambdaLR": lambda o: lrs.LambdaLR(o, lambda t: 1 - t / 100),
    "CosineAnnealingWarmRestarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 100),
    "OneCycleLR": lambda o: lrs.OneCycleLR(o, 0.1, total_steps=100),
}


def cut_by_hand() -> dict[str, bool]:
    """Whether the rate of every epoch after the one it was cut in (30 of 100) is below what it is without the cut."""
    found = {}
    for name, make in SCHEDULERS.items():
        plain, cut = _rates(make, 100), _rates(make, 100, cut_at=30)
        found[f"lower for good under {name}"] = all(a < b for a, b in zip(cut[31:], plain[31:], strict=True))
    return found


def ends_lower_after_more_epochs() -> dict[str, bool]:
    """Whether the last of 150 epochs has a lower rate than the last of 100."""
    schedules: dict[str, Callable[[int], Callable[[torch.optim.Optimizer], lrs.LRScheduler]]] = {
        "StepLR(30)": lambda _: lambda o: lrs.StepLR(o, 30),
        "ExponentialLR(0.95)": lambda _: lambda o: lrs.ExponentialLR(o, 0.95),
        "CosineAnnealingLR, T_max set to the epochs": lambda n: lambda o: lrs.CosineAnnealingLR(o, n),
        "CosineAnnealingLR, T_max left at 100": lambda _: lambda o: lrs.CosineAnnealingLR(o, 100),
        "MultiStepLR(30, 60, 90)": lambda _: lambda o: lrs.MultiStepLR(o, [30, 60, 90]),
    }
    return {name: _rates(of(150), 150)[-1] < 0.99 * _rates(of(100), 100)[-1] for name, of in schedules.items()}


def cosine_of_10_epochs_run_for_100() -> dict[str, float]:
    """The rates of CosineAnnealingLR(T_max=10), as shares of the peak."""
    rates = [r / 0.1 for r in _rates(lambda o: lrs.CosineAnnealingLR(o, T_max=10), 100)]
    low = [r < 0.01 for r in rates]
    return {
        "first epoch below 1 % of the peak": low.index(True),
        "rate at epoch 20": rates[20],
        "share of the epochs from 10 on below 1 % of the peak": sum(low[10:]) / 90,
    }


def plotting_a_onecycle_by_stepping_it() -> dict[str, bool]:
    """A OneCycle is stepped once for each batch of 5 epochs and its rates are kept; then training begins with it."""
    optimizer = sgd(0.1)
    scheduler = lrs.OneCycleLR(optimizer, max_lr=0.1, epochs=5, steps_per_epoch=20)
    first, rates = optimizer.param_groups[0]["lr"], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(100):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    left = optimizer.param_groups[0]["lr"]
    try:
        optimizer.step()
        scheduler.step()
        goes_on = True
    except ValueError:
        goes_on = False
    top = rates.index(max(rates))
    shape = (
        math.isclose(max(rates), 0.1)
        and rates[:top] == sorted(rates[:top])
        and rates[top:] == sorted(rates[top:])[::-1]
    )
    return {
        "the rates rise to max_lr and fall": shape,
        "the optimizer has its first rate again": math.isclose(left, first),
        "the scheduler can be used for training": goes_on,
    }


def warmups_that_sequentiallr_leaves_inactive() -> dict[str, int]:
    """Pairs of a warmup and a main schedule of torch's whose SequentialLR does not begin low and rise over 5 epochs."""
    warmups: list[Callable[[torch.optim.Optimizer], lrs.LRScheduler]] = [
        lambda o: lrs.LinearLR(o, 0.01, total_iters=5),
        lambda o: lrs.LambdaLR(o, lambda t: min(1, 0.01 + t / 5)),
    ]
    inactive = 0
    for warmup in warmups:
        for main in SCHEDULERS.values():
            rates = _rates(lambda o, w=warmup, m=main: lrs.SequentialLR(o, [w(o), m(o)], [5]), 6)  # type: ignore[misc]
            rises = all(a < b for a, b in pairwise(rates[:5]))
            inactive += not (rises and rates[0] < 0.5 * 0.1)
    return {"pairs in which the warmup is not active": inactive}


def milestones_around_a_warmup_of_20() -> dict[str, float]:
    """Shares of the peak under SequentialLR(LinearLR over 20, cosine): the largest rise, and epochs at the peak."""

    def rates(milestone: int) -> list[float]:
        def make(o: torch.optim.Optimizer) -> lrs.LRScheduler:
            warmup, cosine = lrs.LinearLR(o, 0.01, total_iters=20), lrs.CosineAnnealingLR(o, 100 - milestone)
            return lrs.SequentialLR(o, [warmup, cosine], [milestone])

        return [r / 0.1 for r in _rates(make, 100)]

    def rise(milestone: int) -> float:
        return max(b - a for a, b in pairwise(rates(milestone)))

    return {
        "largest rise, milestone 20": rise(20),
        "largest rise, milestone 10": rise(10),
        "epochs at the peak, milestone 20": sum(r > 0.9999 for r in rates(20)),
        "epochs at the peak, milestone 30": sum(r > 0.9999 for r in rates(30)),
    }
