"""Rates in a CSV file, as loggers write them: which columns they are, and their rows in order."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrbench.errors import ConfigError
from lrbench.interop.seen import SAME, Floats, Ints
from lrbench.logs import EPOCH, STEP, Column, columns_of, header_of, plain

RATE = re.compile(r"(^|[/ _.:-])(lrs?|learning[ _-]?rates?)([/ _.:-]|\d*$)", re.IGNORECASE)
NO_RATE = re.compile(r"momentum|weight[_ ]?decay|loss|__(MIN|MAX)$|scale", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, eq=False)
class Logged:
    """What a log holds: `at`, the update (or what the log counts) of every row, shape (n,), ascending; `rates`, shape
    (n, columns); per_epoch: updates of an epoch, where it has a column of epochs beside one of steps. again: rows that
    stand for a step that came before, with another rate, as (step, the rate before, the rate now). broken: columns in
    which nan or inf is written, as (name, the first such step, what is written there, how many rows); in `rates` they
    are NaN, as an empty cell is. counts: what the steps are, `update` or `epoch`."""

    names: tuple[str, ...]
    at: Ints
    rates: Floats
    counts: str
    per_epoch: float | None = None
    again: tuple[tuple[int, float, float], ...] = ()
    broken: tuple[tuple[str, int, float, int], ...] = ()

    @property
    def n(self) -> int:
        return len(self.at)

    @property
    def spacing(self) -> float:
        """Steps from one row to the next, their median; 0 where there is one row."""
        return float(np.median(np.diff(self.at))) if self.n > 1 else 0.0


def read(path: Path) -> Logged:
    """Rows without a rate (of other metrics) are left out. Raises ConfigError."""
    header = header_of(path)
    step, rates, epoch = _columns(path, header)
    columns = columns_of(path, [step, *rates, *([] if epoch is None else [epoch])])
    many = 1 + max((int(c.rows[-1]) for c in columns.values() if len(c.rows)), default=-1)
    table = {place: _dense(column, many) for place, column in columns.items()}
    at, names = table[step], tuple(header[i] for i in rates)
    broken = tuple(_broken(names, at, [columns[i] for i in rates]))
    values = np.stack([table[i] for i in rates], axis=1)
    values = np.where(np.isfinite(values), values, np.nan)
    logged = np.isfinite(at) & np.isfinite(values).any(axis=1)
    if not logged.any():
        why = f"no row has a number for both {header[step]} and {', '.join(names)}"
        raise ConfigError(str(path), "", why, "log the rate")
    epochs = None if epoch is None else table[epoch][logged]
    return replace(_in_order(names, header[step], at[logged], values[logged], epochs), broken=broken)


def _dense(column: Column, many: int) -> Floats:
    """A column with a number for each of so many rows, NaN where it has nothing."""
    found = np.full(many, np.nan)
    found[column.rows] = column.values
    return found


def _broken(names: Sequence[str], at: Floats, columns: Sequence[Column]) -> Iterator[tuple[str, int, float, int]]:
    """Columns in which a rate is written that is no finite number; an empty cell is a row of other metrics."""
    for name, (rows, rates) in zip(names, columns, strict=True):
        bad = np.isfinite(at[rows]) & ~np.isfinite(rates)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            yield name, int(at[rows[first]]), float(rates[first]), int(bad.sum())


def _columns(path: Path, header: Sequence[str]) -> tuple[int, list[int], int | None]:
    """Where the steps, the rates and the epochs beside the steps stand. Raises ConfigError."""
    known = [plain(name) for name in header]
    step = next((known.index(name) for name in (*STEP, *EPOCH) if name in known), None)
    rates = [i for i, name in enumerate(header) if i != step and RATE.search(name) and not NO_RATE.search(name)]
    if not rates and "value" in known:  # TensorBoard's export of one curve
        rates = [known.index("value")]
    listed = f"its columns are: {', '.join(header) if header else 'none, it is empty'}"
    if step is None:
        why = f"there is no column of steps; {listed}"
        raise ConfigError(str(path), "", why, "name one step, global_step, _step or epoch")
    if not rates:
        why = f"there is no column of rates; {listed}"
        raise ConfigError(str(path), "", why, "name it lr, or with lr or learning_rate in it, such as train/lr")
    epoch = next((known.index(name) for name in EPOCH if name in known and known.index(name) != step), None)
    return step, rates, epoch


def _in_order(names: tuple[str, ...], counted: str, at: Floats, rates: Floats, epochs: Floats | None) -> Logged:
    """Rows by their steps, the later ones in place of earlier ones for the same step; what those had otherwise."""
    steps = at.astype(np.int64)
    again: list[tuple[int, float, float]] = []
    if (np.diff(steps) <= 0).any():
        order = np.argsort(steps, kind="stable")
        same = np.flatnonzero(np.diff(steps[order]) == 0)
        old, new = rates[order][same, 0], rates[order][same + 1, 0]
        other = abs(old - new) > SAME * np.nanmax(rates[:, 0])
        again = [*zip(steps[order][same[other]].tolist(), old[other].tolist(), new[other].tolist(), strict=True)]
        keep = order[np.append(np.diff(steps[order]) != 0, True)]
        steps, rates, epochs = steps[keep], rates[keep], epochs[keep] if epochs is not None else None
    counts = "epoch" if plain(counted) in EPOCH else "update"
    return Logged(
        names=names, at=steps, rates=rates, counts=counts, per_epoch=_per_epoch(steps, epochs), again=tuple(again)
    )


def _per_epoch(steps: Ints, epochs: Floats | None) -> float | None:
    """Updates of an epoch, by the first and the last row that has one; None where they do not differ."""
    if epochs is None:
        return None
    known = np.flatnonzero(np.isfinite(epochs))
    if len(known) < 2 or epochs[known[-1]] - epochs[known[0]] < 1:
        return None
    return float((steps[known[-1]] - steps[known[0]]) / (epochs[known[-1]] - epochs[known[0]]))
