"""`lrbench wandb export|sync`: finished records into offline W&B segments, and those to a server."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lrbench.commands import Parser
from lrbench.config import results_folder
from lrbench.errors import ConfigError
from lrbench.experiment import arm_id, title, to_plain
from lrbench.lease import Lease
from lrbench.record import DONE, Record
from lrbench.report.selection import records_of
from lrbench.trackers import Mirrored, WandB

EPILOG = """A run that was trained with tracker=none, or on a machine without W&B, is brought there afterwards:
  lrbench wandb export --where scheduler=StepLR --tag tour && lrbench wandb sync --where scheduler=StepLR

An export replaces what an earlier one, or the training itself, left: one segment a run, with the record's rows.
Exit codes: 0 fine, 1 a run could not be sent, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    records = records_of(results_folder(options.results), options.runs, options.where)
    done = [r for r in records if r.standing() in DONE]
    if not done:
        raise ConfigError(f"wandb {options.what}: none of the {len(records)} runs is finished or diverged.")
    if len(done) < len(records):
        print(f"{len(records) - len(done)} runs that are not done are passed over", file=sys.stderr)
    if options.what == "sync":
        return _sync(done)
    tracker = WandB(options.project, options.entity, tags=options.tag)
    began = time.monotonic()
    rows = sum(export(record, tracker) for record in done)
    print(f"{len(done)} runs, {rows:,} rows in {time.monotonic() - began:.1f} s; lrbench wandb sync sends them")
    return 0


def export(record: Record, tracker: WandB) -> int:
    """Replay a record that is done into one fresh segment under its folder; the number of rows.

    Raises ConfigError where another process holds the record.
    """
    lease = Lease(record.folder)
    if not lease.take():
        raise ConfigError(f"{record.run_id}: another process is writing this record; export it when that has ended.")
    try:
        experiment = record.experiment()
        folder = record.folder.resolve()  # wandb's service may live in another working directory
        about = Mirrored(record.run_id, arm_id(experiment), title(experiment), to_plain(experiment), folder)
        tracker.open(about, print)
        rows = record.rows()
        for row in rows:
            tracker.log(row)
        tracker.finish(record.summary())
    finally:
        lease.release()
    return len(rows)


def _sync(records: Sequence[Record]) -> int:
    """Hand the runs' segments to W&B's own `wandb sync`, which says how it goes; 1 if it failed."""
    segments = [(record, segment_of(record)) for record in records]
    missing = [record.run_id for record, segment in segments if segment is None]
    if missing:
        raise ConfigError(f"wandb sync: {', '.join(missing[:6])} have no segment; lrbench wandb export writes it.")
    sent = subprocess.run([sys.executable, "-m", "wandb", "sync", *(str(segment) for _, segment in segments)])
    return min(sent.returncode, 1)


def segment_of(record: Record) -> Path | None:
    """The folder of a run's one offline segment."""
    found = sorted((record.folder / "wandb").glob(f"offline-run-*-{record.run_id}"))
    return found[-1].resolve() if found else None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench wandb",
        description="Bring finished runs to Weights & Biases after the fact.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("export", "sync"), help="write offline segments, or send them to the server")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run ids, record or results folders; default: all")
    parser.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help="only runs that have this")
    parser.add_argument("--results", help="where records live (default: $LRBENCH_RESULTS, else ./results)")
    parser.add_argument("--project", default="lrbench", help="the W&B project (lrbench)")
    parser.add_argument("--entity", help="the W&B entity (default: your own)")
    parser.add_argument("--tag", action="append", default=[], help="a tag for every run exported; may be repeated")
    return parser
