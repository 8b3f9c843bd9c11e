"""Batches of a data set that is read from disk, by worker processes; order and randomness are those of `batches`.

Every random number is drawn here, by generators keyed by (seed, epoch), and handed to the workers with the rows, so
their number changes nothing.
"""

import signal
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lrbench.data import Source, Split
from lrbench.data.augment import Augmentation
from lrbench.data.batches import UNCHANGED, normalised, normaliser, order, require_fit
from lrbench.errors import ConfigError
from lrbench.experiment import Augment
from lrbench.randomness import generator

CHUNK = 256  # images evaluated at a time

Request = tuple[NDArray[np.int64], NDArray[np.float32] | None]  # rows (b,), and what is drawn for them (b, draws)


class Loader:
    """The training batches of a `Source`: call it with the number of an update, as `Batches`, in any order.

    Asked for one update after the other, it finds them read ahead by `workers` processes; after a jump they start
    anew. 0 workers: images are read when they are asked for, in this process. Raises `ConfigError` where a batch is
    larger than the split, or an image cannot be read.
    """

    def __init__(
        self,
        source: Source,
        mean: Tensor,
        std: Tensor,
        batch_size: int,
        seed: int,
        augment: Augment = UNCHANGED,
        device: torch.device | str = "cpu",
        num_classes: int = 0,
        workers: int = 0,
    ) -> None:
        n, (_, height, width) = len(source.y), source.shape
        require_fit(batch_size, n, augment.crop, min(height, width))
        self.batch_size, self.per_epoch = batch_size, n // batch_size
        self._source, self._n, self._seed, self._device, self._workers = source, n, seed, torch.device(device), workers
        self._epoch: int | None = None  # the one whose order and augmentation are drawn
        self._next = -1  # the update that the stream gives next
        self._stream: Iterator[Tensor] = iter(())
        self._held: tuple[int, Tensor] | None = None  # the last update and its raw images: it may be asked for again
        self._augmentation = Augmentation(augment, n, height, width, num_classes, seed, device)
        self._normalise = normaliser(mean.to(device), std.to(device))

    def __call__(self, update: int) -> tuple[Tensor, Tensor]:
        """Images (batch_size, C, H, W) float32, normalised, and targets, as `Batches` gives them."""
        epoch, place = divmod(update, self.per_epoch)
        if epoch != self._epoch:
            self._order = order(self._n, self.batch_size, self._seed, epoch)
            self._augmentation.start(epoch)
            self._epoch = epoch
        x, rows = self._raw(update).to(self._device, non_blocking=True), self._order[place]
        y, rows = self._source.y[rows].to(self._device), rows.to(self._device)
        return self._augmentation.mixed(self._normalise(self._augmentation.moved(x, rows)), y, rows)

    def _raw(self, update: int) -> Tensor:
        """The images of an update as the source reads them, (batch_size, C, H, W) uint8."""
        if self._held is None or self._held[0] != update:
            if update != self._next:
                asked = requests(self._n, self._source.draws, self.batch_size, self._seed, update)
                self._stream = read(self._source, asked, self._device, self._workers)
            self._next = -1  # until the images are here
            self._held = update, next(self._stream)
            self._next = update + 1
        return self._held[1]


def requests(n: int, draws: int, batch_size: int, seed: int, update: int) -> Iterator[Request]:
    """What the workers are asked for, from an update on, without end. draws: how many numbers each image takes."""
    epoch, place = divmod(update, n // batch_size)
    while True:
        drawn = torch.rand(n, draws, generator=generator("augment", seed, epoch, "read"))
        for rows in order(n, batch_size, seed, epoch)[place:]:
            yield rows.numpy(), drawn[rows].numpy()
        epoch, place = epoch + 1, 0


def in_order(
    split: Split | Source, mean: Tensor, std: Tensor, device: torch.device | str = "cpu", workers: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """A whole split in order, for evaluation: normalised float32 images and labels on `device`, some at a time."""
    if isinstance(split, Split):
        yield from normalised(split, mean, std, device)
        return
    normalise = normaliser(mean.to(device), std.to(device))
    labels = split.y.split(CHUNK)
    asked: list[Request] = [(rows.numpy(), None) for rows in torch.arange(len(split.y)).split(CHUNK)]
    workers = workers if len(asked) > 1 else 0  # starting them takes longer than reading a few images
    for x, y in zip(read(split, asked, torch.device(device), workers), labels, strict=True):
        yield normalise(x.to(device)), y.to(device)


def read(source: Source, asked: Iterable[Request], device: torch.device, workers: int) -> Iterator[Tensor]:
    """The images of each request, (b, C, H, W) uint8, in memory from which they are copied fast to `device`."""
    loader: DataLoader[Any] = DataLoader(
        _Reading(source),
        batch_size=None,  # a request is a whole batch
        sampler=asked,
        num_workers=workers,
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

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getitem__(self, request: Request) -> Tensor | ConfigError:
        rows, draws = request
        drawn: list[Any] = [None] * len(rows) if draws is None else list(torch.from_numpy(draws))
        try:
            return torch.stack([self._source.read(int(row), d) for row, d in zip(rows, drawn, strict=True)])
        except ConfigError as error:
            return error
