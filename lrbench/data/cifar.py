"""CIFAR-10 and CIFAR-100: 60,000 colour images, 32 x 32 pixels, of 10 or 100 classes.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

The files of the Python version are looked for in their folder (`cifar-10-batches-py`, `cifar-100-python`) below
`$LRBENCH_DATA`, then in `$LRBENCH_DATA` itself; else torchvision's download is kept there, or in `~/.cache/lrbench`
where `$LRBENCH_DATA` is not set. Wherever they come from, their bytes must be the known ones.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import cache
from hashlib import md5, sha256
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

POOL, TEST, SIDE = 50_000, 10_000, 32


class CIFAR10:
    """CIFAR-10 with its public test set; the seed draws training and validation from the other 50,000.

    train_size, val_size: number of images; together at most 50,000. Raises `ConfigError` for values that do not fit.
    """

    name, folder, classes, labels = "cifar10", "cifar-10-batches-py", 10, "labels"
    train_files: Mapping[str, str] = {  # MD5, as published with the files
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    }
    test_files: Mapping[str, str] = {"test_batch": "40351d587109b95175f43aff81a1287e"}

    def __init__(self, train_size: int = 45000, val_size: int = 5000) -> None:
        require_whole("data.args.train_size", train_size, 1, POOL - 1)
        require_whole("data.args.val_size", val_size, 1, POOL - 1)
        if train_size + val_size > POOL:
            raise ConfigError(
                "data.args.train_size",
                f"{train_size} with data.args.val_size={val_size}",
                f"CIFAR has {POOL} images beside its test set",
                f"make their sum at most {POOL}",
            )
        self.train_size, self.val_size = train_size, val_size

    def info(self) -> DataInfo:
        """Sizes and shapes; nothing is read. The fingerprint is the sha256 of the files' MD5 sums."""
        sums = "".join([*self.train_files.values(), *self.test_files.values()])
        fingerprint = sha256(sums.encode()).hexdigest()
        return DataInfo(self.train_size, self.val_size, TEST, image_spec(3, SIDE, SIDE, self.classes), fingerprint)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` where the files cannot be had, or have changed."""
        folder = self._find() or self._download()
        x, y = self._read(folder, self.train_files)
        # Training comes first, validation from the end: a larger training set includes a smaller one, and
        # neither size changes which images are in the other split.
        order = draw_order(POOL, seed)
        train, val = ((x[rows], y[rows]) for rows in (order[: self.train_size], order[POOL - self.val_size :]))
        return labelled_images(train, val, self._read(folder, self.test_files), self.classes)

    def _find(self) -> Path | None:
        """The first folder that holds all files."""
        names = (*self.train_files, *self.test_files)
        folders = (local.root() / self.folder, local.root())
        return next((f for f in folders if all((f / name).is_file() for name in names)), None)

    def _download(self) -> Path:
        """Let torchvision fetch the files; returns their folder. The error names all ways to get them."""
        ways = (
            "the files were not found. Set LRBENCH_DATA to a folder that holds the files "
            f"{', '.join((*self.train_files, *self.test_files))} of the Python version (in it, or in {self.folder}/ "
            "below it: unpack the published archive there)"
        )
        return local.download(self.folder, self._fetch, self.name, ways)

    def _fetch(self, scratch: str) -> None:
        """Download the files to scratch/folder."""
        from torchvision import datasets

        getattr(datasets, type(self).__name__)(scratch, download=True)

    def _read(self, folder: Path, files: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        """The images and labels of some files, one after the other."""
        import torch

        parts = [_unpickled(self.name, folder / name, checksum) for name, checksum in files.items()]
        images = [torch.from_numpy(part["data"]).view(-1, 3, SIDE, SIDE) for part in parts]
        return torch.cat(images), torch.tensor([label for part in parts for label in part[self.labels]])


class CIFAR100(CIFAR10):
    """CIFAR-100 (the 100 fine labels) with its public test set; options as for CIFAR-10."""

    name, folder, classes, labels = "cifar100", "cifar-100-python", 100, "fine_labels"
    train_files: Mapping[str, str] = {"train": "16019d7e3df5f24257cddd939b257f8d"}
    test_files: Mapping[str, str] = {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}


@cache  # a sweep's seeds cut their splits from the same images
def _unpickled(name: str, path: Path, checksum: str) -> dict:
    """The content of a file, unpickled only once its bytes are known to be the published ones."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError("data", name, f"cannot read {path} ({error.strerror})", "replace it") from error
    found = md5(raw, usedforsecurity=False).hexdigest()
    if found != checksum:
        raise ConfigError(
            "data",
            name,
            f"{path} is not the known file (the MD5 sum of its bytes is {found}, expected {checksum})",
            "replace or remove it",
        )
    content: dict = pickle.loads(raw, encoding="latin1")
    return content
