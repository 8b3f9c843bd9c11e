"""`runs.csv`: evidence of runs that are done, a row a run, sorted by its id.

A row holds a run's id, its arm and seed, every number of its summary in full, and its curves; what many rows share
stands in the `arms.json` beside it (`store.arms`), without which they mean nothing.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id, from_plain, run_id, title
from lrbench.store.arms import ARMS, Shared, key_of, parse_shared, with_seed
from lrbench.store.curves import Corners, Curves, from_text, updates_of
from lrbench.store.files import shown
from lrbench.store.record import DONE

ROWS = "runs.csv"
FIXED = ("run_id", "arm", "seed", "state", "attempts", "rates")  # the columns that every file begins with
CURVE = "curve "  # begins the name of a curve's column; all others are numbers of the summary
ORDER = ("test/", "val/", "train/", "best/", "last")  # of numbers, by the beginning of their names
CURE = "take both files from the commit that wrote them, or remove the line and train the run again"


@dataclass(frozen=True)
class Row:
    """One line of a file of evidence: text by column, empty cells left out, and what it shares with others."""

    path: Path
    line: int
    cells: Mapping[str, str]
    shared: Shared
    committed: bool = False  # whether it stands so in the last commit

    @property
    def run_id(self) -> str:
        return self.cells["run_id"]

    @property
    def arm_id(self) -> str:
        return self.cells.get("arm", "").partition("@")[0]

    @property
    def arm(self) -> Mapping[str, Any]:
        """Its arm's entry in arms.json. Raises ConfigError where that has none."""
        found: Mapping[str, Any] = self.entry("arms", self.cells.get("arm", ""))
        return found

    @cached_property
    def experiment(self) -> Experiment:
        """The arm's, with the seed put back. Raises ConfigError where the row is not what its id says."""
        entry = self.arm
        try:
            made: Experiment = from_plain(with_seed(entry["experiment"], int(self.cells["seed"])))
        except Exception as error:
            raise self.refused(f"its experiment cannot be read ({type(error).__name__}: {error})") from error
        if run_id(made) != self.run_id or arm_id(made) != self.arm_id:
            raise self.refused(f"its experiment hashes to {run_id(made)}, not to its id {self.run_id}")
        return made

    def summary(self) -> dict[str, Any]:
        """As it stood in the record. Raises ConfigError where it is that of a run that is not done."""
        names = [n for n in self.cells if n not in FIXED and not n.startswith(CURVE)]
        try:
            numbers = {n: math.nan if (v := json.loads(self.cells[n])) is None else v for n in names}
        except ValueError as error:
            raise self.refused(f"its numbers cannot be read ({error})") from error
        state = self.cells.get("state")
        if state not in DONE:
            raise self.refused(f"its state {state!r} is not how a run ends")
        if not isinstance(numbers.get("updates"), int):
            raise self.refused("it does not say how many updates were made")
        numbers, declared = shown(numbers), {"metrics": shown(self.arm["metrics"])} if "metrics" in self.arm else {}
        what = {"run_id": self.run_id, "arm": self.arm_id, "title": title(self.experiment), "state": state}
        return {**what, **numbers, **declared}

    def pace(self) -> float | None:
        """Seconds of an update, without reading more of the row; None where it does not say."""
        try:
            return float(self.cells["seconds"]) / int(self.cells["updates"])
        except (KeyError, ValueError, ZeroDivisionError):
            return None

    def status(self) -> dict[str, Any]:
        summary, updates = self.summary(), self.experiment.clock.updates
        return {"state": summary["state"], "update": summary["updates"], "updates": updates, "error": None}

    def attempts(self) -> list[dict[str, Any]]:
        """Its provenance, but for what only means something on the machine itself."""
        own = [(key, {"from_update": at, "started": when}) for key, at, when in self._attempts()]
        made = [{**self.entry("provenance", k), **{n: v for n, v in o.items() if v is not None}} for k, o in own]
        return [shown(attempt) for attempt in made]

    def _attempts(self) -> list[tuple[str, Any, Any]]:
        """Of each, the key of its environment, the update it began at, and when."""
        try:
            return [(key, at, when) for key, at, when in json.loads(self.cells["attempts"])]
        except (ValueError, TypeError, KeyError) as error:
            raise self.refused(f"its attempts cannot be read ({error})") from error

    def overrides(self) -> list[str] | None:
        """What was typed for the arm, without the seed."""
        given: list[str] | None = shown(self.arm.get("overrides"))
        return given

    def config_dirs(self) -> list[str]:
        """A folder means something on the machine itself alone, so no row has it."""
        return []

    def unsealed(self) -> bool:
        """A row needs no seal: git tells of it."""
        return False

    def curves(self) -> Curves:
        """Its curves. Raises ConfigError for one that is none."""
        try:
            grid = self.arm["updates"]
            curves = {c.removeprefix(CURVE): text for c, text in self.cells.items() if c.startswith(CURVE)}
            return {name: from_text(text, updates_of(name, grid)) for name, text in curves.items()}
        except (ValueError, TypeError, KeyError) as error:
            raise self.refused(f"its curve cannot be read ({error})") from error

    def rates(self) -> dict[str, Corners]:
        """What its schedule set, by name; nothing where its record had none."""
        key = self.cells.get("rates")
        return {name: (u, r) for name, (u, r) in self.entry("rates", key).items()} if key else {}

    def check(self) -> None:
        """Raises ConfigError for a row that cannot be restored."""
        _ = self.experiment, self.summary(), self.attempts(), self.curves(), self.rates()

    def agrees(self, other: "Row") -> bool:
        """Whether both give the same numbers where both have them: all but curves and times, which differ when the same
        run is made again."""
        return all(other.cells.get(k, v) == v for k, v in self.cells.items() if not _varies(k))

    def keeps(self, other: "Row") -> bool:
        """Whether it says all that another row says of the run, to the letter, if not more: the test set may have been
        asked for since. (Environments and rates go by their content.)"""
        return other.cells.items() <= self.cells.items() and self.arm == other.arm

    def refused(self, why: str) -> ConfigError:
        return ConfigError(f"{self.path}, line {self.line}", "", why, CURE)

    def named(self) -> dict[str, list[str]]:
        """The keys of what it has in arms.json, by part."""
        rates = self.cells.get("rates")
        environments = [key for key, *_ in self._attempts()]
        return {"arms": [self.cells["arm"]], "provenance": environments, "rates": [rates] if rates else []}

    def entry(self, part: str, key: str) -> Any:
        """An entry of arms.json. Raises ConfigError where it is not there, or is not what it was."""
        found = getattr(self.shared, part).get(key)
        if not isinstance(found, dict):
            raise self.refused(f"{ARMS} beside it has no {part} '{key}'")
        if part != "arms" and key_of(found) != key:
            raise self.refused(f"the {part} '{key}' in {ARMS} beside it was changed")
        return found


