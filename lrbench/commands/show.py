"""`lrbench show RUN`: print a record."""

from collections.abc import Sequence
from typing import Any

from lrbench.commands import Parser
from lrbench.commands.train import describe
from lrbench.identity import title
from lrbench.metrics import declared_in
from lrbench.plots.run import picture_of
from lrbench.plots.terminal import rate_chart
from lrbench.progress import numbers
from lrbench.store.record import DONE, Record, results_folder, to_json
from lrbench.store.store import Store


def run(arguments: Sequence[str]) -> int:
    parser = Parser(prog="lrbench show", description="Print a run's record: how it stands, its numbers, its rates.")
    parser.add_argument("run", metavar="RUN", help="the beginning of a run's id, or its folder")
    parser.add_argument("--results", help="where records live (default: $LRBENCH_RESULTS, else ./results)")
    parser.add_argument("--json", action="store_true", help="the summary (or status) as JSON, for a program")
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="how many of the last rows to print (5)")
    options = parser.parse_args(arguments)
    record = Store(results_folder(options.results)).find(options.run)
    standing = record.standing()
    print(to_json(_plain(record, standing), indent=2) if options.json else _text(record, standing, options.rows))
    return 1 if standing in ("failed", "corrupt", "diverged") else 0


def _plain(record: Record, standing: str) -> dict[str, Any]:
    """The summary of a run that is done, else its status."""
    if standing in DONE:
        return record.summary()
    if standing == "corrupt":
        return {"state": standing, "error": record.damage()}
    return {"state": standing} if standing == "new" else {**record.status(), "state": standing}


def _text(record: Record, standing: str, last: int) -> str:
    if standing == "corrupt":
        return f"{record.run_id} is corrupt: {record.damage()}. Training it again keeps this folder aside."
    if standing == "new":
        return f"{record.run_id}: nothing is recorded yet."
    if standing in (*DONE, "failed"):
        parts = [describe(record)]
    else:
        status = record.status()
        where = f"{standing} at update {status['update']} of {status['updates']}"
        parts = [f"{record.run_id} {where}: {title(record.experiment())}"]
    if standing == "failed" and record.traceback.exists():
        parts.append(record.traceback.read_text().rstrip())
    rates = record.rates()
    if len(rates):
        parts.append(rate_chart(rates[:, 0], "learning rate used"))
    if standing in DONE and (picture := picture_of(record)):
        parts.append(f"picture  {picture}")
    rows = record.rows()[-last:] if last else []
    declared = declared_in(record.summary()) if standing in DONE else {}
    parts += [f"  {row['update']:>7}  epoch {row['epoch']:<8g} {numbers(row, declared)}" for row in rows]
    return "\n".join(parts)
