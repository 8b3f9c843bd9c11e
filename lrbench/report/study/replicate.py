"""A study that was asked again on other seeds, beside the first: each contrast twice, and whether the verdict is the
same."""

from collections.abc import Iterator
from dataclasses import dataclass

from lrbench.plural import plural
from lrbench.report.numbers import NONE
from lrbench.report.study.gains import percent
from lrbench.report.study.tables import arm_of, gain_cell, interval_cell
from lrbench.report.study.words import NO_VERDICT
from lrbench.report.tables import Table
from lrbench.study.result import Contrast, Result
from lrbench.study.rules import Rules

TITLE = "Beside the first study"
HEADER = ("arm", "first", "interval", "verdict", "again", "interval", "verdict", "same", "expected")


@dataclass(frozen=True)
class Twice:
    """One contrast of the first study and of its replicate."""

    task: str
    first: Contrast
    again: Contrast

    @property
    def same(self) -> bool:
        return self.first.verdict == self.again.verdict

    @property
    def expected(self) -> float | None:
        """How often a rerun was to come to the first one's verdict, by its own noise."""
        return self.first.agreement.tuned_again if self.first.agreement else None


def twice(first: Result, again: Result) -> list[Twice]:
    """Every contrast that both have."""
    there = {(t.task, c.arm): c for t in first.tasks for c in t.contrasts}
    here = ((t.task, c) for t in again.tasks for c in t.contrasts)
    return [Twice(task, there[task, c.arm], c) for task, c in here if (task, c.arm) in there]


def beside(first: Result, again: Result) -> str:
    """In how many contrasts the verdict is the same, and in how many it was to be."""
    found = twice(first, again)
    same, known = sum(t.same for t in found), [t.expected for t in found if t.expected is not None]
    told = f"The verdict is that of the first study in {same} of {plural(len(found), 'contrast')}"
    if not known:
        return f"{told}."
    of = "" if len(known) == len(found) else f" of the {len(known)} of which that can be told"
    return f"{told}; by the noise of the first one {sum(known):.1f}{of} were to be expected."


def replicate_table(first: Result, again: Result) -> Table:
    """A row a contrast: gain, interval and verdict of the first study and of this one. expected: how often a rerun was
    to come to the first one's verdict."""
    found, rules = twice(first, again), again.rules
    rows = tuple(tuple(_row(rules, t)) for t in found)
    return Table(HEADER, rows, arms=tuple(arm_of(rules, t.again.arm) for t in found))


def _row(rules: Rules, t: Twice) -> Iterator[str]:
    yield f"{t.task}, {t.again.arm}" if t.task else t.again.arm
    for c in (t.first, t.again):
        yield gain_cell(rules, c.tested.mean if c.tested else None)
        yield interval_cell(rules, c.tested.interval if c.tested else None)
        yield c.verdict or NO_VERDICT
    yield "yes" if t.same else "no"
    yield NONE if t.expected is None else percent(round(t.expected, 2))
