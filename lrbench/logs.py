"""CSV logs of anybody's training: the names that loggers give their columns, and their cells as numbers.

A cell may be empty: where several loggers write one file, each row holds what one of them knew.
"""

import csv
import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import ConfigError

# What counts time, by its `plain` name, the surest first: W&B's own step counts calls of its log().
STEP = (
    "trainer_global_step", "train_global_step", "global_step", "step", "update", "updates", "num_updates", "iteration",
    "iterations", "iter", "train_step", "batch",
)  # fmt: skip
EPOCH = ("epoch", "epochs", "train_epoch")
EXTREMES = ("__min", "__max")  # beside each column of a W&B chart
EMPTY = ("", "null", "none", "na", "n/a")  # cells of what nobody knew; `nan` is a number that is none
ROWS = 4096  # read at a time


Ints = NDArray[np.int64]


class Column(NamedTuple):
    """In which rows, counted from 0, a column has something, shape (n,), and the numbers there, of which some may not
    be finite."""

    rows: Ints
    values: NDArray[np.float64]


def plain(name: str) -> str:
    """A column's name in small letters with `_` between its words; of W&B's `RUN - train/loss` the last part."""
    own = name.rpartition(" - ")[2].lower()
    if own.endswith(EXTREMES):
        return ""
    return re.sub(r"[^a-z0-9]+", "_", own).strip("_")


def header_of(path: Path) -> list[str]:
    """The names of the columns, as they are written. Raises ConfigError for a file that cannot be read."""
    with _opened(path) as (header, _):
        return header


def columns_of(path: Path, places: Collection[int]) -> dict[int, Column]:
    """The columns at some places. Raises ConfigError for a file that cannot be read, and a cell that is no number."""
    held = {place: (array("q"), array("d")) for place in places}
    with _opened(path) as (header, reader):
        done = 0
        while rows := list(islice(reader, ROWS)):
            if any(len(row) < len(header) for row in rows):  # a crash may have cut one off
                rows = [row + [""] * (len(header) - len(row)) for row in rows]
            for place, (at, values) in held.items():
                _append(path, at, values, [row[place] for row in rows], done)
            done += len(rows)
    return {place: Column(np.array(at, np.int64), np.array(values)) for place, (at, values) in held.items()}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """The header, and the rows after it, of a file whose cells lie between commas, semicolons or tabs."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(",;\t", key=first.count)
            header = next(csv.reader([first], delimiter=delimiter), [])
            yield [name.strip() for name in header], csv.reader(file, delimiter=delimiter)
    except FileNotFoundError as error:
        raise ConfigError(str(path), "", "there is no such file", "give the path of one that is there") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(str(path), "", f"it cannot be read as CSV ({error})", "export it again") from error


def _append(path: Path, at: "array[int]", values: "array[float]", cells: Sequence[str], first: int) -> None:
    """Take over cells, all at once where each is a number, else one by one."""
    try:
        values.extend(map(float, cells))
        at.extend(range(first, first + len(cells)))
        return
    except ValueError:
        del values[len(at) :]
    for row, cell in enumerate(cells, first):
        if cell.strip().lower() in EMPTY:
            continue
        try:
            values.append(float(cell))
        except ValueError as error:
            cure = "mend it, or leave the cell empty"
            raise ConfigError(f"{path}, line {row + 2}", cell, "this is no number", cure) from error
        at.append(row)
