"""`lrbench eval RUN`: measure the weights of a run again, on any split, or on other data."""

import argparse
from collections.abc import Sequence
from typing import Any

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.experiment import Data
from lrbench.experiment.identity import to_plain
from lrbench.progress import numbers
from lrbench.store.files import to_json
from lrbench.store.folder import results_folder
from lrbench.store.store import Store
from lrbench.trust import named_in, require_known

DESCRIPTION = """Measure the weights that a run kept: on any split, or on other data that the model is made for. It
prints, and changes nothing: what the record says stays what it says."""
EPILOG = """examples
  lrbench eval d418f0f7                                     its last weights on its test set
  lrbench eval d418f0f7 --weights best --split val          those with the best monitor (keep=[best] kept them)
  lrbench eval d418f0f7 --weights 160ba                     those of a checkpoint that was kept
  lrbench eval d418f0f7 data=my_data --config-dir conf      on other data; they are split by the run's seed
  lrbench eval d418f0f7 data.args.root=/elsewhere --json

On other data than its own, nothing says that the model was not trained on some of what it is measured on.

Exit codes: 0 measured, 2 bad usage (one paragraph says which option, and the cure)."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    for word in options.overrides:
        if "=" not in word:
            raise ConfigError(word, "", "this is no key=value", "lrbench eval --help has examples")
    record = Store(results_folder(options.results)).find(options.run)
    if damage := record.look().why:  # weights bear a hash of their own
        raise ConfigError(record.run_id, "", damage, "train it again; its folder is kept aside")
    if not (record.folder / "experiment.yaml").exists():
        raise ConfigError(record.run_id, "", "nothing is recorded yet", "train it first")
    print(_measured(record, options))
    return 0


def _measured(record: Any, options: argparse.Namespace) -> str:
    from lrbench.config.other_data import data_of
    from lrbench.engine.measure import measure
    from lrbench.engine.state import choose_device
    from lrbench.experiment import Settings

    experiment, settings = record.experiment(), Settings(workers=options.workers)
    named = [*(f"{module}." for module in options.trust), *named_in(options.overrides)]
    cure = "add --trust MODULE if you trust it"
    require_known(to_plain(experiment), named, "RUN", record.run_id, cure)
    data, device = data_of(experiment.data, options.overrides, options.config_dir), choose_device(options.device)
    found = measure(record, experiment, options.weights, options.split, data, settings, device)
    if options.json:
        what = {"run_id": record.run_id, "weights": options.weights, "update": found.update, "split": options.split}
        on = {"target": data.target, "args": data.args, "fingerprint": data.fingerprint, "samples": found.samples}
        return to_json({**what, "data": on, **found.values}, indent=2)
    own = _caution(data, experiment.data)
    samples = "" if found.samples is None else f", {found.samples:,} samples"
    head = f"{record.run_id} at update {found.update} ({options.weights})"
    return f"{head}: {options.split} of {data.name}{samples}{own}\n  {numbers(found.values, found.metrics)}"


def _caution(data: Data, own: Data) -> str:
    if data.args == own.args and data.target == own.target:
        return ""
    if data.fingerprint == own.fingerprint:
        return ", split otherwise than for the run, which may have been trained on some of them"
    return ", not the data of the run"


def _parser() -> Parser:
    parser = Parser(prog="lrbench eval", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("run", metavar="RUN", help="the beginning of a run's id, or its folder")
    parser.add_argument("overrides", nargs="*", metavar="data...", help="other data: data=LEVEL, data.args.KEY=VALUE")
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", metavar="SPLIT", help="train, val or test (test)"
    )
    parser.add_argument("--weights", default="end", metavar="WHICH", help="end, best, or a kept update, as 30ep (end)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps (auto)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that read images from disk (2)")
    parser.add_results()
    parser.add_argument("--json", action="store_true", help="for a program: what was measured, on what")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a folder with levels of your own")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="MODULE", help="a module of yours that only the record names"
    )
    return parser
