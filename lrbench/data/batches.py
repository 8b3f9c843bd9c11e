"""Batches of images held in memory: each is a pure function of the seed and the number of the update.

Augmentation is drawn on the CPU, once an epoch, from generators keyed by (seed, epoch), as the order is (`samples`).
All work on images is done on whole batches by tensor operations on the device that holds them (`augment`); nothing
loops over images.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from lrbench.data import Reading, require_whole
from lrbench.data.augment import Augmentation
from lrbench.data.samples import CHUNK, Order, part_of
from lrbench.errors import ConfigError

# Part of the identity of every run. Raise it with any change that alters the batches of a seed.
NUMERICS = 1

FLOAT_LIMIT = 256 * 2**20  # bytes: up to here, images that are not augmented are kept as normalised float32


class Batches:
    """The stream of images in memory. They are moved to the device when they are first asked for.

    x: (n, C, H, W) uint8; y: labels (n,) int64; mean, std: (C,), of pixels in [0, 1]; num_classes: for the soft targets
    of mixup and cutmix. What is drawn to augment a sample in an epoch depends on the seed, the epoch and its row, not
    on its place in a batch or the batch size. Raises `ConfigError` where the crop is not smaller than the image.
    """

    def __init__(self, x: Tensor, y: Tensor, mean: Tensor, std: Tensor, num_classes: int, reading: Reading) -> None:
        n, _, height, width = x.shape
        self._bytes, self._labels, self._reading = x, y, reading
        self._order = Order(n, reading.batch_size, reading.seed, reading.device)
        self.per_epoch = self._order.per_epoch
        self._augmentation = augmentation(reading, n, height, width, num_classes)
        self._normalise = normaliser(mean, std, reading)
        # Ready-made floats save time in every batch; bytes take a quarter of the memory.
        self._ready = not self._augmentation.moves and x.numel() * 4 <= FLOAT_LIMIT

    @cached_property
    def _x(self) -> Tensor:
        x = self._bytes.to(self._reading.device)
        return self._normalise(x) if self._ready else x

    @cached_property
    def _y(self) -> Tensor:
        return self._labels.to(self._reading.device)

    def batch(self, update: int, part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Images (b, C, H, W) float32, normalised, and their targets: labels (b,) int64, or with mixup or cutmix
        (b, num_classes) float32. They are copies: the caller may change them."""
        rows, size = asked_rows(self._order.rows(update), part, parts, self._augmentation.mixes)
        self._augmentation.start(update // self.per_epoch)
        x, y = self._x.index_select(0, rows), self._y.index_select(0, rows)
        if not self._ready:
            x = self._normalise(self._augmentation.moved(x, rows))
        x, y = self._augmentation.mixed(x, y, rows, size)
        return formatted(x, self._reading), y

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in zip(self._x.split(CHUNK), self._y.split(CHUNK), strict=True):
            yield formatted(x.clone() if self._ready else self._normalise(x), self._reading), y.clone()


def asked_rows(rows: Tensor, part: int, parts: int, mixes: bool) -> tuple[Tensor, int]:
    """The rows to read for a part of an update, and how many are its own; the others, behind them, are their partners.

    A sample is mixed with the one as far from the update's other end. So the partners of the middle part of an odd
    number, as of the whole, are its own samples; those of any other part lie in another, and are read too.
    """
    mine = part_of(rows, part, parts)
    if not mixes or 2 * part == parts - 1:
        return mine, len(mine)
    return torch.cat([mine, part_of(rows.flip(0), part, parts)]), len(mine)


def augmentation(reading: Reading, n: int, height: int, width: int, num_classes: int) -> Augmentation:
    """The changes of n training images. Raises `ConfigError` unless each crop shows some of the image."""
    require_whole("data.augment.crop", reading.augment.crop, 0, min(height, width) - 1)  # beyond: padding alone
    return Augmentation(reading.augment, n, height, width, num_classes, reading.seed, reading.device)


def require_mirrored(reading: Reading, images: str) -> None:
    """Raise `ConfigError` for changes other than mirroring, of images of which a target says where something is."""
    for name in ("crop", "mixup", "cutmix", "erase"):
        if value := getattr(reading.augment, name):
            why = f"{images} are mirrored (data.augment.hflip), and changed in no other way"
            off = 0 if name == "crop" else "null"
            raise ConfigError(f"data.augment.{name}", value, why, f"give data.augment.{name}={off}")


def normaliser(mean: Tensor, std: Tensor, reading: Reading) -> Callable[[Tensor], Tensor]:
    """The function that maps raw images (n, C, H, W) uint8 to (x / 255 - mean) / std in float32.

    mean, std: (C,). Element by element, so the rest of the batch changes nothing.
    """
    mean, std = mean.to(reading.device), std.to(reading.device)
    centre, scale = (mean * 255).view(-1, 1, 1), (1 / (std * 255)).view(-1, 1, 1)
    return lambda x: x.float().sub_(centre).mul_(scale)


def formatted(x: Tensor, reading: Reading) -> Tensor:
    """Images in the run's memory format."""
    return x.contiguous(memory_format=torch.channels_last) if reading.channels_last else x
