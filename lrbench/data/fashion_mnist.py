"""Fashion-MNIST: 70,000 grey images of clothing, 28 x 28 pixels, 10 classes.

Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset", 2017; licence MIT.

The four files are looked for, as plain IDX or inside gzip, in this order:

1. `$LRBENCH_DATA`: in its folders `fashion-mnist` and `FashionMNIST/raw`, and in itself;
2. `/usr/share/datasets/fashion-mnist`, where Debian's package `dataset-fashion-mnist` puts them;
3. torchvision's download, kept in `$LRBENCH_DATA`, or in `~/.cache/lrbench` where that is not set.

Wherever they come from, their unzipped bytes must be the known ones.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.data import DataInfo, Split, Splits, draw_order, image_spec, local, require_whole
from lrbench.data.kinds import labelled_images
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters the tensors it
# returns for the same options and seed, so that old runs are not taken for new ones.
NUMERICS = 1

SHA256 = {  # of the unzipped files
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FINGERPRINT = sha256("".join(SHA256.values()).encode()).hexdigest()
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
POOL, TEST, SIDE, CLASSES = 60_000, 10_000, 28, 10
ALL = tuple(range(CLASSES))


class FashionMNIST:
    """Fashion-MNIST with its public test set; the seed draws training and validation from the other 60,000.

    resolution: height and width in pixels, 1 to 28; below 28 the images are averaged over areas.
    train_size, val_size: number of images; together at most 60,000.
    classes: the labels whose images there are, [5, 6, 7, 8, 9] say, which become 0, 1, ... in the order they are given;
    null for all. The public files have as many images of each. What is pretrained on some can be fine-tuned on others.
    Raises `ConfigError` for values that do not fit.
    """

    later = ("classes",)

    def __init__(
        self,
        resolution: int = 28,
        train_size: int = 55000,
        val_size: int = 5000,
        classes: Sequence[int] | None = None,
    ) -> None:
        self.classes = _required_classes(classes)
        pool = POOL // CLASSES * len(self.classes)
        require_whole("data.args.resolution", resolution, 1, SIDE)
        require_whole("data.args.train_size", train_size, 1, pool - 1)
        require_whole("data.args.val_size", val_size, 1, pool - 1)
        if train_size + val_size > pool:
            raise ConfigError(
                "data.args.train_size",
                f"{train_size} with data.args.val_size={val_size}",
                f"Fashion-MNIST has {pool} images of {len(self.classes)} classes beside its test set",
                f"make their sum at most {pool}",
            )
        self.resolution, self.train_size, self.val_size = resolution, train_size, val_size

    def info(self) -> DataInfo:
        """Sizes and shapes; nothing is read."""
        spec = image_spec(1, self.resolution, self.resolution, len(self.classes))
        return DataInfo(self.train_size, self.val_size, TEST // CLASSES * len(self.classes), spec, FINGERPRINT)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` where the files cannot be had, or have changed."""
        import torch

        folder = _find() or _download()
        x, y = _images(folder, "train", POOL), _labels(folder, "train")
        # Training comes first, validation from the end: a larger training set includes a smaller one, and
        # neither size changes which images are in the other split.
        order = self._of_classes(y, draw_order(POOL, seed))
        train, val = (
            (shrink(x[rows], self.resolution), self._renamed(y[rows]))
            for rows in (order[: self.train_size], order[len(order) - self.val_size :])
        )
        x, y = _images(folder, "t10k", TEST), _labels(folder, "t10k")
        if self.classes != ALL:
            rows = self._of_classes(y, torch.arange(TEST))
            x, y = x[rows], self._renamed(y[rows])
        return labelled_images(train, val, (shrink(x, self.resolution), y), len(self.classes))

    def _of_classes(self, y: Tensor, rows: Tensor) -> Tensor:
        """Of the rows, in their order, those whose label is one of the classes."""
        import torch

        return rows if self.classes == ALL else rows[torch.isin(y[rows], torch.tensor(self.classes))]

    def _renamed(self, y: Tensor) -> Tensor:
        """Labels as places in the classes."""
        import torch

        if self.classes == ALL:
            return y
        place = torch.zeros(CLASSES, dtype=torch.int64)
        place[list(self.classes)] = torch.arange(len(self.classes))
        return place[y]


