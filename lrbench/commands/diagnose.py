"""`lrbench diagnose RUN...`: what went wrong in a run, or in a log from elsewhere, and what to try."""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrbench.commands import Parser
from lrbench.diagnose.diagnose import diagnose
from lrbench.diagnose.logs import NAMES, read_logs
from lrbench.diagnose.series import Series, of_record, of_row
from lrbench.diagnose.words import plain, text, verdict
from lrbench.errors import ConfigError
from lrbench.store.files import Damaged, reading, to_json
from lrbench.store.folder import results_folder
from lrbench.store.record import DONE
from lrbench.store.rows import FIXED, read_rows
from lrbench.store.run import Unread, read_whole
from lrbench.store.run import of_row as run_of_row
from lrbench.store.store import Store

DESCRIPTION = """Say what went wrong in a run, with the evidence in its record, the likely cause, and what to try.

A RUN is the beginning of a run's id, its folder, a file of evidence (runs.csv, all of its rows), or a CSV of losses and
rates from elsewhere: an export of W&B or TensorBoard, a log of Lightning, transformers, timm or Keras. Looked for: a
loss that spikes or becomes NaN, one that stops falling early, training far below validation, a rate that falls too
fast, a OneCycle or a warmup that does not do what it is for, a plateau scheduler that never cuts.
"""
EPILOG = """examples
  lrbench diagnose d418f0f7                        a run of yours
  lrbench diagnose d418 6a0c --json                several, for a program
  lrbench diagnose log.csv                         a log from elsewhere
  lrbench diagnose log.csv --column lr=optim/rate  with a column that has a name of its own
  lrbench diagnose run-a-tag-loss.csv run-a-tag-lr.csv     TensorBoard's exports of one run
  lrbench diagnose d418f0f7 --reported test/accuracy=0.765    against what a paper reports

Columns that are known, in any case, with any sign between words:
{columns}

Exit codes: 0 healthy (notes may stand), 1 something is wrong, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    columns, reported = dict(map(_column, options.column)), _reported(options.reported)
    store = Store(results_folder(options.results))
    found = [diagnose(series, reported) for series in _series(options.runs, store, columns)]
    if not found:
        raise ConfigError("diagnose", "", "none of these can be diagnosed", "`lrbench runs` lists those that are done")
    if options.json:
        print(to_json([plain(d) for d in found], indent=2))
    else:
        print("\n\n".join(verdict(d) if d.healthy and len(found) > 3 else text(d) for d in found))
        if len(found) > 1:
            print(f"\n{sum(d.healthy for d in found)} of {len(found)} are healthy.")
    return 0 if all(d.healthy for d in found) else 1


def _parser() -> Parser:
    columns = "\n".join(f"  {role:10}{', '.join(names[:6])}, ..." for role, names in NAMES.items())
    parser = Parser(prog="lrbench diagnose", description=DESCRIPTION, epilog=EPILOG.format(columns=columns))
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's id or folder, a runs.csv, or a CSV")
    parser.add_results()
    parser.add_argument("--json", action="store_true", help="a list of what was found, for a program")
    parser.add_argument(
        "--column", action="append", default=[], metavar="ROLE=NAME", help=f"what a column is: {', '.join(NAMES)}"
    )
    parser.add_argument("--reported", metavar="METRIC=VALUE", help="what somebody reports, as test/accuracy=0.765")
    return parser


def _series(names: Sequence[str], store: Store, columns: dict[str, str]) -> Iterator[Series]:
    """The series of what was named; what cannot be read is named on stderr, and skipped. Raises ConfigError."""
    logs = [Path(name) for name in names if Path(name).is_file() and not _is_evidence(Path(name))]
    if columns and not logs:
        raise ConfigError("--column", "", "it names columns of a CSV, and none is given")
    for name in names:
        if Path(name).suffix and not Path(name).exists():
            raise ConfigError("diagnose", name, "there is no such file", "give the path of a file that is there")
        if Path(name) in logs:
            continue
        if Path(name).is_file():
            yield from (of_row(run_of_row(row)) for row in read_rows(Path(name)))
        else:
            yield from _of_run(name, store)
    yield from read_logs(logs, columns)


def _of_run(name: str, store: Store) -> Iterator[Series]:
    """Of a record, else of the rows of evidence that begin so. Raises ConfigError where there is neither."""
    try:
        record = store.find(name)
    except ConfigError:
        rows = [row for row in store.evidence.rows() if name and row.run_id.startswith(name)]
        if len(rows) != 1:
            raise
        yield of_row(run_of_row(rows[0]))
        return
    found = read_whole(record)
    if isinstance(found, Unread) or found.standing not in DONE:
        why = found.why if isinstance(found, Unread) and found.why else "nothing can be said before its end"
        print(f"lrbench: {found.run_id} is {found.standing}, and skipped: {why}.", file=sys.stderr)
        return
    try:
        with reading("its series"):
            made = of_record(found, record)
    except Damaged as damage:
        print(f"lrbench: {found.run_id} is corrupt, and skipped: {damage}.", file=sys.stderr)
        return
    yield made


def _is_evidence(path: Path) -> bool:
    """Whether it is a file that `lrbench runs --export` wrote."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return tuple(next(csv.reader(file), [])[: len(FIXED)]) == FIXED


def _column(text: str) -> tuple[str, str]:
    """Raises ConfigError for what is no ROLE=NAME."""
    role, sign, column = text.partition("=")
    if role not in NAMES or not sign or not column:
        raise ConfigError("--column", text, f"give ROLE=NAME, where ROLE is one of {', '.join(NAMES)}")
    return role, column


def _reported(text: str | None) -> tuple[str, float] | None:
    """Raises ConfigError for what is no METRIC=VALUE."""
    if text is None:
        return None
    metric, _, value = text.partition("=")
    try:
        number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError as error:
        raise ConfigError("--reported", text, "give METRIC=VALUE, as test/accuracy=0.765") from error
    if not 0 <= number <= 1:
        raise ConfigError("--reported", text, "a share lies between 0 and 1", "write 76.5% or 0.765")
    return metric, number
