"""Batches of images that are read from disk, by worker processes; order and randomness are those of `batches`.

Every random number is drawn here, by generators keyed by (seed, epoch), and handed to the workers with the rows, so
their number changes nothing.
"""

import signal
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lrbench.data import ImageSource, Reading
from lrbench.data.batches import asked_rows, augmentation, formatted, normaliser
from lrbench.data.samples import Order
from lrbench.errors import ConfigError
from lrbench.randomness import generator

CHUNK = 256  # images evaluated at a time

Key = tuple[int, int, int]  # update, part, parts
Request = tuple[NDArray[np.int64], NDArray[np.float32] | None]  # rows (b,), and what is drawn for them (b, draws)


class Loader:
    """The stream of images on disk: the batches that `Batches` gives of the same images in memory.

    Asked for the parts of this process (`Reading.mine`) one after the other, or for one and the same part of every
    update, it finds them read ahead by `workers` processes; after a jump they start anew. 0 workers: images are read
    when they are asked for, in this process. chunk: images evaluated at a time. Raises `ConfigError` where the crop is
    not smaller than the image, or an image cannot be read.
    """

    def __init__(
        self, source: ImageSource, mean: Tensor, std: Tensor, num_classes: int, reading: Reading, chunk: int = CHUNK
    ) -> None:
        self._source, self._reading, self._n, self._chunk = source, reading, len(source.y), chunk
        _, height, width = source.shape
        self._order = Order(self._n, reading.batch_size, reading.seed)
        self.per_epoch = self._order.per_epoch
        self._device = torch.device(reading.device)
        self._augmentation = augmentation(reading, self._n, height, width, num_classes)
        self._normalise = normaliser(mean, std, reading)
        self._next: Key | None = None  # what `_images` gives next
        self._coming: Iterator[Key] = iter(())  # what it gives after that
        self._images: Iterator[Tensor] = iter(())
        self._held: dict[Key, Tensor] = {}  # raw images of the last update: it may be asked for again

    def batch(self, update: int, part: int = 0, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Images (b, C, H, W) float32, normalised, and targets, as `Batches` gives them."""
        rows, size = asked_rows(self._order.rows(update), part, parts, self._augmentation.mixes)
        self._augmentation.start(update // self.per_epoch)
        x = self._raw((update, part, parts)).to(self._device, non_blocking=True)
        y, rows = self._source.y[rows].to(self._device), rows.to(self._device)
        x, y = self._augmentation.mixed(self._normalise(self._augmentation.moved(x, rows)), y, rows, size)
        return formatted(x, self._reading), y

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        asked: list[Request] = [(rows.numpy(), None) for rows in torch.arange(self._n).split(self._chunk)]
        workers = self._reading.workers if len(asked) > 1 else 0  # starting them takes longer than a few images
        images = read(self._source, asked, self._device, workers)
        for x, y in zip(images, self._source.y.split(self._chunk), strict=True):
            yield formatted(self._normalise(x.to(self._device)), self._reading), y.to(self._device)

    def _raw(self, key: Key) -> Tensor:
        """The images as the source reads them, (b, C, H, W) uint8, each part's own before their partners."""
        if key not in self._held:
            if key != self._next:
                self._coming, ahead = keys_from(key, self._reading), keys_from(key, self._reading)
                asked = requests(ahead, self._source, self._augmentation.mixes, self._reading)
                self._images = read(self._source, asked, self._device, self._reading.workers)
                next(self._coming)
            self._next = None  # until the images are here
            images = next(self._images)
            self._next = next(self._coming)
            self._held = {k: x for k, x in self._held.items() if k[0] == key[0]} | {key: images}
        return self._held[key]


# Functions, not methods: what reads ahead must not hold the loader that holds it, or its processes outlive it.
def keys_from(key: Key, reading: Reading) -> Iterator[Key]:
    """What is asked for from here on, without end."""
    update, part, parts = key
    together = parts == reading.parts and part in reading.mine
    mine = reading.mine if together else range(part, part + 1)
    yield from ((update, p, parts) for p in mine if p >= part)
    yield from ((later, p, parts) for later in count(update + 1) for p in mine)


def requests(keys: Iterable[Key], source: ImageSource, mixes: bool, reading: Reading) -> Iterator[Request]:
    """What the workers are asked for."""
    n = len(source.y)
    order, drawn, epoch = Order(n, reading.batch_size, reading.seed), torch.empty(0), -1
    for update, part, parts in keys:
        rows, _ = asked_rows(order.rows(update), part, parts, mixes)
        if update // order.per_epoch != epoch:
            epoch = update // order.per_epoch
            drawn = torch.rand(n, source.draws, generator=generator("augment", reading.seed, epoch, "read"))
        yield rows.numpy(), drawn[rows].numpy()


def read(source: ImageSource, asked: Iterable[Request], device: torch.device, workers: int) -> Iterator[Tensor]:
    """The images of each request, (b, C, H, W) uint8, in memory from which they are copied fast to `device`."""
    loader: DataLoader[Any] = DataLoader(
        _Reading(source),
        batch_size=None,  # a request is a whole batch
        sampler=asked,
        num_workers=workers,
        # Forked from whoever trains: a worker of a sweep would have a server fork them, which they would then watch in
        # place of it, and outlive it.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # it draws seeds for the workers: not from the default generator
    )
    # A terminal sends Ctrl-C to every process: workers are born with it blocked, since the run ends them in order.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        stream = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for images in stream:
        if isinstance(images, ConfigError):
            raise images
        yield images


class _Reading(Dataset[Any]):
    """What a worker does with a request. A refusal is returned: raised, it would come back inside a traceback."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    def __getitem__(self, request: Request) -> Tensor | ConfigError:
        rows, draws = request
        drawn: list[Any] = [None] * len(rows) if draws is None else list(torch.from_numpy(draws))
        try:
            return torch.stack([self._source.read(int(row), d) for row, d in zip(rows, drawn, strict=True)])
        except ConfigError as error:
            return error
