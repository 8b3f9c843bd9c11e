"""`lrbench cancel SWEEP`: end a sweep's jobs; what was trained is kept."""

from collections.abc import Sequence

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.store.folder import results_folder
from lrbench.store.store import Store
from lrbench.sweep.slurm.jobs import load_arrays
from lrbench.sweep.slurm.states import ENDED, ask, cancel
from lrbench.sweep.status import read_sweep


def run(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="lrbench cancel",
        description="End a sweep's jobs on SLURM. Runs under way save their state at their next update first; the "
        "sweep's command, given again, goes on from there.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name or its beginning; `lrbench status` lists them")
    parser.add_results()
    options = parser.parse_args(arguments)
    sweep = read_sweep(Store(results_folder(options.results)).sweep(options.sweep))
    jobs = [job for array in load_arrays(sweep.folder) for job in array.jobs()]
    if not jobs:
        raise ConfigError(options.sweep, "", "this sweep has no jobs", "Ctrl-C stops one that trains in a terminal")
    states = ask(jobs)
    if states is None:
        raise ConfigError(options.sweep, "", "SLURM does not answer, so nothing was cancelled", "try again in a while")
    alive = [job for job, state in states.items() if state not in ENDED]
    cancel(alive)
    print(f"{len(alive)} of {len(jobs)} jobs cancelled" if alive else f"none of {len(jobs)} jobs waits or runs")
    return 0
