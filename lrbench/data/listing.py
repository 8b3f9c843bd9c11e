"""What lies in a folder of ImageNet's layout: classes, images, a fingerprint of the content, and what is no image."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from lrbench.errors import ConfigError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # those of torchvision
SAMPLED = 64 * 2**20  # bytes of content, about, that the fingerprint reads
# Beside what is hidden: folders that programs leave among images, of which some hold copies of them.
LEFT_BEHIND = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
SILENT = ("Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r")  # files of which nobody needs to be told


class Listing(NamedTuple):
    """What lies in a folder: class names, and each image's path below the root with its class, sorted by path; and the
    paths of other files, which are passed over."""

    classes: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    val: tuple[tuple[str, int], ...]
    fingerprint: str
    others: tuple[str, ...]


@cache
def listing(root: Path) -> Listing:
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
    no_images: list[str] = []
    for part in ("train", "val"):
        no_images += [f"{part}/{e.name}" for e in _shown(root / part) if not e.is_dir() and e.name not in SILENT]
    found = {part: [_images(root, part, name, no_images) for name in classes] for part in ("train", "val")}
    for part, of_class in found.items():
        for name, images in zip(classes, of_class, strict=True):
            if not images:
                raise ConfigError(
                    "data.args.root",
                    root,
                    f"{root / part / name} holds no image ({', '.join(SUFFIXES)})",
                    "add some, or remove the class from train and val",
                )
    everything = [image for part in found.values() for of_class in part for image in of_class]
    train, val = (
        tuple((path, label) for label, images in enumerate(found[part]) for path, _ in images) for part in found
    )
    return Listing(tuple(classes), train, val, _fingerprint(root, everything), tuple(sorted(no_images)))


def _shown(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, but for what is hidden: a notebook keeps copies of images there."""
    return [e for e in os.scandir(folder) if not e.name.startswith(".") and e.name not in LEFT_BEHIND]


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _shown(folder) if entry.is_dir())


def _images(root: Path, part: str, name: str, others: list[str]) -> list[tuple[str, int]]:
    """The images of a class, at any depth: path below the root and size in bytes, sorted. What is none is added to
    `others`. Raises ConfigError for a link that leads round, and for what is no file; OSError for one that leads
    nowhere."""
    found, waiting, seen = [], [f"{part}/{name}"], set[tuple[int, int]]()
    while waiting:
        below = waiting.pop()
        place = os.stat(root / below)
        if (place.st_dev, place.st_ino) in seen:
            why = f"{root / below} is a link to a folder that is read already"
            raise ConfigError("data.args.root", root, why, "remove the link")
        seen.add((place.st_dev, place.st_ino))
        for entry in _shown(root / below):
            path = f"{below}/{entry.name}"
            if entry.is_dir():
                waiting.append(path)
            elif entry.name.lower().endswith(SUFFIXES):
                status = entry.stat()
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigError("data.args.root", root, f"{root / path} is no file that can be read", "remove it")
                found.append((path, status.st_size))
            elif entry.name not in SILENT:
                others.append(path)
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
