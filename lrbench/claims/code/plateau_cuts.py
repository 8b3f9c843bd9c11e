"""When `torch.optim.lr_scheduler.ReduceLROnPlateau` cuts: by threshold, mode and patience, on one course of losses."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrbench.claims.code.stepping import sgd


def _cuts(losses: list[float], mode: str = "min", patience: int = 10, **options: float) -> list[int]:
    """The evaluations (from 0) after which ReduceLROnPlateau cuts the rate."""
    optimizer = sgd(0.1)
    scheduler, found = ReduceLROnPlateau(optimizer, mode=mode, patience=patience, **options), []  # type: ignore[arg-type]
    for step, loss in enumerate(losses):
        before = optimizer.param_groups[0]["lr"]
        scheduler.step(loss)
        found += [step] if optimizer.param_groups[0]["lr"] < before else []
    return found


def relative_threshold_by_sign() -> dict[str, bool]:
    """Whether 30 equal values are a plateau to threshold_mode='rel', by their sign."""
    return {f"a flat loss of {value:g} is cut": bool(_cuts([value] * 30)) for value in (1.0, -1.0)}


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
    scheduler = ReduceLROnPlateau(sgd(0.1))
    return {
        "threshold": scheduler.threshold,
        "threshold_mode": scheduler.threshold_mode,
        "0.5000 to 0.4999 counts": _improves(0.5, 0.4999),
        "0.4500 to 0.4499 counts": _improves(0.45, 0.4499),
    }


def _improves(first: float, then: float) -> bool:
    scheduler = ReduceLROnPlateau(sgd(0.1))
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
    optimizer = sgd(0.1)
    scheduler, cut_after = ReduceLROnPlateau(optimizer, patience=3), {}
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
