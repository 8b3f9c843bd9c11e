"""The writing side of a record: what every update used and gave, and the rows of metrics.jsonl."""

import io
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np

from lrbench.engine.legs import Leg
from lrbench.engine.loop import Block
from lrbench.engine.state import Setup, State
from lrbench.store.lease import LeaseLost
from lrbench.store.record import LOSS, NORM, Record, Series, read_series, series_type, to_json

Row = dict[str, float]


class Log:
    """Appends to a record from an update on; what an earlier attempt wrote after that update is cut off.

    `rows` are those of the record so far, `fresh` those of the last leg. Raises OSError where the disk refuses.
    """

    def __init__(self, record: Record, setup: Setup, at: int, log_every: int) -> None:
        self._per_epoch, self._every = setup.experiment.clock.per_epoch, log_every
        self._set = setup.table.names
        self.rows: list[Row] = [row for row in record.rows() if row["update"] <= at] if at else []
        self.fresh: list[Row] = []
        self._path, self._updates = record.folder / "series.npy", setup.experiment.clock.updates
        done = read_series(self._path)[:at] if at else np.empty(0, series_type(self._set))
        self._series = _series_file(self._path, done, self._updates)
        self._metrics = _appending(record.folder / "metrics.jsonl", _lines(self.rows))
        last = max((int(r["update"]) for r in self.rows if LOSS in r), default=0)
        self._pending: list[tuple[float, ...]] = done[last:].tolist()  # updates of which no row tells yet

    def __call__(self, state: State, leg: Leg) -> None:
        """Append a leg."""
        self.write(leg.block)
        if leg.metrics is not None:
            self._append([self._at(state.update) | leg.metrics | {"seconds": round(state.seconds, 3)}])

    def write(self, block: Block) -> None:
        """Append a block; its rows are each what its last update used, and the means since the row before."""
        self._series.write(block.series.tobytes())
        self.fresh = []
        rows = []
        for update, values, seconds in zip(count(block.start + 1), block.series.tolist(), block.seconds, strict=False):
            self._pending.append(values)
            if update % self._every == 0:
                rows.append(self._row(update, values, seconds))
        self._append(rows)

    def _row(self, update: int, values: tuple[float, ...], seconds: float) -> Row:
        losses, norms = zip(*(each[:2] for each in self._pending), strict=True)
        self._pending.clear()
        row = self._at(update) | dict(zip(self._set, values[2:], strict=True)) | {LOSS: sum(losses) / len(losses)}
        if measured := [norm for norm in norms if norm == norm]:
            row[NORM] = sum(measured) / len(measured)
        row["seconds"] = round(seconds, 3)
        return row

    def _at(self, update: int) -> Row:
        """When it was; a stream without end has no epochs."""
        return {"update": update} | ({"epoch": round(update / self._per_epoch, 6)} if self._per_epoch else {})

    def _append(self, rows: list[Row]) -> None:
        self._metrics.write(_lines(rows))
        self.rows += rows
        self.fresh += rows

    def flush(self) -> None:
        """Hand everything to the operating system, so that a checkpoint never knows more than the record."""
        for file in (self._series, self._metrics):
            file.flush()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go of the files. What they hold back is dropped where it is no longer ours to write, or did not fit."""
        for file in (self._series, self._metrics):
            if not file.closed and kind is not None and not issubclass(kind, LeaseLost | OSError):
                file.flush()
            file.raw.close()

    def close(self) -> None:
        for file in (self._series, self._metrics):
            file.close()
        done = read_series(self._path)
        if len(done) < self._updates:  # a run that ended early has fewer rows than its header says
            _series_file(self._path, done, len(done)).close()


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(to_json(row) + "\n" for row in rows).encode()


def _appending(path: Path, kept: bytes) -> io.BufferedWriter:
    """The file, holding exactly `kept`, open for appending. Replaced in one step: a kill here loses nothing."""
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(kept)
    beside.replace(path)
    return path.open("ab")


def _series_file(path: Path, done: Series, updates: int) -> io.BufferedWriter:
    """A .npy of so many updates, open for appending to those that are done."""
    header = io.BytesIO()
    columns = np.lib.format.dtype_to_descr(done.dtype)
    np.lib.format.write_array_header_1_0(header, {"descr": columns, "fortran_order": False, "shape": (updates,)})
    return _appending(path, header.getvalue() + done.tobytes())
