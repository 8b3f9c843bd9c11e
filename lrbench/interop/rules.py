"""What went wrong in a watched loop, told from its rates and the counts of its steps alone: one function a rule.

Each says in its docstring how it tells, and why a correct loop does not look like that. Thresholds are wide where a
correct loop comes near: a loop that steps once too often at its end, or leaves out the last step, is right. Those about
the moments at which a scheduler is stepped stand in `stepping`.
"""

from collections.abc import Iterator

import numpy as np

from lrbench.check.finding import SEVERITIES, Finding
from lrbench.interop.seen import FEW, SHARE, Nature, WatchedLoop, shown
from lrbench.interop.stepping import (
    never_stepped,
    no_updates,
    of_epochs_by_update,
    of_updates_by_epoch,
    several_at_once,
    stepped_twice,
    steps_first,
)
from lrbench.plural import plural

HALVINGS = 20  # of the scale of a torch.amp.GradScaler, from its first 2^16 down


def findings(seen: WatchedLoop) -> list[Finding]:
    """All that the rules find, the gravest first, each rule's once. What explains a schedule's wrong end by another
    mistake keeps the rule about its end silent."""
    why = [f for rule in CAUSES for f in rule(seen)]
    ends = [] if why else [f for rule in ENDS for f in rule(seen)]
    rest = [f for rule in OTHERS for f in rule(seen)]
    return sorted([*why, *ends, *rest], key=lambda f: SEVERITIES.index(f.severity))


def certain(seen: WatchedLoop) -> list[Finding]:
    """What cannot turn out otherwise, while the loop is still running."""
    return [f for rule in AT_ONCE for f in rule(seen)]


# ---- Ends: the schedule and the run do not end together -----------------------------------------------------


def ends_elsewhere(seen: WatchedLoop) -> Iterator[Finding]:
    """At the end of the run the scheduler is short of its end, or past it while the rate climbs again.

    Short by more than 2 % of its length and 3 steps, or by exactly the steps of the warmup before it (one more where
    the last step is left out; where no warmup is part of the scheduler, by the epochs that passed before its first
    step): then T_max was not reduced by the warmup. Past it counts only where the rate rises after the end, by more
    than 1 % of the highest: what holds its last rate is right however long it holds.
    """
    nature = seen.nature
    if not (seen.over and seen.whole and seen.n) or nature is None or nature.length is None or nature.rises:
        return
    length, at, rates = nature.length, seen.position, seen.rates[:, 0]
    short, top = length - at, float(rates.max())
    warmup, counted = _warmup(seen, nature)
    by_warmup = warmup > 1 and short in (warmup, warmup + 1)
    if by_warmup or short > max(FEW, SHARE * length):
        says = f"the run ends {short} steps before {nature.name} does (step {at} of {length}): the last rate is "
        says += f"{shown(rates[-1])}, {rates[-1] / top:.1%} of the highest"
        cure = "give it the steps that the run has"
        if by_warmup:
            main = nature.main or length
            says += f". That is the warmup of {counted}, which its length of {main} leaves out"
            cure = f"T_max (or the length it has) is the run less the warmup: {main - short}"
        yield _elsewhere(says, cure)
    elif -short > max(FEW, SHARE * length):
        end = int(seen.steps[min(length, len(seen.steps)) - 1]) if len(seen.steps) else 0
        after = rates[end:]
        if len(after) and after.max() - after[0] > 0.01 * top:
            says = f"{nature.name} has {length} steps and was stepped {at} times: after its end the rate rose again, "
            says += f"from {shown(after.min())} to {shown(after.max())}"
            yield _elsewhere(says, "give it the steps that the run has, or stop stepping it at its end")


def drops_beyond(seen: WatchedLoop) -> Iterator[Finding]:
    """The run came to its end before the last milestone, by more than the one step that a loop may leave out at its
    end: a drop that is for the end itself changes no update, and may be meant."""
    nature = seen.nature
    if not (seen.over and seen.whole and seen.n) or nature is None or nature.last_drop is None:
        return
    if seen.position >= nature.last_drop - 1:
        return
    says = f"the run ends at step {seen.position} of {nature.name}, before its last drop at step {nature.last_drop}"
    cure = "let the milestones lie within the steps that the run has"
    if nature.warmup:
        says += f": behind a warmup of {nature.warmup} steps milestones count from its end"
        cure = "take the warmup's length off the milestones"
    yield Finding(
        rule="check.drops-beyond-horizon",
        severity="warning",
        says=says,
        otherwise=cure,
        claim="pattern2-milestones-after-sequential" if nature.warmup else "",
    )


