"""The writing side of a record: rates and losses of every update, and the rows of metrics.jsonl."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lrbench.engine.loop import Block
from lrbench.engine.state import Setup
from lrbench.store.lease import LeaseLost
from lrbench.store.record import Record, read_columns, to_json

Row = dict[str, float]


class Log:
    """Appends to a record from an update on; what an earlier attempt wrote after that update is cut off.

    Raises OSError where the disk refuses.
    """

    def __init__(self, record: Record, setup: Setup, at: int, log_every: int) -> None:
        clock, table = setup.experiment.clock, setup.table
        self._per_epoch, self._every = clock.per_epoch, log_every
        momenta = [f"momentum/{g}" for g in table.groups] if table.momentum is not None else []
        rates = [*(f"lr/{g}" for g in table.groups), *momenta]
        losses = ["train/loss", "grad/norm"] if setup.experiment.clip is not None else ["train/loss"]
        self._names = [*self._moment(0), *rates, *losses, "seconds"]
        kept = [row for row in record.rows() if row["update"] <= at] if at else []
        self.rows: list[Row] = kept
        self._rates = _columns_file(record.folder / "rates.npy", clock.updates, len(rates), at)
        self._losses = _columns_file(record.folder / "losses.npy", clock.updates, len(losses), at)
        self._metrics = _appending(record.folder / "metrics.jsonl", _lines(kept))
        self._last = max((int(r["update"]) for r in kept if "train/loss" in r), default=0)
        pending = read_columns(record.folder / "losses.npy")[self._last : at]
        self._pending: list[list[float]] = pending.tolist()
        self._folder = record.folder

    def write(self, block: Block) -> list[Row]:
        """Append a block; its new rows: each the rates of its last update and the means since the row before."""
        self._rates.write(np.ascontiguousarray(block.rates).tobytes())
        self._losses.write(np.ascontiguousarray(block.losses).tobytes())
        rows, rates = [], block.rates.tolist()
        for i, losses in enumerate(block.losses.tolist()):
            self._pending.append(losses)
            update = block.start + i + 1
            if update % self._every == 0:
                rows.append(self._row(update, rates[i], block.seconds[i]))
        self._append(rows)
        self.rows += rows
        return rows

    def _row(self, update: int, rates: list[float], seconds: float) -> Row:
        """Built in one go: a short run has a row every update."""
        n = len(self._pending)
        means = self._pending[0] if n == 1 else [sum(column) / n for column in zip(*self._pending, strict=True)]
        self._pending.clear()
        self._last = update
        values = (*self._moment(update).values(), *rates, *means, round(seconds, 3))
        return dict(zip(self._names, values, strict=True))

    def _moment(self, update: int) -> Row:
        """When it was; a stream without end has no epochs."""
        return {"update": update} | ({"epoch": round(update / self._per_epoch, 6)} if self._per_epoch else {})

    def evaluation(self, update: int, metrics: Row, seconds: float) -> Row:
        row = {**self._moment(update), **metrics, "seconds": round(seconds, 3)}
        self._append([row])
        self.rows.append(row)
        return row

    def _append(self, rows: Sequence[Row]) -> None:
        self._metrics.write(_lines(rows))

    def flush(self) -> None:
        """Hand everything to the operating system, so that a checkpoint never knows more than the record."""
        for file in (self._rates, self._losses, self._metrics):
            file.flush()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go of the files. What they hold back is dropped where it is no longer ours to write, or did not fit."""
        for file in (self._rates, self._losses, self._metrics):
            if not file.closed and kind is not None and not issubclass(kind, LeaseLost | OSError):
                file.flush()
            file.raw.close()

    def close(self) -> None:
        for file in (self._rates, self._losses, self._metrics):
            file.close()
        for name in ("rates.npy", "losses.npy"):  # a run that ended early has fewer rows than its header says
            _fit_header(self._folder / name)


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(to_json(row) + "\n" for row in rows).encode()


def _appending(path: Path, kept: bytes) -> io.BufferedWriter:
    """The file, holding exactly `kept`, open for appending. Replaced in one step: a kill here loses nothing."""
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(kept)
    beside.replace(path)
    return path.open("ab")


def _columns_file(path: Path, updates: int, columns: int, at: int) -> io.BufferedWriter:
    """A .npy of float64 (updates, columns), open for appending after row `at`."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (updates, columns)})
    return _appending(path, header.getvalue() + (read_columns(path)[:at].tobytes() if at else b""))


def _fit_header(path: Path) -> None:
    values = read_columns(path)
    _columns_file(path, values.shape[0], values.shape[1], len(values)).close()
