"""A folder of images in ImageNet's layout: root/train/<class>/<image> and root/val/<class>/<image>.

It is read by worker processes while it is trained on (see `loader`). Training images are random resized crops, whose
place is drawn by the keyed generators of the run; in evaluation the shorter side is resized and the centre cut out.

The folder is listed once a process, sizes of files included: seconds for ImageNet on a local disk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lrbench.data import DataInfo, Split, Splits, draw_order, image_spec, require_whole
from lrbench.data.kinds import ImageFiles
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters the tensors it
# returns for the same options and seed, so that old runs are not taken for new ones.
NUMERICS = 1

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # those of torchvision
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's pretrained models take them
SAMPLED = 64 * 2**20  # bytes of content, about, that the fingerprint reads


class Listing(NamedTuple):
    """What lies in a folder: class names, and each image's path below the root with its class, sorted by path."""

    classes: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    val: tuple[tuple[str, int], ...]
    fingerprint: str


class ImageFolder:
    """Images by class. `val` is the test set; validation is drawn from `train` by the seed.

    root: the folder that holds `train` and `val`. val_size: images of `train` held out for validation (10,000 is usual
    for ImageNet). size: height and width that the network sees, in pixels. resize: the shorter side in evaluation,
    before the centre is cut out. scale, ratio: of the random crops, the share of the image's area, and width / height;
    torchvision's and timm's by default. Raises `ConfigError` for values that do not fit and for another layout.
    """

    def __init__(
        self,
        root: str,
        val_size: int,
        size: int = 224,
        resize: int = 256,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
    ) -> None:
        require_whole("data.args.size", size, 1, 4096)
        require_whole("data.args.resize", resize, size, 8192)
        _require_range("data.args.scale", scale, 1.0, "a share of the image's area, such as [0.08, 1.0]")
        _require_range("data.args.ratio", ratio, math.inf, "width / height, such as [0.75, 1.3333333333333333]")
        require_whole("data.args.val_size", val_size, 1, 2**62)
        self.root, self.val_size, self.size, self.resize = Path(str(root)).expanduser(), val_size, size, resize
        self.scale, self.ratio = tuple(scale), tuple(ratio)

    def info(self) -> DataInfo:
        """Sizes and shapes. Lists the folder, once a process. Raises `ConfigError` for another layout.

        The fingerprint is the sha256 of the name and size of every image, and of the bytes of every k-th image in the
        order of names, k so that about 64 MiB are read: all of a small folder. In a larger one it cannot see an image
        whose bytes change and whose size does not, unless it is one of those.
        """
        listing = _listing(self.root)
        n_train = len(listing.train) - self.val_size
        if n_train < 1:
            raise ConfigError(
                "data.args.val_size",
                self.val_size,
                f"{self.root / 'train'} holds {len(listing.train)} images, so none would be left for training",
                "hold fewer out for validation",
            )
        spec = image_spec(3, self.size, self.size, len(listing.classes))
        return DataInfo(n_train, self.val_size, len(listing.val), spec, listing.fingerprint)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed, read when they are needed: the test images once now, a process, so that a run does
        not end at one. Raises `ConfigError` as `info` does, and for a test image that cannot be read."""
        import torch

        n_train, listing = self.info().n_train, _listing(self.root)
        _require_readable(self.root)
        order = draw_order(len(listing.train), seed).tolist()
        train, val = ([listing.train[i] for i in rows] for rows in (order[:n_train], order[n_train:]))
        how = torch.tensor(MEAN), torch.tensor(STD), len(listing.classes)
        return Splits(*(ImageFiles(Files(self, images), *how) for images in (train, val, listing.val)))


class Files:
    """A `Source`: the images of one split, with their labels `y`."""

    def __init__(self, folder: ImageFolder, images: Sequence[tuple[str, int]]) -> None:
        import torch

        from lrbench.data.augment import DRAWS

        self.shape, self.draws = (3, folder.size, folder.size), DRAWS
        self.paths, self.y = [path for path, _ in images], torch.tensor([label for _, label in images])
        self._folder = folder

    def read(self, row: int, draws: Tensor | None = None) -> Tensor:
        """One image, (3, size, size) uint8: a random resized crop as drawn, or the centre. Bilinear, with Pillow."""
        from torchvision.transforms import functional

        folder = self._folder
        image = _opened(folder.root / self.paths[row])
        if draws is None:
            image = functional.center_crop(functional.resize(image, [folder.resize]), [folder.size])
        else:
            window = crop_window(draws, image.height, image.width, folder.scale, folder.ratio)
            image = functional.resized_crop(image, *window, [folder.size] * 2)
        return functional.pil_to_tensor(image)


def crop_window(
    draws: Tensor, height: int, width: int, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[int, int, int, int]:
    """Top, left, height, width of a random crop, drawn as torchvision's RandomResizedCrop draws it.

    draws: (DRAWS,). Where none of the tries fits, the largest window of an allowed shape in the centre.
    """
    from lrbench.data.augment import rectangles

    top, left, tall, wide = rectangles(draws[None], height, width, scale, ratio)[0].tolist()
    if tall:
        return top, left, tall, wide
    tall, wide = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def _opened(path: Path, whole: bool = True) -> Image:
    """An image in RGB; with `whole` false, only what stands in its header is read. Raises `ConfigError`."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            _require_bytes(path, image.mode)
            return image.convert("RGB") if whole else image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(
            "data", "image_folder", f"{path} cannot be read as an image ({error})", "repair or remove it"
        ) from error


