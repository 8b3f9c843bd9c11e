"""What many questions begin with. Paste these along with a function that uses them."""

import torch
from torch.optim.lr_scheduler import LRScheduler


def sgd(*lr: float) -> torch.optim.SGD:
    """One group of a single parameter for each rate."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in lr]
    return torch.optim.SGD(groups, momentum=0.9)


def used(scheduler: LRScheduler, updates: int) -> list[float]:
    """The rates of that many updates, each followed by a step of the scheduler."""
    rates = []
    for _ in range(updates):
        rates.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates
