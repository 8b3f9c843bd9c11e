"""scikit-learn's digits: 1797 scans of handwritten digits, 8 x 8 pixels, 10 classes.

They ship inside scikit-learn's wheel, so there is nothing to fetch. The file is read from there; scikit-learn
itself is not imported (it takes a second). Source: E. Alpaydin and C. Kaynak, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository, 1998 (its test part).

A test set of 360 resolves an accuracy to about 1 point: fit for the tour and the tests, not for effects
smaller than that.
"""

from __future__ import annotations

import gzip
import zlib
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.data import DataInfo, Split, Splits, draw_order, image_spec, require_whole
from lrbench.data.kinds import labelled_images
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Part of the identity of every run that uses this module. Raise it with any change that alters the tensors it
# returns for the same options and seed, so that old runs are not taken for new ones.
NUMERICS = 1

SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # of the unzipped file
TOTAL, SIDE, CLASSES = 1797, 8, 10
SCALE = 15  # the file's values 0..16 become 0..240: whole numbers that fit uint8, so dividing gives them back


class Digits:
    """Digits with a split that is redrawn by every seed; what is left of the 1797 scans is for training.

    val_size, test_size: number of validation and of test images; at least one image must be left for
    training. Raises `ConfigError` for sizes that do not fit.
    """

    def __init__(self, val_size: int = 360, test_size: int = 360) -> None:
        require_whole("data.args.val_size", val_size, 1, TOTAL - 2)
        require_whole("data.args.test_size", test_size, 1, TOTAL - 2)
        if val_size + test_size >= TOTAL:
            raise ConfigError(
                "data.args.val_size",
                f"{val_size} with data.args.test_size={test_size}",
                f"together they leave nothing of the {TOTAL} digits for training",
                f"make their sum smaller than {TOTAL}",
            )
        self.val_size, self.test_size = val_size, test_size

    def info(self) -> DataInfo:
        """Sizes and shapes; nothing is read."""
        n_train = TOTAL - self.val_size - self.test_size
        return DataInfo(n_train, self.val_size, self.test_size, image_spec(1, SIDE, SIDE, CLASSES), SHA256)

    def load(self, seed: int) -> Splits[Split]:
        """The splits of this seed. Raises `ConfigError` where the file is missing or not the known one."""
        import torch

        table = torch.from_numpy(_read(_path())).view(TOTAL, SIDE * SIDE + 1)
        x = table[:, :-1].reshape(TOTAL, 1, SIDE, SIDE) * SCALE
        y = table[:, -1].long()
        sizes = [self.val_size, self.test_size, TOTAL - self.val_size - self.test_size]
        val, test, train = ((x[rows], y[rows]) for rows in draw_order(TOTAL, seed).split(sizes))
        return labelled_images(train, val, test, CLASSES)


def _path() -> Path:
    """Where scikit-learn keeps the digits, found without importing it."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            "data",
            "digits",
            "the digits ship inside scikit-learn, which is not installed",
            "run `pip install scikit-learn`",
        )
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


def _read(path: Path) -> NDArray[np.uint8]:
    """The numbers of the file in order: TOTAL rows of 64 pixels and a label."""
    import numpy as np

    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError("data", "digits", f"cannot read {path} ({error})", "reinstall scikit-learn") from error
    if sha256(text).hexdigest() != SHA256:
        raise ConfigError(
            "data",
            "digits",
            f"{path} is not the known file (the sha256 of its unzipped bytes is "
            f"{sha256(text).hexdigest()}, expected {SHA256})",
            "reinstall scikit-learn",
        )
    return np.fromstring(text.replace(b"\n", b",").rstrip(b","), dtype=np.uint8, sep=",")
