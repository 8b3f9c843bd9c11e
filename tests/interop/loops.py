"""Training loops as people write them, on a parameter that is never trained: right ones, and each mistake planted."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

EPOCHS, PER_EPOCH = 30, 10
UPDATES = EPOCHS * PER_EPOCH
Make = Callable[[Optimizer], Any]


def sgd(groups: int = 1, lr: float = 0.1) -> SGD:
    return SGD([{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(groups)], lr=lr, momentum=0.9)


def updates(epochs: int = EPOCHS, per_epoch: int = PER_EPOCH) -> Iterator[tuple[int, bool]]:
    """Every update, and whether it is the last one of its epoch."""
    for update in range(epochs * per_epoch):
        yield update, (update + 1) % per_epoch == 0


def by_epoch(optimizer: Optimizer, scheduler: Any, epochs: int = EPOCHS) -> None:
    for _, ends in updates(epochs):
        optimizer.step()
        if ends:
            scheduler.step()


def by_update(optimizer: Optimizer, scheduler: Any, epochs: int = EPOCHS) -> None:
    for _ in updates(epochs):
        optimizer.step()
        scheduler.step()


def by_metric(optimizer: Optimizer, scheduler: Any, epochs: int = EPOCHS) -> None:
    for update, ends in updates(epochs):
        optimizer.step()
        if ends:
            scheduler.step(1 / (1 + min(update, 100)))


def without_the_last_step(optimizer: Optimizer, scheduler: Any) -> None:
    for update, ends in updates():
        optimizer.step()
        if ends and update + 1 < UPDATES:
            scheduler.step()


def warmed_up(epochs: int, warmup: int = 5) -> Make:
    return lambda o: SequentialLR(
        o, [LinearLR(o, 0.01, total_iters=warmup), CosineAnnealingLR(o, T_max=epochs - warmup)], [warmup]
    )


def of_transformers(name: str, **given: Any) -> Make:
    def make(optimizer: Optimizer) -> Any:
        from transformers import optimization

        return getattr(optimization, f"get_{name}_schedule_with_warmup")(optimizer, **given)

    return make


Loop = Callable[[Optimizer, Any], None]
RIGHT: dict[str, tuple[Make, Loop]] = {
    "cosine": (lambda o: CosineAnnealingLR(o, T_max=EPOCHS), by_epoch),
    "cosine, the last step left out": (lambda o: CosineAnnealingLR(o, T_max=EPOCHS), without_the_last_step),
    "cosine whose last epoch is its floor": (lambda o: CosineAnnealingLR(o, T_max=EPOCHS - 1), by_epoch),
    "cosine by update": (lambda o: CosineAnnealingLR(o, T_max=UPDATES), by_update),
    "warmup and cosine": (warmed_up(EPOCHS), by_epoch),
    "warmup and cosine by update": (warmed_up(UPDATES, 50), by_update),
    "one cycle": (lambda o: OneCycleLR(o, 0.1, total_steps=UPDATES), by_update),
    "one cycle of epochs": (lambda o: OneCycleLR(o, 0.1, total_steps=EPOCHS), by_epoch),
    "step": (lambda o: StepLR(o, 10), by_epoch),
    "step by update": (lambda o: StepLR(o, 100), by_update),
    "milestones": (lambda o: MultiStepLR(o, [9, 18, 27]), by_epoch),
    "milestones, one of them at the end": (lambda o: MultiStepLR(o, [10, 20, EPOCHS]), by_epoch),
    "milestones behind a warmup": (
        lambda o: SequentialLR(o, [LinearLR(o, 0.1, total_iters=5), MultiStepLR(o, [5, 15, 22])], [5]),
        by_epoch,
    ),
    "milestones by update": (lambda o: MultiStepLR(o, [90, 180, 270]), by_update),
    "exponential": (lambda o: ExponentialLR(o, 0.9), by_epoch),
    "exponential by update": (lambda o: ExponentialLR(o, 0.99), by_update),
    "polynomial": (lambda o: PolynomialLR(o, total_iters=EPOCHS, power=0.9), by_epoch),
    "restarts": (lambda o: CosineAnnealingWarmRestarts(o, 10), by_epoch),
    "restarts by update": (lambda o: CosineAnnealingWarmRestarts(o, 30), by_update),
    "cycles": (lambda o: CyclicLR(o, 0.01, 0.1, step_size_up=40), by_update),
    "plateau": (lambda o: ReduceLROnPlateau(o, patience=2), by_metric),
    "a warmup of as many updates as there are epochs": (lambda o: LinearLR(o, 0.01, total_iters=EPOCHS), by_update),
    "a warmup of epochs": (lambda o: LinearLR(o, 0.01, total_iters=5), by_epoch),
    "a decay that holds at its end": (lambda o: LinearLR(o, 1.0, 0.1, total_iters=20), by_epoch),
    "lambda": (lambda o: LambdaLR(o, lambda t: 1 / (1 + t)), by_update),
    "transformers, linear": (
        of_transformers("linear", num_warmup_steps=30, num_training_steps=UPDATES),
        by_update,
    ),
    "transformers, cosine": (
        of_transformers("cosine", num_warmup_steps=30, num_training_steps=UPDATES),
        by_update,
    ),
}