def _required_classes(classes: Sequence[int] | None) -> tuple[int, ...]:
    """Raises ConfigError."""
    if classes is None:
        return ALL
    cure = f"give two or more of the labels 0 to {CLASSES - 1}, each once, such as [5,6,7,8,9], or null for all"
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise ConfigError("data.args.classes", repr(classes), "this is no list of labels", cure)
    wrong = [c for c in classes if type(c) is not int or not 0 <= c < CLASSES]
    if wrong or len(set(classes)) != len(classes) or len(classes) < 2:
        why = f"{wrong[0]!r} is no label" if wrong else "a class is named twice" if len(classes) > 1 else "too few"
        raise ConfigError("data.args.classes", list(classes), why, cure)
    return tuple(classes)


def shrink(images: Tensor, resolution: int) -> Tensor:
    """Uint8 images (n, 1, S, S) averaged over areas to (n, 1, resolution, resolution), rounded half up.

    Every new pixel is the mean of the area it covers, pixels cut by its border counting by their share. The
    shares are whole numbers of 1/resolution pixel, so all sums are exact: the result is the same on every
    machine.
    """
    import torch

    side = images.shape[-1]
    if resolution == side:
        return images
    old = torch.arange(side) * resolution  # left edges on a grid of side * resolution ticks
    new = torch.arange(resolution)[:, None] * side
    share = (torch.minimum(old + resolution, new + side) - torch.maximum(old, new)).clamp(min=0).double()
    small = torch.empty(len(images), 1, resolution, resolution, dtype=torch.uint8)
    for source, result in zip(images.split(5000), small.split(5000), strict=True):
        # In pieces, as float64 takes eight times the memory.
        total = share @ source.double() @ share.T
        result.copy_(total.mul_(2).add_(side**2).div_(2 * side**2).floor_())
    return small


def _folders() -> list[Path]:
    """Where the files may already be, in the order they are looked for."""
    root = local.root()
    given = [root / "fashion-mnist", root / "FashionMNIST" / "raw", root]
    return [*given, DEBIAN] if os.environ.get("LRBENCH_DATA") else [DEBIAN, given[1]]


def _find() -> Path | None:
    """The first folder that holds all four files, plain or zipped."""
    return next((folder for folder in _folders() if all(_file(folder, name) for name in SHA256)), None)


def _file(folder: Path, name: str) -> Path | None:
    """The file of this name in the folder, plain or zipped."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _download() -> Path:
    """Let torchvision fetch the files; returns their folder. The error names all ways to get them."""
    ways = (
        "the files were not found. Set LRBENCH_DATA to a folder that holds the four files "
        f"{', '.join(f'{name}.gz' for name in SHA256)} (in it, or in fashion-mnist/ or FashionMNIST/raw/ below it); "
        f"or, on Debian or Ubuntu, run `apt-get install dataset-fashion-mnist`, which puts them in {DEBIAN}"
    )
    return local.download("FashionMNIST", _fetch, "fashion_mnist", ways) / "raw"


def _fetch(root: str) -> None:
    """Download the files to root/FashionMNIST/raw."""
    from torchvision.datasets import FashionMNIST as Torchvision

    Torchvision(root, download=True)


def _read(folder: Path, name: str) -> bytearray:
    """The unzipped bytes of one file, checked."""
    path = _file(folder, name)
    if path is None:
        raise ConfigError("data", "fashion_mnist", f"{folder / name} is missing", f"remove {folder} and run again")
    try:
        content = path.read_bytes()
        raw = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError("data", "fashion_mnist", f"cannot read {path} ({error})", "replace it") from error
    if sha256(raw).hexdigest() != SHA256[name]:
        raise ConfigError(
            "data",
            "fashion_mnist",
            f"{path} is not the known file (the sha256 of its unzipped bytes is "
            f"{sha256(raw).hexdigest()}, expected {SHA256[name]})",
            "replace or remove it",
        )
    return bytearray(raw)


# An IDX file starts with a magic number and the size of each dimension, 4 bytes each: known by the sha256.


@cache  # a sweep's seeds cut their splits from the same images
def _images(folder: Path, part: str, n: int) -> Tensor:
    """Images (n, 1, 28, 28) uint8 of `train` or `t10k`."""
    import torch

    raw = _read(folder, f"{part}-images-idx3-ubyte")
    return torch.frombuffer(raw, dtype=torch.uint8, offset=16).view(n, 1, SIDE, SIDE)


@cache
def _labels(folder: Path, part: str) -> Tensor:
    """Labels (n,) int64 of `train` or `t10k`."""
    import torch

    return torch.frombuffer(_read(folder, f"{part}-labels-idx1-ubyte"), dtype=torch.uint8, offset=8).long()
