"""What `torch.optim.lr_scheduler.StepLR` and `MultiStepLR` ask for."""

import inspect

from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

LENGTHS = {"T_max", "total_iters", "total_steps", "epochs"}  # what torch's schedulers call the length of training


def must_be_told_the_length() -> dict[str, bool]:
    """Whether the length of training is among the arguments that have no default."""

    def required(scheduler: type) -> set[str]:
        parameters = inspect.signature(scheduler).parameters
        return {name for name, p in parameters.items() if p.default is p.empty and name != "optimizer"}

    return {
        "CosineAnnealingLR must be told the length of training": bool(required(CosineAnnealingLR) & LENGTHS),
        "MultiStepLR must be told the length of training": bool(required(MultiStepLR) & LENGTHS),
    }
