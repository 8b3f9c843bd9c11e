"""The writing side of a record: what every update used and gave, and the rows of metrics.jsonl."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.engine.legs import Leg
from lrbench.engine.loop import UpdateBlock
from lrbench.engine.state import Setup, State
from lrbench.store.files import numbers_of, to_json
from lrbench.store.lease import LeaseLost
from lrbench.store.record import Record
from lrbench.store.record_files import METRICS
from lrbench.store.seal import SealedFile
from lrbench.store.series import LOSS, NORM, SERIES, Series, header, read_series, series_type

LogRow = dict[str, float]


class Log:
    """Appends to a record from an update on; what an earlier attempt wrote after that update is cut off.

    `rows` are those of the record so far, `fresh` those of the last leg. held: what the log held at that update, where
    the checkpoint says so. Raises OSError where the disk refuses.
    """

    def __init__(
        self, record: Record, setup: Setup, at: int, log_every: int, held: Mapping[str, Any] | None = None
    ) -> None:
        self._per_epoch, self._every = setup.experiment.clock.per_epoch, log_every
        self._set = setup.table.names
        self.rows: list[LogRow] = _rows_until(record, at, held or {})
        self.fresh: list[LogRow] = []
        self._path, self._updates = record.folder / SERIES, setup.experiment.clock.updates
        done = read_series(self._path)[:at] if at else np.empty(0, series_type(self._set))
        self._series = _series_file(self._path, done, self._updates)
        self._rows = hashlib.sha256(header(done.dtype, 0) + done.tobytes())
        self._bytes = done.nbytes
        self._metrics = _appending(record.folder / METRICS, _lines(self.rows))
        last = max((int(r["update"]) for r in self.rows if LOSS in r), default=0)
        self._pending: list[tuple[float, ...]] = done[last:].tolist()  # updates of which no row tells yet

    def __call__(self, state: State, leg: Leg) -> None:
        """Append a leg."""
        self.write(leg.block)
        if leg.metrics is not None:
            self._append([self._at(state.update) | leg.metrics | {"seconds": round(state.seconds, 3)}])

    def write(self, block: UpdateBlock) -> None:
        """Append a block; its rows are each what its last update used, and the means since the row before."""
        content = block.series.tobytes()
        self._series.append(content)
        self._rows.update(content)
        self._bytes += len(content)
        self.fresh = []
        rows = []
        for update, values, seconds in zip(count(block.start + 1), block.series.tolist(), block.seconds, strict=False):
            self._pending.append(values)
            if update % self._every == 0:
                rows.append(self._row(update, values, seconds))
        self._append(rows)

    def _row(self, update: int, values: tuple[float, ...], seconds: float) -> LogRow:
        losses, norms = zip(*(each[:2] for each in self._pending), strict=True)
        self._pending.clear()
        row = self._at(update) | dict(zip(self._set, values[2:], strict=True)) | {LOSS: sum(losses) / len(losses)}
        if measured := [norm for norm in norms if norm == norm]:
            row[NORM] = sum(measured) / len(measured)
        row["seconds"] = round(seconds, 3)
        return row

    def _at(self, update: int) -> LogRow:
        """When it was; a stream without end has no epochs."""
        return {"update": update} | ({"epoch": round(update / self._per_epoch, 6)} if self._per_epoch else {})

    def _append(self, rows: list[LogRow]) -> None:
        self._metrics.append(_lines(rows))
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
            self._series = _series_file(self._path, done, len(done))
            self._series.close()

    def held(self) -> dict[str, SealedFile]:
        """What stands in its files by now, once flushed, for a checkpoint: see `Record.require_begun`."""
        return {METRICS: self._metrics.holds(), SERIES: SealedFile(self._bytes, self._rows.hexdigest())}

    def written(self) -> dict[str, SealedFile]:
        """What its files hold once it is closed."""
        return {METRICS: self._metrics.holds(), SERIES: self._series.holds()}


def _rows_until(record: Record, at: int, held: Mapping[str, Any]) -> list[LogRow]:
    if not at or METRICS not in held:
        return [row for row in record.rows() if row["update"] <= at] if at else []
    with (record.folder / METRICS).open("rb") as file:  # what follows is cut off, and may be damaged
        return [numbers_of(line) for line in file.read(held[METRICS][0]).decode().splitlines()]


class _Summed(io.BufferedWriter):
    """A file open for appending, which knows what it holds."""

    def __init__(self, path: Path, kept: bytes) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._sum, self._size = hashlib.sha256(kept), len(kept)

    def append(self, content: bytes) -> None:
        self._sum.update(content)
        self._size += len(content)
        self.write(content)

    def holds(self) -> SealedFile:
        return SealedFile(self._size, self._sum.hexdigest())


def _lines(rows: Sequence[LogRow]) -> bytes:
    return "".join(to_json(row) + "\n" for row in rows).encode()


def _appending(path: Path, kept: bytes) -> _Summed:
    """The file, holding exactly `kept`, open for appending. Replaced in one step: a kill here loses nothing."""
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(kept)
    beside.replace(path)
    return _Summed(path, kept)


def _series_file(path: Path, done: Series, updates: int) -> _Summed:
    """A .npy of so many updates, open for appending to those that are done."""
    return _appending(path, header(done.dtype, updates) + done.tobytes())
