"""Axes of figures: from data to the unit interval, and round numbers to write at them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """From data to the unit interval."""

    low: float
    high: float
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            value = max(value, self.low)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        return _log_ticks(self.low, self.high, most) if self.log else _ticks(self.low, self.high, most)


def axis_over(values: Sequence[float], log: bool = False) -> Axis:
    """An axis that holds all values; linear ones with a little room."""
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # one value, but for rounding
        low, high = (low / 2, high * 2) if log else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))
    elif not log:
        low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    return Axis(low, high, log)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, with 2 and 5 (or 3) times them where there is room; fewer over a long way, round numbers over a
    short one."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if len(found) <= most + 1:
            return found if len(found) > 1 else _ticks(low, high, most)
    return found[:: math.ceil(len(found) / most)]
