"""What the tasks of texts share: what they ask of the data, and the measures of a text.

A batch is a mapping (`lrbench.data.blocks`): `tokens` (n, length + 1) int64, a block and the first token of the next;
`key` (n,) int64, of each sample in each epoch another; `characters` (vocab_size,) float32, of each token of the
vocabulary.
"""

from collections.abc import Mapping
from math import log, log2
from typing import Any

import torch
from torch import Tensor

from lrbench.metrics import Metric

Batch = Mapping[str, Tensor]
LN2 = log(2)


def measures(spec: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Loss, perplexity and bits per character of a text; chance is what a guess among equally likely tokens reaches."""
    size = spec["vocab_size"]
    return (
        Metric("loss", "nats", higher_is_better=False, low=0.0, chance=log(size)),
        Metric("perplexity", higher_is_better=False, low=1.0, chance=float(size)),
        Metric(
            "bits_per_character",
            "bits",
            higher_is_better=False,
            low=0.0,
            chance=log2(size) / spec["characters_per_token"],
        ),
    )


class Sums:
    """Cross-entropy in nats, tokens and their characters, summed over what is measured, in double precision."""

    def __init__(self) -> None:
        self.nats, self.tokens, self.characters = 0.0, 0, 0.0

    def add(self, logits: Tensor, target: Tensor, characters: Tensor) -> None:
        """logits: (m, classes); target: (m,) int64; characters: of each token of the vocabulary."""
        losses = torch.nn.functional.cross_entropy(logits.float(), target, reduction="none")  # bfloat16 under autocast
        self.nats += losses.double().sum().item()
        self.tokens += len(target)
        self.characters += characters[target].double().sum().item()

    def result(self) -> dict[str, float]:
        """Perplexity is exp(nats / tokens): no mean of anything over samples; infinite where that is too large."""
        loss = self.nats / self.tokens
        perplexity = float(torch.tensor(loss, dtype=torch.float64).exp())
        return {"loss": loss, "perplexity": perplexity, "bits_per_character": self.nats / LN2 / self.characters}
