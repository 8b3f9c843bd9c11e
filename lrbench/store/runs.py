"""Ask the records: runs chosen by any option or metric, as rows or as a pandas frame.

A filter is `KEY=VALUE` with one of = != < <= > >=; = and != take several values, separated by commas. A key is an
option (`optimizer.lr`, `scheduler.args.T_max`), a component (`scheduler`, by its level or the last part of its target),
a metric of the summary (`test/accuracy`), or what a run is and did (`run_id`, `arm`, `state`, `update`, `seconds`).
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, get_args, get_origin, get_type_hints

import yaml

from lrbench.config.levels import is_of, levels, meaning, require_known
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Experiment
from lrbench.store.index import SHORT, Flat, Watch, rows
from lrbench.store.rows import place
from lrbench.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
IDS = ("run_id", "arm", "start.of")  # equal to their beginning too
NONE = ("none", "null", "nan")  # equal to what is missing
FINAL = ("test/accuracy", "test/loss", "val/loss", "seconds")
DECLARED = "metrics"  # what a run declares of its metrics: no column, but what shows one asks for it
LAST = (*FINAL, "evidence", "committed")  # what a table ends with
VARIED = 6  # options that a table shows; where more differ, it shows titles


@dataclass(frozen=True)
class Filter:
    """One condition; `values` as they were typed, several only for = and !=."""

    key: str
    sign: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{','.join(self.values)}"

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether a run is chosen. What it lacks, or is NaN, equals `none`, differs from all else and has no order."""
        value = row.get(self.key)
        if self.sign in ORDER:
            asked = _to_number(self.values[0])
            return asked is not None and _is_number(value) and ORDER[self.sign](value, asked)
        named = levels(self.key) if self.key in SHORT else ()
        equal = any(is_of(row, self.key, v) if v in named else _equal(value, v, self.key in IDS) for v in self.values)
        return equal if self.sign == "=" else not equal


def parse(text: str) -> Filter:
    """Read a filter. Raises ConfigError for what is none."""
    found = re.fullmatch(r"([^=<>!\s]+)\s*(==|!=|<=|>=|=|<|>)\s*([^=<>\s].*)", text.strip())
    if found is None:
        why = "a filter is KEY=VALUE with one of = != < <= > >=, such as 'optimizer.lr>0.05'"
        raise ConfigError(text, "", why, "quote it, since a shell takes < and > for itself")
    key, sign, given = _named(found[1]), found[2].replace("==", "="), found[3]
    values = (_list(text, given),) if given.startswith("[") else tuple(v.strip() for v in given.split(","))
    if not all(values):
        raise ConfigError(text, "", "a value is missing beside the comma", f"`none` asks for runs without {key}")
    if sign in ORDER and _to_number(given) is None:
        raise ConfigError(text, "", f"{sign} compares numbers, and {given!r} is none")
    return Filter(key, sign, values)


def read(store: Store, watch: Watch = iter, committed: bool = False) -> list[Flat]:
    """All runs of a store, and with `committed` the evidence in it that has no record there. Raises ConfigError where
    there are none."""
    everything = rows(store, watch, committed)
    if not everything:
        more = "" if committed else ", --committed also into runs.csv files"
        cure = f"--results (or $LRBENCH_RESULTS) looks elsewhere{more}"
        raise ConfigError(str(store.folder), "", "there are no records here", cure)
    return everything


def choose(everything: Sequence[Flat], where: Sequence[str]) -> list[Flat]:
    """The runs that all filters choose, by title, then seed. Raises ConfigError for a key that no run has, and for a
    component that is neither a level nor a class."""
    filters = [parse(text) for text in where]
    require([f.key for f in filters], everything)
    for f in filters:
        if f.key in SHORT:
            used = {str(v) for row in everything if not missing(v := row.get(f.key))}
            require_known(f.key, [v for v in f.values if v.lower() not in NONE], used)
        if f.sign in ORDER and not any(_is_number(row.get(f.key)) for row in everything):
            some = next((v for row in everything if not missing(v := row.get(f.key))), "none")
            why = f"{f.sign} compares numbers, and {f.key} of the runs is none (such as {some})"
            raise ConfigError(str(f), "", why)
    chosen = [row for row in everything if all(f(row) for f in filters)]
    return sorted(chosen, key=lambda row: (str(row.get("title")).rpartition(" seed ")[0], row.get("seed", -1)))


def frame(
    results: Path | str, where: Sequence[str] = (), columns: Sequence[str] = (), committed: bool = False
) -> "pd.DataFrame":
    """The runs of a results folder as a pandas frame, one row a run: all columns, or those named.

    `where` holds filters, all of which must hold: `frame("results", where=["scheduler=onecycle", "seed=0,1"])`.
    With `committed`, evidence that has no record is among them.
    Raises ConfigError for a folder without records, for a filter that is none, and for a key that no run has.
    """
    everything = read(Store(Path(results)), committed=committed)
    names = require(columns, everything) or columns_of(everything)
    return to_frame(choose(everything, where), names)


