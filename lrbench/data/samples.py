"""Which samples an update sees, and batches of any tensors held in memory.

The order is drawn on the CPU, once an epoch, from a generator keyed by (seed, epoch).
"""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from lrbench.data import UNCHANGED, Batch, Reading
from lrbench.data.tree import leaves, tree_map
from lrbench.errors import ConfigError
from lrbench.randomness import generator

CHUNK = 1000  # samples evaluated at a time


class Order:
    """The rows of each update: every epoch a new order of n samples, whose last n % batch_size are left out."""

    def __init__(self, n: int, batch_size: int, seed: int, device: torch.device | str = "cpu") -> None:
        self.per_epoch = n // batch_size
        self.epoch: int | None = None  # the one whose order is drawn
        self._n, self._batch_size, self._seed, self._device = n, batch_size, seed, device

    def rows(self, update: int) -> Tensor:
        """(batch_size,) int64, on the device. Raises `ConfigError` where a batch is larger than the split."""
        if not self.per_epoch:
            raise ConfigError(
                "batch_size",
                self._batch_size,
                f"an update takes at most the {self._n} samples of the training set",
                "give a smaller batch, or a larger training set",
            )
        epoch, place = divmod(update, self.per_epoch)
        if epoch != self.epoch:
            rows = torch.randperm(self._n, generator=generator("order", self._seed, epoch))
            kept = rows[: self.per_epoch * self._batch_size].to(self._device)
            self._batches, self.epoch = kept.split(self._batch_size), epoch
        return self._batches[place]


def part_of(rows: Tensor, part: int, parts: int) -> Tensor:
    """One of so many equal parts."""
    return rows if parts == 1 else rows.chunk(parts)[part]


class SampleBatches:
    """The stream of a tree of tensors, each (n, ...). They are moved to the device when they are first asked for."""

    def __init__(self, tree: Batch, reading: Reading) -> None:
        if reading.augment != UNCHANGED:
            raise ConfigError(
                "data.augment", "", "only images are augmented, and these data are none", "leave it as it is"
            )
        sizes = {len(tensor) for tensor in leaves(tree)}
        if len(sizes) != 1:
            raise ValueError(f"the tensors of a split hold one row a sample, not {sorted(sizes)} of them")
        (self._n,), self._device = sizes, reading.device
        self._order = Order(self._n, reading.batch_size, reading.seed, reading.device)
        self.per_epoch = self._order.per_epoch
        self._held = tree

    @cached_property
    def _tree(self) -> Batch:
        return tree_map(lambda tensor: tensor.to(self._device), self._held)

    def batch(self, update: int, part: int = 0, parts: int = 1) -> Batch:
        return self._at(part_of(self._order.rows(update), part, parts))

    def in_order(self) -> Iterator[Batch]:
        for rows in torch.arange(self._n, device=self._device).split(CHUNK):
            yield self._at(rows)

    def _at(self, rows: Tensor) -> Batch:
        return tree_map(lambda tensor: tensor.index_select(0, rows), self._tree)
