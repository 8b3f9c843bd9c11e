"""Benchmarks of what lrbench does in a training loop of somebody else's; run by `run.py`."""

import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from harness import interleaved, keep, seconds
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

import lrbench
from lrbench.interop.rates import findings_of

UPDATES = 640
PER_EPOCH = 16
ROWS = 1_000_000
STEPS = 20_000


def watch() -> None:
    """A plain torch loop (MLP 64-64-64-10, batch 64, OneCycleLR after every update) against itself, watched: with one
    parameter group and with three. What is added is read off 20,000 steps on one number a group, beside whose 30 us it
    can be seen, each thousand at its fastest of 45 rounds; it judges at powers of two, which 640 updates feel more."""
    torch.set_num_threads(1)
    figures = {}
    for groups in (1, 3):
        result = interleaved(_loop(groups, _alone), _loop(groups, _watched), rounds=41)
        again = interleaved(_loop(groups, _alone), _loop(groups, _alone), rounds=21)
        alone, watched = _steps(groups, _alone), _steps(groups, _watched)
        times = np.array([(alone(), watched()) for _ in range(45)]).min(axis=0)  # what other processes took, left out
        added = (times[1].sum() - times[0].sum()) / STEPS * 1e6
        figures[f"{groups}_groups"] = {
            **result,
            "us_added_per_update": round(added, 2),
            "alone_against_alone": again["ratio"],
        }
    keep("watch", "a torch loop that is watched / the same alone", "2 us an update", figures)


def schedule_step() -> None:
    """The same loop under a OneCycle of lrbench's as a torch scheduler, against torch's own OneCycleLR."""
    torch.set_num_threads(1)
    figures = interleaved(_loop(1, _alone), _loop(1, _lrbench), rounds=41)
    keep("schedule_step", "a torch loop with lrbench.schedule / with torch's OneCycleLR", "ratio <= 1.02", figures)


def logged_rates() -> None:
    """A CSV file of a million rows, read and judged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lr.csv"
        with path.open("w") as file:
            file.write("step,lr,loss\n")
            file.writelines(f"{t},{0.1 * (1 - t / ROWS):.9g},2.5\n" for t in range(ROWS))
        figures = {"seconds": sorted(round(seconds(lambda: findings_of(path)), 2) for _ in range(5))}
    keep("logged_rates", "judging a CSV file of a million rates", "5 s", figures)


def _alone(optimizer: torch.optim.Optimizer, updates: int = UPDATES) -> OneCycleLR:
    return OneCycleLR(optimizer, [g["lr"] for g in optimizer.param_groups], total_steps=updates)


def _watched(optimizer: torch.optim.Optimizer, updates: int = UPDATES) -> OneCycleLR:
    scheduler = _alone(optimizer, updates)
    lrbench.watch(optimizer, scheduler, updates=updates, per_epoch=PER_EPOCH, tell=lambda _: None)
    return scheduler


def _lrbench(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return lrbench.schedule(optimizer, "scheduler=onecycle", updates=UPDATES, per_epoch=PER_EPOCH)


def _loop(
    groups: int, make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]
) -> Callable[[], float]:
    """The seconds of its updates, everything built before."""
    x, y = torch.randn(64 * PER_EPOCH, 64), torch.randint(10, (64 * PER_EPOCH,))
    batches = [*zip(x.split(64), y.split(64), strict=True)]

    def run() -> float:
        layers = [nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)]
        model, loss_of = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]), nn.CrossEntropyLoss()
        parts = [layer.parameters() for layer in layers] if groups == 3 else [model.parameters()]
        optimizer = torch.optim.SGD([{"params": part} for part in parts], lr=0.1, momentum=0.9)
        scheduler = make(optimizer)
        began = time.perf_counter()
        for update in range(UPDATES):
            inputs, labels = batches[update % PER_EPOCH]
            loss = loss_of(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if update + 1 < UPDATES:
                scheduler.step()
        return time.perf_counter() - began

    return run


def _steps(groups: int, make: Callable[[torch.optim.Optimizer, int], OneCycleLR]) -> Callable[[], list[float]]:
    """The seconds of each thousand of steps of optimizer and scheduler on one number a group."""

    def run() -> list[float]:
        numbers = [torch.zeros(1, requires_grad=True) for _ in range(groups)]
        for number in numbers:
            number.grad = torch.zeros(1)
        optimizer = torch.optim.SGD([{"params": [number]} for number in numbers], lr=0.1, momentum=0.9)
        scheduler = make(optimizer, STEPS)
        stops = [time.perf_counter()]
        for step in range(STEPS):
            optimizer.step()
            if step + 1 < STEPS:
                scheduler.step()
            if step % 1000 == 999:
                stops.append(time.perf_counter())
        return [after - before for before, after in pairwise(stops)]

    return run


EVERY = (watch, schedule_step, logged_rates)
