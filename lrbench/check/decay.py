"""Decays that end elsewhere than the run does."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.case import Case
from lrbench.check.finding import Severity
from lrbench.check.proposed import Cure, Proposed
from lrbench.check.remarks import remarked
from lrbench.errors import ConfigError
from lrbench.horizon import is_time
from lrbench.numbers import is_count
from lrbench.schedules.remark import given, to_the_end
from lrbench.schedules.trace import Floats, trace

NOTHING = 1e-6  # of the peak: a rate that trains nothing
HIGH = 0.1  # of the peak: a last rate above it
FAR = 100_000  # steps beyond the run that a restart is looked for in
RESTART = 0.3  # of the peak: a rise at one step


def schedule_ends_elsewhere(case: Case) -> Iterator[Proposed]:
    """The decay is over long before the run is, or would be over only after it."""
    claim = "tmax-must-subtract-warmup"
    for found in remarked(case, "check.schedule-ends-elsewhere"):
        f = case.facts[0]
        says = f"{found.says} The run ends at {f.last:.4g}, {f.ratio:.2g} of the peak."
        yield Proposed(severity="warning", says=says, cures=found.cures, claim=claim)
    f, lr = case.facts[0], case.table.lr[:, 0]
    if case.hears or not f.drops.size:
        return
    over, updates = int(f.drops[-1]), len(lr)
    idle = updates - int(np.flatnonzero(lr > NOTHING * f.peak)[-1]) - 1
    if idle > 0.05 * updates:
        says = f"The rate is {f.last:.4g} for the last {idle:,} of {updates:,} updates ({idle / updates:.0%}): they "
        yield Proposed(severity="warning", says=f"{says}train nothing.", cures=to_the_end(case.plan.main), claim=claim)
    elif _smooth(case) and over - case.table.warmup < 0.5 * (updates - case.table.warmup):
        says = f"The decay is over at {case.at(over)} of {updates:,}, and the rate stays at {f.last:.4g} for the rest."
        bare = any(is_count(value) for _, value in given(case.plan.main))
        severity: Severity = "warning" if bare else "note"
        yield Proposed(severity=severity, says=says, cures=to_the_end(case.plan.main), claim=claim)


def _smooth(case: Case) -> bool:
    """Whether the rate falls at step after step of the schedule, rather than now and then, and never rises."""
    f, tick = case.facts[0], case.plan.main.phase.tick
    rises = f.rises[f.rises > case.table.warmup]
    return f.drops.size >= 4 and not rises.size and bool((np.diff(f.drops) == tick).mean() > 0.9)


def final_rate_high(case: Case) -> Iterator[Proposed]:
    """A schedule that falls leaves more than a tenth of the peak at the end.

    A warning where it is more than half of it. A floor of up to a tenth is practice (Hoffmann et al. 2022)."""
    kind, main = case.plan.scheduler.only_falls, case.plan.main
    f = max(case.facts, key=lambda f: f.ratio)
    again = f.rises[f.rises > max(case.table.warmup, f.peak_at)]
    if kind is False or (kind is None and again.size) or case.hears or case.constant:
        return
    if f.ratio <= HIGH * 1.05 or _at_its_floor(case, f.group, f.last, HIGH):
        return
    coarse = main.phase.interval == "epoch" and _next(case, f.group) <= HIGH * f.peak
    why = f"; it is stepped {main.phase.steps} times, and the step after the last would bring less" if coarse else ""
    says = f"The last update uses {f.last:.4g}, {f.ratio:.0%} of the peak of {f.peak:.4g}{why}."
    severity: Severity = "warning" if f.ratio > 0.5 and not coarse else "note"
    batch: tuple[Cure, ...] = (("scheduler.interval=batch",),) if coarse else ()  # else it would be another schedule
    cures = (*batch, *_lower(case), ("scheduler=cosine",), ("scheduler=cosine", "scheduler.interval=batch"))
    yield Proposed(severity=severity, says=says, cures=cures, claim="lowering-eta-min-helps")


def _at_its_floor(case: Case, group: str, last: float, share: float) -> bool:
    """Whether a rate has come down to a floor of at most this share of the group's peak."""
    name, peak = case.plan.scheduler.floor_arg, case.plan.peaks[group]
    floor = case.plan.arguments(case.plan.main, group).get(name) if name else None
    if not isinstance(floor, int | float) or floor > share * peak * (1 + 1e-3):
        return False
    return last - floor <= share * (peak - floor)


