"""Kinds of splits: tensors, labelled images, images with masks or boxes, in memory or on disk. (See `lrbench.data`.)"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lrbench.data import UNCHANGED, ImageSource, Reading, Split, Splits, Stream, mean_and_std

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

    source: ImageSource
    mean: Tensor
    std: Tensor
    num_classes: int

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.loader import Loader

        return Loader(*self, reading)


class Masked(NamedTuple):
    """Images `x`, (n, C, H, W) uint8, and the class of every pixel, `mask`, (n, H, W) uint8, 255 where there is none;
    mean and standard deviation as of `Images`. A batch is (x, mask), normalised."""

    x: Tensor
    mask: Tensor
    mean: Tensor
    std: Tensor

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.masks import MaskedBatches

        return MaskedBatches(*self, reading)


class Boxed(NamedTuple):
    """Images of one shape, whose labels are their places from 0, and the boxes on them: `boxes`, (m, 4) float32, left,
    top, right, bottom in pixels, inside the image and with an area; `labels`, (m,) int64 from 1; `crowd`, (m,) bool:
    which hold many at once, and are neither trained on nor counted (COCO's iscrowd). Those of image i are [begins[i],
    begins[i + 1]), of `begins`, (n + 1,) int64.

    A batch is (x, targets): of every image a mapping of its `boxes`, `labels` and `crowd`."""

    images: Images | ImageFiles
    boxes: Tensor
    labels: Tensor
    crowd: Tensor
    begins: Tensor

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.boxes import CHUNK, BoxedBatches
        from lrbench.data.loader import Loader

        bare, images = replace(reading, augment=UNCHANGED), self.images  # they are mirrored with their boxes
        if isinstance(images, Images):
            return BoxedBatches(images.stream(bare), images.x.shape[1:], *self[1:], reading)
        return BoxedBatches(Loader(*images, bare, CHUNK), images.source.shape, *self[1:], reading)


def labelled_images(
    train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], num_classes: int
) -> Splits[Split]:
    """Splits held in memory, each of images (n, C, H, W) uint8 and labels (n,), normalised by the training pixels."""
    mean, std = mean_and_std(train[0])
    return Splits(*(Images(x, y, mean, std, num_classes) for x, y in (train, val, test)))
