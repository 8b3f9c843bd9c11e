"""Models and data for the tests of sweeps: worker processes find them by `_target_`."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import nn

from lrbench.data.digits import Digits
from lrbench.models.mlp import mlp


class _Acting(nn.Module):
    """A perceptron that does something before every forward pass of training."""

    def __init__(self, inner, act):
        super().__init__()
        self.inner, self.act = inner, act

    def forward(self, x):
        if self.training:
            self.act()
        return self.inner(x)


def slow(shape, num_classes, pause=0.02):
    """Takes its time over every update."""
    return _Acting(mlp(shape, num_classes, [8]), lambda: time.sleep(pause))


def deadly(shape, num_classes, after=0):
    """Kills its process in forward pass `after`, as a lack of memory would."""
    passes = []

    def act():
        passes.append(1)
        if len(passes) > after:
            os.kill(os.getpid(), signal.SIGKILL)

    return _Acting(mlp(shape, num_classes, [8]), act)


def burning(shape, num_classes):
    """Fails."""

    def act():
        raise RuntimeError("the device caught fire")

    return _Acting(mlp(shape, num_classes, [8]), act)


def telling(shape, num_classes, path=""):
    """Writes down the process and its threads, once a run."""

    def act():
        with Path(path).open("a") as file:
            file.write(f"{os.getpid()} {torch.get_num_threads()} {torch.get_num_interop_threads()}\n")

    return _Acting(mlp(shape, num_classes, [8]), act)


class Counted(Digits):
    """The digits, which write down every load: its process and seed."""

    def __init__(self, path, val_size=360, test_size=360):
        super().__init__(val_size, test_size)
        self.path = path

    def load(self, seed):
        with Path(self.path).open("a") as file:
            file.write(f"{os.getpid()} {seed}\n")
        return super().load(seed)
