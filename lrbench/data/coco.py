"""Images with boxes, annotated as COCO is, or your own: a folder of images and a JSON of instances.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014; what is read of the file: `instances`.

    root/images/...        the images, by the file_name that the JSON has
    root/instances.json    the boxes

COCO itself comes so: images=train2017 annotations=annotations/instances_train2017.json test_images=val2017
test_annotations=annotations/instances_val2017.json. Without a test set of its own, `test_size` images are held out.

Images are read by worker processes when they are needed. Each is resized so that its longer side has `size` pixels, and
laid into the upper left of a square of that size, whose rest has ImageNet's mean colour: so the overlaps of boxes, and
the mAP, are those of the images. Images without a box are trained on, as images of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.data import DataInfo, Split, Splits, draw_order, require_whole
from lrbench.data.image_folder import MEAN, STD
from lrbench.data.instances import AnnotatedImage, Instances, instances
from lrbench.data.kinds import Boxed, ImageFiles
from lrbench.data.look import Image, copies, look_at, say
from lrbench.data.pixels import Convention, convention, read, size_of, truth
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

# Part of the identity of every run that uses this module. Raise it with any change that alters a tensor.
NUMERICS = 1

Part = tuple[Path, Path]  # a folder of images, and the file of their boxes


class Coco:
    """Images (3, size, size) with boxes of `box_classes` - 1 categories.

    root: the folder of the above. images, annotations: below it. val_size, test_size: images held out. test_images,
    test_annotations: another folder and file for the test set instead, and `test_size` null. size: pixels. drop_flat:
    leave out boxes without width or height. white, background, upright: what files leave open (`pixels.Convention`).
    Raises `ConfigError` for values that do not fit, and for what is not there.
    """

    in_memory = False  # a process that only hands runs out has no use for it

    def __init__(
        self,
        root: str,
        images: str = "images",
        annotations: str = "instances.json",
        val_size: int = 100,
        test_size: int | None = 100,
        test_images: str | None = None,
        test_annotations: str | None = None,
        size: int = 512,
        drop_flat: bool = False,
        white: float | None = None,
        background: Sequence[int] | None = None,
        upright: bool | None = None,
    ) -> None:
        require_whole("data.args.val_size", val_size, 1, 2**62)
        require_whole("data.args.size", size, 32, 4096)
        if test_annotations is None:
            require_whole("data.args.test_size", 0 if test_size is None else test_size, 1, 2**62)
        elif test_size is not None:
            why = "data.args.test_annotations names a test set already"
            raise ConfigError("data.args.test_size", test_size, why, "give data.args.test_size=null")
        if (test_images is None) != (test_annotations is None):
            why = "a test set of its own has a folder of images and a file of annotations"
            raise ConfigError("data.args.test_images", test_images, why, "give both, or neither")
        for name, path in {"images": images, "annotations": annotations, "test_images": test_images,
                           "test_annotations": test_annotations}.items():  # fmt: skip
            if path is not None and Path(str(path)).is_absolute():
                why = "it is looked for below data.args.root, and this begins elsewhere"
                raise ConfigError(f"data.args.{name}", path, why, "give a path from there")
        folder = Path(str(root)).expanduser()
        self.train: Part = (folder / str(images), folder / str(annotations))
        self.test: Part | None = None
        if test_images is not None:
            self.test = folder / str(test_images), folder / str(test_annotations)
        self.root, self.val_size, self.test_size, self.size = folder, val_size, test_size or 0, size
        self.drop_flat = truth("data.args.drop_flat", drop_flat)
        self.convention = convention(white, background, upright)

    def info(self) -> DataInfo:
        """Sizes and shapes; the annotations are read, and the sizes of the files that they name. Raises `ConfigError`
        as `instances` does, and for images that are not there."""
        train, test = self._instances()
        held = self.val_size + self.test_size
        if held >= len(train.images):
            why = f"{self.train[1]} names {len(train.images):,} images, and {held:,} are held out"
            raise ConfigError("data.args.val_size", self.val_size, why, "hold out fewer: val_size and test_size")
        spec = {"shape": (3, self.size, self.size), "box_classes": len(train.categories) + 1}
        known = sha256("".join(_known(*part, self.drop_flat) for part in self._parts()).encode()).hexdigest()
        n_test = len(test.images) if test else self.test_size
        return DataInfo(len(train.images) - held, self.val_size, n_test, spec, known)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed, read when they are needed; every image is looked at once now. Raises `ConfigError`
        as `info` does, for an image that cannot be read or is of another size than its annotations say, and where the
        images of a split have no box."""
        self.info()
        train, test = self._instances()
        _looked(self._parts(), self.root, self.convention, self.drop_flat)
        order = draw_order(len(train.images), seed).tolist()
        ends = self.val_size, self.val_size + self.test_size
        rows = order[ends[1] :], order[: ends[0]], order[ends[0] : ends[1]]
        parts = [(self.train[0], [train.images[i] for i in some]) for some in rows]
        if test and self.test:
            parts[2] = self.test[0], [*test.images]
        for name, (_, images) in zip(("train", "val", "test"), parts, strict=True):
            if not any(not box.crowd for image in images for box in image.boxes):
                why = f"none of the {len(images):,} images of the {name} split has a box"
                if name == "test" and self.test:
                    raise ConfigError("data.args.test_annotations", self.test[1], why, "annotate some")
                raise ConfigError("data.args.annotations", self.train[1], why, "annotate more, or hold out others")
        return Splits(*(self._boxed(folder, images) for folder, images in parts))

    def _parts(self) -> tuple[Part, ...]:
        return (self.train, self.test) if self.test else (self.train,)

    def _instances(self) -> tuple[Instances, Instances | None]:
        """Of the training folder, and of a test set of its own. Raises ConfigError where they do not go together."""
        train, *others = (instances(file, self.drop_flat) for _, file in self._parts())
        if not others or not self.test:
            return train, None
        if others[0].categories != train.categories:
            why = f"its categories are not those of {self.train[1]}"
            raise ConfigError("data.args.test_annotations", self.test[1], why, "give both the same, with the same ids")
        files = [{(folder / i.name).resolve() for i in found.images} for (folder, _), found in
                 zip(self._parts(), (train, others[0]), strict=True)]  # fmt: skip
        if both := sorted(files[0] & files[1]):
            why = f"{both[0]} is in train too (of {len(both):,})"
            raise ConfigError("data.args.test_annotations", self.test[1], why, "give images that are not trained on")
        return train, others[0]

    def _boxed(self, folder: Path, images: Sequence[AnnotatedImage]) -> Boxed:
        import torch

        begins = [0]
        for image in images:
            begins.append(begins[-1] + len(image.boxes))
        boxes = [box for image in images for box in image.boxes]
        scale = [s for image in images for s in [_scale(image, self.size)] * len(image.boxes)]
        corners = torch.tensor([b.corners for b in boxes], dtype=torch.float64).view(-1, 4)
        corners = (corners * torch.tensor(scale, dtype=torch.float64).view(-1, 2).repeat(1, 2)).float()
        source = Files(folder, images, self.size, self.convention)
        labels, crowd = torch.tensor([b.label for b in boxes]), torch.tensor([b.crowd for b in boxes])
        how = torch.tensor(MEAN), torch.tensor(STD), 0
        return Boxed(ImageFiles(source, *how), corners, labels.long(), crowd.bool(), torch.tensor(begins))