def _next(case: Case, group: str) -> float:
    """The rate that one step beyond the run would bring."""
    try:
        return float(trace(case.plan, case.plan.main, group, beyond=1).lr[-1])
    except ConfigError:
        return np.inf


def _lower(case: Case) -> tuple[Cure, ...]:
    """Arguments that may bring the last rate down: a factor or a floor that comes to a hundredth."""
    spec, cures = case.plan.scheduler, list[Cure]()
    for name, value in spec.args.items():
        if name == spec.floor_arg:
            cures.append((f"scheduler.args.{name}=0.01x",))
        elif isinstance(value, float) or (isinstance(value, str) and "/" in value):
            cures += [(f"scheduler.args.{name}=0.01/end",), (f"scheduler.args.{name}=0.1",)]
    return tuple(cures)


def past_t_max(case: Case) -> Iterator[Proposed]:
    """A scheduler is stepped past its end and turns around: the rate rises again.

    Where the rise is said to be meant, of a schedule that first falls and then climbs little by little: a note where it
    comes down again by the end, else a warning."""
    yield from remarked(case, "check.past-t-max")
    f, lr, begin = case.facts[0], case.table.lr[:, 0], case.table.warmup
    drops, rises = f.drops[f.drops > begin], f.rises[f.rises > begin]
    if case.plan.scheduler.only_falls is not False or case.hears or not (drops.size and rises.size):
        return
    if drops[0] < rises[0] and np.diff(lr[begin:]).max() < RESTART * f.peak:
        low = int(lr[begin : rises[-1] + 1].argmin()) + begin
        says = f"The rate is down to {lr[low]:.4g} at {case.at(low)}, rises again, and is {f.last:.4g} at the end."
        severity: Severity = "warning" if f.ratio > HIGH else "note"
        yield Proposed(severity=severity, says=says, cures=to_the_end(case.plan.main))


def restart_cut_short(case: Case) -> Iterator[Proposed]:
    """The run ends within a cycle that a restart has begun, at a rate that is still high."""
    f, main, lr = case.facts[0], case.plan.main, case.table.lr[:, 0]
    begin = case.table.warmup
    jumps = begin + 1 + np.flatnonzero(np.diff(lr[begin:]) > RESTART * f.peak)
    if case.hears or f.ratio <= HIGH or case.plan.scheduler.only_falls or case.constant:
        return
    after = _restart_after(case, f.group, RESTART * f.peak)
    if after == 0 or (after is None and not jumps.size):
        return
    since = int(jumps[-1]) if jumps.size else begin
    done = (len(lr) - since) / main.phase.tick
    whole = f" of {done + after:g}" if after else ""
    says = (
        f"The cycle that begins at {case.at(since)} is cut after {done:g}{whole} steps, and the run ends at "
        f"{f.last:.4g}, {f.ratio:.0%} of the peak."
    )
    yield Proposed(severity="warning", says=says, cures=_whole_cycles(case))


def _restart_after(case: Case, group: str, rise: float) -> int | None:
    """How many more steps the schedule would take to its next restart; None where that is not seen."""
    main = case.plan.main
    try:
        beyond: Floats = trace(case.plan, main, group, beyond=min(2 * main.phase.steps, FAR)).lr[main.phase.steps - 1 :]
    except ConfigError:
        return None
    found = np.flatnonzero(np.diff(beyond) > rise)
    return int(found[0]) if found.size else None


def _whole_cycles(case: Case) -> tuple[Cure, ...]:
    """Lengths of a first cycle of which two or more, equal or each twice as long as the one before, fill the run; those
    nearest to what is given first."""
    steps = case.plan.main.phase.steps
    fits = [steps // parts for parts in (2, 3, 4, 5, 6, 7, 8, 10, 15, 31) if steps % parts == 0]
    cures = list[Cure]()
    for name, value in case.plan.scheduler.args.items():
        if is_count(value) or (isinstance(value, str) and is_time(value)):
            given_steps = case.plan.arguments(case.plan.main, case.facts[0].group)[name]
            cures += [(f"scheduler.args.{name}={n}",) for n in sorted(fits, key=lambda n: abs(n - given_steps))[:5]]
    return tuple(cures)
