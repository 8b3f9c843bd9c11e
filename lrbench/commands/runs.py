"""`lrbench runs [FILTER ...]`: find runs by any option or metric; print, sort and export them."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.metrics import Metric, declared_in, metric_of
from lrbench.plural import plural
from lrbench.store.export import write_rows
from lrbench.store.filters import missing, parse
from lrbench.store.folder import results_folder
from lrbench.store.index import Flat
from lrbench.store.record import DONE
from lrbench.store.runs import LAST, choose, columns_of, ordered, read, require, telling, unmatched, write_parquet
from lrbench.store.store import Store

DESCRIPTION = """Find runs by any option or metric, and print them as a table or for a program.

A FILTER is KEY=VALUE with one of = != < <= > >=; all of them must hold. Quote < and >, which a shell takes for itself.
A run's state says how it went: finished; diverged (the loss was no longer finite); failed (an error ended it); running,
interrupted. (A report calls a run unsuccessful that diverged, or finished no better than chance.)

KEY is an option (optimizer.lr, scheduler.args.T_max), a component by its level or class (scheduler=cosine,
scheduler=CosineAnnealingLR), a metric (test/accuracy), or run_id, arm, state, seconds. Commas separate values, and
none stands for a missing one. A level stands for the runs of its class; where several levels have that class, for those
with the arguments that tell it from the others: scheduler=cosine leaves out cosines that end at another rate.
"""
EXAMPLES = """examples
  lrbench runs                                                   all runs, with what tells them apart
  lrbench runs state=finished 'optimizer.lr>0.05' seed=0,1
  lrbench runs scheduler=onecycle,cosine warmup=none --sort test/accuracy --reverse --limit 10
  lrbench runs 'test/accuracy>=0.98' --columns run_id,optimizer.lr,test/accuracy
  lrbench runs --keys                                            every key that can be asked for
  lrbench runs --csv > all.csv                                   all columns; --columns chooses
  lrbench runs arm=85d4a4a0 --export results/claims/warmup/runs.csv

