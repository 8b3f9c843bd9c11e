"""What a study's gains are gains of, and how one is written."""

import math
from dataclasses import replace

from lrbench.metrics import Metric, metric_of
from lrbench.report.numbers import is_share, signed
from lrbench.report.tables import SUCCESS
from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.rules import Rules

DOUBLINGS = Metric("doublings", "", True)  # of what is read off a grid, and of a spread: its logarithm to base 2
FRACTION = Metric("fraction", "%", low=0.0)  # of the baseline's value
READ = {
    "threshold": "the highest value that succeeds",
    "optimum": "the best value",
    "width": "the width of the range of good values",
}


def measured(rules: Rules) -> Metric:
    """What is known of the values of a pair: the metric, as the design says or its name tells, or a reading's."""
    return DOUBLINGS if rules.reads else _declared(rules)


def _declared(rules: Rules) -> Metric:
    known = metric_of(rules.metric, {})
    return replace(known, unit="%", low=0.0, high=1.0) if rules.unit == "%" else known


def gained(rules: Rules) -> Metric:
    """What is known of what gains are differences of: the metric, or the rate of success where that is asked about; or
    of the fraction that they are logarithms of."""
    return of_kind(rules.kind, _declared(rules))


def of_kind(kind: str, metric: Metric) -> Metric:
    """What gains in a metric are differences of where this is asked of it."""
    return {"fraction": FRACTION, "success": SUCCESS, **dict.fromkeys((*READ, "spread"), DOUBLINGS)}.get(kind, metric)


def shown(rules: Rules, gain: float) -> float:
    """A gain as it is shown: itself, or the fraction that it is the logarithm of."""
    return math.exp(gain) if rules.kind == "fraction" else gain


def shown_interval(rules: Rules, interval: ConfidenceInterval | None) -> ConfidenceInterval | None:
    return interval and ConfidenceInterval(shown(rules, interval.low), shown(rules, interval.high))


def subject(rules: Rules) -> str:
    """What gains are differences of, in words."""
    return subject_of(rules.kind, rules.metric)


def subject_of(kind: str, metric: str) -> str:
    if kind in READ:
        return READ[kind]
    if kind == "spread":
        return f"the mean difference of two seeds in {spoken(metric)}"
    return "rate of success" if kind == "success" else spoken(metric)


def heading(rules: Rules) -> str:
    """Of what is told of the values of the arms."""
    return "What each value came to" if rules.reads else "What tuning found, and what it cost"


def pick(rules: Rules) -> str:
    """What the value is called that stands for an arm."""
    return "best" if rules.reads else "chosen"


def judged(rules: Rules) -> Metric:
    """And of the one that values are chosen by, which is the same on validation where it has the same name."""
    same = rules.judge.rpartition("/")[2] == rules.metric.rpartition("/")[2]
    return _declared(rules) if same else metric_of(rules.judge, {})


def spoken(metric: str) -> str:
    """test/top5_error -> test top5 error."""
    return metric.replace("/", " ").replace("_", " ")


def amount(m: Metric, value: float, sign: bool = False) -> str:
    """A difference as a sentence has it: of a share in points, without them; of anything else in 3 digits."""
    said = signed(100 * value, ".2f") if is_share(m) else signed(value, ".3g")
    return said if sign else said.removeprefix("+")


def points(m: Metric) -> str:
    return " points" * is_share(m)


def sized(m: Metric, value: float, sign: bool = False) -> str:
    """An amount with its unit: `1.20 points`, `1 doubling`, `92%`."""
    return _with_unit(m, amount(m, value, sign))


def _with_unit(m: Metric, said: str) -> str:
    if m is FRACTION:
        return f"{said}%"
    noun = " doubling" if m is DOUBLINGS else " point" if is_share(m) else ""
    return f"{said}{noun}{'s' * bool(noun and said.removeprefix('+') != '1')}"


def between(m: Metric, interval: ConfidenceInterval) -> str:
    return f"{amount(m, interval.low)} to {amount(m, interval.high)}"


def percent(level: float) -> str:
    return f"{100 * level:.3g}%"


def claimed(m: Metric, claim: ClaimedEffect) -> str:
    """A claimed size: `1 to 2 points`, `0.5 points or more`; of a fraction `90% to 95%`, `25% or less`."""
    low = _in_unit(m, claim.low)
    if claim.high is None:
        return f"{low} or more"
    high = _in_unit(m, claim.high)
    if m is FRACTION:
        return f"{low} to {high}" if claim.sized else f"{high} or less"
    return f"{_scale(m) * claim.low:g} to {high}"


def margin(m: Metric, claim: ClaimedEffect) -> str:
    assert claim.margin is not None
    return _in_unit(m, claim.margin)


def _in_unit(m: Metric, value: float) -> str:
    """A number that a person gave, as it was given."""
    return _with_unit(m, f"{_scale(m) * value:g}")


def _scale(m: Metric) -> int:
    return 100 if is_share(m) else 1
