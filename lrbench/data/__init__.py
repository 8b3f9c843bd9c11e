"""Data sets: labelled images, held in memory where they fit, else read from disk by workers.

A data set is a class whose constructor takes its options by keyword, with two methods (`DataSet`):

- `info() -> DataInfo`: sizes and shapes. Cheap: constants and arithmetic on the options; nothing is loaded,
  so a schedule can be laid out before any data is there.
- `load(seed) -> Splits`: three disjoint splits, each a `Split` of CPU tensors, or a `Source` that reads an image when
  it is needed. They depend on nothing but the seed and the options.

To bring your own, write such a class in a module of yours and name it in a config level:

    _target_: my_package.my_data.MyData
    args: {val_size: 1000}
    augment: {crop: 0, hflip: false}

An argument named `root` is where the data lie; a run's identity leaves it out and takes the fingerprint instead.
`draw_order` and `mean_and_std` below are there to write `load` with. Importing this package, or a module of
the data sets in it, does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lrbench.errors import ConfigError
from lrbench.randomness import generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set before it is loaded."""

    n_train: int
    n_val: int
    n_test: int
    spec: Mapping[str, Any]  # what models and tasks ask of the data, by name; see `image_spec`
    fingerprint: str  # sha256 of the content the splits are drawn from, whatever the options


class Split(NamedTuple):
    """Images `x`, (n, C, H, W) uint8, and their labels `y`, (n,) int64."""

    x: Tensor
    y: Tensor

    def to(self, device: torch.device | str) -> Split:
        return Split(self.x.to(device), self.y.to(device))


class Source(Protocol):
    """A split that does not fit in memory. Worker processes get a copy: it must pickle."""

    shape: tuple[int, int, int]  # of every image that is read: channels, height, width
    y: Tensor  # the labels, (n,) int64
    draws: int  # random numbers in [0, 1) that reading an image for training takes

    def read(self, row: int, draws: Tensor | None = None) -> Tensor:
        """One image, `shape` uint8: for training as these `draws` say, (draws,) float32; without, for evaluation.

        A pure function: a worker draws nothing itself. Raises `ConfigError` for an image that cannot be read.
        """
        ...


class Splits(NamedTuple):
    """Three disjoint splits, all in memory or none; mean and standard deviation, (C,) float32, of the training pixels
    in [0, 1]."""

    train: Split | Source
    val: Split | Source
    test: Split | Source
    mean: Tensor
    std: Tensor


class DataSet(Protocol):
    """What a data set offers; see the text above."""

    def info(self) -> DataInfo: ...

    def load(self, seed: int) -> Splits: ...


def image_spec(channels: int, height: int, width: int, num_classes: int) -> dict[str, Any]:
    """The spec of labelled images: `shape`, (channels, height, width), and `num_classes`."""
    return {"shape": (channels, height, width), "num_classes": num_classes}


def draw_order(n: int, seed: int) -> Tensor:
    """The permutation of n samples, (n,) int64, from which the splits of this seed are cut."""
    import torch

    return torch.randperm(n, generator=generator("split", seed))


def mean_and_std(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population standard deviation of each channel of x, (n, C, H, W) uint8, scaled to [0, 1].

    Returns two (C,) float32 tensors. Taken from the exact histogram in float64, so they depend on neither the
    order of the images nor the number of threads. A constant channel gets the deviation 1, so that one can
    divide by it.
    """
    import torch

    values = torch.arange(256, dtype=torch.float64) / 255
    counts = torch.stack([torch.bincount(channel.reshape(-1), minlength=256) for channel in x.unbind(1)])
    weights = counts.double() / counts.sum(1, keepdim=True)
    mean = (weights * values).sum(1)
    std = (weights * (values - mean[:, None]).square()).sum(1).sqrt()
    constant = (counts > 0).sum(1) == 1
    return mean.float(), torch.where(constant, 1.0, std).float()


def require_whole(option: str, value: int, low: int, high: int) -> None:
    """Raise `ConfigError` unless `value` is a whole number from `low` to `high`, both included."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{option}={value!r}: give a whole number from {low} to {high}.")
