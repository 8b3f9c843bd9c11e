"""What tiny recipes of fine-tuning, large batches and one cycle reach, against chance and a loop by hand (`run.py`).

The loop is what a person writes: torch's optimizer and scheduler, images shifted by a pixel and mirrored, the same
network and the same public test set, no lrbench but for the images and the layers. An hour on two idle cores.
"""

import math
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from harness import keep, spread
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from lrbench.config.experiments import experiment
from lrbench.data.fashion_mnist import FashionMNIST
from lrbench.data.kinds import Images
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.models.resnet import resnet8

SEEDS = range(5)

Made = tuple[torch.optim.Optimizer, LRScheduler, bool]  # and whether the scheduler steps at every update


def tuning_scores() -> None:
    """Test accuracy of finetune_cosine_tiny, finetune_constant_tiny, large_batch_tiny and onecycle_fast_tiny."""
    torch.set_num_threads(1)
    figures = {}
    for name, (by_hand, chance) in {
        "finetune_cosine_tiny": (lambda seed: _fine_tuned(seed, True), 0.2),
        "finetune_constant_tiny": (lambda seed: _fine_tuned(seed, False), 0.2),
        "large_batch_tiny": (_large, 0.1),
        "onecycle_fast_tiny": (_one_cycle, 0.1),
    }.items():
        plain, ours = [by_hand(seed) for seed in SEEDS], [_by_lrbench(name, seed) for seed in SEEDS]
        middle = (chance + statistics.mean(plain)) / 2
        figures[name] = {
            "chance": chance, "plain_loop": spread(plain), "lrbench": spread(ours), "half_way": round(middle, 4),
            "reached": min(ours) >= middle,
        }  # fmt: skip
    keep("tuning_scores", "test accuracy of tiny recipes", "half way from chance to a plain loop", figures)


def _by_lrbench(recipe: str, seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        asked = experiment(f"recipe={recipe}", f"seed={seed}", "tracker=none")
        return float(train(asked, Settings(results=Path(folder))).summary()["test/accuracy"])


def _fine_tuned(seed: int, cosine: bool) -> float:
    """Pretrained on the first five classes, 30 epochs; then ten with a new last layer on the other five."""
    torch.manual_seed(seed)
    model = resnet8((1, 14, 14), 5, 8)
    first = FashionMNIST(14, 5000, 2500, [0, 1, 2, 3, 4]).load(seed)
    _trained(model, first.train, 128, 30, seed, lambda: _warm_cosine(model, 0.1, 2, 30))
    model[-1] = nn.Linear(32, 5)
    second = FashionMNIST(14, 5000, 2500, [5, 6, 7, 8, 9]).load(seed)
    _trained(model, second.train, 64, 10, seed, lambda: _two_rates(model, cosine))
    return _accuracy(model, second.test)


def _two_rates(model: nn.Module, cosine: bool) -> Made:
    groups = [
        {"params": model[:-1].parameters(), "lr": 1e-5},
        {"params": model[-1].parameters(), "lr": 1e-3},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    scheduler = CosineAnnealingLR(optimizer, 10, 1e-6) if cosine else LambdaLR(optimizer, lambda epoch: 1.0)
    return optimizer, scheduler, False


def _large(seed: int) -> float:
    """0.1 x 1024 / 256, five epochs of warmup."""
    torch.manual_seed(seed)
    model, data = resnet8((1, 14, 14), 10, 8), FashionMNIST(14, 5000, 5000).load(seed)
    _trained(model, data.train, 1024, 60, seed, lambda: _warm_cosine(model, 0.4, 5, 60))
    return _accuracy(model, data.test)


def _one_cycle(seed: int) -> float:
    torch.manual_seed(seed)
    model, data = resnet8((1, 14, 14), 10, 8), FashionMNIST(14, 5000, 5000).load(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.81, momentum=0.9)
    made = optimizer, OneCycleLR(optimizer, 0.81, total_steps=20 * (5000 // 128)), True
    _trained(model, data.train, 128, 20, seed, lambda: made)
    return _accuracy(model, data.test)


def _warm_cosine(model: nn.Module, peak: float, warm: int, epochs: int) -> Made:
    """Linear from 1 %, then a cosine to 1e-5, a step an epoch."""

    def share(epoch: int) -> float:
        if epoch < warm:
            return 0.01 + 0.99 * epoch / warm
        floor = 1e-5 / peak
        return floor + (1 - floor) * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm))) / 2

    optimizer = torch.optim.SGD(model.parameters(), lr=peak, momentum=0.9, weight_decay=1e-4)
    return optimizer, LambdaLR(optimizer, share), False


def _trained(model: nn.Module, split: Images, batch: int, epochs: int, seed: int, made: Callable[[], Made]) -> None:
    draws, (optimizer, scheduler, at_each) = torch.Generator().manual_seed(seed), made()
    x, y = _normalised(split), split.y
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(y), generator=draws).split(batch)[: len(y) // batch]:
            loss = cross_entropy(model(_moved(x[rows], draws)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if at_each:
                scheduler.step()
        if not at_each:
            scheduler.step()


def _normalised(split: Images) -> Tensor:
    return (split.x.float() / 255 - split.mean[:, None, None]) / split.std[:, None, None]


def _moved(x: Tensor, draws: torch.Generator) -> Tensor:
    """Every image shifted by a pixel at most, and mirrored or not."""
    n, side = len(x), x.shape[-1]
    down, right = torch.randint(3, (2, n), generator=draws)
    places = torch.arange(side)
    rows, columns = (down[:, None] + places)[:, :, None], (right[:, None] + places)[:, None, :]
    x = pad(x, (1, 1, 1, 1), value=float(x.min()))[torch.arange(n)[:, None, None], 0, rows, columns][:, None]
    return torch.where(torch.rand(n, 1, 1, 1, generator=draws) < 0.5, x.flip(-1), x)


def _accuracy(model: nn.Module, split: Images) -> float:
    model.eval()
    with torch.no_grad():
        found = [model(x).argmax(1) for x in _normalised(split).split(1000)]
    return float((torch.cat(found) == split.y).float().mean())


EVERY = (tuning_scores,)
