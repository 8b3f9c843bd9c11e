"""What gamma `torch.optim.lr_scheduler.ExponentialLR` needs."""

import torch
from torch.optim.lr_scheduler import ExponentialLR


def gamma_for_a_decay() -> dict[str, float]:
    """Over 100 epochs."""
    return {"gamma for a tenth": 0.1 ** (1 / 100), "gamma for a hundredth": 0.01 ** (1 / 100)}


def gamma_from_a_target() -> dict[str, float]:
    """gamma = (target / initial) ^ (1 / epochs), tried out: how far the rate then is from the target."""
    tried: list[tuple[float, float, int]] = [(0.1, 1e-5, 100), (0.02, 0.001, 26), (1e-3, 1e-6, 300), (0.5, 0.4, 1)]
    misses = []
    for initial, target, epochs in tried:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=initial)
        scheduler = ExponentialLR(optimizer, gamma=(target / initial) ** (1 / epochs))
        for _ in range(epochs):
            optimizer.step()
            scheduler.step()
        misses.append(abs(float(scheduler.get_last_lr()[0]) / target - 1))
    return {"largest miss after that many epochs, as a share of the target": max(misses)}