Rows in a results/**/runs.csv that --export wrote count as done: `lrbench` restores such runs instead of training them.
--committed finds them too; their column `evidence` names the file, and `committed` says whether the last commit has the
row. From Python:
lrbench.store.runs.frame("results", where=["seed=0"]) is a pandas frame.
"""
MANY = 200  # records: half a second of reading
T = TypeVar("T")


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    for text in options.filters:
        parse(text)  # refused before ten thousand records are read
    store = Store(results_folder(options.results))
    everything = read(store, lambda names: _progress(names, "reading"), options.committed)
    if options.committed:
        for said in (*store.evidence.modified.values(), *store.evidence.disputed.values()):
            print(f"lrbench: {said.removesuffix('.')}.", file=sys.stderr)
    if options.keys:
        print("\n".join(columns_of(everything)))
        store.index.keep()
        return 0
    chosen = choose(everything, options.filters)
    names = require([c.strip() for c in options.columns.split(",")] if options.columns else [], everything)
    if options.sort:
        chosen = ordered(chosen, require([options.sort], everything)[0], options.reverse)
    elif options.reverse:
        chosen.reverse()
    chosen = chosen[: options.limit]
    if not chosen:
        print(f"lrbench: {unmatched(options.filters, everything)}.", file=sys.stderr)
    _put(chosen, names, options, columns_of(everything), store)
    store.index.keep()
    return 0


def _parser() -> Parser:
    parser = Parser(prog="lrbench runs", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="a condition, such as seed=0,1 or 'test/loss<0.1'")
    parser.add_argument("--columns", metavar="A,B", help="what to show of each run (default: what tells them apart)")
    parser.add_argument("--sort", metavar="KEY", help="by this column, those without it last (default: by title)")
    parser.add_argument("--reverse", action="store_true", help="the other way round: the largest first")
    parser.add_argument("--limit", type=_count, metavar="N", help="the first N only")
    parser.add_results(metavar="DIR")
    parser.add_argument("--committed", action="store_true", help="rows of a runs.csv that have no record here, too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV, all columns unless --columns chooses")
    form.add_argument("--json", action="store_true", help="print a JSON list; what is not finite is null")
    form.add_argument("--parquet", type=Path, metavar="FILE", help="write Parquet (needs pyarrow)")
    form.add_argument("--export", type=Path, metavar="FILE", help="add the finished and diverged runs to evidence")
    form.add_argument("--keys", action="store_true", help="print every key that can be asked for")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of runs")
    return int(text)


def _progress(items: Sequence[T], doing: str) -> Iterable[T]:
    """Show how far a long work on records is: the first reading of many, or an export of them."""
    console = Console(file=sys.stderr, highlight=False)
    if len(items) < MANY:
        return items
    if not console.is_terminal:
        console.print(f"{doing} {len(items)} records")
        return items
    return track(items, f"{doing} {len(items)} records", console=console, transient=True)


def _put(chosen: list[Flat], names: list[str], options: argparse.Namespace, every: list[str], store: Store) -> None:
    """Hand the runs over in the form that was asked for."""
    if options.export:
        _export(chosen, store, options.export)
    elif options.parquet:
        write_parquet(chosen, names or every, options.parquet)
        print(f"{plural(len(chosen), 'run')} in {options.parquet}", file=sys.stderr)
    elif options.json:
        print(json.dumps([{k: _plain(row.get(k)) for k in names or every} for row in chosen], indent=2))
    elif options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names or every)
        writer.writerows(["" if missing(v := row.get(k)) else v for k in names or every] for row in chosen)
    elif chosen:
        _table(chosen, names or _that_fit(chosen, telling(chosen)))


def _export(chosen: list[Flat], store: Store, path: Path) -> None:
    asked = [store.record(row["run_id"]) for row in chosen if row["state"] in DONE and "evidence" not in row]
    damaged = {record.run_id: why for record in _progress(asked, "checking") if (why := record.examine())}
    for name, why in damaged.items():
        print(f"lrbench: {name} is corrupt, and left out: {why}.", file=sys.stderr)
    done = [record for record in asked if record.run_id not in damaged]
    if not done:
        why = f"no record of a finished or diverged run is among the {len(chosen)} chosen"
        raise ConfigError("--export", path, why)
    try:
        total = write_rows(_progress(done, "exporting"), path)
    except OSError as error:
        raise ConfigError("--export", path, f"cannot be written ({error.strerror or error})") from error
    left = f"; {len(chosen) - len(done)} that are not done were left out" if len(done) < len(chosen) else ""
    print(f"{plural(len(done), 'run')} exported, {path} holds {total}{left}", file=sys.stderr)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _that_fit(chosen: list[Flat], names: list[str]) -> list[str]:
    """The columns, without the last numbers where a terminal has no room for them; which, is said."""
    if not sys.stdout.isatty():
        return names
    width, kept = Console().width, [*names]
    lengths = {n: max(len(n), *(len(_cell(n, row.get(n), declared_in(row))) for row in chosen)) for n in names}
    for name in reversed([n for n in LAST if n in names][1:]):
        if sum(lengths[n] + 2 for n in kept) - 2 > width:
            kept.remove(name)
    if left := [n for n in names if n not in kept]:
        print(f"lrbench: no room for {', '.join(left)}; --columns chooses.", file=sys.stderr)
    return kept


def _table(chosen: list[Flat], names: list[str]) -> None:
    """In colour on a terminal; plain and never cut where a program reads."""
    cells = [[_cell(name, row.get(name), declared_in(row)) for name in names] for row in chosen]
    numeric = [not any(isinstance(row.get(name), str) for row in chosen) for name in names]
    if sys.stdout.isatty():
        table = Table(box=None, pad_edge=False)
        for name, right in zip(names, numeric, strict=True):
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for row in cells:
            table.add_row(*row)
        Console().print(table, markup=False)
        return
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    for row in (names, *cells):
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, numeric, strict=True)]
        print("  ".join(padded).rstrip())


def _cell(name: str, value: Any, declared: Mapping[str, Metric]) -> str:
    if missing(value):
        return ""
    if name in ("run_id", "arm"):
        return str(value)[:8]
    if isinstance(value, float):
        if metric_of(name, declared).unit == "%":
            return f"{value:.2%}"
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"
    return str(value)
