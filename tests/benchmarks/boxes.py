"""What the tiny detector reaches, against a loop as a person writes it; by `run.py`.

The loop is torchvision's reference script without its logging: a list of images and targets, sum(losses.values()),
LinearLR in the first epoch, MultiStepLR after that; mAP by torchmetrics. The network is the recipe's own, as no library
has one of this size. Half an hour on two idle cores.
"""

import statistics
import tempfile
from pathlib import Path

import torch
from harness import keep, spread
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, MultiStepLR

from lrbench.config.experiments import experiment
from lrbench.data import Reading
from lrbench.data.composites import CompositeBoxes
from lrbench.data.kinds import Boxed
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.models.faster_rcnn import faster_rcnn

SEEDS = range(3)
EPOCHS, BATCH, MILESTONES = 26, 16, (16, 22)
SIZES = {"train_size": 1000, "val_size": 200, "test_size": 200, "side": 64, "most": 4}


def box_scores() -> None:
    """Test mAP of faster_rcnn_tiny over three seeds. Nothing found is an mAP of 0."""
    torch.set_num_threads(1)
    plain = [_by_hand(seed) for seed in SEEDS]
    ours = [_by_lrbench(seed) for seed in SEEDS]
    figures = {"plain_loop": spread(plain), "lrbench": spread(ours), "half_way": round(statistics.mean(plain) / 2, 4)}
    figures["reached"] = min(ours) >= figures["half_way"]
    keep("box_scores", "test mAP of faster_rcnn_tiny", "half way from 0 to a plain loop", figures)


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, targets: list[dict[str, Tensor]]) -> None:
    loss = sum(model(list(x), [{name: t[name] for name in ("boxes", "labels")} for t in targets]).values())
    optimizer.zero_grad()
    loss.backward()  # type: ignore[union-attr]
    optimizer.step()


def _by_hand(seed: int) -> float:
    """Trained and measured; of lrbench there are the scenes, mirrored, and the network."""
    from torchmetrics.detection import MeanAveragePrecision

    torch.manual_seed(seed)
    splits = CompositeBoxes(**SIZES).load(seed)
    model = faster_rcnn((1, 64, 64), 11)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    schedule = MultiStepLR(optimizer, MILESTONES)
    for epoch in range(EPOCHS):
        batches = torch.randperm(SIZES["train_size"]).split(BATCH)[: SIZES["train_size"] // BATCH]
        rising = LinearLR(optimizer, 0.01, total_iters=len(batches)) if epoch == 0 else None
        for rows in batches:
            _update(model, optimizer, *_read(splits.train, rows.tolist(), mirror=True))
            if rising:
                rising.step()
        schedule.step()
    meter = MeanAveragePrecision(backend="pycocotools")
    with torch.no_grad():
        for x, targets in splits.test.stream(Reading(BATCH, seed)).in_order():
            meter.update(model.eval()(list(x)), targets)
    return float(meter.compute()["map"])


def _read(split: Boxed, rows: list[int], mirror: bool) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """The images of these rows, normalised, each mirrored or not, and their boxes."""
    mean, std = split.images.mean.view(-1, 1, 1), split.images.std.view(-1, 1, 1)
    images, targets = [], []
    for row in rows:
        x = (split.images.x[row] / 255 - mean) / std
        first, last = split.begins[row : row + 2].tolist()
        boxes = split.boxes[first:last].clone()
        if mirror and torch.rand(()) < 0.5:
            x = x.flip(-1)
            boxes[:, [0, 2]] = x.shape[-1] - boxes[:, [2, 0]]
        images.append(x)
        targets.append({"boxes": boxes, "labels": split.labels[first:last]})
    return torch.stack(images), targets


def _by_lrbench(seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        asked = experiment("recipe=faster_rcnn_tiny", f"seed={seed}", "tracker=none")
        return float(train(asked, Settings(results=Path(folder))).summary()["test/map"])


EVERY = (box_scores,)
