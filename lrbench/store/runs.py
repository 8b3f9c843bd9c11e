"""Ask the records: runs chosen by any option or metric (`filters`), as rows or as a pandas frame."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_origin, get_type_hints

from lrbench.config.levels import meaning, require_known
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Experiment
from lrbench.numbers import is_number
from lrbench.store.filters import NONE, ORDER, missing, named, parse
from lrbench.store.index import SHORT, Flat, ProgressBar, row_of_evidence
from lrbench.store.rows import place
from lrbench.store.run import of_row
from lrbench.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

FINAL = ("test/accuracy", "test/loss", "val/loss", "seconds")
DECLARED = "metrics"  # what a run declares of its metrics: no column, but what shows one asks for it
LAST = (*FINAL, "evidence", "committed")  # what a table ends with
ALWAYS = ("scheduler", "optimizer.lr")  # what a person asks first of a run
VARIED = 5  # other options that a table shows; where more differ, it shows titles


def read(store: Store, watch: ProgressBar = iter, committed: bool = False) -> list[Flat]:
    """All runs of a store in the order of their ids, and with `committed` the evidence in it that has no record there;
    `watch` goes over the records that have to be read. Raises ConfigError where there are none, and for evidence that
    cannot be trusted."""
    everything = store.index.rows(watch)
    if committed:
        there = {row["run_id"] for row in everything}
        everything += [row_of_evidence(of_row(row)) for row in store.evidence.rows() if row.run_id not in there]
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
        if f.sign in ORDER and not any(is_number(row.get(f.key)) for row in everything):
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
    store = Store(Path(results))
    everything = read(store, committed=committed)
    names = require(columns, everything) or columns_of(everything)
    chosen = choose(everything, where)
    store.index.keep()
    return to_frame(chosen, names)


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
        if len({"text" if isinstance(v, str) else "number" if is_number(v) else "flag" for v in values}) > 1:
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
    for key in map(named, keys):
        if key not in known:
            hint = did_you_mean(key, sorted(known, key=place)).partition(" Known:")[0]
            finished = any(row.get("state") == "finished" for row in everything)
            why = f"no run has an option or a metric of this name{'' if finished else ', and none is finished'}.{hint}"
            raise ConfigError(key, "", why, "--keys lists them all")
    return [named(key) for key in keys]


def ordered(chosen: Sequence[Flat], key: str, descending: bool = False) -> list[Flat]:
    """The runs by the value of a column, those that have none last."""
    have = [row for row in chosen if not missing(row.get(key))]
    lack = [row for row in chosen if missing(row.get(key))]
    return sorted(have, key=lambda row: (isinstance(row[key], str), row[key]), reverse=descending) + lack


def telling(chosen: Sequence[Flat]) -> list[str]:
    """Columns for a table: id, state, schedule and rate, the options in which the runs differ, and the final numbers
    that they have; the title instead of the options where those are too many, or none."""
    options = {*SHORT, *_options(Experiment)}
    varied: list[str] = []
    for key in columns_of(chosen):
        if (key in options or ".args." in key) and _tells(key, chosen, varied):
            varied.append(key)
    beside = [key for key in varied if key not in ALWAYS]
    always = [key for key in ALWAYS if any(not missing(row.get(key)) for row in chosen)]
    shown = [*always, *beside] if varied and len(beside) <= VARIED else ["title"]
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


def _options(kind: type, prefix: str = "") -> Iterator[str]:
    """The options that a run can have by their dotted keys, arguments (which are open) and bookkeeping left out."""
    for name, hint in get_type_hints(kind).items():
        inner = next((k for k in (hint, *get_args(hint)) if is_dataclass(k)), None)
        if inner is not None and inner is not Experiment:
            yield from _options(inner, f"{prefix}{name}.")  # type: ignore[arg-type]
        elif get_origin(hint) is not Mapping and name not in ("target", "numerics", "fingerprint"):
            yield f"{prefix}{name}"
