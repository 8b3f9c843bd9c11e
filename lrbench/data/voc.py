"""PASCAL VOC's segmentation set, or your own images with masks laid out as it is.

Source: M. Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010; of 2012 there are 1,464 images for
training and 1,449 for validation, of 20 classes and the background; 255 marks borders that belong to no class.

    root/JPEGImages/<name>.jpg                     the images
    root/SegmentationClass/<name>.png              their masks: palette or grey, the class of every pixel
    root/ImageSets/Segmentation/train.txt, val.txt the names, one a line

`val` is the test set here; validation is drawn from `train` by the seed. All images are held in memory, each resized so
that its shorter side has `size` pixels, and its centre cut out: a mean IoU of these squares is none of whole images.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.data import DataInfo, Split, Splits, draw_order, mean_and_std, require_whole
from lrbench.data.kinds import Masked
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters a tensor.
NUMERICS = 1

IGNORED = 255
LAYOUT = (
    "give the folder that holds JPEGImages, SegmentationClass and ImageSets/Segmentation/train.txt and val.txt: "
    "VOC's is VOCdevkit/VOC2012, which torchvision.datasets.VOCSegmentation('.', download=True) fetches"
)


class Voc:
    """Images (3, size, size) with masks of `pixel_classes` classes.

    root: the folder of the above. val_size: images of `train` held out for validation. Raises `ConfigError` for values
    that do not fit and for another layout.
    """

    def __init__(self, root: str, val_size: int = 200, size: int = 256, pixel_classes: int = 21) -> None:
        require_whole("data.args.val_size", val_size, 1, 2**62)
        require_whole("data.args.size", size, 16, 2048)
        require_whole("data.args.pixel_classes", pixel_classes, 2, IGNORED)
        self.root, self.val_size, self.size = Path(str(root)).expanduser(), val_size, size
        self.pixel_classes = pixel_classes

    def info(self) -> DataInfo:
        """Sizes and shapes; the lists are read, and the sizes of all files that they name. Raises `ConfigError`."""
        train, val = _names(self.root, "train"), _names(self.root, "val")
        if self.val_size >= len(train):
            why = f"train.txt names {len(train)} images, and nothing would be left for training"
            raise ConfigError("data.args.val_size", self.val_size, why, f"give fewer than {len(train)}")
        spec = {"shape": (3, self.size, self.size), "pixel_classes": self.pixel_classes}
        known = sha256()
        for path in (path for name in (*train, *val) for path in _pair(self.root, name)):
            known.update(f"{path.name} {path.stat().st_size}\n".encode())
        return DataInfo(len(train) - self.val_size, self.val_size, len(val), spec, known.hexdigest())

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` for a file that cannot be read, for an image and a mask of
        different sizes, and for a class that there is not."""
        x, mask = _read(self.root, _names(self.root, "train"), self.size, self.pixel_classes)
        test = _read(self.root, _names(self.root, "val"), self.size, self.pixel_classes)
        order = draw_order(len(x), seed)
        rows = order[self.val_size :], order[: self.val_size]
        mean, std = mean_and_std(x[rows[0]])
        parts = [*((x[part], mask[part]) for part in rows), test]
        return Splits(*(Masked(*part, mean, std) for part in parts))


@cache  # the seeds of a sweep read the same lists and images
def _names(root: Path, part: str) -> tuple[str, ...]:
    path = root / "ImageSets" / "Segmentation" / f"{part}.txt"
    try:
        names = tuple(path.read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("data.args.root", root, f"cannot read {path} ({error})", LAYOUT) from error
    if not names or len(set(names)) != len(names):
        why = f"{path} names {'an image twice' if names else 'no image'}"
        raise ConfigError("data.args.root", root, why, "give every name once, one a line")
    for path in (path for name in names for path in _pair(root, name)):
        if not path.is_file():
            raise ConfigError("data.args.root", root, f"{path} is missing, which {part}.txt names", LAYOUT)
    return names


def _pair(root: Path, name: str) -> tuple[Path, Path]:
    return root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png"


@cache
def _read(root: Path, names: Sequence[str], size: int, classes: int) -> tuple[Tensor, Tensor]:
    """Images (n, 3, size, size) and masks (n, size, size), both uint8."""
    import numpy as np
    import torch
    from PIL import Image

    x = torch.empty(len(names), 3, size, size, dtype=torch.uint8)
    masks = torch.empty(len(names), size, size, dtype=torch.uint8)
    for i, name in enumerate(names):
        image_path, mask_path = _pair(root, name)
        try:
            with Image.open(image_path) as image, Image.open(mask_path) as mask:
                _require_pair(image, mask, image_path, mask_path)
                cut = _squared(image.convert("RGB"), size, Image.Resampling.BILINEAR)
                x[i] = torch.from_numpy(np.array(cut)).permute(2, 0, 1)
                masks[i] = torch.from_numpy(np.array(_squared(mask, size, Image.Resampling.NEAREST)))
        except (OSError, SyntaxError, ValueError) as error:
            raise ConfigError("data.args.root", root, f"cannot read {image_path} and its mask ({error})") from error
        found = masks[i][masks[i] != IGNORED]
        if found.numel() and int(found.max()) >= classes:
            why = f"{mask_path} has a pixel of class {int(found.max())}, and there are {classes}, from 0"
            raise ConfigError("data.args.pixel_classes", classes, why, "give as many as there are; 255 is no class")
    return x, masks


def _require_pair(image: Image, mask: Image, image_path: Path, mask_path: Path) -> None:
    if mask.mode not in ("P", "L"):
        cure = "give a palette or grey PNG of 8 bits whose value is the class"
        raise ConfigError("data.args.root", mask_path, f"its mode is {mask.mode}, which names no class", cure)
    if image.mode not in ("RGB", "L"):
        cure = "give RGB or grey images of 8 bits"
        raise ConfigError("data.args.root", image_path, f"its mode is {image.mode}", cure)
    if image.size != mask.size:
        why = f"it has {image.size[0]}x{image.size[1]} pixels, and its mask {mask.size[0]}x{mask.size[1]}"
        raise ConfigError("data.args.root", image_path, why, "give both the same size")


def _squared(image: Image, size: int, resample: int) -> Image:
    """The shorter side resized to `size`, the centre cut out."""
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    return image.resize((width, height), resample).crop((left, top, left + size, top + size))
