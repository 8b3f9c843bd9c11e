"""`lrbench import LIBRARY FILE`: the settings of timm, transformers, ... as overrides that give the same rates."""

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from textwrap import fill
from typing import TYPE_CHECKING, Any

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.interop.foreign.imported import GivenSizes, Imported, written
from lrbench.interop.foreign.read import assignments_of, mapping_of, words_of

if TYPE_CHECKING:
    from lrbench.check.report import Report
    from lrbench.experiment import Experiment
    from lrbench.schedules import LRTable

# Which library, and how its files are read.
LIBRARIES = ("timm", "transformers", "torchvision", "lightning", "mmengine")
WIDTH = 80

DESCRIPTION = """Settings of another library as overrides of lrbench that give the same rates,
checked.

The first line printed is a command to paste; add your data and model to it.
Then come its rates, what the file leaves to a default of theirs, what touches
rates and cannot be said here, and what `lrbench check` finds.

  timm           the args.yaml of a run, or a YAML of train.py --config
  transformers   TrainingArguments, as args.to_json_string() or in a YAML
  torchvision    a command line of references/classification, detection or
                 segmentation/train.py: in a file, or after --
  lightning      a LightningCLI's YAML (its trainer, optimizer, lr_scheduler)
  mmengine       a whole config in Python, which is read and never run, or JSON
"""
EXAMPLES = """examples
  lrbench import timm output/train/run/args.yaml --samples 1281167 --devices 8
  lrbench import transformers training_args.json --samples 67349
  lrbench import torchvision --updates-per-epoch 1252 -- train.py --lr 0.5
  lrbench import lightning config.yaml --updates-per-epoch 391
  lrbench import mmengine vis_data/config.py --samples 118287 --devices 8

A setting that may move rates and is not known is refused. Where no level of
lrbench is the schedule, their own class stands in the line, which needs their
package (timm comes with lrbench).

Exit codes: 0 all of it is in the line, 1 something that touches rates is not
(it is named) or an error was found, 2 bad usage or refused."""


def run(arguments: Sequence[str]) -> int:
    words, line = _apart(arguments)
    options = _parser().parse_args(words)
    found = _imported(options, line)
    experiment, table = _traced(found)
    report = _report(found, experiment)
    if options.json:
        print(json.dumps(_plain(options, found, table, report), indent=1))
    else:
        print(_told(found, table, report))
    return int(bool(found.left) or any(f.severity == "error" for f in report.findings))


def _apart(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """The words for this command, and a command line of theirs after `--`."""
    if "--" not in arguments:
        return list(arguments), None
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])


