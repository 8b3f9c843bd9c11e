"""A stream without end: every update draws samples that no other sees. Models and tasks of images go with it."""

from hashlib import sha256

import torch

from lrbench.data import DataInfo, Splits, image_spec
from lrbench.data.samples import part_of
from lrbench.randomness import generator


class Endless:
    """Points in 20 dimensions, their classes told by a random linear teacher."""

    def info(self):
        return DataInfo(None, 200, 200, image_spec(1, 4, 5, 3), sha256(b"endless").hexdigest())

    def load(self, seed):
        return Splits(*(Points((seed, part)) for part in ("train", "val", "test")))


class Points:
    def __init__(self, key):
        self.key = key

    def stream(self, reading):
        return PointStream(self.key, reading.batch_size)


class PointStream:
    per_epoch = None

    def __init__(self, key, batch_size):
        self.key, self.batch_size = key, batch_size
        self.teacher = torch.randn(20, 3, generator=generator("teacher", key[0]))

    def batch(self, update, part=0, parts=1):
        x = torch.randn(self.batch_size, 1, 4, 5, generator=generator("points", *self.key, update))
        x = part_of(x, part, parts)
        return x, (x.flatten(1) @ self.teacher).argmax(1)

    def in_order(self):
        for update in range(-(-200 // self.batch_size)):
            yield tuple(t[: 200 - update * self.batch_size] for t in self.batch(update))