@cache
def _require_readable(root: Path) -> None:
    """Read every test image: training images are met in the first epoch, validation at the first evaluation, and these
    at the end of all. Pillow decodes outside of Python's lock, so threads help."""
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(_opened, [root / path for path, _ in _listing(root).val]):
            pass


def _require_bytes(path: Path, mode: str) -> None:
    """Raise `ConfigError` for pixels that do not fit in a byte: Pillow would clip them to black and white."""
    if mode.startswith(("I", "F")):
        raise ConfigError(
            "data",
            "image_folder",
            f"{path} has pixels of more than 8 bits (Pillow's mode {mode})",
            "scale them to 0 ... 255 and save them with 8 bits",
        )


@cache
def _listing(root: Path) -> Listing:
    """What lies below a root. Raises `ConfigError` where that is not ImageNet's layout, or cannot be read."""
    try:
        return _listed(root)
    except OSError as error:
        raise ConfigError("data.args.root", root, f"cannot be read ({error})") from error


def _listed(root: Path) -> Listing:
    layout = f"the layout is {root}/train/CLASS/IMAGE and {root}/val/CLASS/IMAGE"
    for part in ("train", "val"):
        if not (root / part).is_dir():
            raise ConfigError("data.args.root", root, f"there is no folder {root / part}", layout)
    classes, others = (_folders(root / part) for part in ("train", "val"))
    if not classes:
        raise ConfigError("data.args.root", root, f"{root / 'train'} holds no folders, one for each class", layout)
    if classes != others:
        alone = [f"{name} only in train" for name in classes if name not in others]
        alone += [f"{name} only in val" for name in others if name not in classes]
        shown = ", ".join(alone[:3]) + (f", and {len(alone) - 3} more" if len(alone) > 3 else "")
        raise ConfigError(
            "data.args.root",
            root,
            f"train and val must hold the same classes ({shown}). (ImageNet's validation images come "
            f"in one folder: sort them by class first.) For lrbench {layout}",
        )
    found = {part: [_images(root, part, name) for name in classes] for part in ("train", "val")}
    for part, of_class in found.items():
        for name, images in zip(classes, of_class, strict=True):
            if not images:
                raise ConfigError(
                    "data.args.root",
                    root,
                    f"{root / part / name} holds no image ({', '.join(SUFFIXES)})",
                    "add some, or remove the class from train and val",
                )
            _opened(root / images[0][0], whole=False)
    everything = [image for part in found.values() for of_class in part for image in of_class]
    train, val = (
        tuple((path, label) for label, images in enumerate(found[part]) for path, _ in images) for part in found
    )
    return Listing(tuple(classes), train, val, _fingerprint(root, everything))


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _images(root: Path, part: str, name: str) -> list[tuple[str, int]]:
    """The images of a class, at any depth, but for hidden files and folders: path below the root and size in bytes,
    sorted."""
    found, waiting = [], [f"{part}/{name}"]
    while waiting:
        below = waiting.pop()
        for entry in list(os.scandir(root / below)):
            if entry.name.startswith("."):  # a notebook keeps copies in such a folder
                continue
            if entry.is_dir():
                waiting.append(f"{below}/{entry.name}")
            elif entry.name.lower().endswith(SUFFIXES):
                found.append((f"{below}/{entry.name}", entry.stat().st_size))
    return sorted(found)


def _fingerprint(root: Path, images: Sequence[tuple[str, int]]) -> str:
    """See `ImageFolder.info`. images: path below the root and size in bytes."""
    every = max(1, math.ceil(sum(size for _, size in images) / SAMPLED))
    content = sha256()
    for i, (path, size) in enumerate(images):
        content.update(f"{path}\0{size}\n".encode(errors="surrogateescape"))
        if i % every == 0:
            content.update((root / path).read_bytes())
    return content.hexdigest()


def _require_range(option: str, values: Sequence[float], high: float, cure: str) -> None:
    """Raise `ConfigError` unless `values` are two numbers, the lower one first, above 0 and at most `high`."""
    numbers = isinstance(values, Sequence) and all(type(v) in (int, float) for v in values)
    if not (numbers and len(values) == 2 and 0 < values[0] <= values[1] <= high and math.isfinite(values[1])):
        raise ConfigError(option, values, f"give two numbers above 0, the lower one first: {cure}")
