"""Kinds of splits: tensors in memory, images in memory, images on disk. (What they are for: `lrbench.data`.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lrbench.data import Reading, Source, Split, Splits, Stream, mean_and_std

if TYPE_CHECKING:
    from torch import Tensor


class Samples(NamedTuple):
    """A tree of CPU tensors, each (n, ...)."""

    tree: Any

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.samples import SampleBatches

        return SampleBatches(self.tree, reading)


class Images(NamedTuple):
    """Images `x`, (n, C, H, W) uint8, and their labels `y`, (n,) int64; mean and standard deviation, (C,) float32, of
    the training pixels in [0, 1]. A batch is (x, y), normalised."""

    x: Tensor
    y: Tensor
    mean: Tensor
    std: Tensor
    num_classes: int

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.batches import Batches

        return Batches(*self, reading)


class ImageFiles(NamedTuple):
    """Images that are read when they are needed; otherwise as `Images`."""

    source: Source
    mean: Tensor
    std: Tensor
    num_classes: int

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.loader import Loader

        return Loader(*self, reading)


def labelled_images(
    train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], num_classes: int
) -> Splits[Split]:
    """Splits held in memory, each of images (n, C, H, W) uint8 and labels (n,), normalised by the training pixels."""
    mean, std = mean_and_std(train[0])
    return Splits(*(Images(x, y, mean, std, num_classes) for x, y in (train, val, test)))
