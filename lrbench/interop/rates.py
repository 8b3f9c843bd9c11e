"""Rates that anybody logged, in a CSV file: what they say of the schedule, and what such a log cannot say.

Read are exports of W&B and TensorBoard, Lightning's CSVLogger, timm's summary.csv, and anything else with a column of
steps and one or more of rates.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lrbench.check.finding import SEVERITIES, Finding, Severity
from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.against import off_plan
from lrbench.interop.logs import Logged, read
from lrbench.interop.seen import FEW, SAME, SHARE, Floats, Ints, shown
from lrbench.plural import plural

MANY_CYCLES = 10  # of a rate that goes up and down, from which on that is told where nobody knows an epoch
END = 0.05  # of the rows: what is looked at to see how a curve ends
BESIDE_PLAN = ("watch.resumed-on-another-curve", "watch.not-a-rate")  # what a plan cannot say better


def findings_of(path: Path | str, plan: SchedulePlan | None = None, per_epoch: float | None = None) -> list[Finding]:
    """What the rates in a CSV file say, the gravest first; against a plan, where one is given. per_epoch: the updates
    of an epoch, where the file does not tell.

    A million rows take seconds. Raises ConfigError for a file that cannot be read, that lacks a column of steps or of
    rates (it says which), and that holds what is no number.
    """
    logged = read(Path(path))
    if logged.per_epoch is None:
        logged = replace(logged, per_epoch=per_epoch)
    found = [f for rule in RULES for f in rule(logged)]
    if plan is not None:
        of_plan = _of_plan(logged, plan)
        wrong = {f.rule for f in of_plan if f.severity == "error"}
        if wrong:  # the plan says better what is wrong
            found = [f for f in found if f.rule in BESIDE_PLAN or (f.severity == "note" and f.rule not in wrong)]
        told = {f.rule for f in found}
        found += [f for f in of_plan if f.rule not in told]
    return sorted(found, key=lambda f: SEVERITIES.index(f.severity))


# ---- What rates alone say -----------------------------------------------------------------------------------


def _curves(logged: Logged) -> Iterator[tuple[str, Ints, Floats]]:
    """Every column by itself: its name, and its rows that have a rate. Left out is one with nan or inf in it: what the
    rest of it looks like is not the whole curve."""
    broken = {name for name, *_ in logged.broken}
    for name, rates in zip(logged.names, logged.rates.T, strict=True):
        has = np.isfinite(rates)
        if has.sum() >= FEW and name not in broken:
            yield name, logged.at[has], rates[has]


def no_rates(logged: Logged) -> Iterator[Finding]:
    """A rate below zero is none, nor is nan or inf."""
    for name, step, written, rows in logged.broken:
        says = f"{name} is {written:g} at step {step}, and no finite number in {plural(rows, 'row')}"
        cure = "look at the formula of the schedule there; where no rate was logged, leave the cell empty"
        yield Finding(rule="watch.not-a-rate", severity="error", says=says, otherwise=cure)
    for name, rates in zip(logged.names, logged.rates.T, strict=True):
        if (rates < 0).any():
            at = int(logged.at[np.flatnonzero(rates < 0)[0]])
            says = f"{name} is {rates[rates < 0][0]:.4g} at step {at}, and a rate is never negative"
            yield Finding(rule="watch.not-a-rate", severity="error", says=says, otherwise="log the optimizer's rate")


def log_too_sparse(logged: Logged) -> Iterator[Finding]:
    """Rows that lie more than an update apart: what happens between two of them is in no log.

    A schedule that comes around between two rows looks like a constant, and one that is a step early looks like one
    that is not. By the sampling theorem nothing shorter than two spacings can be told.
    """
    epochs = logged.counts == "epoch"
    if logged.spacing <= 1 and not epochs:
        return
    unit = "epoch" if epochs else plural(logged.spacing, "update", "g")
    cure = "log it at every update, or use lrbench.watch(optimizer, scheduler, ...)"
    if epochs:
        unit += f" ({plural(logged.per_epoch, 'update', 'g')})" if logged.per_epoch else ""
        cure += "; or give what was meant, which every row is held against: scheduler=... --updates N --per-epoch U"
    two = "two epochs" if epochs else f"{2 * logged.spacing:g} updates"
    says = f"the rate is logged once every {unit}: a schedule that turns within {two} may look like another or like a "
    says += "constant, and neither a step before the optimizer's nor two steps an update can be told"
    yield Finding(
        rule="watch.log-too-sparse",
        severity="note",
        says=says,
        otherwise=cure,
        claim="per-batch-bug-detection",
    )


def resumed(logged: Logged) -> Iterator[Finding]:
    """A step stands in the file twice, with two rates: the run went on from before it, under another curve."""
    if logged.again:
        step, was, now = logged.again[0]
        more = f", as {len(logged.again) - 1} more" if len(logged.again) > 1 else ""
        says = f"step {step} was trained twice, first at {was:.4g} and after going back at {now:.4g}{more}"
        cure = "load the scheduler's state with the optimizer's, and build it with the length that it had"
        yield Finding(rule="watch.resumed-on-another-curve", severity="error", says=says, otherwise=cure)


def never_moves(logged: Logged) -> Iterator[Finding]:
    """One rate throughout: a constant schedule, one that nobody steps, or one that each row meets at the same place."""
    for name, at, rates in _curves(logged):
        if (abs(rates - rates[0]) <= SAME * rates.max()).all() and rates[0] > 0:
            says = f"{name} is {rates[0]:.4g} in all {len(rates)} rows, from step {at[0]} to {at[-1]}"
            cure = "if a schedule is meant, see that its step() is called"
            yield Finding(rule="watch.never-moves", severity="note", says=says, otherwise=cure)


def at_zero(logged: Logged) -> Iterator[Finding]:
    """The last rows stand at 0: more than 2 % of the steps, and 3 rows. Where a decay lands on 0, one row does. Or all
    rows do, of every column: of several, one may be frozen on purpose."""
    if logged.n >= FEW and not logged.broken and not np.nan_to_num(logged.rates).any():
        says = f"{' and '.join(logged.names)} is 0 in all {logged.n} rows, "
        says += f"from step {logged.at[0]} to {logged.at[-1]}: nothing was trained"
        cure = "see that the optimizer has a rate, and that the schedule does not multiply it by 0"
        yield Finding(rule="watch.trained-at-zero", severity="error", says=says, otherwise=cure)
    for name, at, rates in _curves(logged):
        moving = np.flatnonzero(rates)
        idle = len(rates) - 1 - int(moving[-1]) if moving.size else 0
        span = int(at[-1] - at[moving[-1]]) if moving.size else 0
        if idle > FEW and span > SHARE * (at[-1] - at[0]):
            says = f"{name} is 0 in the last {idle} rows, from step {at[moving[-1] + 1]} on: nothing was trained there"
            cure = "give the schedule the length of the run"
            yield Finding(rule="watch.trained-at-zero", severity="warning", says=says, otherwise=cure)


def ends_elsewhere(logged: Logged) -> Iterator[Finding]:
    """How a curve ends: climbing still, climbing again, or falling still at a high rate.

    Climbing still: it never fell, and its last rise is no longer ago than two of those before were apart: a warmup or a
    one-cycle that was not gone through. Climbing again: it fell to less than half, for at least half of the run, and
    then rose once, smoothly, to the end: a cosine past its T_max. (Restarts jump, and cycles rise more than once.)
    Falling still: it went down, its last rows fall by more than 1 % of the highest rate, and the last one is above a
    tenth of it.
    """
    for name, at, rates in _curves(logged):
        if len(rates) < 10:
            continue
        top, last, tail = float(rates.max()), float(rates[-1]), rates[-max(FEW, int(END * len(rates))) :]
        falling = tail[0] - last > 0.01 * top
        low = int(rates.argmin())
        steps = np.diff(rates[rates.argmax() :])
        if _still_rises(rates) and rates[0] < 0.9 * top:
            says = f"{name} still rises at the last row (step {at[-1]}), from {shown(rates[0])} to {shown(last)}"
            yield _ends(says, "step a one-cycle after every update; let a warmup be shorter than the run")
        elif low > rates.argmax() and low >= len(rates) // 2 and _climbs(rates[low:], top) and rates[low] < 0.5 * top:
            says = f"{name} falls to {rates[low]:.4g} (step {at[low]}) and rises again to {last:.4g} (step {at[-1]})"
            yield _ends(says, "give the schedule the length of the run: a cosine past its T_max climbs")
        elif falling and last > 0.1 * top and (steps <= 0).all():
            says = f"{name} still falls at the last row (step {at[-1]}), where it is {last / top:.0%} of its highest"
            yield _ends(says, "if its end is meant to be lower, give it the length of the run", "note")


def _still_rises(rates: Floats) -> bool:
    """It never falls, and rises to the end, in stairs or not."""
    ups = np.diff(rates)
    at = np.flatnonzero(ups)
    return bool((ups >= 0).all() and len(at) >= FEW and len(ups) - 1 - at[-1] <= 2 * np.median(np.diff(at)))


def _climbs(rates: Floats, top: float) -> bool:
    """Up to the end, never down, by more than 1 % of the highest rate, and no single step makes most of it."""
    ups, whole = np.diff(rates), rates[-1] - rates[0]
    return bool(len(ups) > 1 and (ups >= 0).all() and whole > 0.01 * top and ups.max() < 0.75 * whole)


def _ends(says: str, cure: str, severity: Severity = "warning") -> Finding:
    return Finding(rule="check.schedule-ends-elsewhere", severity=severity, says=says, otherwise=cure)


def turns_within_epochs(logged: Logged) -> Iterator[Finding]:
    """The rate turns around more than twice an epoch, over two epochs at least: a cycle shorter than an epoch. Cycles
    on purpose are made several epochs long (Smith 2017: 4 to 20); a cosine of epochs that is stepped after every update
    comes around like this. Where nobody knows an epoch, ten cycles and more are worth a note."""
    epochs = (logged.at[-1] - logged.at[0]) / logged.per_epoch if logged.per_epoch else None
    if logged.counts == "epoch" or (epochs is not None and epochs < 2):
        return
    for name, _, rates in _curves(logged):
        ways = np.sign(np.diff(rates))
        ways = ways[ways != 0]
        turns = int((np.diff(ways) != 0).sum())
        if turns <= (2.2 * epochs if epochs is not None else 2 * MANY_CYCLES):
            continue
        within = f"in {epochs:.3g} epochs" if epochs is not None else f"in {plural(len(rates), 'row')}"
        says = (
            f"{name} turns around {turns} times {within}, like a schedule of epochs that is stepped after every update"
        )
        yield Finding(
            rule="check.epoch-schedule-stepped-by-batch",
            severity="warning" if epochs is not None else "note",
            says=says
            if epochs is not None
            else f"{says}, or one that is to cycle; --per-epoch tells which is likelier",
            otherwise="call scheduler.step() once an epoch, after the loop over batches",
            claim="per-batch-cosine-reaches-min-early",
        )


def _of_plan(logged: Logged, plan: SchedulePlan) -> list[Finding]:
    """Against a plan. Loggers count from 0 or from 1, and before the scheduler's step or after it: of the three places
    at which a row may belong, that one is taken under which all rows agree, if there is one."""
    at, rates = logged.at, logged.rates
    if logged.counts == "epoch":
        if plan.clock.per_epoch is None:
            raise ConfigError("plan", "", "the log counts epochs, and the plan has none", "log updates")
        at = at * plan.clock.per_epoch
    whole = np.isfinite(rates).all(axis=1)
    at, rates = at[whole], rates[whole]
    shifts = [(shift, off_plan(plan, rates[at + shift >= 0], (at + shift)[at + shift >= 0])) for shift in (0, -1, 1)]
    return next((found for _, found in shifts if not found), shifts[0][1])


RULES = (no_rates, resumed, at_zero, ends_elsewhere, turns_within_epochs, never_moves, log_too_sparse)
