"""Masked language modelling: fill the gaps of a text from both sides (Devlin et al. 2018, BERT, section 3.1).

Which tokens are hidden, and by what, is a pure function of a sample's key, which its data draw anew in every epoch and
keep in validation: a hash and no generator, so that neither a resume nor a cut into micro-batches changes a mask.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.numbers import is_number
from lrbench.tasks import Model
from lrbench.tasks.text import Batch, Sums, measures

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 1

MASK, OTHER = 80, 10  # percent of the chosen tokens that become the mask, and another token; the rest stay
GOLDEN = -0x61C8864680B583EB  # 2^64 / the golden ratio, odd, in two's complement: the step of splitmix64
MIX = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)  # 0xBF58476D1CE4E5B9 and 0x94D049BB133111EB, its multipliers


class Hidden(NamedTuple):
    """tokens: (n, length), some hidden. places: (n, k) int64, which were chosen. target: (n, k), what they were."""

    tokens: Tensor
    places: Tensor
    target: Tensor


class MaskedLM:
    """Of texts in blocks: cross-entropy of the model's logits (n, length, classes) at the chosen tokens.

    mask_share: of the tokens of a block that are chosen, in (0, 1): 15 % in BERT, of each block the same number, at
    least one. Of these, 80 % become the mask, whose id is `vocab_size`, 10 % any other token, 10 % stay as they are.
    Raises `ConfigError` on a bad value.
    """

    causal = False  # the model must see what follows

    def __init__(self, mask_share: float = 0.15) -> None:
        if not is_number(mask_share) or not 0 < mask_share < 1:
            raise ConfigError("task.args.mask_share", repr(mask_share), "give a number between 0 and 1 (0.15 is usual)")
        self.mask_share = mask_share

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Loss, perplexity and bits per character of the chosen tokens, each given all the others (a
        pseudo-likelihood, not comparable with a causal model's), and the share of them that is guessed right."""
        found = measures(spec)
        chance = 1 / spec["vocab_size"]
        return (*found, Metric("accuracy", "%", higher_is_better=True, low=0.0, high=1.0, chance=chance))

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum over the chosen tokens, in nats: a scalar."""
        found, target = self._answers(model, batch)
        return cross_entropy(found, target, reduction="sum")

    def weight(self, batch: Batch) -> int:
        """The chosen tokens."""
        n, longer = batch["tokens"].shape
        return n * self._chosen(longer - 1)

    def meter(self) -> "Gaps":
        return Gaps(self)

    def hidden(self, batch: Batch) -> Hidden:
        """The blocks of a batch with some tokens hidden: those of the smallest hashes, as these say."""
        tokens, vocab_size = batch["tokens"][:, :-1], len(batch["characters"])
        key, length = mixed(batch["key"])[:, None], tokens.shape[1]
        at = torch.arange(length, device=tokens.device)
        places = _hash(key, at).topk(self._chosen(length), dim=1, largest=False, sorted=False).indices
        places = places.sort(dim=1).values
        target = tokens.gather(1, places)
        by, other = _hash(key, places + length) % 100, _hash(key, places + 2 * length) % max(1, vocab_size - 1)
        other = other + (other >= target)  # any token but the one that is there
        new = torch.where(by < MASK, vocab_size, torch.where(by < MASK + OTHER, other, target))
        return Hidden(tokens.scatter(1, places, new), places, target)

    def _chosen(self, length: int) -> int:
        return max(1, round(self.mask_share * length))

    def _answers(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (m, classes) of all chosen tokens, and what these were, (m,)."""
        tokens, places, target = self.hidden(batch)
        logits = model(tokens)
        found = logits.gather(1, places[:, :, None].expand(-1, -1, logits.shape[2]))
        return found.flatten(0, 1), target.flatten()


class Gaps:
    """The measures of a text over the chosen tokens, and the share that is guessed right."""

    def __init__(self, task: MaskedLM) -> None:
        self._task, self._sums, self._right = task, Sums(), 0

    def add(self, model: Model, batch: Batch) -> None:
        found, target = self._task._answers(model, batch)
        self._sums.add(found, target, batch["characters"])
        self._right += int((found.argmax(1) == target).sum())

    def result(self) -> dict[str, float]:
        return {**self._sums.result(), "accuracy": self._right / self._sums.tokens}


def mixed(x: Tensor) -> Tensor:
    """splitmix64's output function (Steele, Lea & Flood 2014) of int64 as 64 bits: neighbours become unlike numbers."""
    x = (x ^ _shifted(x, 30)) * MIX[0]
    x = (x ^ _shifted(x, 27)) * MIX[1]
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, by: int) -> Tensor:
    """To the right, zeros coming in: torch copies the sign."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _hash(key: Tensor, at: Tensor) -> Tensor:
    """A number in [0, 2^63) for each place of each sample."""
    return _shifted(mixed(key + (at + 1) * GOLDEN), 1)
