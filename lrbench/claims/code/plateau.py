"""What `torch.optim.lr_scheduler.ReduceLROnPlateau` does."""

import inspect

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrbench.claims.code.stepping import sgd


def flat_epochs_without_a_cut() -> dict[str, int]:
    """How many evaluations without improvement pass at patience=10 before the one that brings the cut."""
    optimizer = sgd(0.1)
    scheduler = ReduceLROnPlateau(optimizer, patience=10)
    scheduler.step(1.0)  # the first evaluation is the best there is, not a flat one
    flat = 0
    while optimizer.param_groups[0]["lr"] == 0.1:
        scheduler.step(1.0)
        flat += 1
    return {"flat evaluations that pass without a cut": flat - 1}


def cuts_on_a_stall() -> dict[str, bool]:
    """20 evaluations that improve, then 20 that do not, of a loss and of an accuracy."""
    found = {}
    for mode, sign in (("min", -1), ("max", 1)):
        optimizer = sgd(0.1)
        scheduler = ReduceLROnPlateau(optimizer, mode=mode, patience=10)  # type: ignore[arg-type]
        for epoch in range(20):
            scheduler.step(0.5 + sign * 0.01 * epoch)
        found[f"{mode}: cut while it improves"] = optimizer.param_groups[0]["lr"] < 0.1
        for _ in range(20):
            scheduler.step(0.5 + sign * 0.01 * 19)
        found[f"{mode}: cut once it has stalled"] = optimizer.param_groups[0]["lr"] < 0.1
    return found


def step_without_a_metric() -> dict[str, bool | str]:
    """What `scheduler.step()` alone does."""
    optimizer = sgd(0.1)
    scheduler = ReduceLROnPlateau(optimizer, patience=1)
    words = "no error"
    try:
        for _ in range(10):
            scheduler.step()  # type: ignore[call-arg]
    except TypeError as error:
        words = str(error)
    stays = optimizer.param_groups[0]["lr"] == 0.1
    return {"an error, or a rate that never falls": stays, "words of the error": words}


def arguments() -> dict[str, bool | int | float | str]:
    """What it takes, and what it takes for granted."""
    taken = inspect.signature(ReduceLROnPlateau).parameters
    asked = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown")
    return {"takes min_lr": "min_lr" in taken, **{name: taken[name].default for name in asked}}


def cooldown() -> dict[str, int]:
    """Evaluations from the first cut to the second, on a flat metric, with cooldown=5 and without."""
    between = {}
    for rest in (0, 5):
        optimizer = sgd(1.0)
        scheduler = ReduceLROnPlateau(optimizer, patience=2, cooldown=rest)
        rates = []
        for _ in range(30):
            scheduler.step(1.0)
            rates.append(optimizer.param_groups[0]["lr"])
        cuts = [i for i in range(1, 30) if rates[i] < rates[i - 1]]
        between[rest] = cuts[1] - cuts[0]
    default = inspect.signature(ReduceLROnPlateau).parameters["cooldown"].default
    return {"evaluations that cooldown=5 adds between two cuts": between[5] - between[0], "default": default}


def floor() -> dict[str, int | float]:
    """The rate after 1000 flat evaluations, and how often it was cut, from 0.001 with min_lr=1e-6."""
    optimizer = sgd(0.001)
    scheduler = ReduceLROnPlateau(optimizer, min_lr=1e-6)
    rates = []
    for _ in range(1000):
        scheduler.step(1.0)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"lowest rate": min(rates), "cuts until then": len(set(rates)) - 1}


def verbose() -> dict[str, bool]:
    """Whether it can be made to say that it cuts."""
    optimizer = sgd(0.001)
    try:
        ReduceLROnPlateau(optimizer, verbose=True)  # type: ignore[call-arg]
    except TypeError:
        return {"takes verbose=True": False}
    return {"takes verbose=True": True}


def timeline() -> dict[str, int | float]:
    """A loss that falls in epochs 0 to 30, is flat until the rate is cut, falls until epoch 60, and is flat again."""
    optimizer = sgd(0.001)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.1, patience=10)
    loss, cuts, rates = 1.0, [], [0.001]
    for epoch in range(100):
        if epoch <= 30 or 42 <= epoch <= 60:
            loss *= 0.95
        scheduler.step(loss)  # after epoch's validation
        rates.append(optimizer.param_groups[0]["lr"])
        cuts += [epoch] if rates[-1] < rates[-2] else []
    first, second = cuts[:2]
    return {
        "rate in epoch 30": rates[30],
        "epoch of the first cut": first,
        "rate after it": rates[first + 1],
        "epoch of the second cut": second,
        "rate after the second": rates[second + 1],
    }


def training_loss() -> dict[str, bool]:
    """Whether a loss from training does as well as any other number, since one number is all that step() gets."""
    optimizer = sgd(0.1)
    scheduler = ReduceLROnPlateau(optimizer)
    needs = inspect.signature(scheduler.step).parameters["metrics"].default is inspect.Parameter.empty
    for _ in range(12):
        scheduler.step(torch.nn.functional.mse_loss(torch.ones(1), torch.zeros(1)))  # of a training batch
    return {"needs a metric": needs, "a training loss will do": optimizer.param_groups[0]["lr"] < 0.1}


def patience() -> dict[str, bool]:
    """Which patience cuts first on one and the same flat metric."""
    after = []
    for wait in (5, 10, 20):
        optimizer = sgd(0.1)
        scheduler = ReduceLROnPlateau(optimizer, patience=wait)
        after.append(0)
        while optimizer.param_groups[0]["lr"] == 0.1:
            scheduler.step(1.0)
            after[-1] += 1
    return {"5 cuts before 10": after[0] < after[1], "10 cuts before 20": after[1] < after[2]}


def factors() -> dict[str, float]:
    """The default, and what a factor does to the rate in one cut."""
    default: float = inspect.signature(ReduceLROnPlateau).parameters["factor"].default
    found = {"default factor": default}
    for factor in (0.1, 0.5):
        optimizer = sgd(1.0)
        scheduler = ReduceLROnPlateau(optimizer, factor=factor, patience=0)
        scheduler.step(1.0)
        scheduler.step(1.0)
        found[f"a cut at {factor} divides the rate by"] = 1.0 / optimizer.param_groups[0]["lr"]
    return found