def _parser() -> Parser:
    parser = Parser(prog="lrbench import", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("library", choices=LIBRARIES, metavar="LIBRARY", help=f"one of {', '.join(LIBRARIES)}")
    parser.add_argument("file", nargs="?", metavar="FILE", help="its settings; or, of torchvision, -- and the line")
    parser.add_argument("--updates-per-epoch", type=int, metavar="U", help="optimizer steps of an epoch")
    parser.add_argument("--samples", type=int, metavar="N", help="of the training set, instead: updates are counted")
    parser.add_argument("--batch-size", type=int, metavar="B", help="of one device, instead of the file's")
    parser.add_argument(
        "--devices", type=int, metavar="D", help="how many train together (else what the file says, or 1)"
    )
    parser.add_argument("--json", action="store_true", help="for a program")
    return parser


def _imported(options: argparse.Namespace, line: list[str] | None) -> Imported:
    """Raises ConfigError."""
    for name in ("updates_per_epoch", "samples", "batch_size", "devices"):
        given = getattr(options, name)
        if given is not None and given < 1:
            raise ConfigError(
                f"--{name.replace('_', '-')}", given, "this counts something", "give a whole number above 0"
            )
    if options.updates_per_epoch is not None and options.samples is not None:
        raise ConfigError("--samples", options.samples, "--updates-per-epoch says it already", "give one of the two")
    asked = GivenSizes(**{name: getattr(options, name) for name in vars(GivenSizes())})
    if line is not None and options.library != "torchvision":
        raise ConfigError("--", "", f"{options.library} has a settings file, not a line", "give FILE")
    if (line is None) == (options.file is None):
        cure = "give FILE, or a line after --" if options.library == "torchvision" else "give FILE"
        raise ConfigError("import", "", "there is nothing to read" if line is None else "there are two to read", cure)
    module = import_module(f"lrbench.interop.foreign.{options.library}")
    if options.library == "torchvision":
        return module.imported(words_of(options.file) if line is None else line, asked)
    python = options.library == "mmengine" and not options.file.endswith(".json")
    return module.imported((assignments_of if python else mapping_of)(options.file), asked)


# ---- Its rates, and what is found of them -------------------------------------------------------------------


def stand_in(found: Imported) -> list[str]:
    """Overrides for a model and data that have the very updates of theirs and nothing else: neither is imported. What
    listens to a metric listens to theirs, and layers with rates of their own are left out."""
    batch = found.batch or 1
    per_epoch = found.run.per_epoch or found.run.updates
    kept = [w for w in found.overrides if not w.startswith(("param_groups", "monitor=", "scheduler.args.mode="))]
    every = (
        [] if per_epoch <= found.run.updates or any(w.startswith("eval_every=") for w in kept) else ["eval_every=1ba"]
    )
    return [
        *kept,
        *every,
        *("model=noisy_quadratic", "data=noisy_quadratic", "task=noisy_quadratic", "monitor=val/excess"),
        f"data.args.train_size={per_epoch * batch}",
        f"batch_size={batch}",
    ]


def _traced(found: Imported) -> "tuple[Callable[[Sequence[str]], Experiment], LRTable | None]":
    """How an experiment of the overrides is made, more of them added; and its table, None where refused."""
    from lrbench.check.finding import without_replaced
    from lrbench.config.compose import compose
    from lrbench.config.experiments import experiment_from
    from lrbench.config.hydra_errors import explain
    from lrbench.schedules import lr_table
    from lrbench.schedules.remark import Contrary

    words = stand_in(found)

    def made(more: Sequence[str] = ()) -> "Experiment":
        kept, _ = without_replaced(words, more)
        try:
            composed = compose([*kept, *more])
        except ConfigError:
            raise
        except Exception as error:
            raise explain(error, [*kept, *more]) from error
        return experiment_from(composed)

    try:
        return made, lr_table(made())
    except Contrary:
        return made, None


def _report(found: Imported, made: "Callable[[Sequence[str]], Experiment]") -> "Report":
    from lrbench.commands.check import report
    from lrbench.commands.notes import linter_of
    from lrbench.store.folder import results_folder

    return report("", found.overrides, made, {}, linter_of(results_folder(None)))


# ---- Telling ------------------------------------------------------------------------------------------------


def _command(found: Imported) -> str:
    return shlex.join(["python", "-m", "lrbench", *found.overrides])


def _told(found: Imported, table: "LRTable | None", report: "Report") -> str:
    from lrbench.check.report import text

    per_epoch = f", {found.run.per_epoch:,} an epoch" if found.run.per_epoch else ""
    lines = [_command(found), ""]
    if table is not None:
        lr = table.lr[:, 0]
        waits = " until its metric stands still" if table.known < len(lr) else ""
        shown = f"first {lr[0]:.6g}, at most {lr.max():.6g} (update {lr.argmax():,}), last {lr[-1]:.6g}{waits}"
        lines.append(_item("rates", f"{shown}; {found.run.updates:,} updates{per_epoch}"))
    if found.by != "levels":
        lines.append(_item("by", f"{found.by}: no level of lrbench is this schedule"))
    if found.defaults:
        told = ", ".join(f"{name}={written(value)}" for name, value in found.defaults.items())
        lines.append(_item("default", f"{told} (theirs: the file does not say)"))
    lines += [_item("left out", says) for says in found.left]
    if found.not_taken:
        lines.append(_item("not taken", ", ".join(found.not_taken)))
    if found.mixed:
        lines.append(
            _item("needs", f"data with {found.run.per_epoch:,} updates an epoch: it counts epochs and updates")
        )
    batch = f" batch_size={found.batch}" if found.batch else ""
    lines.append(_item("add", f"your data=... model=...{batch}"))
    return "\n".join([*lines, "", text([report])])


def _item(name: str, says: str) -> str:
    lead = f"{name:10}"
    return fill(says, WIDTH, initial_indent=lead, subsequent_indent=" " * 10, break_on_hyphens=False)


def _plain(
    options: argparse.Namespace, found: Imported, table: "LRTable | None", report: "Report"
) -> Mapping[str, Any]:
    lr = None if table is None else table.lr[:, 0]
    return {
        "library": options.library,
        "file": options.file,
        "command": _command(found),
        "overrides": list(found.overrides),
        "updates": found.run.updates,
        "updates_per_epoch": found.run.per_epoch,
        "needs_updates_per_epoch": found.mixed,
        "batch_size": found.batch,
        "by": found.by,
        "rates": None if lr is None else {"first": lr[0], "highest": lr.max(), "last": lr[-1]},
        "defaults": dict(found.defaults),
        "left": list(found.left),
        "not_taken": list(found.not_taken),
        "findings": report.to_plain()["findings"],
    }
