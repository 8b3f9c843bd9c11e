"""A rate that comes down too fast, by what the rates alone show; and why, where the schedule is known."""

import numpy as np

from lrbench.diagnose import limits
from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.hearing import Hearing, hearing_of
from lrbench.diagnose.rates import RateHistory
from lrbench.diagnose.remedies import fork
from lrbench.diagnose.symptoms import Symptoms
from lrbench.plural import plural

Why = tuple[str, str, Try]  # a cause, a sentence, what mends it


def of_decay(seen: Symptoms) -> Diagnosis | None:
    """The rate is down for good in the first half of the run, or comes down and rises again though nothing restarts
    it."""
    series, rates = seen.series, seen.rates
    if rates is None:
        return None
    swung = rates.swings > 0 and not rates.jumps and not _meant_to_swing(seen)
    down = None if swung else rates.down_at
    if not swung and (down is None or series.share(down) >= limits.TOO_SOON):
        return None
    heard = hearing_of(series)
    if heard is not None:
        return _heard_wrongly(rates, heard)
    if down is None:
        says = f"the rate comes down and rises again {rates.swings} times, up to {rates.peak:.3g}"
    else:
        says = f"the rate stays below {limits.FALLEN:.0%} of its peak from {series.when(down)} on"
    cause, because, cure = _why_swung(seen, rates) if swung else _why_down(seen, rates)
    return made(
        "diagnose.decay-too-fast",
        "warning",
        says,
        cause=cause,
        because=because,
        claim="diagnosis-lr-too-fast",
        evidence=_evidence(seen, rates, down),
        tries=(cure, *_again(seen, rates, down)),
        weight=1.8,
    )


def _why_swung(seen: Symptoms, rates: RateHistory) -> Why:
    """A cosine whose T_max is short: as many steps as there are epochs, where it is stepped after every update."""
    series, half = seen.series, seen.series.planned / (2 * rates.swings + 1)
    cure = _whole(seen, "scheduler.args.T_max=end")
    epochs = series.end / series.per_epoch if series.per_epoch and series.unit == "update" else 0.0
    if 0.8 * epochs < half < 1.25 * epochs:
        says = f"Its T_max is about {half:,.0f} steps, the number of epochs, and it is stepped after every update."
        return "stepped-too-often", says, cure
    return "too-short", f"It is a cosine whose T_max is about {half:,.3g} {series.unit}s, and no more.", cure


def _why_down(seen: Symptoms, rates: RateHistory) -> Why:
    series, known = seen.series, seen.series.experiment is not None
    if rates.cuts:
        places = ", ".join(f"{t:,.6g}" for t in rates.cuts[:4])
        anew = Try(says="cut at 30, 60 and 90 % of the run", changes=("scheduler=multistep",) if known else ())
        return "cut-too-early", f"It was cut at {series.unit} {places}: the milestones come too early.", anew
    cure = _whole(seen, "scheduler=cosine")
    epochs = series.end / series.per_epoch if series.per_epoch and series.unit == "update" else np.inf
    if rates.moves > 2 * epochs:
        often = f"{rates.moves:,} times in {plural(epochs, 'epoch', '.3g')}"
        says = f"It moves {often}, with a length that may have been meant in epochs."
        return "stepped-too-often", says, cure
    return "too-short", "Its length (T_max, total_iters or gamma) fits a shorter run.", cure


def _whole(seen: Symptoms, change: str) -> Try:
    """Let the schedule last as long as the run: by its own argument, if it has that."""
    says = "let the schedule last as long as the run (T_max: all steps that it gets, less the warmup)"
    experiment = seen.series.experiment
    if experiment is None:
        return Try(says=says)
    return Try(says=says, changes=(change if "T_max" in experiment.scheduler.args else "scheduler=cosine",))


def _again(seen: Symptoms, rates: RateHistory, down: float | None) -> tuple[Try, ...]:
    """Fork from where the rate was last at half of its peak."""
    series = seen.series
    if series.rate is None or down is None:
        return ()
    at = float(series.rate.at[np.flatnonzero(series.rate.value >= 0.5 * rates.peak)[-1]])
    again = fork(series, at, rates.peak, f"go on from {series.when(at)}, while the rate was high, down a cosine")
    return () if again is None else (again,)


def _evidence(seen: Symptoms, rates: RateHistory, down: float | None) -> tuple[str, ...]:
    lines = [f"the peak was {rates.peak:.3g} at {seen.series.when(rates.peak_at)}, the last rate {rates.last:.3g}"]
    if seen.levels is not None and down is not None:
        then = float(seen.levels.level[max(0, int((seen.levels.begins <= down).sum()) - 1)])
        lines.append(f"the loss was {then:.4g} then, and {seen.last:.4g} at the end")
    return tuple(lines)


def _heard_wrongly(rates: RateHistory, heard: Hearing) -> Diagnosis | None:
    """A plateau scheduler that takes getting better for a plateau: by its mode, or a threshold that nothing meets."""
    why = heard.cut_while_improving()
    if why is None:
        return None
    cause, because, changes, evidence = why
    return made(
        "diagnose.decay-too-fast",
        "warning",
        f"the rate was cut {len(heard.cuts)} times, the first while {heard.monitor} improved, and ended at "
        f"{rates.last:.3g}, {rates.ratio:.2%} of its peak",
        cause=cause,
        because=because,
        claim="diagnosis-lr-too-fast",
        evidence=evidence,
        tries=(Try(says="tell it what an improvement is", changes=changes),),
        weight=3.0,
    )


def _meant_to_swing(seen: Symptoms) -> bool:
    """Whether it is the schedule's kind to rise, as of cycles: a cosine's is not, whatever its T_max makes of it. Where
    the schedule is not known, straight lines are taken for cycles."""
    experiment, rate = seen.series.experiment, seen.series.rate
    if experiment is not None:
        return "T_max" not in experiment.scheduler.args
    steps = np.abs(np.diff(rate.value)) if rate else np.empty(0)
    return bool(len(steps) and steps.max() < 1.3 * steps.mean())  # a cosine's steepest step is 1.57 of its mean