class Files:
    """An `ImageSource`: the images of one split; of their labels, which are their places, nothing is learnt."""

    def __init__(self, folder: Path, images: Sequence[AnnotatedImage], size: int, convention: Convention) -> None:
        import torch

        self.shape, self.draws, self.y = (3, size, size), 0, torch.arange(len(images))
        self._paths = [folder / image.name for image in images]
        self._sizes, self._convention = [_within(image, size) for image in images], convention

    def read(self, row: int, draws: Tensor | None = None) -> Tensor:
        """One image, (3, size, size) uint8, laid into its square. Bilinear, with Pillow."""
        import numpy as np
        import torch
        from PIL import Image as pillow

        square = pillow.new("RGB", self.shape[1:], tuple(round(255 * mean) for mean in MEAN))
        with _named():
            image = read(self._paths[row], self._convention)
        square.paste(image.resize(self._sizes[row], pillow.Resampling.BILINEAR))
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def _within(image: AnnotatedImage, size: int) -> tuple[int, int]:
    """Width and height with the longer of them at `size`."""
    scale = size / max(image.width, image.height)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _scale(image: AnnotatedImage, size: int) -> tuple[float, float]:
    """What its boxes are multiplied by."""
    width, height = _within(image, size)
    return width / image.width, height / image.height


@contextmanager
def _named() -> Iterator[None]:
    """What is refused of a file is so as one of these data."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError("data", "coco", error.why, error.cure) from error


@cache  # the seeds of a sweep read the same folders
def _known(folder: Path, file: Path, drop_flat: bool) -> str:
    """What identifies the content: the annotations, and the names and sizes of the images. Raises ConfigError."""
    known, lacking = sha256(file.read_bytes()), []
    names = [image.name for image in instances(file, drop_flat).images]
    for name in names:
        try:
            known.update(f"{name} {(folder / name).stat().st_size}\n".encode())
        except (OSError, ValueError):  # the latter for what is no name of a file at all
            lacking.append(name)
    if lacking:
        why = f"{len(lacking):,} of {len(names):,} images that {file.name} names are not there, the first {lacking[0]}"
        cure = "give the folder that the file_names of the annotations begin from, below data.args.root"
        raise ConfigError("data.args.images", folder, why, cure)
    return known.hexdigest()


@cache
def _looked(parts: Sequence[Part], root: Path, convention: Convention, drop_flat: bool) -> None:
    """Look at every image, and say which are copies of others. Raises ConfigError."""
    found = [(folder, image) for folder, file in parts for image in instances(file, drop_flat).images]
    with _named():
        paths = [(folder / image.name).relative_to(root).as_posix() for folder, image in found]
        same = look_at(root, [Image(path, 0, False) for path in paths], convention)
        for folder, image in found:
            if (size := size_of(folder / image.name, convention)) != (image.width, image.height):
                why = f"{folder / image.name} has {size[0]}x{size[1]} pixels"
                annotated = f"and its annotations are of {image.width}x{image.height}"
                raise ConfigError("data", "coco", f"{why}, {annotated}", "annotate the image as it is stored")
    test = parts[1][0].relative_to(root).as_posix() + "/" if len(parts) > 1 else "\0"
    for remark in copies(same, test):
        say(f"{root}: {remark}")
