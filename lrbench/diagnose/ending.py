"""How a run ends: training far below validation, a rate that is still high, and a result off what was reported."""

from dataclasses import replace

import numpy as np

from lrbench.diagnose import limits
from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.rates import RateHistory
from lrbench.diagnose.remedies import fork, length
from lrbench.diagnose.series import Series
from lrbench.diagnose.symptoms import Symptoms
from lrbench.errors import ConfigError
from lrbench.metrics import metric_of


def of_gap(seen: Symptoms) -> Diagnosis | None:
    """Validation far above training at the end, or far above its own best: the model has learned the training set."""
    series, gap = seen.series, seen.gap
    if gap is None or series.val_loss is None or not seen.learned or seen.bad is not None:
        return None
    val = series.val_loss.value
    best = int(np.nanargmin(val))
    worse, last = float(val[-1] - val[best]), float(val[-1])
    scale = max(abs(seen.start), seen.fell)  # a loss that begins at 0 or below it is no measure of itself
    wide = gap > limits.GAP * scale
    worsened = worse > limits.WORSENED * abs(float(val[best])) and worse > 0.3 * limits.GAP * scale
    if not (wide or (worsened and gap > 0)):
        return None
    if len(val) > 1 and last < np.nanmin(val[:-1]):
        return _wide_and_falling(seen, gap)
    at = float(series.val_loss.at[best])
    evidence = [f"validation was best, {val[best]:.4g}, at {series.when(at)}, and ended at {last:.4g}"]
    rates = seen.rates
    if rates is not None:
        evidence.append(f"the rate ended at {rates.last:.3g}, {rates.ratio:.2%} of its peak")
    low = rates is not None and rates.ratio <= limits.HIGH_FLOOR
    because = "The training set is learned by heart: more data, augmentation or weight decay is the cure"
    because += ", for the rate did come down." if low else "; a rate that comes down at the end may narrow it."
    share = series.share(at)
    shorter = f"stop sooner: validation was best after {share:.0%} of the run"
    return made(
        "diagnose.poor-final-result",
        "warning",
        f"training ends at {seen.last:.4g}, and validation {gap:.4g} above it",
        cause="overfitting",
        because=because,
        claim="diagnosis-poor-final",
        evidence=tuple(evidence),
        tries=(*_regularised(series), Try(says=shorter)) if share < 0.8 else _regularised(series),
        weight=1.5,
    )


def _wide_and_falling(seen: Symptoms, gap: float) -> Diagnosis:
    """A gap beside a validation that is best at the very end: what was learned last still held for other data."""
    return made(
        "diagnose.poor-final-result",
        "note",
        f"training ends at {seen.last:.4g}, and validation {gap:.4g} above it",
        cause="gap",
        because="Validation was best at the very end, which speaks against overfitting: the two may be measured "
        "differently, or be of different data.",
        claim="diagnosis-poor-final",
        tries=(Try(says="train on while validation falls, and measure both losses in the same way"),),
        weight=0.5,
    )


def of_last_rate(seen: Symptoms) -> Diagnosis | None:
    """The rate is still high at the end, and evaluations show it; where they do not, it is only noted."""
    series, rates = seen.series, seen.rates
    if rates is None or seen.bad is not None or rates.ratio <= limits.HIGH_FLOOR * 1.001 or not seen.learned:
        return None
    if series.end < 0.98 * series.planned or (rates.peak_at >= 0.98 * series.end and not rates.constant):
        return None
    loose, wrong = _unsettled(seen)
    if not wrong and rates.ratio <= limits.WORTH_A_NOTE:
        return None
    what = "never fell" if rates.constant else f"ended at {rates.last:.3g}, {rates.ratio:.0%} of its peak"
    wavers = "" if loose is None else f"evaluations at the end differ by {loose:.1%} from one to the next"
    return made(
        "diagnose.poor-final-result",
        "warning" if wrong else "note",
        f"the rate {what}" + (f", and {wavers}" if wrong else ""),
        cause="rate-still-high",
        because="The last rate is too high for the loss to settle." if wrong else "A late phase down to zero may gain.",
        claim="diagnosis-poor-final",
        evidence=(wavers,) if wavers and not wrong else (),
        tries=_late_phase(series, rates, max(series.planned / 10, 1.0)),
        weight=1.0,
    )


def _unsettled(seen: Symptoms) -> tuple[float | None, bool]:
    """How much the last third of the evaluations differ from one to the next, as a share of their level, and whether
    that is too much; None for too few. (Training losses of single batches differ at any rate.)"""
    val = seen.series.val_loss
    late = val.value[-max(5, len(val) // 3) :] if val is not None else np.empty(0)
    late = late[np.isfinite(late)]
    if len(late) < 5:
        return None, False
    by, level = float(np.median(np.abs(np.diff(late)))), abs(float(np.median(late)))
    much = by > limits.UNSETTLED * level and by > limits.UNSETTLED_OF_START * abs(seen.start)
    return by / max(level, 1e-12), much


def _late_phase(series: Series, rates: RateHistory, updates: float) -> tuple[Try, ...]:
    """Go on from the end down to zero, for that many updates in whole epochs."""
    says = "add a late phase: a tenth of the run more, down to zero"
    late = fork(series, series.end, rates.last, says, "linear")
    if late is None or series.experiment is None:
        return (Try(says=says), Try(says="let the schedule end near zero"))
    clock = series.experiment.clock
    unit = clock.per_epoch or 1
    whole = max(-(-int(updates) // unit) * unit, clock.per_eval)
    return (replace(late, horizon=length(whole, clock.per_epoch)),)


def _regularised(series: Series) -> tuple[Try, ...]:
    """More weight decay, where the optimizer has one."""
    more = Try(says="augment the training data, or add to them")
    decay = series.experiment.optimizer.args.get("weight_decay") if series.experiment else None
    if not isinstance(decay, int | float):
        return (more, Try(says="use more weight decay, or dropout"))
    value = f"{decay * 10:g}" if decay else "0.0001"
    return (Try(says=f"use more weight decay, {value}", changes=(f"optimizer.args.weight_decay={value}",)), more)


def off_reported(series: Series, metric: str, reported: float) -> Diagnosis | None:
    """A result two points or more from what was reported: below, a fault; above, worth a look. Raises ConfigError for a
    metric that the run does not have, or that is no share."""
    numbers = series.summary
    if metric not in numbers:
        known = ", ".join(n for n in numbers if n.startswith(("test/", "val/"))) or "none"
        raise ConfigError("--reported", metric, f"{series.name} has no such number", f"it has {known}")
    known_metric = metric_of(metric, series.declared)
    if known_metric.unit != "%":
        why = f"two points are said of a share such as test/accuracy, and {metric} is none"
        raise ConfigError("--reported", metric, why, "compare such a metric by lrbench compare")
    off = numbers[metric] - reported
    if abs(off) < limits.REPORTED - 1e-9:
        return None
    below = off < 0
    return made(
        "diagnose.reproduction-off",
        "warning" if below else "note",
        f"{metric} is {numbers[metric]:.2%}, {abs(off) * 100:.2f} points {'below' if below else 'above'} the reported "
        f"{reported:.2%}",
        cause="reproduction-off",
        because="One seed of one variant: compare the same variant, the same crops, and the mean of some seeds."
        if below
        else "Look whether the same split and the same metric are meant before believing it.",
        claim="reproduction-tolerance-bands",
        tries=(Try(says="check data, variant and schedule against the paper (lrbench plot), then run more seeds"),),
        weight=0.5,
    )
