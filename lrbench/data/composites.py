"""Composites: pieces of clothing of Fashion-MNIST pasted on photographs, with the class of every pixel, or with boxes.

No labelled set for segmentation or detection can be had without a download; these scenes put real items on real
photographs. They are composites, and no photographs of scenes: what is learnt from them says nothing about a number on
VOC, Cityscapes or COCO.

The photographs ship inside scikit-image's wheel (S. van der Walt et al., "scikit-image: image processing in Python",
PeerJ, 2014); the files are read from there, and scikit-image itself is not imported. The items are those of
`lrbench.data.fashion_mnist`. Train, validation and test share neither an item nor a photograph.

A scene is a square cut from a photograph at random, made grey and as small as asked, with 1 to `most` items of 12 to 28
pixels on it; the later ones cover the earlier. Class 0 is the photograph, class c + 1 an item of Fashion-MNIST's class
c; where an item's pixel is nearly black, the photograph shows through.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.data import DataInfo, Split, Splits, mean_and_std, require_whole
from lrbench.data.fashion_mnist import SHA256 as ITEMS
from lrbench.data.fashion_mnist import FashionMNIST, shrink
from lrbench.data.kinds import Boxed, Images, Masked
from lrbench.errors import ConfigError
from lrbench.randomness import seed_of

if TYPE_CHECKING:
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters a scene.
NUMERICS = 1

CLASSES = 11
SIZES = (12, 16, 20, 24, 28)  # sides of the items, in pixels
SEEN = 24  # of 255: a darker pixel of an item is none of it
MOST_SCENES = 100_000
HIDDEN = 4  # an item of which less than 1 / HIDDEN is seen has no box

# sha256 of the photographs, by the split that they are for.
PHOTOGRAPHS = {
    "train": {
        "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
        "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        "moon.png": "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577",
        "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        "retina.jpg": "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    },
    "val": {
        "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "gravel.png": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
        "hubble_deep_field.jpg": "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    },
    "test": {
        "clock_motion.png": "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
        "coins.png": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
        "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    },
}


class Scenes(NamedTuple):
    """Scenes `x`, (n, side, side) uint8, and what lies on them. `shown`: which item each pixel shows, in the order of
    pasting from 1, 0 for the photograph, (n, side, side) uint8. Of the items by that number, (n, most + 1): `classes`
    uint8, and `pixels`, how many each would show if it lay on top."""

    x: NDArray[np.uint8]
    shown: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    pixels: NDArray[np.int64]


class Composites:
    """Grey scenes of side x side pixels, (1, side, side), and masks of the classes 0 to 10, made anew by every seed.

    train_size, val_size, test_size: scenes. side: pixels, at least that of the largest item, 28. most: items of a
    scene. Raises `ConfigError` on a bad value.
    """

    classes = "pixel_classes"  # what their number is called in the spec

    def __init__(
        self, train_size: int = 2000, val_size: int = 400, test_size: int = 400, side: int = 48, most: int = 3
    ) -> None:
        for name, value in (("train_size", train_size), ("val_size", val_size), ("test_size", test_size)):
            require_whole(f"data.args.{name}", value, 1, MOST_SCENES)
        require_whole("data.args.side", side, max(SIZES), 256)
        require_whole("data.args.most", most, 1, 20)
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}
        self.side, self.most = side, most

    def info(self) -> DataInfo:
        """Sizes and shapes; nothing is read."""
        known = "".join([*ITEMS.values(), *(digest for part in PHOTOGRAPHS.values() for digest in part.values())])
        spec = {"shape": (1, self.side, self.side), self.classes: CLASSES}
        n = self.sizes
        return DataInfo(n["train"], n["val"], n["test"], spec, sha256(known.encode()).hexdigest())

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` where items or photographs cannot be had."""
        import torch

        scenes = self._scenes(seed)
        x = [torch.from_numpy(part.x)[:, None] for part in scenes]
        mean, std = mean_and_std(x[0])
        masks = [np.take_along_axis(p.classes, p.shown.reshape(len(p.x), -1), 1).reshape(p.x.shape) for p in scenes]
        return Splits(*(Masked(one, torch.from_numpy(mask), mean, std) for one, mask in zip(x, masks, strict=True)))

    def _scenes(self, seed: int) -> list[Scenes]:
        """Of training, validation and test."""
        items: Splits[Any] = FashionMNIST().load(seed)
        return [self._made(name, part, seed) for name, part in zip(self.sizes, items, strict=True)]

    def _made(self, split: str, items: Images, seed: int) -> Scenes:
        draws = np.random.default_rng(seed_of("composites", seed, split))
        photographs = [_photograph(name) for name in PHOTOGRAPHS[split]]
        labels, n = items.y.numpy(), self.sizes[split]
        x, shown = np.empty((n, self.side, self.side), np.uint8), np.zeros((n, self.side, self.side), np.uint8)
        classes, pixels = np.zeros((n, self.most + 1), np.uint8), np.zeros((n, self.most + 1), np.int64)
        for i in range(n):
            x[i] = _background(photographs[draws.integers(len(photographs))], self.side, draws)
            rows = draws.integers(len(labels), size=draws.integers(1, self.most + 1))
            for number, row in enumerate(rows, 1):
                item = shrink(items.x[row : row + 1], int(draws.choice(SIZES)))[0, 0].numpy()
                _paste(x[i], shown[i], item, number, draws)
                classes[i, number], pixels[i, number] = labels[row] + 1, (item >= SEEN).sum()
        return Scenes(x, shown, classes, pixels)


