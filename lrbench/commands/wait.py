"""`lrbench wait SWEEP`: return when nothing of a sweep is under way any more."""

import sys
from collections.abc import Sequence

from lrbench.commands import Parser
from lrbench.commands.slurm import INTERRUPTED, wait_for
from lrbench.store.record import results_folder
from lrbench.store.store import Store
from lrbench.sweep.mirror import mirror_sweep
from lrbench.sweep.status import read_sweep


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all runs are finished, 1 if not, 130 for Ctrl-C, which disturbs no run."""
    parser = Parser(
        prog="lrbench wait",
        description="Wait until every run of a sweep is done or will not come: for its jobs on SLURM, or for the "
        "processes of this machine that train it. Exit code 0 if all are finished, 1 if not.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name or its beginning; `lrbench status` lists them")
    parser.add_argument("--results", help="where records live (default: $LRBENCH_RESULTS, else ./results)")
    options = parser.parse_args(arguments)
    sweep = read_sweep(Store(results_folder(options.results)).sweep(options.sweep))
    if wait_for(sweep) == "left":
        print(f"The runs go on: lrbench wait {options.sweep}.", file=sys.stderr)
        return INTERRUPTED
    mirror_sweep(sweep.name, sweep.plan.entries)
    print(sweep.whereabouts(), file=sys.stderr)
    return 0 if all(e.record.glance() == "finished" for e in sweep.plan.entries) else 1
