"""`lrbench wandb export|sync`: finished records into offline W&B segments, and those to a server."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.experiment import Component
from lrbench.plural import plural
from lrbench.report.selection import records_of
from lrbench.store.folder import results_folder
from lrbench.store.record import DONE, Record
from lrbench.store.store import Store, store_of

WANDB = "lrbench.trackers.WandB"
EPILOG = """A run that was trained with tracker=none, or on a machine without W&B, is brought there afterwards:
  lrbench wandb export --where scheduler=StepLR --tag tour && lrbench wandb sync --where scheduler=StepLR

An export replaces what an earlier one, or the training itself, left: one segment a run, with the record's rows.
Exit codes: 0 fine, 1 a run could not be sent, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    store = Store(results_folder(options.results))
    code = _sent(records_of(store, options.runs, options.where), options)
    store.index.keep()
    return code


def _sent(records: Sequence[Record], options: argparse.Namespace) -> int:
    """The exit code."""
    damaged = {r.run_id: why for r in records if (why := r.examine())}
    for name, why in damaged.items():
        print(f"lrbench: {name} is corrupt, and left out: {why}.", file=sys.stderr)
    done = [r for r in records if r.run_id not in damaged and r.standing() in DONE]
    if not done:
        raise ConfigError(f"wandb {options.what}", "", f"of {plural(len(records), 'run')} none is finished or diverged")
    if len(done) < len(records):
        print(f"passed over, not done: {plural(len(records) - len(done), 'run')}", file=sys.stderr)
    if options.what == "sync":
        return _sync(done)
    from lrbench.sweep.mirror import memberships, replay  # brings torch along

    args = {"project": options.project, "entity": options.entity, "mode": "offline", "tags": options.tag}
    tags = {results: memberships(Store(results)) for results in {_results(r) for r in done}}
    began = time.monotonic()
    console = Console(stderr=True)
    for record in track(done, "to W&B", console=console, transient=True, disable=not console.is_terminal):
        memberships_of = tags[_results(record)].get(record.run_id, ())
        if not replay(record, Component(target=WANDB, args=args), memberships_of, print):
            return 1
    print(f"{plural(len(done), 'run')} in {time.monotonic() - began:.1f} s; lrbench wandb sync sends them")
    return 0


def _results(record: Record) -> Path:
    return store_of(record.folder).results


def _sync(records: Sequence[Record]) -> int:
    """Hand the runs' segments to W&B's own `wandb sync`, which says how it goes; 1 if it failed."""
    segments = [(record, segment_of(record)) for record in records]
    missing = [record.run_id for record, segment in segments if segment is None]
    if missing:
        why = f"{', '.join(missing[:6])} have no segment"
        raise ConfigError("wandb sync", "", why, "lrbench wandb export writes it")
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
    )
    parser.add_argument("what", choices=("export", "sync"), help="write offline segments, or send them to the server")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run ids, record or results folders; default: all")
    parser.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help="only runs that have this")
    parser.add_results()
    parser.add_argument("--project", default="lrbench", help="the W&B project (lrbench)")
    parser.add_argument("--entity", help="the W&B entity (default: your own)")
    parser.add_argument("--tag", action="append", default=[], help="a tag for every run exported; may be repeated")
    return parser