class CompositeBoxes(Composites):
    """The same scenes with a box around what is seen of every item, as its class c + 1 (0 is the photograph, which has
    no box). An item of which less than a quarter is seen has none; of every scene the last one lies on top, and has."""

    classes = "box_classes"

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` where items or photographs cannot be had."""
        import torch

        scenes = self._scenes(seed)
        mean, std = mean_and_std(torch.from_numpy(scenes[0].x)[:, None])
        return Splits(*(_boxed(part, mean, std) for part in scenes))


def _boxed(scenes: Scenes, mean: Tensor, std: Tensor) -> Boxed:
    import torch

    boxes: list[list[int]] = []
    labels: list[int] = []
    begins = [0]
    for shown, classes, pixels in zip(scenes.shown, scenes.classes, scenes.pixels, strict=True):
        for number in range(1, np.count_nonzero(classes) + 1):
            seen = shown == number
            if HIDDEN * seen.sum() >= pixels[number]:
                boxes.append(_around(seen))
                labels.append(int(classes[number]))
        begins.append(len(boxes))
    x = torch.from_numpy(scenes.x)[:, None]
    images = Images(x, torch.arange(len(x)), mean, std, 0)
    crowd = torch.zeros(len(boxes), dtype=torch.bool)
    return Boxed(images, torch.tensor(boxes).float(), torch.tensor(labels), crowd, torch.tensor(begins))


def _around(seen: NDArray[np.bool_]) -> list[int]:
    """The smallest box around the pixels that are true: left, top, right, bottom, as borders between pixels."""
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _paste(
    x: NDArray[np.uint8], mask: NDArray[np.uint8], item: NDArray[np.uint8], label: int, draws: np.random.Generator
) -> None:
    """Put an item, (s, s), somewhere wholly inside a scene and its mask, in place."""
    size = len(item)
    top, left = draws.integers(len(x) - size + 1, size=2)
    there = np.s_[top : top + size, left : left + size]
    seen = item >= SEEN
    x[there][seen] = item[seen]
    mask[there][seen] = label


def _background(photograph: NDArray[np.uint8], side: int, draws: np.random.Generator) -> NDArray[np.uint8]:
    """A square of a photograph, between 1 and 4 times as large as the scene as far as there is room, averaged to it."""
    factor = int(draws.integers(1, min(4, min(photograph.shape) // side) + 1))
    top, left = (draws.integers(extent - factor * side + 1) for extent in photograph.shape)
    square = photograph[top : top + factor * side, left : left + factor * side]
    # Sums of whole numbers: the same on every machine.
    total = square.reshape(side, factor, side, factor).sum((1, 3), dtype=np.int64)
    return ((2 * total + factor**2) // (2 * factor**2)).astype(np.uint8)


@cache  # the seeds of a sweep cut their scenes from the same photographs
def _photograph(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-image in grey, (height, width)."""
    from PIL import Image

    package = find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        why = "the photographs of the scenes ship inside scikit-image, which is not installed"
        raise ConfigError("data", "composites", why, "run `pip install scikit-image`")
    path = Path(package.submodule_search_locations[0]) / "data" / name
    known = next(part[name] for part in PHOTOGRAPHS.values() if name in part)
    try:
        found = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError("data", "composites", f"cannot read {path} ({error})", "reinstall scikit-image") from error
    if found != known:
        why = f"{path} is not the known file (its sha256 is {found}, expected {known})"
        raise ConfigError("data", "composites", why, "install scikit-image 0.26, or another that has the same file")
    with Image.open(path) as image:
        return np.array(image.convert("L"))
