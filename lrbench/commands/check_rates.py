"""`lrbench check --rates FILE.csv [overrides...]`: rates that anybody logged, judged alone or against a plan."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from lrbench.commands import Parser
from lrbench.config.experiments import experiment
from lrbench.config.plans import plan_of
from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.rates import findings_of
from lrbench.interop.words import told

DESCRIPTION = """Read the rates that any training logged; say what is wrong with them, and what such a log cannot say.

FILE is CSV with a column of steps and one or more of rates: an export of a W&B or TensorBoard chart, Lightning's
metrics.csv, timm's summary.csv, your own. --per-epoch tells how many updates an epoch has where the file does not.
Overrides are the plan to hold them against; --updates and --per-epoch give it the run's length, else it is that of
`lrbench train` with the same overrides.
"""
EXAMPLES = """examples
  lrbench check --rates lr.csv
  lrbench check --rates summary.csv --per-epoch 391
  lrbench check --rates metrics.csv scheduler=cosine warmup=linear5 --updates 3900 --per-epoch 39 optimizer.lr=0.1

Exit codes: 0 nothing wrong, 1 an error was found, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    parser = _parser()
    if {"-h", "--help"} & {*arguments}:  # argparse would take it for the file's name
        parser.print_help()
        return 0
    options = parser.parse_intermixed_args(arguments)
    if options.per_epoch is not None and options.per_epoch < 1:
        raise ConfigError("--per-epoch", options.per_epoch, "an epoch has updates", "give a whole number above 0")
    plan = _plan(options)
    found = findings_of(options.rates, plan, None if plan else options.per_epoch)
    if options.json:
        print(json.dumps([asdict(f) for f in found], indent=2))
    else:
        print("\n".join(map(told, found)) or f"{options.rates}: nothing found.")
    return 1 if any(f.severity == "error" for f in found) else 0


def _parser() -> Parser:
    parser = Parser(prog="lrbench check", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--rates", metavar="FILE", required=True, help="the CSV file")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="the plan, as `lrbench plot` takes it")
    parser.add_argument("--updates", type=int, metavar="N", help="optimizer steps of the whole run")
    parser.add_argument("--per-epoch", type=int, metavar="U", help="those of an epoch")
    parser.add_argument("--json", action="store_true", help="the findings as a JSON list")
    return parser


def _plan(options: argparse.Namespace) -> SchedulePlan | None:
    """Raises ConfigError for a length of no plan."""
    if options.updates is None and options.per_epoch is not None and options.overrides:
        raise ConfigError("--per-epoch", options.per_epoch, "it goes with --updates", "add it")
    if not options.overrides:
        if options.updates is not None:
            raise ConfigError("--updates", options.updates, "there is no plan", "add one, such as scheduler=cosine")
        return None
    if options.updates is None:
        return experiment(*options.overrides).schedule
    return plan_of(options.overrides, updates=options.updates, per_epoch=options.per_epoch)
