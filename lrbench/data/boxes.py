"""Batches of images with boxes: what a mirrored image shows on its right, its boxes do too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from lrbench.data import Reading, Stream
from lrbench.data.augment import Augmentation
from lrbench.data.batches import require_mirrored

CHUNK = 16  # images evaluated at a time: a detector keeps much of each

Targets = list[dict[str, Tensor]]


class BoxedBatches:
    """The stream of images with boxes, in memory or on disk. A batch: the images normalised, (b, C, H, W) float32, and
    of each a mapping of its `boxes`, (k, 4) float32, `labels`, (k,) int64, and `crowd`, (k,) bool. The order and what
    is mirrored are drawn as those of labelled images. Raises `ConfigError` for other changes of the images.
    """

    def __init__(
        self,
        images: Stream,
        shape: Sequence[int],
        boxes: Tensor,
        labels: Tensor,
        crowd: Tensor,
        begins: Tensor,
        reading: Reading,
    ) -> None:
        """images: of batches (x, their places), not augmented, each of `shape`. The others: as of `kinds.Boxed`."""
        require_mirrored(reading, "images with boxes")
        _, height, self._width = shape
        self._images, self.per_epoch, n = images, images.per_epoch, len(begins) - 1
        self._augmentation = Augmentation(reading.augment, n, height, self._width, 0, reading.seed, reading.device)
        self._held = {"boxes": boxes, "labels": labels, "crowd": crowd}
        self._begins, self._device = begins, reading.device

    def batch(self, update: int, part: int = 0, parts: int = 1) -> tuple[Tensor, Targets]:
        x, rows = self._images.batch(update, part, parts)
        assert self.per_epoch is not None  # images on disk and in memory have an end
        self._augmentation.start(update // self.per_epoch)
        mirrored = self._augmentation.mirrored(rows).tolist()
        targets = [self._target(row, turned) for row, turned in zip(rows.tolist(), mirrored, strict=True)]
        return self._augmentation.moved(x, rows), targets

    def in_order(self) -> Iterator[tuple[Tensor, Targets]]:
        for x, rows in self._images.in_order():
            for few, its in zip(x.split(CHUNK), rows.split(CHUNK), strict=True):
                yield few, [self._target(row, False) for row in its.tolist()]

    def _target(self, row: int, mirrored: bool) -> dict[str, Tensor]:
        first, last = self._begins[row : row + 2].tolist()
        mine = {name: tensor[first:last].clone() for name, tensor in self._held.items()}
        if mirrored:
            mine["boxes"][:, [0, 2]] = self._width - mine["boxes"][:, [2, 0]]
        return {name: tensor.to(self._device) for name, tensor in mine.items()}