def _warmup(seen: WatchedLoop, nature: Nature) -> tuple[int, str]:
    """Steps of the warmup before the schedule, and how it is known; (0, "") where there is none."""
    if nature.warmup:
        return nature.warmup, f"{nature.warmup} steps"
    if len(seen.steps) and seen.every > 1 and (before := int(seen.steps[0] / seen.every) - 1) > 0:
        return before, f"{plural(before, 'epoch')}, in which the scheduler was not stepped"
    return 0, ""


def _elsewhere(says: str, cure: str) -> Finding:
    return Finding(
        rule="check.schedule-ends-elsewhere",
        severity="warning",
        says=says,
        otherwise=cure,
        claim="tmax-must-subtract-warmup",
    )


# ---- Others -------------------------------------------------------------------------------------------------


def not_a_rate(seen: WatchedLoop) -> Iterator[Finding]:
    """A rate that is nan, infinite or below 0 trained an update, of whichever group."""
    wrong = ~(np.isfinite(seen.rates) & (seen.rates >= 0))
    bad = np.flatnonzero(wrong.any(axis=1))
    if bad.size:
        held = seen.rates[bad[0]][wrong[bad[0]]][0]
        says = f"update {seen.done + int(bad[0])} had a rate of {shown(held)}, and {bad.size} of {seen.n} updates had "
        says += "one that is negative or no finite number"
        cure = "look at the formula of the schedule there"
        yield Finding(rule="watch.not-a-rate", severity="error", says=says, otherwise=cure)


def floor_above_peak(seen: WatchedLoop) -> Iterator[Finding]:
    """A decay's floor lies above the rate that it begins at, so that it climbs. The two are the scheduler's own."""
    if seen.nature is not None and seen.nature.above is not None:
        floor, begins = map(shown, seen.nature.above)
        says = f"the floor of {seen.nature.name} (eta_min) is {floor}, above the {begins} that it begins at: the rate "
        says += "rises to it"
        cure = "give a floor below the optimizer's rate, of every parameter group"
        yield Finding(rule="check.floor-above-peak", severity="error", says=says, otherwise=cure)


def trained_at_zero(seen: WatchedLoop) -> Iterator[Finding]:
    """The last updates of a group that had a rate were made at 0: more of them than one step of the scheduler lasts,
    than 2 % of the run, and than 3. A linear decay whose last step lands on 0 has one step of them at most. Or all
    updates were, in every group: of several, one may be frozen on purpose."""
    if not seen.over or not seen.n:
        return
    if seen.n > FEW and not seen.rates.any():
        says = f"all {seen.n} updates had a rate of 0 and trained nothing"
        cure = "see that the optimizer has a rate, and that the schedule does not multiply it by 0"
        yield Finding(rule="watch.trained-at-zero", severity="error", says=says, otherwise=cure)
    lasts = 1 if seen.every == float("inf") else seen.every
    for column in range(seen.rates.shape[1]):
        rates = seen.rates[:, column]
        moving = np.flatnonzero(rates)
        idle = seen.n - 1 - int(moving[-1]) if moving.size else 0
        if idle > max(FEW, SHARE * seen.n, lasts):
            says = f"the last {idle} of {seen.n} updates had a rate of 0 and trained nothing"
            cure = "the schedule is shorter than the run: give it the run's steps, or stop the run there"
            yield Finding(rule="watch.trained-at-zero", severity="warning", says=says, otherwise=cure)
            return


def steps_skipped(seen: WatchedLoop) -> Iterator[Finding]:
    """A scheduler that is stepped after every update was, now and then, stepped twice with no update between: the
    optimizer's step did not happen, as where fp16's scaler skips it. A handful at the beginning is how the scaler finds
    its scale, and a note; from 1 % of the updates on the schedule is ahead of the training by that much. More steps
    before the first update than the scaler has halvings are a resumed loop on its way to where it was."""
    steps = seen.steps
    if not seen.over or len(steps) < 10 or seen.every != 1 or several_at_once(seen) >= 2:
        return
    early = int((steps == 0).sum()) if steps[-1] == seen.n else 0
    later = len(steps) - len(seen.marks) - max(early - 1, 0)
    extra = later + (early if early <= HALVINGS else 0)
    if not extra:
        return
    says = f"{extra} steps of the scheduler had no optimizer step with them (fp16's scaler skips those that overflow): "
    says += f"the schedule is {plural(extra, 'update')} ahead of the training"
    yield Finding(
        rule="watch.steps-skipped",
        severity="note" if later <= max(FEW, 0.01 * seen.n) else "warning",
        says=says,
        otherwise="step the scheduler only where scaler.get_scale() is not lower than before scaler.update()",
    )


