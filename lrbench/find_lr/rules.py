"""From a curve to a rate: the rules there are, one small pure function each.

Each takes rates, ascending, and the smoothed losses at them, (n,) both, and gives a rate, or None where the curve has
none for it. Several tools call different things "steepest" (Lightning alone has had three meanings of it); here it is
the slope over the logarithm of the rate, which does not depend on how many updates a decade has.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lrbench.find_lr.curve import ROUNDING, Floats, curve_of, falls
from lrbench.find_lr.range_test import RangeTest

WINDOW = 15  # points between the two at which `slide` compares the slopes
TURN = 0.005  # a difference of slopes, in losses an update
BEFORE = 5  # points that the guide's marked one lies before the lowest

Rule = Callable[[Floats, Floats], float | None]


def steepest(rates: Floats, losses: Floats) -> float | None:
    """Where the loss falls fastest over log(rate) on the way to its lowest point: what falls after that comes back from
    an explosion. None where it falls nowhere."""
    if len(rates) < 2:
        return None
    slope = np.gradient(losses, np.log10(rates))[: int(np.argmin(losses)) + 1]
    at = int(np.argmin(slope))
    return float(rates[at]) if slope[at] < -ROUNDING * np.abs(losses).max() else None


def minimum_tenth(rates: Floats, losses: Floats) -> float | None:
    """A tenth of the rate of the lowest loss. None where that is the first."""
    at = int(np.argmin(losses)) if len(losses) else 0
    return float(rates[at]) / 10 if at else None


def valley(rates: Floats, losses: Floats) -> float | None:
    """In the middle of the longest valley: the longest subsequence in which each loss lies below the one before.

    Of several the one that ends first. The valley of L points is taken to lie in the L places up to its end; the answer
    lies a third and half a third of L, both rounded down, behind their beginning. None where no two losses fall.
    Source: fastai's `valley` (2021), after ESRI's; its documentation says two thirds, its result is the middle.
    """
    lengths = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        lengths[i] += lengths[:i][losses[:i] > losses[i]].max(initial=0)
    if lengths.max(initial=0) < 2:
        return None
    last = int(np.argmax(lengths))
    length = int(lengths[last])
    return float(rates[max(0, last - length + length // 3 + length // 6)])


def slide(rates: Floats, losses: Floats) -> float | None:
    """A window of 16 points slides down from the curve's end while the slopes at its two ends, in losses an update,
    differ by more than 0.005: the rate at its lower end where that was so last.

    None for a curve that has no 16 points, and where the slopes at its end do not differ: then it turns nowhere (where
    fastai gives the rate 15 points before the end). Source: fastai's `slide` (2021), after Novetta's.
    """
    if len(losses) <= WINDOW:
        return None
    slope = np.gradient(losses)
    still = np.flatnonzero(~(np.abs(slope[WINDOW:] - slope[:-WINDOW]) > TURN))
    at = int(still[-1]) + 1 if len(still) else 0
    return float(rates[at]) if at < len(losses) - WINDOW else None


def printed(rates: Floats, losses: Floats) -> float | None:
    """Five points before the lowest loss, the first point where there are fewer: what the guide's sweep prints."""
    return float(rates[max(0, int(np.argmin(losses)) - BEFORE)]) if len(losses) else None


def times(rule: Rule, factor: float) -> Rule:
    """A rule whose answer is so many times another's."""

    def scaled(rates: Floats, losses: Floats) -> float | None:
        rate = rule(rates, losses)
        return None if rate is None else rate * factor

    return scaled


def guide_steepest(rates: Floats, losses: Floats) -> float | None:
    """As the guide computes it: also on a curve that never falls, and where a loss is no number that is the point."""
    return float(rates[int(np.argmin(np.gradient(losses, np.log10(rates))))]) if len(rates) > 1 else None


def guide_minimum_tenth(rates: Floats, losses: Floats) -> float | None:
    return float(rates[int(np.argmin(losses))]) / 10 if len(rates) else None


def _after(first: Rule) -> dict[str, Rule]:
    """What the guide makes of the steepest: for Adam (or to be careful), and as the peak of a OneCycle."""
    return {"steepest_tenth": times(first, 0.1), "steepest_x5": times(first, 5), "steepest_x10": times(first, 10)}


OURS: Mapping[str, Rule] = {
    "steepest": steepest, "minimum_tenth": minimum_tenth, "valley": valley, "slide": slide, "printed": printed,
    **_after(steepest),
}  # fmt: skip
GUIDES: Mapping[str, Rule] = {
    "steepest": guide_steepest, "minimum_tenth": guide_minimum_tenth, "printed": printed, **_after(guide_steepest),
}  # fmt: skip


def answers(test: RangeTest, losses: Sequence[float]) -> dict[str, float | None]:
    """What every rule says of one sweep; None of each where the loss never falls by more than it varies."""
    curve = curve_of(test, losses)
    if test.variant == "guide":
        return {name: rule(curve.rates, curve.losses) for name, rule in GUIDES.items()}
    if not falls(test, losses, curve):
        return dict.fromkeys(OURS)
    rates, smooth, _ = curve.settled(test.iterations)
    return {name: rule(rates, smooth) for name, rule in OURS.items()}
