"""A loss that rises, becomes NaN or never falls: whose affair it is, the warmup's or the rate's (OneCycle's:
`onecycle`)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lrbench.check.finding import Severity
from lrbench.diagnose import limits
from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.rates import RateHistory
from lrbench.diagnose.remedies import clip, fork, lower_rate, peak_of, warm_up
from lrbench.diagnose.symptoms import Symptoms

Kind = Literal["nan", "rise", "unlearned"]


@dataclass(frozen=True)
class Instability:
    """kind; when it began; says: what is the matter, with numbers; severe: whether the run is lost; fleeting: whether
    it was one value, after which all went on as before, which losses of single batches may do."""

    kind: Kind
    at: float
    says: str
    severe: bool
    fleeting: bool = False

    @property
    def severity(self) -> Severity:
        return "error" if self.severe else "note" if self.fleeting else "warning"


def instability(seen: Symptoms) -> Instability | None:
    """What a loss did that it should not, the gravest of it; None where it behaved."""
    series, rise = seen.series, seen.rise
    big = rise is not None and rise.share >= limits.SPIKE
    if seen.bad is not None:
        at = rise.at if rise and big and rise.at < seen.bad else seen.bad
        return Instability("nan", at, f"the loss is not finite from {series.when(seen.bad)} on", True)
    if rise is not None and big and (seen.learned or rise.top > (1 + limits.UNLEARNED) * seen.start):
        back = "and came back" if rise.back else "and did not come back"
        says = f"the loss rose from {rise.low:.4g} to {rise.top:.4g} at {series.when(rise.top_at)} {back}"
        if not seen.learned:
            says += f"; it began at {seen.start:.4g} and ended at {seen.last:.4g}"
        lost = seen.last - seen.best > limits.LOST * seen.fell
        return Instability("rise", rise.at, says, lost or not rise.back or not seen.learned, rise.single)
    return None


def unlearned(seen: Symptoms) -> bool:
    """Whether a whole run, seen from its beginning, has learned nothing."""
    series = seen.series
    enough = series.end >= (limits.ENOUGH if series.unit == "update" else 5)
    return series.begins and enough and seen.levels is not None and not seen.learned


def of_warmup(seen: Symptoms, unrest: Instability | None) -> Diagnosis | None:
    """Unrest in spite of a warmup, which is too short, begins too high, jumps, or leads to a peak that is too high."""
    series, rates = seen.series, seen.rates
    if unrest is None or rates is None:
        return None
    length = _warmup(seen, rates)
    if length is None or unrest.at > max(limits.AFTER_WARMUP * length, length + limits.EARLY * series.planned):
        return None
    cause, because = _why_no_effect(seen, rates, length)
    longer = warm_up(series, 0.3 if length > 0.05 * series.planned else 0.1)
    lower = lower_rate(series, rate_at(seen, unrest), 0.1 if unrest.severe else 0.3)
    first = [lower, longer] if cause == "peak-too-high" else [longer, lower]
    return made(
        "diagnose.warmup-without-effect",
        unrest.severity,
        f"in spite of a warmup, {unrest.says}",
        cause=cause,
        because=because,
        claim="diagnosis-warmup-not-working",
        evidence=evidence_of(seen, unrest),
        tries=some(*first, clip(series)),
        weight=2.0,
    )


def of_the_rate(seen: Symptoms, unrest: Instability | None) -> Diagnosis | None:
    """Unrest that is neither's: no warmup at a high rate, a jump, a sharp drop, or a rate too high on the way."""
    if unrest is None:
        return None
    series, (cause, because) = seen.series, _why_unstable(seen, unrest)
    share = 0.1 if unrest.severe else 0.3
    early = cause in ("too-high-at-start", "unknown-rate")
    lr = rate_at(seen, unrest)
    tries: list[Try | None] = [lower_rate(series, lr, share)] if early else []
    if early:
        tries.append(warm_up(series))
    else:
        before = max(1.0, float(np.floor(unrest.at - limits.NEAR * series.planned)))
        tries.append(fork(series, before, lr * share, f"go on from {series.when(before)} at a lower rate"))
        tries.append(lower_rate(series, lr, share))
    return made(
        "diagnose.unstable-training",
        unrest.severity,
        unrest.says,
        cause=cause,
        because=because,
        claim="diagnosis-training-unstable",
        evidence=evidence_of(seen, unrest),
        tries=some(*tries, clip(series)),
        weight=1.0,
    )


