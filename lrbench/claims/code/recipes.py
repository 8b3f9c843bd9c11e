"""What the guide's recipes give, as torch builds them."""

import inspect
from itertools import pairwise

import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from lrbench.claims.code.stepping import used

WEIGHT = torch.nn.Parameter(torch.zeros(1))


def rates(scheduler: LRScheduler, steps: int) -> list[float]:
    """Of every step, and after the last one."""
    return [*used(scheduler, steps), float(scheduler.get_last_lr()[0])]


def warmed(lr: float, warmup: int, rest: int) -> SequentialLR:
    """A linear warmup from 1 % of the peak, then a cosine to 1e-5 over the rest."""
    sgd = torch.optim.SGD([WEIGHT], lr)
    parts = [LinearLR(sgd, start_factor=0.01, total_iters=warmup), CosineAnnealingLR(sgd, T_max=rest, eta_min=1e-5)]
    return SequentialLR(sgd, parts, [warmup])


def nlp(step: int, warmup: int = 10_000, steps: int = 100_000) -> float:
    """The share of the peak that a language model's recipe takes."""
    return step / warmup if step < warmup else max(0.0, (steps - step) / (steps - warmup))


def own_rules() -> dict[str, float]:
    """Each recipe's warmup, as a share of its length in %, and its rate when it is done."""
    standard = rates(MultiStepLR(torch.optim.SGD([WEIGHT], 0.1), [30, 60, 90]), 100)
    modern, vit = rates(warmed(0.1, 5, 95), 100), rates(warmed(1e-3, 10, 290), 300)
    detection = rates(MultiStepLR(torch.optim.SGD([WEIGHT], 0.02), [16, 22]), 26)
    fast = rates(OneCycleLR(torch.optim.SGD([WEIGHT], 0.1), max_lr=0.1, total_steps=2000), 1999)
    language = [5e-4 * nlp(step) for step in range(0, 100_001, 1000)]
    warm = {"modern CNN": modern, "ViT": vit, "language": language}
    all_of_them = {"standard CNN": standard, **warm, "detection": detection, "one cycle": fast}
    return {
        **{f"warmup in %, {name}": 100 * found.index(max(found)) / (len(found) - 1) for name, found in warm.items()},
        **{f"last rate, {name}": found[-1] for name, found in all_of_them.items()},
    }


def step_one_of_the_workflow() -> dict[str, float]:
    """What an SGD of which only rate and momentum are said trains with."""
    group = torch.optim.SGD([WEIGHT], lr=0.1, momentum=0.9).param_groups[0]
    return {name: group[name] for name in ("lr", "momentum", "weight_decay")}


def language_warmup() -> dict[str, bool | float]:
    """The whole warmup of the language recipe, 1,000 updates here, from the first to the peak."""
    optimizer = torch.optim.AdamW([WEIGHT], lr=5e-4, weight_decay=0.01)
    found = rates(LambdaLR(optimizer, lambda step: nlp(step, 1_000, 10_000)), 1_000)
    steps = [b - a for a, b in pairwise(found)]
    return {
        "the rates rise in equal steps": max(steps) - min(steps) < 1e-12,
        "share of the peak at update 0": found[0] / max(found),
    }


def fast_recipe() -> dict[str, bool | float]:
    """Ten times what a finder gives, when it gives a list of rates and one of losses; the momentum of a one cycle."""
    max_lr = ([1e-3, 1e-2], [2.3, 2.2]) * 10
    try:
        torch.optim.SGD([WEIGHT], lr=max_lr)  # type: ignore[arg-type]
        taken = True
    except TypeError:
        taken = False
    given = torch.optim.SGD([WEIGHT], lr=0.1, momentum=0.9)
    OneCycleLR(given, max_lr=0.1, total_steps=100)
    return {
        "ten times what find_lr returns is a rate": taken,
        "momentum of the first update, where 0.9 is given": given.param_groups[0]["momentum"],
    }


def two_linear() -> dict[str, float]:
    """Two LinearLR, from a millionth of the peak up over 100 steps and down to zero over 900, beside the recipe."""
    sgd = torch.optim.SGD([WEIGHT], lr=1.0)
    parts: list[LRScheduler] = [
        LinearLR(sgd, 1e-6, total_iters=100),
        LinearLR(sgd, 1.0, end_factor=0.0, total_iters=900),
    ]
    built = rates(SequentialLR(sgd, parts, [100]), 1000)
    distance = max(abs(rate - nlp(step, 100, 1000)) for step, rate in enumerate(built))
    return {"largest distance from the recipe, of a peak of 1": distance, "rate when it is done": built[-1]}


def plateau() -> dict[str, bool]:
    """100 evaluations without improvement."""
    optimizer = torch.optim.SGD([WEIGHT], lr=0.1)
    scheduler = ReduceLROnPlateau(optimizer)
    lengths = {"epochs", "total_steps", "total_iters", "milestones", "T_max"}
    answers = [scheduler.step(1.0) for _ in range(100)]  # type: ignore[func-returns-value]
    return {
        "it needs no length of training": not lengths & {*inspect.signature(ReduceLROnPlateau).parameters},
        "it cuts the rate": optimizer.param_groups[0]["lr"] < 0.1,
        "it tells the loop to stop": any(answer is not None for answer in answers),
    }
