"""What the rates of a series did, in numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.diagnose import limits
from lrbench.diagnose.series import Curve, Floats

ROUNDING = 1e-9  # of the peak: what two rates may differ by and still be one
STEPS = 12  # moves after the peak at most, of a schedule of steps, which moves in less than half of the epochs, too


@dataclass(frozen=True, eq=False)
class RateHistory:
    """What the rate did.

    peak_at: when it was first highest. warm: when its first rise ended, None where it began near the peak. cuts: when
    it fell by more than a half from one row to the next, alone and by a quarter of the peak, or in a schedule
    of steps. jumps:
    when it rose after the peak by more than 60 % of it. steepest: the largest such rise before the peak, as a share of
    it. down_at: since when it has stayed at next to nothing, None where it does not. swings: how often it rose again
    from there. moves: how often it changed at all; rows: of how many.
    """

    first: float
    peak: float
    peak_at: float
    last: float
    warm: float | None
    cuts: tuple[float, ...]
    jumps: tuple[float, ...]
    steepest: float
    down_at: float | None
    swings: int
    moves: int
    rows: int

    @property
    def ratio(self) -> float:
        return self.last / self.peak if self.peak else 0.0

    @property
    def constant(self) -> bool:
        """Whether it never moved after its warmup."""
        return self.ratio > 0.999 and not self.swings


def rates_of(rate: Curve, per_epoch: float | None = None) -> RateHistory | None:
    """None where none is above zero. rate: of finite values. per_epoch: of the times of the curve; without it each row
    counts as an epoch."""
    lr, at = rate.value, rate.at
    if not len(lr) or lr.max() <= 0:
        return None
    peak = float(lr.max())
    top = int((lr >= (1 - ROUNDING) * peak).argmax())  # the first: those of later cycles differ in the last bits
    moved = np.flatnonzero(np.abs(np.diff(lr)) > ROUNDING * peak) + 1
    before, after = lr[moved - 1], lr[moved]
    periods = (at[-1] - at[0] + 1) / per_epoch if per_epoch else len(lr)
    risen = np.flatnonzero(lr >= limits.RISEN * peak)
    early, later = moved[moved <= top], moved > top
    jumps = moved[(after - before > limits.JUMP * peak) & later]
    alone = np.abs(after - before) > 4 * np.abs(np.append(np.inf, (after - before)[:-1]))  # unlike the move before
    sharp = (alone & (before - after > 0.25 * peak)) | (int(later.sum()) <= min(STEPS, periods / 2))
    cuts = moved[(after < limits.CUT * before) & later & sharp]
    return RateHistory(
        first=float(lr[0]),
        peak=peak,
        peak_at=float(at[top]),
        last=float(lr[-1]),
        warm=float(at[risen[0]]) if lr[0] < limits.BEGINS_LOW * peak else None,
        cuts=tuple(at[cuts].tolist()[:1000]),
        jumps=tuple(at[jumps].tolist()[:1000]),
        steepest=float(((lr[early] - lr[early - 1]) / peak).max()) if len(early) else 0.0,
        down_at=_down(lr, at, peak),
        swings=_swings(lr, peak, top),
        moves=len(moved),
        rows=len(lr),
    )


def _down(lr: Floats, at: Floats, peak: float) -> float | None:
    """Since when the rate has stayed below 2 % of the peak."""
    above = np.flatnonzero(lr > limits.FALLEN * peak)
    return float(at[above[-1] + 1]) if above[-1] + 1 < len(lr) else None


def _swings(lr: Floats, peak: float, top: int) -> int:
    """How often the rate came up again after it was down."""
    state: NDArray[np.int8] = np.zeros(len(lr) - top, np.int8)
    state[lr[top:] >= limits.SWINGS * peak] = 1
    state[lr[top:] <= 5 * limits.FALLEN * peak] = -1
    turns = state[state != 0]
    return int((np.diff(turns) > 0).sum())
