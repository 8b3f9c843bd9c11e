"""What `torch.optim.lr_scheduler.OneCycleLR` does."""

import inspect
from itertools import pairwise

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR


def shape() -> dict[str, bool | int]:
    """20 epochs of 400 batches: how many batches the rate rises, and how many it falls."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=400, epochs=20)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(20 * 400 - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    up = rates.index(max(rates)) + 1
    return {
        "batches up to the peak": up,
        "batches after it": len(rates) - up,
        "rises all the way up": all(a < b for a, b in pairwise(rates[:up])),
        "falls all the way down": all(a > b for a, b in pairwise(rates[up - 1 :])),
    }


def where_it_is_stepped() -> dict[str, bool]:
    """Whether the rate comes to max_lr within 20 epochs of 400 batches."""
    found = {}
    for each, steps in (("batch", 20 * 400), ("epoch", 20)):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        scheduler = OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=400, epochs=20)
        highest = 0.0
        for _ in range(steps - 1):
            optimizer.step()
            scheduler.step()
            highest = max(highest, optimizer.param_groups[0]["lr"])
        found[f"stepped after every {each}, reaches max_lr"] = highest > 0.0999
    return found


def defaults() -> dict[str, bool | float | str]:
    """Defaults, and which strategies it takes."""
    taken = inspect.signature(OneCycleLR).parameters
    asked = ("pct_start", "anneal_strategy", "div_factor", "final_div_factor")
    found: dict[str, bool | float | str] = {name: taken[name].default for name in asked}
    for strategy in ("linear", "cosine"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        try:
            OneCycleLR(optimizer, max_lr=0.1, total_steps=10, anneal_strategy=strategy)  # type: ignore[arg-type]
            found[f"takes '{strategy}'"] = True
        except ValueError:
            found[f"takes '{strategy}'"] = False
    return found


def ten_times_a_finder() -> dict[str, bool]:
    """A finder that gives the lists of rates and losses, as the guide's own does, times 10 and into OneCycleLR."""
    rates, losses = [1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0]
    max_lr = (rates, losses) * 10
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    try:
        OneCycleLR(optimizer, max_lr=max_lr, total_steps=100)  # type: ignore[arg-type]
        takes = True
    except (TypeError, ValueError):
        takes = False
    return {"ten times what it gives is a rate": isinstance(max_lr, float), "OneCycleLR takes it": takes}


def momentum() -> dict[str, float]:
    """The momentum that updates use at the start and at the peak, whatever was written into SGD."""
    found = {}
    for written in (0.0, 0.9):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=written)
        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
        used = []
        for _ in range(99):
            used.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            scheduler.step()
        found[f"momentum={written}: at the start"] = used[0]
        found[f"momentum={written}: at the peak"] = min(used)
    return found


def rate_of_the_optimizer() -> dict[str, bool]:
    """The same cycle over an optimizer that was given max_lr, and over one that was given a thousandth of it."""
    rates: dict[float, list[float]] = {0.1: [], 0.0001: []}
    for given, used in rates.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=given, momentum=0.9)
        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
        for _ in range(99):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return {"the optimizer's rate changes the schedule": rates[0.1] != rates[0.0001]}


def against_warmup_and_cosine() -> dict[str, bool]:
    """The largest change of the rate within an epoch (of 50 batches), up and down, of both schedules at one peak."""
    found = {}
    for epochs, warmup in ((20, 5), (200, 10)):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        cycle = OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=50, epochs=epochs)
        rates = []
        for _ in range(50 * epochs - 1):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            cycle.step()
        changes = [later - now for now, later in zip(rates, rates[50:], strict=False)]
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        ramp = LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
        cosine = CosineAnnealingLR(optimizer, T_max=epochs - warmup, eta_min=1e-5)
        gentle = SequentialLR(optimizer, [ramp, cosine], [warmup])
        steps = []
        for _ in range(epochs):
            before = optimizer.param_groups[0]["lr"]
            optimizer.step()
            gentle.step()
            steps.append(optimizer.param_groups[0]["lr"] - before)
        found[f"{epochs} epochs: OneCycle rises faster"] = max(changes) > max(steps)
        found[f"{epochs} epochs: OneCycle falls faster"] = min(changes) < min(steps)
    return found
