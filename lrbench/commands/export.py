"""`lrbench export --torch OVERRIDE...`: a schedule as code on torch alone."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lrbench.commands import Parser
from lrbench.config.experiments import experiment
from lrbench.config.plans import plan_of
from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.export import export
from lrbench.schedules import check

DESCRIPTION = """Print a schedule as code on torch alone, for a training loop that is not to depend on lrbench.

It takes what `lrbench plot` takes. The code has one function, a generator: every next() sets the rates of the update to
come (and the momentum and weight decay, where the schedule moves them), equal to the bit to what lrbench trains by.
With --updates the schedule is that of a loop of yours: no data and no model are looked at.
"""
EXAMPLES = """examples
  lrbench export --torch scheduler=cosine warmup=linear5 --updates 3900 --per-epoch 39 optimizer.lr=0.1
  lrbench export --torch scheduler=onecycle horizon=20ep > schedule.py
  lrbench export --torch recipe=cnn_modern_tiny --out schedule.py

Exit codes: 0 written, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    plan = _plan(options)
    for remark in check(plan):
        print(f"note     {remark.says}", file=sys.stderr)
    code = export(plan, shlex.join(["lrbench", "export", *arguments]))
    if options.out is None:
        print(code, end="")
        return 0
    try:
        Path(options.out).write_text(code)
    except OSError as error:
        raise ConfigError("--out", options.out, f"it cannot be written ({error.strerror})", "give another") from error
    print(f"written  {options.out}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="lrbench export", options=True, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="scheduler=cosine, warmup=linear5, ...")
    parser.add_argument("--torch", action="store_true", help="as torch code (the only kind so far)")
    parser.add_argument("--updates", type=int, metavar="N", help="optimizer steps of the whole run")
    parser.add_argument("--per-epoch", type=int, metavar="U", help="those of an epoch")
    parser.add_argument("--out", metavar="FILE", help="write there instead of printing")
    return parser


def _plan(options: argparse.Namespace) -> SchedulePlan:
    """Raises ConfigError."""
    if options.updates is not None:
        return plan_of(options.overrides, updates=options.updates, per_epoch=options.per_epoch)
    if options.per_epoch is not None:
        raise ConfigError("--per-epoch", options.per_epoch, "it goes with --updates", "add it")
    return experiment(*options.overrides).schedule