def to_frame(chosen: Iterable[Flat], names: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd  # half a second

    return pd.DataFrame.from_records([[row.get(name) for name in names] for row in chosen], columns=list(names))


def write_parquet(chosen: Iterable[Flat], names: Sequence[str], path: Path) -> None:
    """Write runs as Parquet. A column of it has one type: where numbers and text meet, all becomes text.

    Raises ConfigError without pyarrow, and where the file cannot be written.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        why = "this needs pyarrow: pip install 'lr-schedule-bench[parquet]'"
        raise ConfigError("--parquet", path, why, "--csv needs nothing") from error
    made = to_frame(chosen, names)
    for name in made.columns:
        values = [v for v in made[name] if not missing(v)]
        if len({"text" if isinstance(v, str) else "number" if _is_number(v) else "flag" for v in values}) > 1:
            made[name] = [None if missing(v) else str(v) for v in made[name]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.to_parquet(path, index=False)
    except OSError as error:
        raise ConfigError("--parquet", path, f"cannot be written ({error.strerror or error})") from error


def always() -> list[str]:
    """What can be asked for whatever the records hold: components, options, and what a run is and did."""
    return [*SHORT, *_options(Experiment), "run_id", "arm", "state", *FINAL]


def columns_of(chosen: Iterable[Flat]) -> list[str]:
    """Every column that one of the runs has, in the order in which rows have them."""
    return list(dict.fromkeys(key for row in chosen for key in row if key != DECLARED))


def require(keys: Sequence[str], everything: Sequence[Flat]) -> list[str]:
    """The keys as rows have them. Raises ConfigError for one that no run has, with the nearest."""
    if not keys:
        return []
    known = {*columns_of(everything), *always()}
    for key in map(_named, keys):
        if key not in known:
            hint = did_you_mean(key, sorted(known, key=place)).partition(" Known:")[0]
            finished = any(row.get("state") == "finished" for row in everything)
            why = f"no run has an option or a metric of this name{'' if finished else ', and none is finished'}.{hint}"
            raise ConfigError(key, "", why, "--keys lists them all")
    return [_named(key) for key in keys]


def ordered(chosen: Sequence[Flat], key: str, descending: bool = False) -> list[Flat]:
    """The runs by the value of a column, those that have none last."""
    have = [row for row in chosen if not missing(row.get(key))]
    lack = [row for row in chosen if missing(row.get(key))]
    return sorted(have, key=lambda row: (isinstance(row[key], str), row[key]), reverse=descending) + lack


def telling(chosen: Sequence[Flat]) -> list[str]:
    """Columns for a table: id, state, the options in which the runs differ, and the final numbers that they have."""
    options = {*SHORT, *_options(Experiment)}
    varied: list[str] = []
    for key in columns_of(chosen):
        if (key in options or ".args." in key) and _tells(key, chosen, varied):
            varied.append(key)
    shown = varied if 0 < len(varied) <= VARIED else ["title"]
    return ["run_id", "state", *shown, *(k for k in LAST if any(not missing(row.get(k)) for row in chosen))]


def _tells(key: str, chosen: Sequence[Flat], shown: Sequence[str]) -> bool:
    """Whether an option tells runs apart, beyond what the component that it belongs to tells already."""
    component, _, option = key.partition(".")
    values = {row.get(key) for row in chosen}
    present = {v for v in values if not missing(v)}
    if not option:
        return len(values) > 1
    if len(present) < 2 or option in ("lr", "length"):  # an argument that only some have: their component has a column
        return len(present) > 1
    together = {(row.get(component), row.get(key)) for row in chosen}
    return component not in shown or len(together) > len({row.get(component) for row in chosen})


def unmatched(where: Sequence[str], everything: Sequence[Flat]) -> str:
    """Why no run is chosen: what the runs have instead, for the first filter that alone chooses none."""
    for f in map(parse, where):
        if not any(f(row) for row in everything):
            values = sorted({"none" if missing(v := row.get(f.key)) else str(v) for row in everything})
            meant = "; ".join(f"{v} is {m}" for v in f.values if f.key in SHORT and (m := meaning(f.key, v)))
            asked = f"{f} ({meant})" if meant else f"{f}"
            return f"no run has {asked}: there {'are' if values[1:] else 'is'} {', '.join(values[:8])}" + (
                f" and {len(values) - 8} more" if values[8:] else ""
            )
    return "no run has all of these at once"


def missing(value: Any) -> bool:
    """None or NaN."""
    return value is None or value != value


def _named(key: str) -> str:
    """A key as the configuration or as the record has it."""
    return key.replace("._target_", ".target")


def _equal(value: Any, text: str, beginning: bool) -> bool:
    if missing(value):
        return text.lower() in NONE
    if _is_number(value):
        return bool(value == _to_number(text))
    mine, asked = str(value).lower(), text.lower()
    return mine.startswith(asked) if beginning else mine == asked


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _to_number(text: str) -> float | None:
    for kind in (int, float):  # a float does not hold every seed
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _list(text: str, given: str) -> str:
    """A list as rows have it: as JSON."""
    try:
        return json.dumps(yaml.safe_load(given))
    except yaml.YAMLError as error:
        why, cure = f"{given} cannot be read as a list", "write it as in [16, 32] or ['@30ep']"
        raise ConfigError(text, "", why, cure) from error


def _options(kind: type, prefix: str = "") -> Iterator[str]:
    """The options that a run can have by their dotted keys, arguments (which are open) and bookkeeping left out."""
    for name, hint in get_type_hints(kind).items():
        inner = next((k for k in (hint, *get_args(hint)) if is_dataclass(k)), None)
        if inner is not None and inner is not Experiment:
            yield from _options(inner, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif get_origin(hint) is not Mapping and name not in ("target", "numerics", "fingerprint"):
            yield f"{prefix}{name}"
