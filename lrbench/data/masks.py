"""Batches of images in memory with the class of every pixel: what a mirrored image shows, its mask shows too."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lrbench.data import Reading
from lrbench.data.augment import Augmentation
from lrbench.data.batches import formatted, normaliser, require_mirrored
from lrbench.data.samples import Order, part_of

CHUNK = 100  # images evaluated at a time: a network that keeps their size needs much memory for each


class MaskedBatches:
    """The stream of images x, (n, C, H, W) uint8, and masks, (n, H, W) uint8. A batch: the images normalised, (b, C, H,
    W) float32, and the classes of their pixels, (b, H, W) int64. The order and what is mirrored are drawn as those of
    labelled images. Raises `ConfigError` for what cannot be done to a mask.
    """

    def __init__(self, x: Tensor, mask: Tensor, mean: Tensor, std: Tensor, reading: Reading) -> None:
        require_mirrored(reading, "images with a class for every pixel")
        n, _, height, width = x.shape
        self._order = Order(n, reading.batch_size, reading.seed)
        self.per_epoch = self._order.per_epoch
        self._augmentation = Augmentation(reading.augment, n, height, width, 0, reading.seed)
        self._both = torch.cat([x, mask[:, None]], 1)  # one more channel, so that both are changed as one
        self._normalise, self._reading = normaliser(mean, std, reading), reading

    def batch(self, update: int, part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
        rows = part_of(self._order.rows(update), part, parts)
        self._augmentation.start(update // self.per_epoch)
        return self._ready(self._augmentation.moved(self._both.index_select(0, rows), rows))

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from map(self._ready, self._both.split(CHUNK))

    def _ready(self, both: Tensor) -> tuple[Tensor, Tensor]:
        both = both.to(self._reading.device)
        return formatted(self._normalise(both[:, :-1]), self._reading), both[:, -1].long()
