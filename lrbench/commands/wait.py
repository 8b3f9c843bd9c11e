"""`lrbench wait SWEEP`: return when nothing of a sweep is under way any more."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from lrbench.commands import Parser
from lrbench.errors import INTERRUPTED
from lrbench.store.folder import results_folder
from lrbench.store.store import Store
from lrbench.sweep.carry_out import SweepOutcome
from lrbench.sweep.display import Display
from lrbench.sweep.mirror import mirror_sweep
from lrbench.sweep.observer import Observer
from lrbench.sweep.slurm.drive import wait_for
from lrbench.sweep.slurm.jobs import load_arrays
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.stages import carry_out_stages, staged
from lrbench.sweep.status import read_sweep
from lrbench.sweep.store import Sweep
from lrbench.trust import require_known


def run(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all runs are finished, 1 if not, 130 for Ctrl-C, which disturbs no run."""
    parser = Parser(
        prog="lrbench wait",
        description="Wait until every run of a sweep is done or will not come: for its jobs on SLURM, or for the "
        "processes of this machine that train it. Of a sweep in stages, the next stage is then submitted and waited "
        "for too. Exit code 0 if all are finished, 1 if not.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name or its beginning; `lrbench status` lists them")
    parser.add_results()
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of yours that the next stages run, where only the sweep's file names it; may be repeated",
    )
    options = parser.parse_args(arguments)
    sweep = read_sweep(Store(results_folder(options.results)).sweep(options.sweep))
    with Display() as display:
        outcome = _waited(sweep, display, options.trust)
    if outcome.end != "done":
        print(f"The runs go on: lrbench wait {options.sweep}.", file=sys.stderr)
        return INTERRUPTED
    whole = mirror_sweep(outcome)
    print(outcome.sweep.whereabouts(), file=sys.stderr)
    return 0 if whole and set(outcome.standings()) == {"finished"} else 1


def _waited(sweep: Sweep, display: Observer, trusted: Sequence[str]) -> SweepOutcome:
    """For all that is under way, and what comes after it on SLURM, as it was asked for last."""
    outcome = SweepOutcome(sweep, wait_for(sweep, display))
    stages, arrays = staged(sweep.folder), load_arrays(sweep.folder)
    if outcome.end == "left" or stages is None:
        return outcome
    cure = "add --trust MODULE if you trust it, or give the sweep's own command again, which goes on from here"
    named = [f"{module}." for module in trusted]
    require_known({"target": stages.target, "design": stages.design}, named, "sweep", sweep.name, cure)
    if arrays:
        return carry_out_stages(stages, replace(Slurm(**arrays[-1].options), detach=False), display)
    if stages.plan() is not None:
        display.say("another stage follows; it is trained where the sweep is asked for again")
    return outcome
