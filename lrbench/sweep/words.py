"""A `SweepOutcome` as text. Nothing here prints."""

from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrbench.metrics import declared_in, metric_of
from lrbench.plural import plural
from lrbench.sweep.carry_out import SweepOutcome
from lrbench.sweep.plan import counted

SHOWN = 60  # runs at most in the table
FINALS = ("test/accuracy", "test/loss", "val/loss")
WIDTH = 80  # characters beside the labels, so that a line is a run for grep


def text(outcome: SweepOutcome) -> str:
    """What came out of each run, where the sweep is, and how it goes on."""
    return "\n".join([table(outcome), *lines(outcome)])


def table(outcome: SweepOutcome) -> str:
    """What came out of each run, in a line; of very many, how many stand how."""
    entries = outcome.sweep.plan.entries
    if len(entries) > SHOWN:
        return f"{plural(len(entries), 'run')}: {counted(outcome.standings())}"
    made = Table(box=None, pad_edge=False)
    for column in ("run", "", "state", *FINALS, "s"):
        made.add_column(column, justify="left" if column in ("run", "", "state") else "right")
    for entry in entries:
        look = outcome.looks[entry.run_id]
        s = look.summary
        cells = [metric_of(k, declared_in(s)).text(s[k]) if k in s else "" for k in FINALS]
        made.add_row(entry.run_id[:8], Text(entry.label), look.standing, *cells, f"{s.get('seconds', 0):.1f}")
    width = WIDTH + max((len(e.label) for e in entries), default=0)
    console = Console(file=StringIO(), width=width, soft_wrap=True)
    with console.capture() as capture:
        console.print(made)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def lines(outcome: SweepOutcome) -> list[str]:
    """Where the sweep is and how its runs are compared; of one that is not done, what stands how and goes on how."""
    sweep = outcome.sweep
    if outcome.end == "done":
        return [sweep.whereabouts()] if len(sweep.plan.entries) > 1 else []
    if outcome.end == "left":
        return [f"The jobs go on: lrbench status {sweep.short}, wait {sweep.short}, cancel {sweep.short}."]
    if outcome.end == "all alike":
        return [f"stopped. {counted(outcome.standings())}."]
    return [f"{outcome.end}. {counted(outcome.standings())}; the same command goes on from there."]
