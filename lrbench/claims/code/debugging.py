"""What a person who debugs a schedule sees: printed rates, rates set by hand, SequentialLR, and ReduceLROnPlateau."""

import math
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler as lrs


def _optimizer(lr: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def _rates(make: Callable[[torch.optim.Optimizer], lrs.LRScheduler], steps: int, cut_at: int = -1) -> list[float]:
    """The rate of each epoch, read before its step; times 0.1 by hand before epoch `cut_at`."""
    optimizer, found = _optimizer(), []
    scheduler = make(optimizer)
    for epoch in range(steps):
        if epoch == cut_at:
            for group in optimizer.param_groups:
                group["lr"] *= 0.1
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def _cuts(losses: list[float], mode: str = "min", patience: int = 10, **options: float) -> list[int]:
    """The evaluations (from 0) after which ReduceLROnPlateau cuts the rate."""
    optimizer = _optimizer()
    scheduler, found = lrs.ReduceLROnPlateau(optimizer, mode=mode, patience=patience, **options), []  # type: ignore[arg-type]
    for step, loss in enumerate(losses):
        before = optimizer.param_groups[0]["lr"]
        scheduler.step(loss)
        found += [step] if optimizer.param_groups[0]["lr"] < before else []
    return found


def relative_threshold_by_sign() -> dict[str, bool]:
    """Whether 30 equal values are a plateau to threshold_mode='rel', by their sign."""
    return {f"a flat loss of {value:g} is cut": bool(_cuts([value] * 30)) for value in (1.0, -1.0)}


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
    optimizer = _optimizer()
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


def cuts_in_the_wrong_mode() -> dict[str, int]:
    """Cuts in 80 evaluations at patience 10, where mode is the opposite of what is better."""
    falls = [1 - 0.02 * min(t, 30) for t in range(80)]  # and is flat from 30 on
    return {
        "cuts, a loss that falls and is flat, mode max": len(_cuts(falls, "max")),
        "cuts, an accuracy that rises and is flat, mode min": len(_cuts([1.5 - v for v in falls])),
        "cuts, a loss that only rises, mode max": len(_cuts([1 + 0.02 * t for t in range(80)], "max")),
    }


def first_cut_by_threshold() -> dict[str, int]:
    """Of 50 losses that settle with noise, those whose first cut comes sooner at a lower threshold than at 1e-4."""
    sooner = {"1e-5": 0, "0": 0}
    for losses in _settling(50):
        usual = _first(losses, 1e-4)
        for threshold in sooner:
            sooner[threshold] += _first(losses, float(threshold)) < usual
    return {f"cut sooner at {threshold} than at 1e-4": many for threshold, many in sooner.items()}


def _settling(many: int) -> Iterator[list[float]]:
    """Losses of 100 epochs that fall to 0.5, with noise of 1e-6 to 1e-2."""
    g = torch.Generator().manual_seed(0)
    for i in range(many):
        noise = 10 ** (-6 + 4 * i / many) * torch.randn(100, generator=g, dtype=torch.float64)
        yield [0.5 + 0.5 * math.exp(-t / 8) + float(e) for t, e in enumerate(noise)]


def _first(losses: list[float], threshold: float) -> int:
    return next(iter(_cuts(losses, threshold=threshold)), len(losses))


def what_counts_as_improvement() -> dict[str, bool | float | str]:
    """By the defaults."""
    scheduler = lrs.ReduceLROnPlateau(_optimizer())
    return {
        "threshold": scheduler.threshold,
        "threshold_mode": scheduler.threshold_mode,
        "0.5000 to 0.4999 counts": _improves(0.5, 0.4999),
        "0.4500 to 0.4499 counts": _improves(0.45, 0.4499),
    }


def _improves(first: float, then: float) -> bool:
    scheduler = lrs.ReduceLROnPlateau(_optimizer())
    scheduler.step(first)
    scheduler.step(then)
    return scheduler.best == then


def cuts_while_a_loss_creeps() -> dict[str, int]:
    """Cuts in 100 evaluations at patience 10 of a loss that falls by 0.0001 at each, from 0.45 on."""
    losses = [0.45 - 0.0001 * t for t in range(100)]
    return {f"cuts at threshold {name}": len(_cuts(losses, threshold=float(name))) for name in ("1e-4", "1e-2")}


def more_patience() -> dict[str, bool]:
    """Patience 10 and 20, for a loss that improves by 1 % every 15 evaluations, and for one that creeps at each."""
    steps, creeps = [0.99 ** (t // 15) for t in range(150)], [0.45 - 0.0001 * t for t in range(150)]
    return {
        "more patience keeps the rate while a loss improves now and then": bool(_cuts(steps))
        and not _cuts(steps, patience=20),
        "more patience brings the cuts that a creeping loss does not get": len(_cuts(creeps, patience=20))
        > len(_cuts(creeps)),
    }


def a_most_sensitive_plateau_scheduler() -> dict[str, bool]:
    """ReduceLROnPlateau with threshold 0, no cooldown, a lowest rate of 1e-6 and verbose, then without verbose."""
    options: dict[str, Any] = {"factor": 0.1, "threshold": 0.0, "cooldown": 0, "min_lr": 1e-6}
    try:
        _cuts([1.0], verbose=True, **options)
        built = True
    except TypeError:
        built = False
    return {"it can be built": built, "without verbose it cuts on a flat loss": bool(_cuts([1.0] * 30, **options))}


def what_num_bad_epochs_says() -> dict[str, bool]:
    """Of a plateau scheduler of patience 3 on a flat loss, for each count of bad epochs: whether the next step cuts."""
    optimizer = _optimizer()
    scheduler, cut_after = lrs.ReduceLROnPlateau(optimizer, patience=3), {}
    has = all(hasattr(scheduler, name) for name in ("best", "num_bad_epochs", "patience"))
    scheduler.step(1.0)  # the best there is
    for _ in range(4):
        bad, before = scheduler.num_bad_epochs, optimizer.param_groups[0]["lr"]
        scheduler.step(1.0)
        cut_after[bad] = optimizer.param_groups[0]["lr"] < before
    return {
        "best, num_bad_epochs and patience can be read": has,
        "it waits below patience": not any(cut_after[bad] for bad in (0, 1, 2)),
        "it cuts at the next step from patience on": cut_after[3],
    }
