"""The rates that were used against those of a plan: are they the plan's, and if not, which mistake gives these?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lrbench.check.finding import Finding
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.seen import Floats, Ints
from lrbench.schedules import lr_table

SAME = 1e-6  # of a group's highest rate: a formula of one's own rounds otherwise than torch's recursions


class Suspect(NamedTuple):
    """A mistake, by the row of the plan that each update would use under it (-1: it would not be known)."""

    rule: str
    rows: Ints
    says: str
    cure: str
    claim: str = ""


def off_plan(plan: SchedulePlan, rates: Floats, at: Ints, first: int = 0) -> list[Finding]:
    """What the rates at the updates `at` (ascending) say against the plan; nothing where they are its own.

    rates: shape (n, groups), the groups in the plan's order; `first`: the update at which the process that used them
    began. A mistake is told where it explains every single rate, to a millionth of the highest one. Of a schedule that
    hears a metric only the rates of its warmup are known, and compared.
    """
    table = lr_table(plan)
    lr, known = table.lr, min(table.known, len(table.lr))
    if rates.shape[1] != lr.shape[1]:
        says = f"the optimizer has {rates.shape[1]} parameter groups, and the plan {lr.shape[1]}"
        return [Finding(rule="watch.off-plan", severity="error", says=says, otherwise="name the same groups in both")]
    last = int(at.max(initial=0))
    inside = (at < known) & np.isfinite(rates).all(axis=1)  # of nan and inf `watch.not-a-rate` speaks
    rates, at = rates[inside], at[inside]
    if not len(at) or _same(rates, lr[at]):
        return []
    for suspect in _suspects(plan, at, first):
        told = (suspect.rows >= 0) & (suspect.rows < known)
        if told.sum() > 1 and _varies(rates[told]) and _same(rates[told], lr[suspect.rows[told]]):
            says = f"{suspect.says}{_where(rates, lr[at], at)}"
            otherwise, claim = suspect.cure, suspect.claim
            return [Finding(rule=suspect.rule, severity="error", says=says, otherwise=otherwise, claim=claim)]
    found = _unexplained(rates, lr[at], at)
    if last >= plan.clock.updates:
        longer = f"there are rates up to update {last}, and the plan has {plan.clock.updates} updates; "
        found = replace(found, says=longer + found.says)
    return [found]


def _suspects(plan: SchedulePlan, at: Ints, first: int) -> Iterator[Suspect]:
    """The mistakes that a whole run of rates can be explained by, the likeliest first."""
    epoch, one_cycle = plan.clock.per_epoch, "OneCycle" in plan.scheduler.name
    yield Suspect(
        "check.scheduler-steps-first",
        at + 1,
        "every update used the rate of the next one: scheduler.step() comes before optimizer.step()",
        "call optimizer.step() first, then scheduler.step()",
        "step-order-off-by-one",
    )
    if first:
        yield Suspect(
            "watch.resumed-on-another-curve",
            at - first,
            f"the schedule began anew at update {first}",
            "load the scheduler's state_dict with the optimizer's",
        )
    if epoch and epoch > 1:
        yield Suspect(
            "check.onecycle-stepped-by-epoch" if one_cycle else "watch.stepped-by-epoch",
            at // epoch,
            "the schedule was stepped once an epoch, and it is one of updates",
            "call scheduler.step() after every optimizer.step()",
            "onecycle-per-batch-step" if one_cycle else "",
        )
        yield Suspect(
            "check.epoch-schedule-stepped-by-batch",
            at * epoch,
            "the schedule was stepped after every update, and it is one of epochs",
            "call scheduler.step() once an epoch, after the loop over batches",
            "per-batch-cosine-reaches-min-early",
        )
    for times in (2, 3, 4, 8):
        yield Suspect(
            "watch.stepped-twice",
            at * times,
            f"the schedule went by {times} times as fast: its step() was called {times} times an update",
            "step it in one place",
        )


def _same(rates: Floats, planned: Floats) -> bool:
    return bool((abs(rates - planned) <= SAME * planned.max(axis=0, initial=0.0)).all())


def _varies(rates: Floats) -> bool:
    """Whether the rates could tell one row from another at all: a constant is at each place of a plan that holds it."""
    return bool((abs(rates - rates[0]) > SAME * rates.max(axis=0)).any())


def _where(rates: Floats, planned: Floats, at: Ints) -> str:
    wrong = np.flatnonzero((abs(rates - planned) > SAME * planned.max(axis=0)).any(axis=1))
    row = int(wrong[0])
    column = int(abs(rates[row] - planned[row]).argmax())
    used, meant = _apart(float(rates[row, column]), float(planned[row, column]))
    return f". Update {at[row]} used {used}, where the plan has {meant}"


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers that differ, with as many digits as it takes to see that."""
    for digits in range(4, 17):
        shown = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if shown[0] != shown[1]:
            return shown
    return repr(one), repr(other)


def _unexplained(rates: Floats, planned: Floats, at: Ints) -> Finding:
    """Rates that no single mistake explains: all in one proportion, all one rate, or just others."""
    where = _where(rates, planned, at)
    moved = planned.max(axis=0) > 0
    ratio = rates.max(axis=0)[moved] / planned.max(axis=0)[moved]
    if len(ratio) and _same(rates[:, moved], planned[:, moved] * ratio):
        shown = f"{ratio[0]:.4g}" if np.ptp(ratio) < SAME * ratio[0] else ", ".join(f"{r:.4g}" for r in ratio)
        says = f"the rates have the plan's shape, and are {shown} times as high{where}"
        cure = "the peak is another one: set it in the optimizer, or in the plan"
        return Finding(rule="watch.other-peak", severity="error", says=says, otherwise=cure)
    if not _varies(rates) and len(rates) > 1 and _varies(planned):
        says = f"the rate never moved{where}"
        return Finding(rule="watch.never-stepped", severity="error", says=says, otherwise="call scheduler.step()")
    wrong = (abs(rates - planned) > SAME * planned.max(axis=0)).any(axis=1)
    says = f"{int(wrong.sum())} of {len(at)} updates used another rate than the plan has, from update {at[wrong][0]} on"
    cure = "compare it with `lrbench plot`, which draws the plan"
    return Finding(rule="watch.off-plan", severity="error", says=f"{says}{where}", otherwise=cure)
