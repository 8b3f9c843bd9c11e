"""What the guide's learning-rate finder does: its sweep, written again in few lines of our own, and asked.

A sweep of 100 batches from 1e-8 towards 10, each rate a constant factor above the last; the curve is an average in
which the newest loss weighs 0.05, and ends where it is above four times its lowest.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat

import numpy as np
import torch
from torch import nn

START, END, BATCHES = 1e-8, 10.0, 100
FACTOR = (END / START) ** (1 / BATCHES)
RATES = [START * FACTOR**i for i in range(BATCHES)]

Batch = tuple[torch.Tensor, torch.Tensor]


def losses(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[Batch]) -> Iterator[float]:
    """Of one batch at each rate, before the update with it. The batches begin again when they are used up."""
    for rate, (x, y) in zip(RATES, chain.from_iterable(repeat(batches)), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = nn.functional.cross_entropy(model(x), y)
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def curve(raw: Iterable[float]) -> list[float]:
    """The averages, up to the one that ends the sweep."""
    averages: list[float] = []
    lowest = math.inf
    for loss in raw:
        averages.append(0.05 * loss + 0.95 * averages[-1] if averages else loss)
        lowest = min(lowest, averages[-1])
        if averages[-1] > 4 * lowest:
            break
    return averages


def find(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[Batch]) -> list[float]:
    """A sweep that keeps the model's state and gives it back in the way the guide does."""
    before = model.state_dict()
    found = curve(losses(model, optimizer, batches))
    model.load_state_dict(before)
    return found


def steepest(averages: list[float]) -> int:
    """Where the curve falls fastest over the logarithm of the rate."""
    return int(np.argmin(np.gradient(averages, np.log10(RATES[: len(averages)]))))


def ends_of_the_sweep() -> dict[str, float]:
    return {"lowest rate": RATES[0], "highest rate": RATES[-1]}


def factor() -> dict[str, float]:
    of_200 = (END / START) ** (1 / 200)
    return {"factor of the code, over 100 batches": RATES[1] / RATES[0], "factor over 200 batches": of_200}


def length() -> dict[str, int]:
    return {"batches of the code": len(RATES), "batches at a factor of 1.1": math.ceil(math.log(END / START, 1.1))}


def valley(rate: float) -> float:
    """A loss that is flat at 2.3, falls fastest around 0.01, is lowest near 0.14 and rises from there."""
    return 2.3 / (1 + rate / 0.01) + rate


def lag() -> dict[str, float]:
    """What the average makes of a known curve: how many times too high its points are read."""
    raw = [valley(rate) for rate in RATES]
    averages = curve(raw)
    return {
        "weight of the newest loss": curve([0.0, 1.0])[1],
        "rate of the lowest average over that of the lowest loss": RATES[np.argmin(averages)] / RATES[np.argmin(raw)],
        "rate of the steepest average over that of the steepest loss": RATES[steepest(averages)] / RATES[steepest(raw)],
    }


def marked() -> dict[str, float]:
    """How far below the lowest point lies the rate that is marked, five batches before it."""
    lowest = int(np.argmin([valley(rate) for rate in RATES]))
    return {"rate of the lowest loss over the marked one": RATES[lowest] / RATES[max(0, lowest - 5)]}


def suggested() -> dict[str, bool]:
    """On a curve that falls fastest at exactly 0.01: a logistic curve over the logarithm of the rate."""
    rate = RATES[steepest([1 / (1 + rate / 0.01) for rate in RATES])]
    return {"within one batch of the steepest rate": 0.01 / FACTOR <= rate <= 0.01 * FACTOR}


def explosion() -> dict[str, bool | int]:
    """A loss of 1 that jumps: the sweep's end, and how many batches it takes."""
    return {
        "a loss a hundred times the best ends it at once": len(curve([1.0] * 50 + [100.0] * 50)) == 51,
        "batches at five times the best until it ends": len(curve([1.0] * 50 + [5.0] * 50)) - 50,
    }


