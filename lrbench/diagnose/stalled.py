"""A loss that stops falling early, or never begins to."""

import numpy as np

from lrbench.check.finding import Severity
from lrbench.diagnose import limits
from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.instability import unlearned
from lrbench.diagnose.rates import RateHistory
from lrbench.diagnose.remedies import fork, lower_rate, rate, warm_up
from lrbench.diagnose.symptoms import Stall, Symptoms
from lrbench.metrics import metric_of
from lrbench.store.series import LOSS


def of_plateau(seen: Symptoms) -> Diagnosis | None:
    """The loss stopped falling early: the rate was cut too early, is too low, or was never lowered."""
    if seen.bad is not None:
        return None
    if unlearned(seen):
        return _never_began(seen)
    stall, series = seen.stall, seen.series
    if stall is None:
        return None
    if _nothing_learned(seen):
        return _never_began(seen, "warning")
    cause, because, tries = _why(seen, stall)
    fell = "hardly fallen" if stall.gained > 0 else "not fallen"
    share = f", {stall.gained / seen.fell:.1%} of all that it fell" if stall.gained > 0 and seen.fell > 0 else ""
    evidence = [f"its mean was {stall.first:.4g} in the first half since then, {stall.second:.4g} in the second{share}"]
    if series.rate is not None:
        now = series.rate.around(stall.at)
        evidence.append(f"the rate was {now:.3g} when it stopped, and ended at {series.rate.value[-1]:.3g}")
    if series.accuracy is not None:
        late = series.accuracy.value[series.accuracy.at >= stall.at]
        if len(late):
            evidence.append(f"validation accuracy went from {late[0]:.2%} to {late[-1]:.2%} since")
    return made(
        "diagnose.plateau",
        "warning",
        f"the loss has {fell} since {series.when(stall.at)}",
        cause=cause,
        because=because,
        claim="diagnosis-early-plateau",
        evidence=tuple(evidence),
        tries=tries,
        weight=2.0 if cause == "cut-too-early" else 1.0,
    )


def _why(seen: Symptoms, stall: Stall) -> tuple[str, str, tuple[Try, ...]]:
    series, rates = seen.series, seen.rates
    if _zero(seen):
        return _of_zero()
    if rates is None or series.rate is None:
        words = Try(says="log the rate; lower it if it is high, begin again with a higher one if it is low")
        return "unknown-rate", "The rate is not in what was read.", (words,)
    now, stalled = series.rate.around(stall.at), series.when(stall.at)
    cuts = [t for t in rates.cuts if t <= stall.at + limits.NEAR * series.planned]
    if cuts and series.rate.around(series.end) <= limits.HIGH_FLOOR * rates.peak:
        before = series.rate.around(np.nextafter(cuts[0], 0))
        says = f"The rate was cut from {before:.3g} at {series.when(cuts[0])}, while the loss still fell"
        anew = Try(says="cut later: at 30, 60 and 90 % of the run", changes=_if_known(seen, ("scheduler=multistep",)))
        smooth = Try(says="decay smoothly over the whole run", changes=_if_known(seen, ("scheduler=cosine",)))
        again = fork(series, cuts[0], before, f"go on from {series.when(cuts[0])}, before the cut, down a cosine")
        return "cut-too-early", f"{says}.", _those(again, smooth, anew)
    if now <= limits.FALLEN * rates.peak:
        again = fork(series, stall.at, 0.3 * rates.peak, f"go on from {stalled} at a higher rate")
        says = f"The rate had come down to {now:.3g}, {now / rates.peak:.2%} of its peak: too low to go on."
        return "too-low", says, _those(again, Try(says="let the schedule come down at the end of the run"))
    if rates.ratio > 0.5:
        cut = fork(series, stall.at, now, f"go on from {stalled} down a cosine")
        tenth = fork(series, stall.at, 0.1 * now, f"go on from {stalled} at a tenth of the rate", "constant")
        from_start = Try(says="decay from the beginning next time", changes=_if_known(seen, ("scheduler=cosine",)))
        says = f"The rate stayed at {now:.3g}, {now / rates.peak:.0%} of its peak: too high to get any lower."
        return "never-lowered", says, _those(cut, tenth, from_start)
    says = f"The rate was {now:.3g}, {now / rates.peak:.0%} of its peak: neither high nor low, so look elsewhere too."
    return "elsewhere", says, _those(fork(series, stall.at, 0.1 * now, f"go on from {stalled} at a tenth", "constant"))


