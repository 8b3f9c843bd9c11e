"""Scenes with unequal numbers of boxes, a detector as torchvision's are called, and the task between them."""

from hashlib import sha256

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from lrbench.data import DataInfo, Splits
from lrbench.data.samples import Order, part_of
from lrbench.metrics import Metric
from lrbench.randomness import generator

SIDE, SIZES = 12, (80, 20, 20)


class Scenes:
    """One to three bright boxes on noise."""

    def info(self):
        return DataInfo(*SIZES, {"channels": 1}, sha256(b"scenes").hexdigest())

    def load(self, seed):
        parts = zip(("train", "val", "test"), SIZES, strict=True)
        return Splits(*(SceneSplit([scene(seed, part, i) for i in range(n)]) for part, n in parts))


def scene(seed, part, i):
    """An image (1, SIDE, SIDE) and its boxes (k, 4): x, y, width, height."""
    draws = generator("scene", seed, part, i)
    corners = torch.randint(SIDE - 4, (int(torch.randint(1, 4, (), generator=draws)), 2), generator=draws)
    boxes = torch.cat([corners, torch.randint(2, 5, corners.shape, generator=draws)], dim=1)
    image = 0.2 * torch.rand(1, SIDE, SIDE, generator=draws)
    for x, y, width, height in boxes.tolist():
        image[0, y : y + height, x : x + width] += 1
    return image, {"boxes": boxes.float()}


class SceneSplit:
    """A split of a kind of its own: a list of samples of unequal shapes."""

    def __init__(self, scenes):
        self.scenes = scenes

    def stream(self, reading):
        return SceneStream(self.scenes, reading)


class SceneStream:
    """A batch is a list of images and a list of targets."""

    def __init__(self, scenes, reading):
        self.scenes, self.order = scenes, Order(len(scenes), reading.batch_size, reading.seed)
        self.per_epoch = self.order.per_epoch

    def batch(self, update, part=0, parts=1):
        return collate(self.scenes[i] for i in part_of(self.order.rows(update), part, parts).tolist())

    def in_order(self):
        for first in range(0, len(self.scenes), 7):
            yield collate(self.scenes[first : first + 7])


def collate(scenes):
    images, targets = zip(*scenes, strict=True)
    return list(images), list(targets)


class Detector(nn.Module):
    """Images and targets to a mapping of losses in training; in evaluation, images to boxes."""

    def __init__(self, channels, width=16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2), nn.ReLU(), nn.Conv2d(width, 3, 5, padding=2)
        )

    def forward(self, images, targets=None):
        score, *size = self.body(torch.stack(images)).unbind(1)
        size = torch.stack(size, dim=-1)  # (n, SIDE, SIDE, 2)
        if not self.training:
            return [{"boxes": _boxes(s, z)} for s, z in zip(score.sigmoid(), size, strict=True)]
        places = [(i, *box) for i, t in enumerate(targets) for box in t["boxes"].long().tolist()]
        image, x, y, width, height = torch.tensor(places).T
        centres = torch.zeros_like(score)
        centres[image, y, x] = 1
        return {
            # A mean over pixels, and one over boxes.
            "objectness": binary_cross_entropy_with_logits(score, centres, pos_weight=torch.tensor(20.0)),
            "size": l1_loss(size[image, y, x], torch.stack([width, height], dim=-1).float()),
        }


def _boxes(score, size):
    y, x = (score > 0.5).nonzero().T
    return torch.cat([torch.stack([x, y], dim=-1).float(), size[y, x]], dim=-1)


class Detection:
    """The sum of the detector's losses, each of which has a normaliser of its own."""

    ghost_normaliser = True

    def metrics(self, spec):
        return (
            Metric("precision", "%", higher_is_better=True, low=0.0, high=1.0),
            Metric("recall", "%", higher_is_better=True, low=0.0, high=1.0),
        )

    def loss(self, model, batch):
        images, targets = batch
        return sum(model(images, targets).values()) * len(images)

    def weight(self, batch):
        return len(batch[0])

    def meter(self):
        return Corners()


class Corners:
    """Of the found boxes and of the real ones, the share whose upper left corner is that of one of the others."""

    def __init__(self):
        self.found, self.real, self.right = 0, 0, 0

    def add(self, model, batch):
        images, targets = batch
        for output, target in zip(model(images), targets, strict=True):
            found, real = ({tuple(box[:2]) for box in t["boxes"].tolist()} for t in (output, target))
            self.found, self.real, self.right = (
                self.found + len(found),
                self.real + len(real),
                self.right + len(found & real),
            )

    def result(self):
        return {"precision": self.right / max(1, self.found), "recall": self.right / self.real}
