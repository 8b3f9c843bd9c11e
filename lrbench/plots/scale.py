"""How far an axis of rates reaches, linear or logarithmic."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DECADES = 3  # that a run's rate spans before its axis is logarithmic
LOWEST = 1e-10  # of the highest: below it is what rounding leaves of 0

Values = Sequence[NDArray[np.float64]]


def logarithmic(values: Values) -> tuple[float, float] | None:
    """The lowest and the highest value on a logarithmic axis, which 0 is not; None where none is above 0."""
    high = max((float(v.max()) for v in values if v.size), default=0.0)
    if high <= 0:
        return None
    return min(float(v.min()) for v in (v[v > LOWEST * high] for v in values) if v.size), high


def spans_decades(values: Values) -> bool:
    """Whether a linear axis would hide most of what a rate does."""
    found = logarithmic(values)
    return found is not None and found[1] > 10**DECADES * found[0]


def round_numbers(low: float, high: float) -> list[float]:
    """To write at a logarithmic axis: powers of ten; over a short way 2 and 5 times them too."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    factors = (1, 2, 5) if len(decades) <= 4 else (1,)
    found = [float(f"{f}e{d}") for d in decades for f in factors if low <= float(f"{f}e{d}") <= high]
    return found[:: -(-len(found) // 8) or 1]