def _nothing_learned(seen: Symptoms) -> bool:
    """Whether the loss is still about where it began, or, where its beginning was not seen, no better than chance: a
    rate that is never lowered has not stalled what never moved."""
    if seen.series.begins:
        return not seen.learned
    chance = metric_of(LOSS, seen.series.declared).chance
    return chance is not None and seen.best > (1 - limits.UNLEARNED) * chance


def _never_began(seen: Symptoms, severity: Severity = "error") -> Diagnosis:
    """Nothing learned, and nothing exploded: a rate too low to move, or so high that all broke at once and stayed. A
    warning where too little was seen for more."""
    series, rates = seen.series, seen.rates
    says = f"the loss has fallen by next to nothing: it began at {seen.start:.4g} and ended at {seen.last:.4g}"
    if _zero(seen):
        cause, because, tries = _of_zero()
    elif seen.levels is not None and _wavers(seen):
        cause, because = "too-high", "It wavers about where it began, as it does at a rate that is far too high."
        tries = _those(lower_rate(series, rates.peak if rates else 0.0, 0.1), warm_up(series))
        if series.val_loss is None:
            tries = (*tries, Try(says="or, if the rate is small already, raise it: single batches waver at any rate"))
    else:
        peak = f", {rates.peak:.3g}," if rates else ""
        cause, because = "too-low", f"It hardly moves: the rate{peak} is too low, or nothing is trained at all."
        tries = (_higher(seen, rates), Try(says="see that the model's parameters are in the optimizer, and change"))
    return made(
        "diagnose.plateau",
        severity,
        says,
        cause=cause,
        because=because,
        claim="diagnosis-early-plateau",
        tries=tries,
        weight=1.0,
    )


def _zero(seen: Symptoms) -> bool:
    """Whether a rate was read, and is 0 in every row."""
    return seen.series.rate is not None and not seen.series.rate.value.any()


def _of_zero() -> tuple[str, str, tuple[Try, ...]]:
    look = Try(says="see what sets the rate to 0, or whether this is the column of the group that is trained")
    return "zero-rate", "The rate is 0 in every row: nothing can be learned at it.", (look,)


def _wavers(seen: Symptoms) -> bool:
    """Whether levels wander more than they fall. Where validation was measured it must waver too: the losses of single
    batches do so at any rate."""
    assert seen.levels is not None
    level, val = seen.levels.level, seen.series.val_loss
    moved = np.abs(np.diff(val.value[np.isfinite(val.value)])) if val is not None else np.empty(0)
    if len(moved) and float(np.median(moved)) <= limits.UNSETTLED_OF_START * abs(seen.start):
        return False
    steps = np.diff(level)
    return bool(np.abs(steps).sum() > 3 * abs(level[0] - level[-1]) and level.max() > seen.start)


def _higher(seen: Symptoms, rates: RateHistory | None) -> Try:
    if seen.series.experiment is None or rates is None:
        return Try(says="train at ten times the rate")
    lr = rate(10 * seen.series.experiment.optimizer.lr)
    return Try(says=f"train at ten times the rate, {lr}", changes=(f"optimizer.lr={lr}",))


def _if_known(seen: Symptoms, changes: tuple[str, ...]) -> tuple[str, ...]:
    """Overrides, for a run that takes any."""
    return changes if seen.series.experiment is not None else ()


def _those(*tries: Try | None) -> tuple[Try, ...]:
    return tuple(t for t in tries if t is not None)
