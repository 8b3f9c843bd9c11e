"""What `torch.optim.lr_scheduler.ReduceLROnPlateau` does."""

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau


def flat_epochs_before_a_cut() -> dict[str, int]:
    """How many evaluations without improvement it takes, at patience=10."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = ReduceLROnPlateau(optimizer, patience=10)
    flat = -1  # the first evaluation is the best there is, not a flat one
    while optimizer.param_groups[0]["lr"] == 0.1:
        scheduler.step(1.0)
        flat += 1
    return {"evaluations without improvement before the cut": flat}
