"""`lrbench status [SWEEP]`: how sweeps stand, trained here or as jobs."""

import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lrbench.commands import Parser
from lrbench.errors import ConfigError
from lrbench.store.files import to_json
from lrbench.store.folder import results_folder
from lrbench.store.store import Store
from lrbench.sweep.status import (
    ORDER,
    TOLD,
    WRONG,
    RunStatus,
    SweepStatus,
    failures,
    read_sweep,
    status_of,
)

REFRESH = 2.0  # seconds
SHOWN = 40  # runs at most in a table: those under way first
ROOM = 3  # lines of a screen for the headline, the table's own, and the number of runs left out


def run(arguments: Sequence[str]) -> int:
    """The exit code: 1 if a run failed or was lost, else 0."""
    parser = Parser(
        prog="lrbench status",
        description="How sweeps stand, whether they train here or as jobs of SLURM. In a terminal it is "
        "drawn again until nothing is under way; Ctrl-C leaves it, and disturbs no run.",
    )
    parser.add_argument(
        "sweep", nargs="?", metavar="SWEEP", help="a sweep's name or its beginning; without, all of them"
    )
    parser.add_results()
    parser.add_argument("--once", action="store_true", help="print and end, in a terminal too")
    parser.add_argument("--json", action="store_true", help="for a program: counts, pace, every run")
    options = parser.parse_args(arguments)
    store = Store(results_folder(options.results))
    if options.sweep is None:
        return _all(store, options.json, options.once)
    sweep = read_sweep(store.sweep(options.sweep))
    found: Sequence[SweepStatus] = [status_of(sweep)]
    console = _console()
    if options.json:
        print(to_json(found[0].plain(), indent=2))
    else:
        if console.is_terminal and not options.once:
            found = _refreshing(
                found, lambda: [status_of(sweep)], lambda now: _picture(now[0], console.height), console
            )
        console.print(_picture(found[0]))
    return _code(found)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:  # so that a line is a run for grep
        console.width = 200
    return console


def _all(store: Store, as_json: bool, once: bool) -> int:
    """Every sweep in a line, the latest last."""
    found: Sequence[SweepStatus] = _statuses(store)
    console = _console()
    if as_json:
        print(to_json([status.plain() for status in found], indent=2))
    elif not found:
        print(f"No sweep under {store.sweeps_folder} yet; `lrbench -m ... seed=0,1,2` makes one.")
    else:
        if console.is_terminal and not once:
            found = _refreshing(found, lambda: _statuses(store), _lines, console)
        console.print(_lines(found))
    return _code(found)


def _statuses(store: Store) -> list[SweepStatus]:
    """Of every sweep. One that cannot be read says so, and hides no other."""
    found = []
    for folder in store.sweeps():
        try:
            found.append(status_of(read_sweep(folder)))
        except ConfigError as error:
            print(f"lrbench: {error}", file=sys.stderr)
    return found


def _lines(found: Sequence[SweepStatus]) -> Text:
    return Text("\n".join(f"{s.name}  {s.planned[:16].replace('T', ' ')}  {s.headline()}" for s in found))


def _refreshing(
    found: Sequence[SweepStatus],
    look: Callable[[], list[SweepStatus]],
    picture: Callable[[Sequence[SweepStatus]], RenderableType],
    console: Console,
) -> Sequence[SweepStatus]:
    """Draw until nothing is under way, or Ctrl-C; what was seen last."""
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while any(s.under_way for s in found):
                live.update(picture(found), refresh=True)
                time.sleep(REFRESH)
                found = look()
    except KeyboardInterrupt:
        pass
    return found


def _code(found: Sequence[SweepStatus]) -> int:
    return 1 if any(r.state in WRONG for s in found for r in s.runs) else 0


def _picture(status: SweepStatus, height: int | None = None) -> Group:
    """The whole of it, or as much as fits on a screen of so many lines: then what went wrong goes before the runs."""
    lines = failures(status) if height is None else failures(status, lines=1, most=3)
    shown = SHOWN if height is None else max(1, min(SHOWN, height - len(lines) - ROOM))
    table = Table(box=None, pad_edge=False)
    for column in ("run", "", "state", "update", "job"):
        table.add_column(column, no_wrap=column not in ("", "job"))  # these two give way on a narrow screen
    runs = sorted(status.runs, key=lambda r: ORDER.index(r.state))
    for r in runs[:shown]:
        label, job = (Text(text, no_wrap=True, overflow="ellipsis") for text in (r.label, _job(r)))
        table.add_row(r.run_id[:8], label, TOLD[r.state], f"{r.update}/{r.updates}", job)
    rest = [f"... and {len(runs) - shown:,} more"] if len(runs) > shown else []
    # On a screen a line that is too long is cut: the next drawing has to know over how many lines it goes.
    overflow: OverflowMethod | None = None if height is None else "ellipsis"
    head, *below = (Text(t, overflow=overflow) for t in (f"{status.name}  {status.headline()}", *rest, *lines))
    return Group(head, table, *below)


def _job(run: RunStatus) -> str:
    """Its number, and SLURM's word where it is asked."""
    return f"{run.job or ''} {run.job_state or ''}".strip()
