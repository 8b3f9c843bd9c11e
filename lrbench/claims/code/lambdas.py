"""What `torch.optim.lr_scheduler.LambdaLR` makes of a function of the epoch."""

from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import LambdaLR


def _rates(multiplier: Callable[[int], float], steps: int, lr: float) -> list[float]:
    """Under LambdaLR, with a step after each but the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = LambdaLR(optimizer, multiplier)
    rates = [float(scheduler.get_last_lr()[0])]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(float(scheduler.get_last_lr()[0]))
    return rates


def is_a_multiplier() -> dict[str, float]:
    """How far the rate is from the initial one times the function, for one that rises and falls."""

    def wave(epoch: int) -> float:
        return 1 + (epoch * 7 % 5) / 10

    gaps = [abs(rate / (lr * wave(e)) - 1) for lr in (0.1, 3e-4) for e, rate in enumerate(_rates(wave, 20, lr))]
    return {"largest gap, as a share of the rate": max(gaps)}


def inverse_sqrt() -> dict[str, float | int | bool]:
    """min(s^-1/2, s * 4000^-3/2) with s = epoch + 1 (Vaswani et al. 2017, without the width), stepped either way."""

    def multiplier(epoch: int) -> float:
        return min((epoch + 1) ** -0.5, (epoch + 1) * 4000**-1.5)

    rates = _rates(multiplier, 16_000, lr=1.0)
    per_epoch = rates[:100]  # the same calls, one an epoch
    return {
        "stepped every update, highest at step": max(range(16_000), key=rates.__getitem__) + 1,
        "stepped every update, rate at step 16000 over the highest": rates[-1] / max(rates),
        "stepped every epoch, the warmup ends within 100 epochs": per_epoch[-1] < max(per_epoch),
    }


def polynomial() -> dict[str, float | bool]:
    """(1 - epoch / 100)^0.9, from 0.1."""
    rates = _rates(lambda epoch: (1 - epoch / 100) ** 0.9, 101, lr=0.1)
    return {
        "rate of epoch 0": rates[0],
        "falls every epoch": rates == sorted(set(rates), reverse=True),
        "rate of epoch 100": rates[100],
    }
