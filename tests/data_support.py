"""Made-up data in the formats of real data sets, the same bytes on every machine."""

import pickle
from hashlib import md5
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
