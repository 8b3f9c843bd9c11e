"""What torch does with recipes as people write them down."""

import torch
from torch.optim.lr_scheduler import LambdaLR


def polynomial_as_printed() -> dict[str, bool]:
    """The rule counts in `total_epochs`, the loop in `epochs`.

    Our rewriting of the recipe: the same rule and names, without its network.
    """
    names, rates = {"epochs": 100}, []
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01, momentum=0.9)
    try:
        scheduler = LambdaLR(optimizer, eval("lambda t: pow(1 - t / total_epochs, 0.9)", dict(names)))
        for _ in range(names["epochs"]):
            optimizer.step()
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
    except NameError:
        pass
    return {"as printed, 100 epochs run down to 0": len(rates) == 100 and rates[-1] == 0}


def linear_stepped_by_epoch() -> dict[str, bool]:
    """A linear warmup over 10 % and a linear decay, in the 1,600 batches of 100 epochs, but stepped once an epoch."""

    def share(step: int) -> float:
        return step / 160 if step < 160 else max(0.0, (1600 - step) / 1440)

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=5e-4)
    scheduler = LambdaLR(optimizer, share)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"stepped once an epoch, the run gets past its warmup": max(rates) >= 5e-4}
