"""Batches of a data set held in memory: each is a pure function of the seed and the number of the update.

Order and augmentation are drawn on the CPU, once an epoch, from generators keyed by (seed, epoch). All work
on images is done on whole batches by tensor operations on the device that holds them (`augment`); nothing loops
over images.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lrbench.data import Split, require_whole
from lrbench.data.augment import Augmentation
from lrbench.errors import ConfigError
from lrbench.experiment import Augment
from lrbench.randomness import generator

# Part of the identity of every run. Raise it with any change that alters the batches of a seed.
NUMERICS = 1

UNCHANGED = Augment()
FLOAT_LIMIT = 256 * 2**20  # bytes: up to here, images that are not augmented are kept as normalised float32


class Batches:
    """The training batches: call it with the number of an update, counted from 0, in any order.

    split: images (n, C, H, W) uint8 and labels (n,); mean, std: (C,), of pixels in [0, 1]. They are moved to
    `device`. Every epoch visits the samples in a new order and leaves out the last n % batch_size. What is drawn to
    augment a sample in an epoch depends on the seed, the epoch and its row in the split, not on its place in a batch
    or the batch size; mixup and cutmix need `num_classes`. Raises `ConfigError` where a batch is larger than the
    split, or the crop not smaller than the image.
    """

    def __init__(
        self,
        split: Split,
        mean: Tensor,
        std: Tensor,
        batch_size: int,
        seed: int,
        augment: Augment = UNCHANGED,
        device: torch.device | str = "cpu",
        num_classes: int = 0,
    ) -> None:
        n, _, height, width = split.x.shape
        require_fit(batch_size, n, augment.crop, min(height, width))
        self.batch_size, self.per_epoch = batch_size, n // batch_size
        self._n, self._seed, self._device = n, seed, device
        self._epoch: int | None = None  # the one whose order and augmentation are drawn
        self._augmentation = Augmentation(augment, n, height, width, num_classes, seed, device)
        self._normalise = normaliser(mean.to(device), std.to(device))
        x, self._y = split.x.to(device), split.y.to(device)
        # Ready-made floats save time in every batch; bytes take a quarter of the memory.
        self._ready = not self._augmentation.moves and x.numel() * 4 <= FLOAT_LIMIT
        self._x = self._normalise(x) if self._ready else x

    def __call__(self, update: int) -> tuple[Tensor, Tensor]:
        """Images (batch_size, C, H, W) float32, normalised, and the targets of this update: labels (batch_size,)
        int64, or with mixup or cutmix (batch_size, num_classes) float32.

        They are copies: the caller may change them.
        """
        epoch, place = divmod(update, self.per_epoch)
        if epoch != self._epoch:
            self._order = [rows.to(self._device) for rows in order(self._n, self.batch_size, self._seed, epoch)]
            self._augmentation.start(epoch)
            self._epoch = epoch
        rows = self._order[place]
        x, y = self._x.index_select(0, rows), self._y.index_select(0, rows)
        if not self._ready:
            x = self._normalise(self._augmentation.moved(x, rows))
        return self._augmentation.mixed(x, y, rows)


def order(n: int, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The rows of each batch of an epoch, (batch_size,) int64 each; the last n % batch_size are left out."""
    rows = torch.randperm(n, generator=generator("order", seed, epoch))
    return rows[: n - n % batch_size].split(batch_size)


def normaliser(mean: Tensor, std: Tensor) -> Callable[[Tensor], Tensor]:
    """The function that maps raw images (n, C, H, W) uint8 to (x / 255 - mean) / std in float32.

    mean, std: (C,), on the device of the images. Element by element, so the rest
    of the batch changes nothing.
    """
    centre, scale = (mean * 255).view(-1, 1, 1), (1 / (std * 255)).view(-1, 1, 1)
    return lambda x: x.float().sub_(centre).mul_(scale)


def normalised(
    split: Split, mean: Tensor, std: Tensor, device: torch.device | str = "cpu", chunk: int = 1000
) -> Iterator[tuple[Tensor, Tensor]]:
    """A whole split in order, for evaluation: normalised float32 images and labels, `chunk` at a time.

    They come on `device`. A split that is there already is not copied, so move one that is evaluated often.
    """
    normalise = normaliser(mean.to(device), std.to(device))
    for x, y in zip(split.x.split(chunk), split.y.split(chunk), strict=True):
        yield normalise(x.to(device)), y.to(device)


def require_fit(batch_size: int, n: int, crop: int, side: int) -> None:
    """Raise `ConfigError` unless n samples fill a batch and each crop shows some of the image."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= n:
        raise ConfigError(
            f"batch_size={batch_size!r}: an update takes at least 1 sample and at most the {n} of the "
            f"training set; give a whole number from 1 to {n}, or a larger training set."
        )
    require_whole("data.augment.crop", crop, 0, side - 1)  # from `side` on it could show padding alone
