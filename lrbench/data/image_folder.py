"""A folder of images in ImageNet's layout: root/train/<class>/<image> and root/val/<class>/<image>.

It is read by worker processes while it is trained on (see `loader`). Training images are random resized crops, whose
place is drawn by the keyed generators of the run; in evaluation the shorter side is resized and the centre cut out.
What the pixels of a file mean: `pixels`.

The folder is listed once a process, sizes of files included: seconds for ImageNet on a local disk. Before the first
update every file is looked at (`look`), once a process too. The fingerprint covers all of them, those of the test set
as well: a run whose test set is another has other numbers. So a file that is mended to the bytes it had goes on with
the run that met it (`retry=true`), and one that is replaced or removed makes another run, of which nothing is lost,
since the look comes before all training.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.data import DataInfo, Split, Splits, draw_order, image_spec, require_whole
from lrbench.data.kinds import ImageFiles
from lrbench.data.listing import SUFFIXES, listing
from lrbench.data.look import Image, copies, look_at, say
from lrbench.data.pixels import Convention, convention, read, truth
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters the tensors it
# returns for the same options and seed, so that old runs are not taken for new ones.
NUMERICS = 1

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's pretrained models take them


class ImageFolder:
    """Images by class. `val` is the test set; validation is drawn from `train` by the seed.

    root: the folder that holds `train` and `val`. val_size: images of `train` held out for validation (10,000 is usual
    for ImageNet). size: height and width that the network sees, in pixels. resize: the shorter side in evaluation,
    before the centre is cut out. scale, ratio: of the random crops, the share of the image's area, and width / height;
    torchvision's and timm's by default. white, background, upright: what files leave open (`pixels.Convention`).
    verify: read every image whole before the first update, where otherwise of the training images the header and the
    end are. Raises `ConfigError` for values that do not fit and for another layout.
    """

    in_memory = False  # a process that only hands runs out has no use for it
    later = ("white", "background", "upright", "verify")  # options that say nothing by default (see `lrbench.data`)

    def __init__(
        self,
        root: str,
        val_size: int,
        size: int = 224,
        resize: int = 256,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        white: float | None = None,
        background: Sequence[int] | None = None,
        upright: bool | None = None,
        verify: bool = False,
    ) -> None:
        require_whole("data.args.size", size, 1, 4096)
        require_whole("data.args.resize", resize, size, 8192)
        _require_range("data.args.scale", scale, 1.0, "a share of the image's area, such as [0.08, 1.0]")
        _require_range("data.args.ratio", ratio, math.inf, "width / height, such as [0.75, 1.3333333333333333]")
        require_whole("data.args.val_size", val_size, 1, 2**62)
        self.root, self.val_size, self.size, self.resize = Path(str(root)).expanduser(), val_size, size, resize
        self.scale, self.ratio, self.verify = tuple(scale), tuple(ratio), truth("data.args.verify", verify)
        self.convention = convention(white, background, upright)

    def info(self) -> DataInfo:
        """Sizes and shapes. Lists the folder, once a process. Raises `ConfigError` for another layout.

        The fingerprint is the sha256 of the name and size of every image, and of the bytes of every k-th image in the
        order of names, k so that about 64 MiB are read: all of a small folder. In a larger one it cannot see an image
        whose bytes change and whose size does not, unless it is one of those.
        """
        found = listing(self.root)
        _first_looked(self.root, self.convention)
        n_train = len(found.train) - self.val_size
        if n_train < 1:
            raise ConfigError(
                "data.args.val_size",
                self.val_size,
                f"{self.root / 'train'} holds {len(found.train)} images, so none would be left for training",
                "hold fewer out for validation",
            )
        spec = image_spec(3, self.size, self.size, len(found.classes))
        return DataInfo(n_train, self.val_size, len(found.val), spec, found.fingerprint)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed, read when they are needed. Every image is looked at once now, a process, so that a
        run does not end at one, and what is odd about the folder is said on stderr. Raises `ConfigError` as `info`
        does, and for an image that cannot be read."""
        import torch

        n_train, found = self.info().n_train, listing(self.root)
        _looked(self.root, self.convention, self.verify)
        order = draw_order(len(found.train), seed).tolist()
        train, val = ([found.train[i] for i in rows] for rows in (order[:n_train], order[n_train:]))
        how = torch.tensor(MEAN), torch.tensor(STD), len(found.classes)
        return Splits(*(ImageFiles(FolderImages(self, images), *how) for images in (train, val, found.val)))


class FolderImages:
    """An `ImageSource`: the images of one split, with their labels `y`."""

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
        image = read(folder.root / self.paths[row], folder.convention)
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


@cache
def _first_looked(root: Path, convention: Convention) -> None:
    """Look at the first image of each class, already where a schedule is only laid out. Raises ConfigError."""
    found = listing(root)
    for images in (found.train, found.val):
        first = {label: path for path, label in reversed(images)}
        look_at(root, [Image(path, label, False) for label, path in sorted(first.items())], convention)


@cache
def _looked(root: Path, convention: Convention, verify: bool) -> None:
    """Look at every image, at the test set's whole: training images are met in the first epoch, validation at the first
    evaluation, and these at the end of all. Say what is odd. Raises ConfigError."""
    found = listing(root)
    images = [Image(path, label, verify) for path, label in found.train]
    images += [Image(path, label, True) for path, label in found.val]
    for remark in (*copies(look_at(root, images, convention), "val/"), *_passed_over(found.others)):
        say(f"{root}: {remark}")


def _passed_over(others: Sequence[str]) -> Iterator[str]:
    """What is told of files that are taken for no images."""
    if others:
        kinds = Counter(Path(path).suffix.lower() or "no ending" for path in others).most_common(3)
        listed = ", ".join(f"{many:,} of {kind}" for kind, many in kinds)
        files = "1 file that is" if len(others) == 1 else f"{len(others):,} files that are"
        yield f"{files} taken for no image ({listed}; {others[0]}): an image in a class ends in {', '.join(SUFFIXES)}"


def _require_range(option: str, values: Sequence[float], high: float, cure: str) -> None:
    """Raise `ConfigError` unless `values` are two numbers, the lower one first, above 0 and at most `high`."""
    numbers = isinstance(values, Sequence) and all(type(v) in (int, float) for v in values)
    if not (numbers and len(values) == 2 and 0 < values[0] <= values[1] <= high and math.isfinite(values[1])):
        raise ConfigError(option, values, f"give two numbers above 0, the lower one first: {cure}")
