"""series.npy: what every update of a run used and gave, by column."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.store.files import sha256

SERIES = "series.npy"
Series = NDArray[np.void]  # one element an update, its columns by name
LOSS, NORM = "train/loss", "grad/norm"  # the first two columns; what the schedule sets follows


def series_type(names: Iterable[str]) -> np.dtype[np.void]:
    """The columns of a run whose schedule sets these."""
    return np.dtype([(name, "<f8") for name in (LOSS, NORM, *names)])


def read_series(path: Path) -> Series:
    """A .npy of named columns, also while it is being written: the rows that are there already, or none."""
    if not path.exists():
        return np.empty(0, series_type(()))
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        _, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.fromfile(file, dtype)


def sum_of_rows(path: Path, size: int) -> str:
    """The SHA-256 of what a .npy's columns are and of the first `size` bytes of its rows, whatever number of rows its
    header gives: that of a run which was stopped gives those that it has."""
    series = read_series(path)
    return sha256(header(series.dtype, 0) + series.tobytes()[:size])


def header(columns: np.dtype[np.void], rows: int) -> bytes:
    """That of a .npy."""
    made = io.BytesIO()
    plain = {"descr": np.lib.format.dtype_to_descr(columns), "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(made, plain)
    return made.getvalue()
