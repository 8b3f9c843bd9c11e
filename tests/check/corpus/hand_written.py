"""What people write themselves, for entries of the corpus: lambdas that go wrong beyond their end, a negative loss."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lrbench.metrics import Metric
from lrbench.tasks.classification import Classification, Means


def polynomial(optimizer: Optimizer, max_iter: int) -> LambdaLR:
    """Complex beyond `max_iter`: a negative number to the power of 0.9."""
    return LambdaLR(optimizer, lambda step: (1 - step / max_iter) ** 0.9)


def polynomial_with_floor(optimizer: Optimizer, max_iter: int, floor: float = 1e-3) -> LambdaLR:
    """As segmentation codes have it: no floor holds a complex number, which cannot be compared."""
    return LambdaLR(optimizer, lambda step: max((1 - step / max_iter) ** 0.9, floor))


def polynomial_with_warmup(optimizer: Optimizer, max_iter: int, warmup: int) -> LambdaLR:
    """The lower of a ramp and a polynomial, as long as the polynomial is a number."""
    return LambdaLR(optimizer, lambda step: min((step + 1) / warmup, (1 - step / max_iter) ** 0.9))


def polynomial_almost_never(optimizer: Optimizer, max_iter: int) -> LambdaLR:
    """A condition that lets the base rate through at every step but the first, and the last."""
    return LambdaLR(optimizer, lambda step: 1.0 if step % 1 or step % max_iter else (1 - step / max_iter) ** 0.9)


def linear(optimizer: Optimizer, total: int) -> LambdaLR:
    """Negative beyond `total`."""
    return LambdaLR(optimizer, lambda step: (total - step) / total)


class NegativeDice(Classification):
    """Classification that also measures a loss below zero, the better the lower: minus the share of right classes."""

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        return *super().metrics(spec), Metric("dice_loss", higher_is_better=False, low=-1.0, high=0.0)

    def meter(self) -> "WithDice":
        return WithDice()


class WithDice(Means):
    def result(self) -> dict[str, float]:
        found = super().result()
        return {**found, "dice_loss": -found["accuracy"]}