def edits_overwritten(seen: WatchedLoop) -> Iterator[Finding]:
    """A rate was set by hand (it is another one than the scheduler had left), and the next step of the scheduler put
    its own course back: what it made lies nearer to where it had been than to what was set, by a factor.

    Schedulers that work on from the rate they find (StepLR, a cosine) keep such an edit: what they make lies near to
    it. A loop that sets its rate before every update, as a warmup by hand does, is no edit: the first step finds the
    rate set already, or nearly all of them do.
    """
    edits = [e for e in seen.edits if min(e.held, e.own, e.after) > 0 and abs(np.log(e.held / e.own)) > 0.01]
    lost = [e for e in edits if abs(np.log(e.after / e.own)) < 0.5 * abs(np.log(e.after / e.held))]
    begins = bool(edits) and len(seen.steps) and edits[0].update == seen.steps[0]
    if not lost or begins or len(edits) > max(FEW, 0.1 * len(seen.steps)):
        return
    one, more = lost[0], f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    says = f"a rate that was set by hand to {shown(one.held)} did not last: the scheduler's step after update "
    says += f"{one.update} put back {shown(one.after)}{more}"
    yield Finding(
        rule="check.manual-edit-overwritten",
        severity="error",
        says=says,
        otherwise="cut what the scheduler computes from as well: its base_lrs; under OneCycleLR, each group's "
        "initial_lr, max_lr and min_lr",
        claim="manual-lr-cut-persists",
    )


def resumed_elsewhere(seen: WatchedLoop) -> Iterator[Finding]:
    """Three ways in which a loop goes on from a checkpoint under another curve than it left.

    The scheduler counts steps from before, and the rate it found at its first step is not the one it had left: its
    state was loaded and the optimizer's was not. Or `done` says that there were updates before, and the scheduler
    began at 0 and was not stepped to where it should be. Or an attribute that says its length is another one after its
    state was loaded than it was built with: the checkpoint brought the old length back.
    """
    if seen.stale and seen.first:
        held, own = map(shown, seen.stale)
        says = f"the scheduler went on at its step {seen.first}, whose rate is {own}, and the optimizer at {held}"
        yield _resumed(says, "load the optimizer's state too, after the scheduler was built")
    if seen.done and seen.first == 0 and seen.nature is not None and not (seen.steps == 0).any():
        says = f"{seen.done} updates were made before, and the scheduler began at its step 0, at {_first(seen)}"
        yield _resumed(says, "load the scheduler's state_dict with the optimizer's")
    for name, was, now in seen.changed:
        says = f"{name} was {was} when the scheduler was built, and is {now} since its state was loaded"
        yield _resumed(says, f"set scheduler.{name} after load_state_dict, if the new one is meant")


def _first(seen: WatchedLoop) -> str:
    return shown(seen.rates[0, 0]) if seen.n else "no update"


def _resumed(says: str, cure: str) -> Finding:
    return Finding(rule="watch.resumed-on-another-curve", severity="error", says=says, otherwise=cure)


def longer_than_said(seen: WatchedLoop) -> Iterator[Finding]:
    """More updates were made than `updates` says, by 1 % and 3: what was planned for the run is not what it was."""
    made = seen.done + seen.n
    if seen.over and seen.updates and made > seen.updates + max(FEW, 0.01 * seen.updates):
        says = f"{made} updates were made, and updates={seen.updates} was said"
        cure = "count optimizer steps: batches over all epochs, divided by the batches accumulated for one"
        yield Finding(rule="watch.longer-than-said", severity="warning", says=says, otherwise=cure)


CAUSES = (not_a_rate, no_updates, never_stepped, steps_first, stepped_twice, of_epochs_by_update, of_updates_by_epoch)
ENDS = (ends_elsewhere, drops_beyond)
OTHERS = (floor_above_peak, trained_at_zero, steps_skipped, edits_overwritten, resumed_elsewhere, longer_than_said)
AT_ONCE = (not_a_rate, floor_above_peak, stepped_twice, of_epochs_by_update, of_updates_by_epoch, resumed_elsewhere)
