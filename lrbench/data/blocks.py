"""A text in blocks of equal length: which of them an update sees, and their batches.

The tokens stay one after the other in memory; a batch is cut out of them when it is asked for.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data import UNCHANGED, Reading
from lrbench.data.samples import Order, part_of
from lrbench.errors import ConfigError
from lrbench.randomness import seed_of

MOST_TOKENS, MOST_LOGITS = 2**14, 2**26  # of a batch in evaluation: bounds of its memory


class BlockStream:
    """A batch is a mapping: `tokens` (n, length + 1) int64, a block and the first token of the next; `key` (n,) int64,
    in training another for every sample of every epoch; `characters` (vocab_size,) float32, of each token.

    tokens: (N,), of the whole split. Block i begins at i x length: nothing is seen twice in an epoch but a block's last
    token, which is only to be predicted. What is left at the end, less than a block, is left out.
    """

    def __init__(self, tokens: NDArray[Any], length: int, characters: NDArray[np.float32], reading: Reading) -> None:
        if reading.augment != UNCHANGED:
            why = "only images are augmented, and these data are none"
            raise ConfigError("data.augment", "", why, "leave it as it is")
        self._held, self._length, self._reading = tokens, length, reading
        self._counts = characters
        self._n = (len(tokens) - 1) // length
        self._order = Order(self._n, reading.batch_size, reading.seed, reading.device)
        self.per_epoch = self._order.per_epoch

    @cached_property
    def _tokens(self) -> Tensor:
        """As narrow as they are: a text on the device takes a byte or two a token."""
        kind = next(t for t in (np.uint8, np.int16, np.int32) if int(self._held.max()) <= np.iinfo(t).max)
        return torch.from_numpy(self._held.astype(kind)).to(self._reading.device)

    @cached_property
    def _characters(self) -> Tensor:
        return torch.from_numpy(self._counts).to(self._reading.device)

    def batch(self, update: int, part: int = 0, parts: int = 1) -> dict[str, Tensor]:
        rows = part_of(self._order.rows(update), part, parts)
        return self._at(rows, _signed(seed_of("mask", self._reading.seed, update // self.per_epoch)))

    def in_order(self) -> Iterator[dict[str, Tensor]]:
        """The keys are the same under every seed: what is hidden of a validation set never changes."""
        rows = min(MOST_TOKENS // self._length, MOST_LOGITS // (self._length * len(self._counts)))
        for some in torch.arange(self._n, device=self._reading.device).split(max(1, rows)):
            yield self._at(some, 0)

    def _at(self, rows: Tensor, base: int) -> dict[str, Tensor]:
        places = rows[:, None] * self._length + torch.arange(self._length + 1, device=rows.device)
        return {"tokens": self._tokens[places].long(), "key": rows + base, "characters": self._characters.clone()}


def _signed(seed: int) -> int:
    """64 bits in two's complement, so that a tensor holds them; a row's number may be added to it."""
    return seed - (1 << 64) if seed >> 63 else seed
