"""What `torch.optim.lr_scheduler.LinearLR` does as a warmup."""

import inspect

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR


def end_factor_by_default() -> dict[str, float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    for _ in range(5):
        optimizer.step()
        warmup.step()
    return {
        "end_factor by default": inspect.signature(LinearLR).parameters["end_factor"].default,
        "rate after the warmup, as a share of the rate asked for": float(warmup.get_last_lr()[0]) / 0.1,
    }


def switch_at_the_milestone() -> dict[str, float | int]:
    """Five epochs of LinearLR from 1 % of 0.1, then cosine, through SequentialLR with milestones=[5]."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    main = CosineAnnealingLR(optimizer, T_max=95)
    both = SequentialLR(optimizer, [warmup, main], milestones=[5])
    rates, counted = [], []
    for _ in range(11):
        rates.append(float(both.get_last_lr()[0]))
        counted.append(main.last_epoch)
        optimizer.step()
        both.step()
    return {
        "rate of epoch 4": rates[4],
        "rate of epoch 5": rates[5],
        "first epoch that is below the one before it": next(e for e in range(1, 11) if rates[e] < rates[e - 1]),
        "what the main scheduler has counted by epoch 10": counted[10],
    }


def stepped_every_epoch() -> dict[str, bool | float]:
    """Every rate of a warmup over 5 epochs of 16 updates that is stepped after each epoch, and the first of epoch 5."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    warmup = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    rates = []
    for _ in range(5):
        for _ in range(16):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
        warmup.step()
    rises = [b - a for a, b in zip(rates, [*rates[1:], optimizer.param_groups[0]["lr"]], strict=True)]
    return {
        "rises from every epoch to the next": all(rise > 0 for rise in rises[15::16]),
        "largest rise from an update to the next, as a share of the peak": max(rises) / 0.1,
    }