def not_a_number() -> dict[str, bool]:
    """A known curve past its lowest point that is no number from batch 85 on, as after an overflow."""
    before = [valley(rate) for rate in RATES[:85]]
    averages = curve([*before, *[math.nan] * 15])
    return {
        "an infinite loss ends the sweep": len(curve([*before, *[math.inf] * 15])) == 86,
        "a loss that is no number ends it": len(averages) == 86,
        "the lowest point is that of the curve before": bool(np.argmin(averages) == np.argmin(averages[:85])),
        "the steepest point is that of the curve before": steepest(averages) == steepest(averages[:85]),
    }


def blobs(seed: int, size: int = 64) -> list[Batch]:
    """50 batches of ten classes, each a cloud of 64 numbers around a centre of its own; one label of five is random."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(10, 64, generator=generator)
    classes, wrong = torch.randint(10, (2, 50, size), generator=generator)
    noise = torch.randn(50, size, 64, generator=generator)
    labels = torch.where(torch.rand(50, size, generator=generator) < 0.2, wrong, classes)
    return list(zip(centres[classes] + noise, labels, strict=True))


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))


def what_is_left_of_the_optimizer() -> dict[str, bool]:
    model = seeded(0, normed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    find(model, optimizer, blobs(0))
    found = {"another rate is left": optimizer.param_groups[0]["lr"] != 0.1, "momentum is left": bool(optimizer.state)}
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
    return {**found, "a OneCycleLR on it begins at its own rate": math.isclose(optimizer.param_groups[0]["lr"], 0.004)}


def restored() -> dict[str, bool]:
    model = seeded(0, normed)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    find(model, torch.optim.SGD(model.parameters(), lr=0.1), blobs(0))
    same = {name: torch.equal(value, before[name]) for name, value in model.state_dict().items()}
    return {
        "the weights are those of before": all(same[name] for name, _ in model.named_parameters()),
        "the running statistics are those of before": all(same[name] for name, _ in model.named_buffers()),
    }


def restarts() -> dict[str, int]:
    model = seeded(0, normed)
    swept = losses(model, torch.optim.SGD(model.parameters(), lr=0.1), blobs(0)[:3])
    return {"batches swept with three in the loader": sum(1 for _ in swept)}


class Transformer(nn.Module):
    """One block over 8 tokens of 8 numbers, normed before attention and before the perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Linear(8, 32), nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 96))
        self.mlp = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x.view(-1, 8, 8))
        x = x + nn.functional.scaled_dot_product_attention(*self.qkv(x).chunk(3, dim=-1))
        out: torch.Tensor = self.head((x + self.mlp(x)).mean(1))
        return out


def has_three_regimes(averages: list[float]) -> bool:
    """First flat: after a quarter of the sweep the loss is within 3 % of the first. Then it falls by 5 % or more,
    steepest on the way, and then it rises by half of that fall or more."""
    low, quarter = int(np.argmin(averages)), BATCHES // 4
    fall = averages[0] - averages[low]
    flat = abs(averages[quarter] - averages[0]) <= 0.03 * averages[0]
    falls = fall >= 0.05 * averages[0] and quarter <= steepest(averages) <= low
    return flat and falls and averages[-1] - averages[low] >= 0.5 * fall


def regimes() -> dict[str, bool]:
    """Whether four curves of five have all three, over three optimizers and two seeds."""
    optimizers: list[Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]] = [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW(p, lr=0.1),
    ]
    found = {}
    for name, build in {"perceptron": perceptron, "with batch norm": normed, "transformer": Transformer}.items():
        models = [(seeded(seed, build), optimizer, seed) for seed in (20, 21) for optimizer in optimizers]
        right = [has_three_regimes(find(m, optimizer(m.parameters()), blobs(seed))) for m, optimizer, seed in models]
        found[f"four curves of five, {name}"] = sum(right) / len(right) >= 0.8
    return found


def cost() -> dict[str, float]:
    """At one second an update, which is slow: the sweep, and 100 epochs of ImageNet in batches of 256."""
    return {"minutes of a sweep": BATCHES / 60, "hours of a training": 100 * math.ceil(1_281_167 / 256) / 3600}
