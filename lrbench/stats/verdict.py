"""What an interval says about a claim: one rule, for one contrast and for a simulation of many."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrbench.stats.intervals import ConfidenceInterval

Verdict = Literal[
    "ill-posed",
    "practically null",
    "contradicted",
    "supported",
    "larger than claimed",
    "smaller than claimed",
    "direction supported, size unresolved",
    "inconclusive",
]
Kind = Literal["difference", "no worse", "equal", "fraction"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NO_INTERVAL = (np.nan, np.nan)  # every comparison with it is false, so that nothing follows from it


@dataclass(frozen=True)
class ClaimedEffect:
    """The claimed effect lies between low and high, in the unit of the metric and in the claimed direction; of a
    fraction they are what it lies between, 0.9 to 0.95.

    low = 0 where no size is claimed, high = None where it is open upwards. margin: what differs by less is the same in
    practice. ValueError for a range or a margin that no interval could be held against.
    """

    low: float = 0.0
    high: float | None = None
    margin: float | None = None

    def __post_init__(self) -> None:
        if not self.low >= 0:
            raise ValueError(f"a claimed effect is 0 or more in its own direction, not {self.low}")
        if self.high is not None and not self.high >= self.low:
            raise ValueError(f"a claimed range ends where it begins or above: {self.low} to {self.high}")
        if self.high == 0:
            raise ValueError("a claimed range from 0 to 0 is a claim of equality, which is a kind of its own")
        if self.margin is not None and not self.margin > 0:
            raise ValueError(f"a margin is above 0, not {self.margin}")
        if self.margin is not None and self.sized and self.margin >= self.low:
            raise ValueError(f"a margin as large as the claim: {self.margin} is no less than the claimed {self.low}")

    @property
    def sized(self) -> bool:
        return self.low > 0

    @property
    def ranged(self) -> bool:
        """Whether the range has an end beside 0."""
        return self.sized or self.high is not None


def verdict(
    kind: Kind, interval: ConfidenceInterval | None, equivalence: ConfidenceInterval | None, claim: ClaimedEffect
) -> Verdict:
    """What follows from one contrast. Both intervals are in the claimed direction; `equivalence` is the narrower
    one, of two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15).

    Of a fraction they are of its logarithm. None for an interval that cannot be had (fewer than 2 pairs) or must not be
    read (a step of Holm's that is closed, tests that disagree): nothing is concluded from it. ValueError where the kind
    needs a margin and the claim has none. Whether a question is ill-posed is for whoever asks it to say.
    """
    return VERDICTS[int(verdicts(kind, *(interval or NO_INTERVAL), *(equivalence or NO_INTERVAL), claim))]


def verdicts(
    kind: Kind, low: ArrayLike, high: ArrayLike, equal_low: ArrayLike, equal_high: ArrayLike, claim: ClaimedEffect
) -> NDArray[np.intp]:
    """The rule, of many contrasts at once: ends of their intervals in, indices of VERDICTS out, all of one shape."""
    rules: Any = {"difference": _difference, "no worse": _no_worse, "equal": _equal, "fraction": _fraction}[kind]
    ends = (np.asarray(x, float) for x in (low, high, equal_low, equal_high))
    found: dict[Verdict, NDArray[np.bool_]] = rules(*ends, claim)
    indices = [VERDICTS.index(name) for name in found]
    return np.select(list(found.values()), indices, VERDICTS.index("inconclusive")).astype(np.intp)


Ends = NDArray[np.float64]


def _difference(low: Ends, high: Ends, equal_low: Ends, equal_high: Ends, claim: ClaimedEffect) -> dict[Verdict, Any]:
    """The first that holds is the verdict."""
    a, b = claim.low, np.inf if claim.high is None else claim.high
    null = np.zeros(low.shape, bool)
    if claim.sized and claim.margin is not None:
        null = (equal_low > -claim.margin) & (equal_high < claim.margin)
    return {
        "practically null": null,
        "contradicted": high < 0,
        "supported": (low > 0) & (low >= a) & (high <= b),
        "larger than claimed": low > b,
        "smaller than claimed": (low > 0) & (high < a),
        "direction supported, size unresolved": low > 0,
    }


def _no_worse(low: Ends, high: Ends, equal_low: Ends, equal_high: Ends, claim: ClaimedEffect) -> dict[Verdict, Any]:
    m = _margin(claim)
    return {"contradicted": high < -m, "supported": low > -m}


def _equal(low: Ends, high: Ends, equal_low: Ends, equal_high: Ends, claim: ClaimedEffect) -> dict[Verdict, Any]:
    m = _margin(claim)
    return {"contradicted": (low > m) | (high < -m), "supported": (equal_low > -m) & (equal_high < m)}


def _fraction(low: Ends, high: Ends, equal_low: Ends, equal_high: Ends, claim: ClaimedEffect) -> dict[Verdict, Any]:
    """Where the fraction lies, and no direction: 1 is a number as any other."""
    a, b = claim.low, np.inf if claim.high is None else claim.high
    return {
        "supported": (np.exp(low) >= a) & (np.exp(high) <= b),
        "larger than claimed": np.exp(low) > b,
        "smaller than claimed": np.exp(high) < a,
    }


def _margin(claim: ClaimedEffect) -> float:
    if claim.margin is None:
        raise ValueError("whether two are equal, or one no worse, is asked up to a margin, and the claim has none")
    return claim.margin
