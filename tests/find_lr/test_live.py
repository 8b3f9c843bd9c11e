"""A range test on a model in use: everything is given back to the bit, and the loop goes on as if there were none."""

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import repeat
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrbench.find_lr.live import range_test
from lrbench.find_lr.range_test import RangeTest

SHORT = RangeTest(iterations=40)
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
}


class Own:
    """Somebody's training: a net with batch norm and dropout, a scheduler, and draws from every generator."""

    def __init__(self, build: Callable[[Any], torch.optim.Optimizer], seed: int = 0) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
        self.optimizer = build(self.model.parameters())
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=20)
        self.batches = [(torch.randn(8, 6), torch.randint(3, (8,))) for _ in range(7)]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        noise = float(np.random.rand()) + random.random()  # both generators of the process
        return nn.functional.cross_entropy(self.model(x + 0.01 * noise), y)

    def train(self, updates: int) -> list[float]:
        losses = []
        for i in range(updates):
            self.optimizer.zero_grad()
            loss = self.loss(self.batches[i % 7])
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            losses.append(loss.item())
        return losses

    def everything(self) -> dict[str, Any]:
        return deepcopy({
            "model": self.model.state_dict(), "gradients": [p.grad for p in self.model.parameters()],
            "modes": [m.training for m in self.model.modules()], "optimizer": self.optimizer.state_dict(),
            "stepped": getattr(self.optimizer, "_opt_called", None), "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(), "python": random.getstate(),
        })  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """To the bit."""
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 3], ids=["new", "in use"])
def test_everything_is_given_back_to_the_bit(build: Any, before: int) -> None:
    ours, twin = Own(build), Own(build)
    twin.train(before)
    after = twin.train(4)

    ours = Own(build)
    ours.train(before)
    kept, groups = ours.everything(), [id(g) for g in ours.optimizer.param_groups]
    curve, said = range_test(ours.model, ours.optimizer, ours.loss, ours.batches, SHORT)
    assert len(curve.losses) > 10
    assert {"steepest", "valley"} <= said.keys()
    assert same(kept, ours.everything())
    assert [id(g) for g in ours.optimizer.param_groups] == groups  # a scheduler holds them
    assert ours.train(4) == after
    assert same(ours.everything(), twin_state(build, before))


def twin_state(build: Any, before: int) -> dict[str, Any]:
    twin = Own(build)
    twin.train(before)
    twin.train(4)
    return twin.everything()


def test_the_sweep_moves_what_it_gives_back() -> None:
    """Else the test above would pass for one that does nothing."""
    own = Own(OPTIMIZERS["adam"])
    seen: list[tuple[float, float, int]] = []

    def loss(batch: Any) -> Tensor:
        first = own.optimizer.state.get(own.model[0].weight, {}).get("step", torch.zeros(()))
        mean = float(own.model[1].running_mean.sum())
        seen.append((own.optimizer.param_groups[0]["lr"], mean, int(first)))
        return own.loss(batch)

    range_test(own.model, own.optimizer, loss, own.batches, SHORT)
    assert [rate for rate, _, _ in seen] == SHORT.rates[: len(seen)]
    assert len({mean for _, mean, _ in seen}) == len(seen)
    assert [step for _, _, step in seen] == list(range(len(seen)))


def test_its_losses_are_those_of_a_plain_loop() -> None:
    plain, swept = Own(OPTIMIZERS["sgd with momentum"]), Own(OPTIMIZERS["sgd with momentum"])
    torch.manual_seed(1)
    losses = []
    for i, rate in enumerate(SHORT.rates):
        plain.optimizer.param_groups[0]["lr"] = rate
        plain.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(plain.model(plain.batches[i % 7][0]), plain.batches[i % 7][1])
        losses.append(loss.item())
        loss.backward()
        plain.optimizer.step()
    torch.manual_seed(1)
    unsmoothed = RangeTest(iterations=40, smoothing=0, stop=None)
    curve, _ = range_test(
        swept.model, swept.optimizer, lambda b: nn.functional.cross_entropy(swept.model(b[0]), b[1]), swept.batches,
        unsmoothed,
    )  # fmt: skip
    n = len(curve.losses)
    assert curve.losses.tolist() == losses[:n]
    assert n == 40 or not np.isfinite(losses[n])


def test_given_back_after_an_error_too() -> None:
    own = Own(OPTIMIZERS["adam"])
    own.train(2)
    kept, calls = own.everything(), iter(range(100))

    def loss(batch: Any) -> Tensor:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return own.loss(batch)

    with pytest.raises(KeyboardInterrupt):
        range_test(own.model, own.optimizer, loss, own.batches, SHORT)
    assert same(kept, own.everything())


def test_evaluation_mode_and_gradients_are_left() -> None:
    own = Own(OPTIMIZERS["adam"])
    own.train(1)
    own.model[3].eval()
    gradient = own.model[0].weight.grad
    kept = own.everything()
    range_test(own.model, own.optimizer, own.loss, own.batches, SHORT)
    assert same(kept, own.everything())
    assert own.model[0].weight.grad is gradient


class Lazy(nn.Module):
    """A buffer that no state_dict has, and one that its forward pass replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("hidden", torch.zeros(1), persistent=False)
        self.register_buffer("replaced", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.hidden += 1
        self.replaced = self.replaced + 1
        return ((self.weight * x - 1) ** 2).mean()


def test_buffers_of_every_kind() -> None:
    model = Lazy()
    own = model.replaced
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    range_test(model, optimizer, model, [torch.full((4,), 2.0)], SHORT)
    assert (float(model.hidden), float(model.replaced)) == (0, 0)
    assert model.replaced is own


def test_groups_keep_their_shares() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[1].parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups)
    seen: list[list[float]] = []

    def loss(x: Tensor) -> Tensor:
        seen.append([g["lr"] for g in optimizer.param_groups])
        return model(x).square().mean()

    range_test(model, optimizer, loss, [torch.randn(4, 2)], SHORT)
    assert seen[3] == pytest.approx([SHORT.rates[3] / 10, SHORT.rates[3]])
    assert [g["lr"] for g in optimizer.param_groups] == [0.01, 0.1]


def test_a_scaler() -> None:
    own = Own(OPTIMIZERS["sgd with momentum"])
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    before = deepcopy(scaler.state_dict())
    range_test(own.model, own.optimizer, own.loss, own.batches, SHORT, scaler)
    assert scaler.state_dict() == before
    assert scaler._scale is None  # as before its first use


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_it_ends_where_the_loss_is_not_finite(bad: float) -> None:
    own, calls = Own(OPTIMIZERS["adam"]), iter(range(100))
    curve, said = range_test(
        own.model, own.optimizer, lambda b: own.loss(b) * (bad if next(calls) == 12 else 1), own.batches, SHORT
    )
    assert len(curve.losses) == 12
    assert next(calls) == 13
    assert said["valley"] is None


def test_batches_that_end() -> None:
    def few() -> Iterator[tuple[Tensor, Tensor]]:
        yield from own.batches[:3]

    own = Own(OPTIMIZERS["adam"])
    kept = own.everything()
    with pytest.raises(ValueError, match="ended after 3 of 40"):
        range_test(own.model, own.optimizer, own.loss, few(), SHORT)
    assert same(kept, own.everything())
    range_test(own.model, own.optimizer, own.loss, repeat(own.batches[0]), SHORT)
