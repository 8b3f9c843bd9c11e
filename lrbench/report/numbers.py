"""A number as it is shown, by its metric: the same in words, tables and figures."""

from lrbench.metrics import Metric
from lrbench.stats.intervals import ConfidenceInterval

NONE = "\N{EN DASH}"  # in a cell without a number
PAST = "\N{DAGGER}"  # at an interval that goes beyond what the metric can be


def is_share(m: Metric) -> bool:
    """Whether it is shown in percent."""
    return m.unit == "%"


def number(m: Metric, value: float | None) -> str:
    """A value of a metric: a share in percent, anything else to 4 significant digits."""
    if value is None:
        return NONE
    return f"{value:.2%}" if is_share(m) else f"{value:.4g}"


def gap(m: Metric, value: float | None) -> str:
    """A difference of two values: a share's in percentage points."""
    if value is None:
        return NONE
    return f"{signed(100 * value, '.2f')} pt" if is_share(m) else signed(value, ".3g")


def spread(m: Metric, value: float | None) -> str:
    """A standard deviation, or the size of an effect: a difference without a sign."""
    return gap(m, value).removeprefix("+")


def signed(value: float, how: str) -> str:
    shown = f"{value:+{how}}"
    return shown.replace("-", "+", 1) if float(shown) == 0 else shown.replace("-", "\N{MINUS SIGN}", 1)


def within(m: Metric, interval: ConfidenceInterval | None) -> str:
    if interval is None:
        return NONE
    return f"{number(m, interval.low)} to {number(m, interval.high)}{PAST * overshoots(m, interval)}"


def overshoots(m: Metric, interval: ConfidenceInterval) -> bool:
    """Whether it goes beyond what the metric can be."""
    return (m.low is not None and interval.low < m.low) or (m.high is not None and interval.high > m.high)


def bounds(m: Metric) -> str:
    """What a metric can be, in words."""
    if m.low is None or m.high is None:
        return f"at least {number(m, m.low)}" if m.high is None else f"at most {number(m, m.high)}"
    return f"{m.low:.0%} to {m.high:.0%}" if is_share(m) else f"{m.low:g} to {m.high:g}"


def gap_within(m: Metric, interval: ConfidenceInterval | None) -> str:
    if interval is None:
        return NONE
    low, high = gap(m, interval.low), gap(m, interval.high)
    return f"{low.removesuffix(' pt')} to {high}"
