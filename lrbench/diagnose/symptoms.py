"""What a series shows, in numbers: its levels, its largest rise, where it stopped falling, what its rates did."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from lrbench.diagnose import limits
from lrbench.diagnose.rates import RateHistory, rates_of
from lrbench.diagnose.series import Curve, Floats, Series

LEVELS = 100  # stretches that a curve is cut into at most
FEW = 50  # rows that are taken one by one
THIN = 5  # losses, without which nothing can be said of how they go


@dataclass(frozen=True, eq=False)
class Levels:
    """A curve by stretches of equally many rows: when each begins, its median, the highest of its values and when that
    was; shapes (n,), n <= 100. noise: the standard deviation of a level that does not move."""

    begins: Floats
    level: Floats
    high: Floats
    high_at: Floats
    noise: float


@dataclass(frozen=True)
class Rise:
    """The largest rise of a loss over what had been reached before. at: when it began; top_at: when it was highest;
    low, top: from what level to what value; share: top - low as a share of all that the loss fell; back: whether it
    came down again; single: whether it is one of single values, and no level rose."""

    at: float
    top_at: float
    low: float
    top: float
    share: float
    back: bool
    single: bool


@dataclass(frozen=True)
class Stall:
    """From `at` to the end the loss gained nothing worth having. first, second: its means in the halves of that."""

    at: float
    first: float
    second: float

    @property
    def gained(self) -> float:
        return self.first - self.second


@dataclass(frozen=True, eq=False)
class Symptoms:
    """A series in numbers; what is None it does not show.

    start, last, best: the first finite training loss (or validation loss, where there is no other), its level at the
    end and its lowest. bad: when it was first not finite.
    """

    series: Series
    bad: float | None
    levels: Levels | None
    rates: RateHistory | None

    @cached_property
    def start(self) -> float:
        """The first loss, before anything was learned if the series begins there."""
        curve = self.series.loss or self.series.val_loss
        assert curve is not None
        finite = curve.value[np.isfinite(curve.value)]
        return float(finite[0]) if len(finite) else float("nan")

    @cached_property
    def last(self) -> float:
        """The level at the end: of the last twentieth of the stretches."""
        return float("nan") if self.levels is None else float(np.median(self.levels.level[-_twentieth(self.levels) :]))

    @cached_property
    def best(self) -> float:
        return float("nan") if self.levels is None else float(self.levels.level.min())

    @property
    def fell(self) -> float:
        """All that the loss fell, to its lowest level."""
        return self.start - self.best

    @property
    def learned(self) -> bool:
        return self.fell > limits.UNLEARNED * abs(self.start)

    @property
    def losses(self) -> int:
        """How many losses are finite numbers, of training or, where it has none, of validation."""
        curve = self.series.loss or self.series.val_loss
        return 0 if curve is None else int(np.isfinite(curve.value).sum())

    @property
    def thin(self) -> bool:
        """Whether there are too few losses to judge a run by."""
        return self.losses < THIN

    @cached_property
    def rise(self) -> Rise | None:
        return None if self.levels is None else _rise(self.levels, self.start, self.fell)

    @cached_property
    def stall(self) -> Stall | None:
        return None if self.levels is None else _stall(self.levels, self.start, self.fell, self.series)

    @cached_property
    def gap(self) -> float | None:
        """By how much validation lies above training at the end."""
        val = self.series.val_loss
        if val is None or self.series.loss is None or self.levels is None or not np.isfinite(val.value[-1]):
            return None
        return float(val.value[-1]) - self.last


def symptoms_of(series: Series) -> Symptoms:
    """Everything that a diagnosis looks at, each array of the series read once or twice."""
    curve, bad = series.loss or series.val_loss, series.bad
    per_epoch = series.per_epoch if series.unit == "update" else None
    if curve is None:
        return Symptoms(series, bad, None, rates_of(series.rate, per_epoch) if series.rate else None)
    if bad is None:
        wrong = np.flatnonzero(~np.isfinite(curve.value))
        bad = float(curve.at[wrong[0]]) if len(wrong) else None
    return Symptoms(series, bad, levels_of(curve), rates_of(series.rate, per_epoch) if series.rate else None)


def levels_of(curve: Curve) -> Levels | None:
    """None for a curve without a finite value."""
    finite = np.isfinite(curve.value)
    at, value = (curve.at, curve.value) if finite.all() else (curve.at[finite], curve.value[finite])
    if not len(value):
        return None
    edges = np.unique(np.linspace(0, len(value), _stretches(len(value)) + 1).astype(np.int64))
    stretches = [slice(a, b) for a, b in pairwise(edges)]
    level = np.array([np.median(value[s]) for s in stretches])
    tops = np.array([s.start + int(value[s].argmax()) for s in stretches])
    noise = 1.4826 * float(np.median(np.abs(np.diff(level)))) / 2**0.5 if len(level) > 2 else 0.0
    return Levels(at[edges[:-1]], level, value[tops], at[tops], noise)


def _stretches(rows: int) -> int:
    """Few rows are means already, as of epochs; of many, each stretch has at least four, since single batches waver."""
    return rows if rows <= FEW else min(LEVELS, max(FEW // 2, rows // 4))


def _rise(levels: Levels, start: float, fell: float) -> Rise | None:
    """The largest rise of a level, or of a single value where that is larger by far; None where nothing rose."""
    reached = np.minimum.accumulate(np.append(start, levels.level[:-1]))  # before each stretch
    scale = max(fell, limits.UNLEARNED * abs(start)) or 1.0
    slow, fast = levels.level - reached, levels.high - reached
    most = np.maximum(slow / limits.SPIKE, fast / limits.BURST)
    i = int(most.argmax())
    if most[i] <= 0:
        return None
    as_level = slow[i] / limits.SPIKE >= fast[i] / limits.BURST
    top = float(levels.level[i] if as_level else levels.high[i])
    low = float(reached[i])
    share = (top - low) / scale / (1.0 if as_level else limits.BURST / limits.SPIKE)
    if top - low < limits.NOISES * levels.noise:
        return None
    since = 0 if low == start else int(levels.level[:i].argmin()) + 1
    much = low + max(min(0.25 * (top - low), limits.SPIKE * scale), limits.NOISES * levels.noise)
    began = since + int(((levels.level if as_level else levels.high)[since : i + 1] > much).argmax())
    back = bool((levels.level[i:] <= low + limits.BACK * scale).any())
    top_at = float(levels.begins[i] if as_level else levels.high_at[i])
    return Rise(
        float(levels.begins[began]), top_at, low, top, float(share), back, bool(slow.max() < limits.SPIKE * scale)
    )


def _stall(levels: Levels, start: float, fell: float, series: Series) -> Stall | None:
    """The earliest moment from which on the loss gained nothing worth having; None where it came too late, or where
    the loss has nothing left to lose."""
    level, n = levels.level, len(levels.level)
    if n < 10 or not series.planned:
        return None
    for i in range(n // 2 + 1):
        at, half = float(levels.begins[i]), (n - i) // 2
        first, second = float(level[i : i + half].mean()), float(level[i + half :].mean())
        error = levels.noise * (2 / half) ** 0.5
        steady = level[i] - second <= max(5 * limits.FLAT * fell, limits.NOISES * levels.noise)
        flat = first - second <= min(max(limits.FLAT * fell, error), limits.FLAT_OF_LEVEL * abs(first))
        falls = _falls_on(level[i:], levels.noise, limits.FLAT * fell)
        if steady and flat and not falls and second > limits.SOLVED * abs(start):
            return Stall(at, first, second) if series.share(at) <= limits.STALL else None
    return None


def _falls_on(level: Floats, noise: float, least: float) -> bool:
    """Whether each quarter lies below the one before by more than the standard error of that, and the last below the
    first by more than `least`: then it still falls, however slowly."""
    quarters = [level[q] for q in np.array_split(np.arange(len(level)), 4)]
    means = np.array([q.mean() for q in quarters])
    error = noise * (2 / min(map(len, quarters))) ** 0.5
    return bool((means[:-1] - means[1:] > error).all() and means[0] - means[-1] > least)


def _twentieth(levels: Levels) -> int:
    return max(1, len(levels.level) // 20)