def _varies(column: str) -> bool:
    return column in ("attempts", "rates") or "second" in column or column.startswith(CURVE)


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of evidence. Raises ConfigError where it is none, or one that a merge left torn, where two
    rows are of one run, and for an arms.json that is missing or cannot be read."""
    beside = path.with_name(ARMS)
    return parse(path, path.read_bytes(), beside.read_bytes() if beside.exists() else None)


def parse(path: Path, content: bytes, beside: bytes | None, committed: bool = False) -> list[Row]:
    """The same, of the content of both files. committed: whether they stand so in the last commit."""
    shared = parse_shared(path.with_name(ARMS), beside)
    rows: dict[str, Row] = {}
    for line, cells in _lines(path, content):
        row = Row(path, line, {"run_id": "", **cells}, shared, committed)
        if row.run_id in rows:
            raise ConfigError(f"{path}, line {line}", "", f"a second row of {row.run_id}", "keep the one that is right")
        _ = row.arm  # refused here where there is none
        rows[row.run_id] = row
    return list(rows.values())


def _lines(path: Path, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(2**24)  # by default a curve of very many parameter groups would be written and not read
    line = 0
    try:
        reader = csv.reader(io.StringIO(content.decode(), newline=""))
        columns = next(reader, [])
        if tuple(columns[: len(FIXED)]) != FIXED:
            raise _foreign(path, columns)
        for cells in reader:
            line = reader.line_num
            if len(cells) != len(columns):
                why = f"{len(cells)} cells, not {len(columns)}"
                raise ConfigError(f"{path}, line {line}", "", why, "mend it or export it again")
            yield line, {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}, line {line + 1}", "", f"cannot be read ({error})", CURE) from error


def _foreign(path: Path, columns: list[str]) -> ConfigError:
    if "experiment" in columns:
        why = "it was written by an lrbench of before, whose rows held the whole experiment"
        return ConfigError(
            str(path), "", why, "export the runs again into an empty folder, with `lrbench runs --export`"
        )
    why = "this name is kept for the evidence that `lrbench runs --export` writes, and its columns are others"
    return ConfigError(str(path), "", why, "rename the file, or export it again")


def rows_text(rows: list[Mapping[str, str]]) -> str:
    """runs.csv: rows by run id; numbers in the order in which they are shown, curves last."""
    own = sorted({c for cells in rows for c in cells} - set(FIXED), key=place)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIXED, *own], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda cells: cells["run_id"]))
    return text.getvalue()


def place(name: str) -> tuple[bool, int, str]:
    """For sorting: in which order the numbers of a summary are shown, and after them curves, wherever they are from."""
    beginnings = [name.removeprefix(CURVE).startswith(first) for first in ORDER]
    return name.startswith(CURVE), beginnings.index(True) if any(beginnings) else len(ORDER), name