def rate_at(seen: Symptoms, unrest: Instability) -> float:
    """The rate when it began; 0 where it is not known."""
    return seen.series.rate.around(unrest.at) if seen.series.rate else 0.0


def _why_unstable(seen: Symptoms, unrest: Instability) -> tuple[str, str]:
    series, rates = seen.series, seen.rates
    if rates is None or series.rate is None:
        return "unknown-rate", "No rate above zero is in what was read; a rate too high is what most often does this."
    near = limits.NEAR * series.planned
    before = [t for t in rates.jumps if unrest.at - near <= t <= unrest.at + 1]
    if before:
        return "rate-jumped", f"The rate jumped to {series.rate.around(before[-1]):.3g} at {series.when(before[-1])}."
    lr = series.rate.around(unrest.at)
    if series.share(unrest.at) <= limits.EARLY and lr >= 0.5 * rates.peak and rates.warm is None:
        says = f"The rate was {lr:.3g} so early, with no warmup before it: too high for fresh weights."
        return "too-high-at-start", says
    earlier = series.rate.around(unrest.at - near)
    if unrest.at > rates.peak_at and lr > 2 * earlier:
        return "rate-rose", f"The rate had risen again, from {earlier:.3g} to {lr:.3g}."
    drops = [t for t in rates.cuts if unrest.at - near <= t <= unrest.at + 1]
    if drops:
        says = f"The rate had dropped to {series.rate.around(drops[-1]):.3g} at {series.when(drops[-1])}."
        return "sharp-drop", says
    return (
        "too-high",
        f"The rate was {lr:.3g} there, {lr / rates.peak:.0%} of its peak: too high at that stage.",
    )


def _why_no_effect(seen: Symptoms, rates: RateHistory, length: float) -> tuple[str, str]:
    series = seen.series
    share = series.share(length)
    if share < limits.SHORT_WARMUP:
        return "too-short", f"The warmup takes {length:,.4g} {series.unit}s, {share:.2%} of the run: too short."
    peak = peak_of(series)
    if rates.first > limits.HIGH_START * peak:
        says = f"The warmup begins at {rates.first:.3g}, {rates.first / peak:.0%} of the peak: too high."
        return "begins-too-high", says
    if rates.steepest > 0.5 and rates.moves > 2:
        says = f"The rate jumps by {rates.steepest:.0%} of the peak from one row to the next before the peak."
        return "jumps", says
    says = f"The warmup takes {share:.0%} of the run, as it should, from {rates.first:.3g} up to {peak:.3g}: too high."
    return "peak-too-high", says


def _warmup(seen: Symptoms, rates: RateHistory) -> float | None:
    """How long the warmup takes, as it was asked for, or as the rates show it; None where there is none."""
    experiment = seen.series.experiment
    if experiment is not None and experiment.schedule.warm is not None:
        return float(experiment.schedule.warm.phase.stop)
    if rates.warm is None or rates.warm > 0.3 * seen.series.planned:
        return None
    return rates.warm


def evidence_of(seen: Symptoms, unrest: Instability) -> tuple[str, ...]:
    series, rise, lines = seen.series, seen.rise, []
    if unrest.kind == "nan" and rise is not None and rise.share >= limits.SPIKE:
        lines.append(f"the loss rose from {rise.low:.4g} to {rise.top:.4g} at {series.when(rise.top_at)} before")
    elif unrest.kind == "nan":
        lines.append(f"the loss began at {seen.start:.4g}, and its last finite level was {seen.last:.4g}")
    if series.rate is not None:
        lines.append(f"the rate was {series.rate.around(unrest.at):.4g} when it began, at {series.when(unrest.at)}")
    norm = series.norm
    if (
        norm is not None
        and (before := norm.value[norm.at < unrest.at]).size
        and (after := norm.value[norm.at >= unrest.at]).size
    ):
        lines.append(f"the gradient norm was at most {before.max():.3g} before, and {after.max():.3g} from there on")
    return tuple(lines)


def some(*tries: Try | None) -> tuple[Try, ...]:
    return tuple(t for t in tries if t is not None)
