"""Mistakes in when a scheduler is stepped, told from the counts of its steps: one function a rule (see `rules`)."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.finding import Finding, Severity
from lrbench.interop.seen import FEW, WatchedLoop, shown
from lrbench.plural import plural


def no_updates(seen: WatchedLoop) -> Iterator[Finding]:
    """Steps of the scheduler were counted and not one of the optimizer: whatever trains, it is not what is watched."""
    if seen.over and seen.n == 0 and len(seen.steps) >= FEW:
        says = f"the scheduler was stepped {len(seen.steps)} times, and the watched optimizer not once"
        yield Finding(rule="watch.no-updates", severity="error", says=says, otherwise="watch the optimizer that trains")


def never_stepped(seen: WatchedLoop) -> Iterator[Finding]:
    """No step of the scheduler in two epochs, or in a whole run of 10 updates and more where epochs are not known.

    A loop that steps once an epoch has stepped once by then at least. Where epochs are not known, a run of one that
    leaves out the last step looks the same, and it is a warning. So it is where the rates moved all the same: another
    scheduler moves them, and the wrong one is watched.
    """
    two = 2 * seen.per_epoch if seen.per_epoch else 10
    if not seen.over or seen.nature is None or len(seen.steps) or seen.n < two:
        return
    name, rates = seen.nature.name, seen.rates
    if (rates == rates[0]).all():
        says = f"{name}.step() was never called in {seen.n} updates: all were trained at {shown(rates[0, 0])}"
        cure = "call scheduler.step() after optimizer.step(), or once an epoch if its lengths are epochs"
        severity: Severity = "error" if seen.per_epoch else "warning"
        yield Finding(rule="watch.never-stepped", severity=severity, says=says, otherwise=cure)
    else:
        says = f"{name}.step() was never called in {plural(seen.n, 'update')}, and the rate moved all the same"
        cure = "watch the scheduler that is stepped"
        yield Finding(rule="watch.never-stepped", severity="warning", says=says, otherwise=cure)


def steps_first(seen: WatchedLoop) -> Iterator[Finding]:
    """The scheduler's first step came before the first update, and none came after the last one.

    The right order has it the other way round, at both ends. A step that fp16's scaler skipped at the beginning, and a
    resumed loop that steps its scheduler forward to where it was, also have steps before the first update, but then
    one after the last.
    """
    steps = seen.steps
    if not (seen.over and seen.whole) or len(steps) < FEW or seen.n < FEW:
        return
    before = int((steps == 0).sum())
    if before and steps[-1] < seen.n and before <= seen.at_once[-1]:
        says = "scheduler.step() comes before optimizer.step(): the rate before its first step trained no update, and "
        says += f"each of the {len(steps)} steps was one too early"
        yield Finding(
            rule="check.scheduler-steps-first",
            severity="warning",
            says=says,
            otherwise="call optimizer.step() first, then scheduler.step()",
            claim="step-order-off-by-one",
        )


def stepped_twice(seen: WatchedLoop) -> Iterator[Finding]:
    """Nine in ten of the moments at which the scheduler was stepped have two steps or more without an update between.

    A skipped fp16 step makes two of them now and then, not each time. Where the scheduler's length is that of all its
    steps, as accelerate has it with several processes, it is meant.
    """
    times = several_at_once(seen)
    if times < 2 or _comes_out(seen):
        return
    unit = "update" if seen.every == 1 else f"{seen.every:g} updates"
    says = f"scheduler.step() is called {times} times every {unit} ({len(seen.steps)} steps in {seen.n} updates): the "
    says += f"schedule is through after 1/{times} of the run{_so_far(seen)}"
    cure = "step it in one place: where a trainer steps it (accelerate's prepare, Lightning), leave out your own call; "
    cure += "where gradients are accumulated, step it where the optimizer is stepped, and not for every batch"
    yield Finding(rule="watch.stepped-twice", severity="error", says=says, otherwise=cure)


def several_at_once(seen: WatchedLoop) -> int:
    """How many steps nine in ten of the moments have at least; 1 where there are too few to tell. The first and the
    last may have begun before, or go on."""
    return int(np.quantile(seen.at_once[1:-1], 0.1)) if len(seen.marks) >= FEW else 1


def _comes_out(seen: WatchedLoop) -> bool:
    """Whether a scheduler that says its length reaches it at the end of the run, stepped as it is."""
    length = seen.nature.length if seen.nature else None
    made, total = seen.done + seen.n, seen.total
    return bool(length and made and total and abs(seen.position * total / made - length) <= max(FEW, 0.1 * length))


def of_epochs_by_update(seen: WatchedLoop) -> Iterator[Finding]:
    """It is stepped after every update, and its length, its last milestone or its period is that of the run in epochs.

    Told by the length: it lies within a quarter of the epochs, and the run has twice as many updates at least. A
    schedule for a few updates would have to have as many of them as there are epochs; a warmup that only rises may, and
    is left out. Told by a factor (StepLR, ExponentialLR): applied at every update the rate falls by more than a million
    in this run, and applied once an epoch it would not. Told by restarts: they come twice an epoch and more, and are no
    further apart than the run has epochs; on purpose they are epochs apart.
    """
    nature, every, total = seen.nature, seen.every, seen.total
    if nature is None or total is None or every != 1 or not seen.per_epoch or seen.per_epoch < 2 or nature.rises:
        return
    epochs, steps = total / seen.per_epoch, len(seen.steps)
    length = nature.length or nature.last_drop
    if length and length >= 2:
        least = 0.75 if nature.length else 0.4  # the last milestone may lie anywhere behind the middle
        if not (least * epochs <= length <= 1.25 * epochs and steps >= 2 * length):
            return
        what = f"it has {length} steps, as the run has {plural(epochs, 'epoch', 'g')}"
        when = f"it was through after update {length} of {total}"
    elif nature.period and nature.factor and 0 < nature.factor < 1:
        by_update = nature.factor ** (total // nature.period)
        by_epoch = nature.factor ** int(epochs // nature.period)
        if not (by_update < 1e-6 < by_epoch and steps >= FEW):
            return
        what = f"a factor {nature.factor:g} every {nature.period} steps comes to {by_update:.1g} in {total} updates"
        when = f"in {plural(epochs, 'epoch', 'g')} it comes to {by_epoch:.2g}"
    elif nature.cycle and 2 <= nature.cycle <= min(seen.per_epoch / 2, epochs) and steps >= 2 * nature.cycle:
        what = f"it restarts every {nature.cycle} steps"
        when = f"that is {seen.per_epoch / nature.cycle:.1f} times an epoch"
    else:
        return
    says = f"{nature.name} counts epochs and is stepped after every update: {what}; {when}{_so_far(seen)}"
    yield Finding(
        rule="check.epoch-schedule-stepped-by-batch",
        severity="error",
        says=says,
        otherwise="call scheduler.step() once an epoch, after the loop over batches",
        claim="per-batch-cosine-reaches-min-early",
    )


def of_updates_by_epoch(seen: WatchedLoop) -> Iterator[Finding]:
    """It is stepped once in several updates, and so gets through less than half of its length by the end of the run,
    which would be right if it were stepped at each.

    Right means within a quarter of the run's updates; a one-cycle, which has no other use than to be gone through, is
    held to the first half of this alone. A cosine that is cut off on purpose has no length near the run's updates. What
    has no length (milestones, restarts) is judged by the steps until it first drops, restarts or has risen: in this run
    it comes to less than half of them, and stepped at each update it would come to all.
    """
    nature, every, total = seen.nature, seen.every, seen.total
    if nature is None or total is None or len(seen.steps) < 2 or every < 2:
        return
    comes_to, length = total / every, nature.length
    if length is None or nature.rises:
        if nature.until and comes_to <= nature.until / 2 and nature.until <= total:
            says = f"{nature.name} first turns at its step {nature.until}, and is stepped every {every:g} updates: it "
            says += f"comes to step {comes_to:.0f} in {total} updates{_seen_rates(seen)}"
            cure = "call scheduler.step() after every optimizer.step(), or count its steps in epochs"
            yield Finding(rule="watch.stepped-by-epoch", severity="error", says=says, otherwise=cure)
        return
    cycle = "OneCycle" in nature.name
    if comes_to > length / 2 or not (cycle or 0.75 * total <= length <= 1.25 * total):
        return
    says = f"{nature.name} has {length} steps and is stepped every {every:g} updates: it goes through "
    says += f"{comes_to / length:.1%} of its course, {comes_to:.0f} steps in {total} updates{_seen_rates(seen)}"
    yield Finding(
        rule="check.onecycle-stepped-by-epoch" if cycle else "watch.stepped-by-epoch",
        severity="error",
        says=says,
        otherwise="call scheduler.step() after every optimizer.step(); in Lightning, return "
        '{"scheduler": ..., "interval": "step"}',
        claim="onecycle-per-batch-step" if cycle else "",
    )


def _so_far(seen: WatchedLoop) -> str:
    """What is told while the loop runs speaks of the whole run, and was seen in its beginning."""
    return "" if seen.over else f" (so it goes in the {seen.n} updates seen so far)"


def _seen_rates(seen: WatchedLoop) -> str:
    if not seen.n:
        return _so_far(seen)
    rates = seen.rates[:, 0]
    went = f"from {shown(rates[0])} to {shown(rates[-1])}, {shown(rates.max())} at most"
    return f"; the rate went {went}{_so_far(seen)}"
