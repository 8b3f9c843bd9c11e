"""A text, a model that predicts its next character, and the task between them: no images, no classes, no mean over
samples."""

import pydoc_data.topics
from hashlib import sha256
from math import exp

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lrbench.data import DataInfo, Splits, draw_order
from lrbench.data.kinds import Samples
from lrbench.metrics import Metric

TOPICS = [text[: 100 + 5 * i] for i, text in enumerate([*pydoc_data.topics.topics.values()][:40])]
PADDING = 0


class Topics:
    """Python's help in blocks of `length` + 1 characters; the last of a topic is filled up with padding."""

    def __init__(self, length=24):
        self.length = length
        starts = [(text, at) for text in TOPICS for at in range(0, len(text), length)]
        self.blocks = [text[at : at + length + 1] for text, at in starts]

    def info(self):
        n = len(self.blocks)
        content = sha256("".join(TOPICS).encode()).hexdigest()
        return DataInfo(n - 200, 100, 100, {"vocab_size": 128, "length": self.length}, content, tokens=self.length)

    def load(self, seed):
        rows = [[min(ord(c), 127) for c in block.ljust(self.length + 1, chr(PADDING))] for block in self.blocks]
        blocks = torch.tensor(rows)[draw_order(len(rows), seed)]
        return Splits(*(Samples({"tokens": part}) for part in blocks.split([len(rows) - 200, 100, 100])))


class Recurrent(nn.Module):
    """Tokens (n, length) to logits (n, length, vocab_size)."""

    def __init__(self, vocab_size, width=16):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(vocab_size, width), nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, vocab_size)

    def forward(self, tokens):
        return self.head(self.rnn(self.embedding(tokens))[0])


class NextToken:
    """Cross-entropy of the next token, over the tokens that are no padding."""

    def metrics(self, spec):
        return (Metric("perplexity", higher_is_better=False, low=1.0, chance=float(spec["vocab_size"])),)

    def loss(self, model, batch):
        tokens = batch["tokens"]
        return cross_entropy(model(tokens[:, :-1]).mT, tokens[:, 1:], ignore_index=PADDING, reduction="sum")

    def weight(self, batch):
        return (batch["tokens"][:, 1:] != PADDING).sum()

    def meter(self):
        return Perplexity(self)


class Perplexity:
    """exp of the mean cross-entropy of all tokens: no mean of anything over samples."""

    def __init__(self, task):
        self.task, self.loss, self.tokens = task, 0.0, 0.0

    def add(self, model, batch):
        self.loss += float(self.task.loss(model, batch))
        self.tokens += float(self.task.weight(batch))

    def result(self):
        return {"perplexity": exp(self.loss / self.tokens)}
