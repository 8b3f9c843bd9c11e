"""`lrbench show RUN`: print a record."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrbench.commands import Parser
from lrbench.commands.train import describe
from lrbench.errors import printable
from lrbench.experiment.identity import title
from lrbench.metrics import declared_in
from lrbench.plots.run import picture_of
from lrbench.plots.terminal import rate_chart
from lrbench.progress import numbers
from lrbench.store.files import Damaged, reading, to_json
from lrbench.store.folder import results_folder
from lrbench.store.record import DONE, Record
from lrbench.store.run import Run, Unread, read_whole
from lrbench.store.store import Store

UNSEALED = "  not sealed: trained before records were, so that nobody can tell whether its files are what they were"


def run(arguments: Sequence[str]) -> int:
    parser = Parser(prog="lrbench show", description="Print a run's record: how it stands, its numbers, its rates.")
    parser.add_argument("run", metavar="RUN", help="the beginning of a run's id, or its folder")
    parser.add_results()
    parser.add_argument("--json", action="store_true", help="the summary (or status) as JSON, for a program")
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="how many of the last rows to print (5)")
    options = parser.parse_args(arguments)
    record = Store(results_folder(options.results)).find(options.run)
    found = read_whole(record)
    try:
        with reading("the record"):
            told = to_json(_plain(found), indent=2) if options.json else _text(record, found, options.rows)
    except Damaged as damage:  # of a record that no seal covers
        found = Unread(record.run_id, "corrupt", str(damage))
        told = to_json(_plain(found), indent=2) if options.json else _text(record, found, options.rows)
    print(told)
    return 1 if found.standing in ("failed", "corrupt", "diverged") else 0


def _plain(run: Run | Unread) -> Mapping[str, Any]:
    """The summary of a run that is done, else its status."""
    if isinstance(run, Unread):
        return {"state": run.standing, **({"error": run.why} if run.why else {})}
    return run.summary or {**run.status, "state": run.standing}


def _text(record: Record, run: Run | Unread, last: int) -> str:
    if isinstance(run, Unread):
        if run.standing == "corrupt":
            return f"{run.run_id} is corrupt: {run.why}. Training it again keeps this folder aside."
        return f"{run.run_id}: nothing is recorded yet."
    if run.standing in (*DONE, "failed"):
        parts = [describe(record)]
    else:
        where = f"{run.standing} at update {run.status['update']} of {run.status['updates']}"
        parts = [f"{run.run_id} {where}: {title(run.experiment)}"]
    if run.standing == "failed" and record.traceback.exists():
        parts.append(printable(record.traceback.read_text(errors="replace").rstrip()))
    if run.standing in DONE and not record.sealed():
        parts.append(UNSEALED)
    rates = record.rates()
    if len(rates):
        parts.append(rate_chart(rates[:, 0], "learning rate used"))
    if run.standing in DONE and (picture := picture_of(record)):
        parts.append(f"picture  {picture}")
    parts += loading(record)
    rows, declared = record.rows()[-last:] if last else [], declared_in(run.summary)
    parts += [f"  {row['update']:>7}  {_epoch(row)}{numbers(row, declared)}" for row in rows]
    return "\n".join(parts)


def loading(record: Record) -> list[str]:
    """The lines of Python that load the weights that are kept, for a copy."""
    kept = [path for path in (record.weights("best"), record.weights()) if path.exists()]
    if not kept:
        return []
    return [
        f"weights  {', '.join(map(str, kept))}",
        f'  model = lrbench.model_of("{record.folder}")',
        f'  model.load_state_dict(torch.load("{kept[0]}", weights_only=True))',
    ]


def _epoch(row: dict[str, float]) -> str:
    return f"epoch {row['epoch']:<8g} " if "epoch" in row else ""  # an endless stream has none
