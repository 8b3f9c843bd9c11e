"""OneCycle: unrest that its peak makes, and a cycle that its steps never finish."""

import numpy as np

from lrbench.diagnose import limits
from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.instability import Instability, evidence_of, rate_at, some
from lrbench.diagnose.rates import RateHistory
from lrbench.diagnose.remedies import clip, lower_rate
from lrbench.diagnose.symptoms import Symptoms


def of_onecycle(seen: Symptoms, unrest: Instability | None) -> Diagnosis | None:
    """OneCycle: unrest on the way to its peak or soon after, or a cycle that its steps never finish."""
    series, rates = seen.series, seen.rates
    if rates is None or not _is_onecycle(seen, rates):
        return None
    if unfinished := _unfinished(seen, rates):
        return unfinished
    if unrest is None:
        return None
    fallen = _falls_below_half(seen, rates)
    if unrest.at > fallen:
        return None
    r = rate_at(seen, unrest)
    where = "on its way up" if unrest.at < rates.peak_at else "at the peak or soon after"
    tries = [lower_rate(series, r, 0.1 if unrest.severe else 0.3), clip(series)]
    return made(
        "diagnose.onecycle",
        unrest.severity,
        f"under OneCycle {unrest.says}",
        cause="peak-too-high",
        because=f"The rate was {r:.3g}, {where} (its peak is {rates.peak:.3g} at {series.when(rates.peak_at)}): "
        "the peak is too high, or was never looked for.",
        claim="diagnosis-onecycle",
        evidence=evidence_of(seen, unrest),
        tries=some(*tries, Try(says="look for the peak with a range test (lrbench find-lr), once a model")),
        weight=3.0,
    )


def _is_onecycle(seen: Symptoms, rates: RateHistory) -> bool:
    """By its class where that is known, else by its shape: a long rise from low, and a fall below where it began."""
    series, experiment = seen.series, seen.series.experiment
    if experiment is not None:
        return experiment.scheduler.own_warmup and experiment.scheduler.peak_arg is not None
    rise = rates.warm is not None and series.share(rates.warm) >= limits.EARLY and rates.moves > 0.5 * rates.rows
    return rise and (rates.last < 0.5 * rates.first or rates.peak_at >= 0.98 * series.end)


def _unfinished(seen: Symptoms, rates: RateHistory) -> Diagnosis | None:
    """A cycle that ends before it has come down below where it began: stepped too seldom, or a total too large."""
    series, experiment = seen.series, seen.series.experiment
    if rates.last <= max(rates.first, limits.FALLEN * rates.peak) or series.end < 0.98 * series.planned:
        return None
    evidence = [f"the rate went from {rates.first:.3g} to {rates.last:.3g}, and was highest at {rates.peak:.3g}"]
    asked = rates.peak
    if experiment is not None:
        asked, main = max(experiment.peaks.values()), experiment.schedule.main
        total = experiment.schedule.arguments(main, next(iter(experiment.peaks))).get("total_steps")
        evidence.append(f"its peak was to be {asked:.3g}; {main.phase.steps} of its {total} steps were made")
    held = rates.rows / max(rates.moves, 1)
    per_epoch = (experiment and experiment.scheduler.interval == "epoch") or (series.per_epoch and held > 1.5)
    why = (
        "it is stepped once an epoch, and its steps were counted in updates"
        if per_epoch
        else (
            "its total of steps is larger than the steps it gets; stepped once an epoch instead of once an update, say"
        )
    )
    step = Try(
        says="step it after every update, with total_steps as many as there are updates",
        changes=("scheduler.interval=batch", "scheduler.args.total_steps=end") if experiment else (),
    )
    reached = f"reached {rates.peak / asked:.0%} of its peak" if rates.peak < 0.98 * asked else "never came down"
    return made(
        "diagnose.onecycle",
        "warning",
        f"the OneCycle {reached}: it ended at a rate of {rates.last:.3g}",
        cause="stepped-too-seldom",
        because=f"The cycle is unfinished: {why}.",
        claim="diagnosis-onecycle",
        evidence=tuple(evidence),
        tries=(step,),
        weight=4.0,
    )


def _falls_below_half(seen: Symptoms, rates: RateHistory) -> float:
    """When the rate has come down to half of its peak again: until then unrest is the peak's affair."""
    rate = seen.series.rate
    assert rate is not None
    low = np.flatnonzero((rate.value < 0.5 * rates.peak) & (rate.at > rates.peak_at))
    return float(rate.at[low[0]]) if len(low) else float(rate.at[-1])
