"""What stands in an annotation file in COCO's format (instances_train2017.json): images, and boxes of categories.

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014; the format is described at
https://cocodataset.org/#format-data. Of it, these keys are read:

    images       id, file_name, width, height
    annotations  image_id, category_id, bbox [left, top, width, height] in pixels, iscrowd (0 where it is missing)
    categories   id, name
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PureWindowsPath
from posixpath import normpath
from typing import Any, NamedTuple

from lrbench.errors import ConfigError

ROUNDED = 1.0  # pixels by which a box may leave its image: it is cut there
FLAT = 0.01  # pixels: a box is flat below


class Box(NamedTuple):
    """left, top, right, bottom in pixels, within the image; label from 1; whether it holds many (iscrowd)."""

    corners: tuple[float, float, float, float]
    label: int
    crowd: bool


class AnnotatedImage(NamedTuple):
    """An image as a file of annotations tells of it."""

    name: str  # below the folder of images
    width: int
    height: int
    boxes: tuple[Box, ...]


class Instances(NamedTuple):
    """Images in the file's order; categories in the order of their ids."""

    images: tuple[AnnotatedImage, ...]
    categories: tuple[str, ...]


@cache  # the seeds of a sweep read the same file
def instances(path: Path, drop_flat: bool) -> Instances:
    """Read a file. drop_flat: leave out boxes without width or height. Raises `ConfigError` for what it does not cover,
    naming the file, the image, the box."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        why, cure = f"it cannot be read ({error.strerror or error})", "give the JSON of the boxes, below data.args.root"
        raise ConfigError("data.args.annotations", path, why, cure) from error
    except (ValueError, RecursionError) as error:
        cure = "give one in COCO's format (instances)"
        raise ConfigError("data.args.annotations", path, f"it is no JSON ({error})", cure) from error
    images, annotations, categories = (_list(path, content, key) for key in ("images", "annotations", "categories"))
    labels, names = _labels(path, categories)
    sizes = _sizes(path, images)
    boxes: dict[Any, list[Box]] = {id: [] for id in sizes}
    for i, annotation in enumerate(annotations):
        where = f"annotation {annotation.get('id', f'number {i + 1}')!r}"
        image = _known(path, annotation, "image_id", sizes, where, "image")
        label = labels[_known(path, annotation, "category_id", labels, where, "category")]
        if (crowd := annotation.get("iscrowd", 0)) not in (0, 1):
            raise _refused(path, f"{where} has iscrowd {crowd!r}", "give 0, or 1 for a box that holds many")
        corners = _corners(path, f"{where} of {sizes[image][0]}", annotation.get("bbox"), sizes[image], drop_flat)
        if corners:
            boxes[image].append(Box(corners, label, bool(crowd)))
    found = tuple(AnnotatedImage(*size, tuple(boxes[id])) for id, size in sizes.items())
    _require_pixels(path, found)
    return Instances(found, names)


def _list(path: Path, content: Any, key: str) -> list[Mapping[str, Any]]:
    found = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        cure = "give COCO's format: an object with the lists images, annotations and categories"
        raise _refused(path, f"it has no list of objects named {key}", cure)
    if not found and key != "annotations":
        raise _refused(path, f"its list {key} is empty", "give the file that names some")
    return found


def _labels(path: Path, categories: Sequence[Mapping[str, Any]]) -> tuple[dict[Any, int], tuple[str, ...]]:
    """Ids to labels from 1, in their order (COCO's have gaps), and their names."""
    for category in categories:
        if type(category.get("id")) is not int or not isinstance(category.get("name"), str):
            cure = "give every category a whole number as its id, and a name"
            raise _refused(path, f"a category is {dict(category)!r:.100}", cure)
    names = {category["id"]: category["name"] for category in sorted(categories, key=lambda c: c["id"])}
    if len(names) != len(categories) or len({*names.values()}) != len(names):
        raise _refused(path, "two of its categories have one id, or one name", "give each its own")
    return {id: label for label, id in enumerate(names, 1)}, tuple(names.values())


def _sizes(path: Path, images: Sequence[Mapping[str, Any]]) -> dict[Any, tuple[str, int, int]]:
    """Name, width and height by id."""
    found: dict[Any, tuple[str, int, int]] = {}
    for image in images:
        id, name, width, height = (image.get(key) for key in ("id", "file_name", "width", "height"))
        if type(id) not in (int, str) or not isinstance(name, str) or not name or Path(name).is_absolute():
            cure = "give every image an id, and a file_name below the folder of images"
            raise _refused(path, f"an image is {dict(image)!r:.100}", cure)
        if not (type(width) is int and type(height) is int and width > 0 and height > 0):
            cure = "give every image its width and height in pixels"
            raise _refused(path, f"the width and height of {name} are {width!r} and {height!r}", cure)
        if "\\" in name or PureWindowsPath(name).drive:
            raise _refused(path, f"a file_name is {name!r}", "write it with /, from the folder of images on")
        if id in found:
            raise _refused(path, f"two images have the id {id!r}", "give every image its own")
        found[id] = (name, width, height)
    names = [normpath(name) for name, *_ in found.values()]  # ./0.png is 0.png
    if len({*names}) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused(path, f"{twice} is listed twice", "list every image once, with all of its boxes")
    return found


def _known(path: Path, annotation: Mapping[str, Any], key: str, known: Mapping[Any, Any], where: str, kind: str) -> Any:
    value = annotation.get(key)
    if type(value) not in (int, str) or value not in known:
        some = ", ".join(repr(id) for id in [*known][:5]) + (", ..." if len(known) > 5 else "")
        cure = f"give the id of one that the file lists ({some})"
        raise _refused(path, f"{where} has {key} {value!r}, and there is no such {kind}", cure)
    return value


def _corners(
    path: Path, where: str, box: Any, image: tuple[str, int, int], drop_flat: bool
) -> tuple[float, float, float, float] | None:
    """Cut at the image's border, by what rounding leaves it; None for a flat box that is dropped."""
    numbers = isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) and abs(v) < 1e9 for v in box)
    if not numbers or min(box[2:]) < 0:
        cure = "give bbox as [left, top, width, height] in pixels"
        raise _refused(path, f"the box of {where} is {box!r:.100}", cure)
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    _, width, height = image
    if min(left, top) < -ROUNDED or right > width + ROUNDED or bottom > height + ROUNDED:
        why = f"the box of {where} is {box}, and leaves the image, which has {width}x{height} pixels"
        cure = "a bbox is [left, top, width, height] in pixels, no right and bottom: mend it, or remove it"
        raise _refused(path, why, cure)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if min(right - left, bottom - top) >= FLAT:
        return left, top, right, bottom
    if drop_flat:
        return None
    cure = "mend it, or give data.args.drop_flat=true, which leaves such boxes out (of COCO's own, a few)"
    raise _refused(path, f"the box of {where} is {box}: it has no area", cure)


def _require_pixels(path: Path, images: Sequence[AnnotatedImage]) -> None:
    """Refuse boxes in shares of the image, which all lie in its first pixel."""
    boxes = [box for image in images for box in image.boxes]
    if boxes and max(max(box.corners) for box in boxes) <= 1:
        cure = "give them in pixels (YOLO's format has shares)"
        raise _refused(path, "no box reaches beyond the first pixel: they are in shares of the image", cure)


def _refused(path: Path, why: str, cure: str) -> ConfigError:
    return ConfigError("data.args.annotations", path, why, cure)
