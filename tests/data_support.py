"""Made-up data in the formats of real data sets, the same bytes on every machine."""

import json
import pickle
from collections.abc import Sequence
from hashlib import md5, sha256
from pathlib import Path

import numpy as np
import pytest


def write_cifar(folder: Path, kind: type, monkeypatch: pytest.MonkeyPatch, pool: int = 200, test: int = 40) -> None:
    """Files of CIFAR's Python version below `folder`, with few images, which `kind` then takes for the known ones."""
    from lrbench.data import cifar

    (folder / kind.folder).mkdir(parents=True)
    draws = np.random.RandomState(0)
    for name, files, total in (("train_files", kind.train_files, pool), ("test_files", kind.test_files, test)):
        sums = {}
        for file in files:
            n = total // len(files)
            labels = (np.arange(n) % kind.classes).tolist()
            # A class is a shade and noise on it, so that there is something to learn.
            shade = np.repeat(labels, 3 * 32 * 32).reshape(n, -1) * 160 // kind.classes
            content = {
                "batch_label": file,
                kind.labels: labels,
                "data": (shade + draws.randint(0, 96, (n, 3 * 32 * 32))).astype(np.uint8),
                "filenames": [f"{i}.png" for i in range(n)],
            }
            raw = pickle.dumps(content, protocol=2)
            (folder / kind.folder / file).write_bytes(raw)
            sums[file] = md5(raw).hexdigest()
        monkeypatch.setattr(kind, name, sums)
    monkeypatch.setattr(cifar, "POOL", pool)
    monkeypatch.setattr(cifar, "TEST", test)


def write_image_folder(root: Path, classes: int = 2, train: int = 40, val: int = 4) -> Path:
    """PNG images of different sizes in ImageNet's layout: so many in each class."""
    from PIL import Image

    draws = np.random.RandomState(0)
    for part, n in (("train", train), ("val", val)):
        for label in range(classes):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(n):
                shape = (8 + i % 5, 8 + i % 3, 3)
                pixels = label * 160 // classes + draws.randint(0, 96, shape)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:03}.png")
    return root


def write_masked_folder(root: Path, train: Sequence[str] = ("a", "b", "c"), val: Sequence[str] = ("d",)) -> Path:
    """Images of 24x16 pixels, each of one grey, and their masks, in VOC's layout. Of the i-th the right half is class i
    % 21, and the rest 0 but for a line without a class."""
    from PIL import Image

    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for part, names in (("train", train), ("val", val)):
        (root / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(names))
    for i, name in enumerate((*train, *val)):
        mask = np.zeros((16, 24), np.uint8)
        mask[:, 12:], mask[:, 11] = i % 21, 255
        Image.fromarray(np.full((16, 24, 3), 40 * (i + 1) % 256, np.uint8)).save(
            root / "JPEGImages" / f"{name}.jpg", quality=100
        )
        Image.fromarray(mask).save(root / "SegmentationClass" / f"{name}.png")
    return root


def write_boxed_folder(root: Path, n: int = 40, **changed: object) -> Path:
    """Images of 40x30 pixels, noise with a bright square of one of two categories, and their boxes in COCO's format;
    of every tenth nothing is annotated. changed: of the content of the JSON."""
    from PIL import Image

    (root / "images").mkdir(parents=True, exist_ok=True)
    draws = np.random.RandomState(0)
    images, annotations = [], []
    for i in range(n):
        pixels = draws.randint(0, 96, (30, 40, 3))
        left, top, side = (int(draws.randint(low, high)) for low, high in ((0, 26), (0, 16), (8, 14)))
        kind = i % 2
        if i % 10:
            pixels[top : top + side, left : left + side, kind] = 250
            box = [left, top, side, side]
            annotations.append({"id": i, "image_id": i, "category_id": 7 + 4 * kind, "bbox": box, "iscrowd": 0})
        Image.fromarray(pixels.astype(np.uint8)).save(root / "images" / f"{i:03}.png")
        images.append({"id": i, "file_name": f"{i:03}.png", "width": 40, "height": 30})
    categories = [{"id": 7, "name": "red"}, {"id": 11, "name": "green"}]
    content = {"images": images, "annotations": annotations, "categories": categories, **changed}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def words(n: int, key: str = "words") -> str:
    """A text of n characters: lines of six words of a language that has thirty, so that there is something to learn."""
    known = [sha256(f"{key}{i}".encode()).hexdigest()[: 3 + i % 4] for i in range(30)]
    drawn = np.random.RandomState(0).choice(known, n // 3)
    lines = (" ".join(drawn[i : i + 6]) for i in range(0, len(drawn), 6))
    return "\n".join(lines)[:n]


def write_texts(folder: Path) -> Path:
    """Two .txt files of 6,000 characters together, and a WikiText of three parts, in folders below."""
    (folder / "texts").mkdir(parents=True)
    for name, text in (("a", words(4000)), ("b", words(1999, "other"))):
        (folder / "texts" / f"{name}.txt").write_text(text)
    (folder / "wikitext").mkdir()
    for part, n in (("train", 12000), ("valid", 3000), ("test", 3000)):
        (folder / "wikitext" / f"wiki.{part}.tokens").write_text(words(n, part))
    return folder
