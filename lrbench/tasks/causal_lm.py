"""Causal language modelling: predict each next token from those before it (Radford et al. 2018, GPT)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from lrbench.metrics import Metric
from lrbench.tasks import Model
from lrbench.tasks.text import Batch, Sums, measures

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 1


class CausalLM:
    """Of texts in blocks: cross-entropy of the model's logits (n, length, vocab_size) of the tokens (n, length) against
    the token after each. Every token of a split but its first is predicted once, from its own block alone."""

    causal = True  # the model must not see what follows

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Loss, perplexity, and bits per character, which compares texts cut into other tokens."""
        return measures(spec)

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum over the predicted tokens, in nats: a scalar."""
        tokens = batch["tokens"]
        return cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")

    def weight(self, batch: Batch) -> int:
        """The predicted tokens."""
        return batch["tokens"][:, 1:].numel()

    def meter(self) -> "NextTokens":
        return NextTokens()


class NextTokens:
    """The measures of a text over all predicted tokens."""

    def __init__(self) -> None:
        self._sums = Sums()

    def add(self, model: Model, batch: Batch) -> None:
        tokens = batch["tokens"]
        self._sums.add(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten(), batch["characters"])

    def result(self) -> dict[str, float]:
        return self._sums.result()
