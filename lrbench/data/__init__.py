"""Data sets: what a run trains on, whatever it is, and how it is read.

A data set is a class whose constructor takes its options by keyword, with two methods (`DataSet`):

- `info() -> DataInfo`: sizes, and the `spec` of which models and tasks take what they need by name. Cheap: constants
  and arithmetic on the options; nothing is loaded, so a schedule can be laid out before any data is there.
- `load(seed) -> Splits`: three disjoint splits, CPU tensors where they fit in memory. They depend on nothing but the
  seed and the options.

There are five kinds of splits in `kinds`, and a class of yours with a method `stream` is a sixth (`Split`):

- `Samples(tree)`: tensors in memory, in tuples, lists and dicts; row i of each is sample i. A batch is the same tree.
- `Images(x, y, mean, std, num_classes)`: images in memory; normalised and augmented by tensor operations.
- `Masked(x, mask, mean, std)`: images in memory with a class for every pixel.
- `ImageFiles(source, mean, std, num_classes)`: images read by worker processes when they are needed.
- `Boxed(images, boxes, labels, crowd, begins)`: `Images` or `ImageFiles` with boxes of classes.

To bring your own, write such a class in a module of yours and name it in a config level:

    _target_: my_package.my_data.MyData
    args: {val_size: 1000}

A text of which 10 characters predict the next, for instance:

    class Characters:
        def info(self):
            return DataInfo(900, 50, 50, {"vocab_size": 128, "length": 10}, sha256(TEXT).hexdigest(), tokens=10)

        def load(self, seed):
            blocks = torch.tensor(list(TEXT[:11000])).view(1000, 11)[draw_order(1000, seed)]
            return Splits(*(Samples({"tokens": part}) for part in blocks.split([900, 50, 50])))

An argument named `root` (in this package also `path`) is where the data lie; a run's identity leaves it out and takes
the fingerprint instead. A class may name in `later` options that it did not have before: at their defaults they are
left out, so that no run gets another identity by them. `in_memory = False` says that its splits are no tensors, which a
sweep's workers could share.
A module of this package says `NUMERICS = 1`, and raises it with every change of a number that it gives: it is part of
the runs' identity. Of a module of yours the source is, so that it needs nothing. `draw_order` below and
`kinds.labelled_images` are there to write `load` with. Importing this package, or a module of the data sets in it, does
not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from lrbench.errors import ConfigError
from lrbench.experiment import Augment
from lrbench.numbers import is_count
from lrbench.randomness import generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

UNCHANGED = Augment()

T = TypeVar("T")
Batch = Any  # tensors on the device, in tuples, lists and dicts as the task takes them


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set before it is loaded."""

    n_train: int | None  # samples of an epoch; None for an endless stream
    n_val: int
    n_test: int
    spec: Mapping[str, Any]  # what models and tasks ask of the data, by name; see `image_spec`
    fingerprint: str  # sha256 of the content the splits are drawn from, whatever the options
    tokens: int | None = None  # of each sample, where all have equally many: what a horizon in `tok` counts


@dataclass(frozen=True)
class Reading:
    """How a run reads its data. Each update takes `batch_size` samples, cut into `parts` equal parts, of which this
    process asks for `mine`."""

    batch_size: int
    seed: int
    augment: Augment = UNCHANGED
    channels_last: bool = False  # the memory format of images
    device: torch.device | str = "cpu"
    workers: int = 0  # processes that read from disk
    mine: range = range(1)
    parts: int = 1


class Stream(Protocol):
    """A split as it is read."""

    @property
    def per_epoch(self) -> int | None:
        """Updates of an epoch; None for a stream without end."""
        ...

    def batch(self, update: int, part: int = 0, parts: int = 1) -> Batch:
        """A part of an update's samples for training, on the device; a copy. The parts in order are the whole.

        A pure function of the seed and these three numbers, whatever was asked before: so a run can be resumed at any
        update, and a rank or a micro-batch makes its own part alone.
        """
        ...

    def in_order(self) -> Iterable[Batch]:
        """Every sample once, for evaluation, some at a time."""
        ...


class Split(Protocol):
    """One of three disjoint sets of samples."""

    def stream(self, reading: Reading) -> Stream:
        """Cheap: nothing is read or moved to the device yet. Raises `ConfigError` for what cannot be read so."""
        ...


class ImageSource(Protocol):
    """Images that do not fit in memory. Worker processes get a copy: it must pickle."""

    shape: tuple[int, int, int]  # of every image that is read: channels, height, width
    y: Tensor  # the labels, (n,) int64
    draws: int  # random numbers in [0, 1) that reading an image for training takes

    def read(self, row: int, draws: Tensor | None = None) -> Tensor:
        """One image, `shape` uint8: for training as these `draws` say, (draws,) float32; without, for evaluation.

        A pure function: a worker draws nothing itself. Raises `ConfigError` for an image that cannot be read.
        """
        ...


class Splits(NamedTuple, Generic[T]):
    """Three disjoint splits, or their streams."""

    train: T
    val: T
    test: T


class DataSet(Protocol):
    """What a data set offers; see the text above."""

    def info(self) -> DataInfo: ...

    def load(self, seed: int) -> Splits[Split]: ...


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
    if not is_count(value) or not low <= value <= high:
        raise ConfigError(option, repr(value), f"give a whole number from {low} to {high}")
