"""What a design says of how each arm's value is chosen."""

import math
from dataclasses import dataclass

from lrbench.errors import ConfigError
from lrbench.study.seeds import SEEDS_A_REPLICATE

ONE_CHOICE = 3  # points: fewer have no value with a worse one on both sides


@dataclass(frozen=True, kw_only=True)
class TuningRules:
    """How each arm's value is chosen, in two rounds: `seeds` runs at each value of the grid, then `more` at its `best`.

    Values are first x factor^k. The grid of `points` grows for all arms until each best value has a worse one on both
    sides, up to `at_most` values.
    """

    first: float
    key: str = "optimizer.lr"
    factor: float = 2.0
    points: int = 5
    at_most: int = 12
    seeds: int = 3
    more: int = 6
    best: int = 3

    def __post_init__(self) -> None:
        if not (self.first > 0 and math.isfinite(self.first)):
            raise ConfigError("tuning.first", self.first, "give the lowest value of the first grid, above 0")
        if not self.factor > 1:
            raise ConfigError("tuning.factor", self.factor, "values are first x factor^k: give a factor above 1")
        if self.points < ONE_CHOICE:
            why = f"a grid of {self.points} has no value with a worse one on both sides, so nothing would be tuned"
            raise ConfigError("tuning.points", self.points, why, "give 3 or more (5 is usual), or estimand: swap")
        if self.at_most < self.points:
            raise ConfigError("tuning.at_most", self.at_most, "it is less than the points of the first grid")
        for name, least in (("seeds", 2), ("more", 0), ("best", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"tuning.{name}", getattr(self, name), f"give a whole number from {least}")
        if self.seeds + self.more > SEEDS_A_REPLICATE:
            why = f"with those of the first round they are more than the {SEEDS_A_REPLICATE} seeds that tuning has"
            raise ConfigError("tuning.more", self.more, why)

    def value(self, k: int) -> float:
        """The k-th value of the grid, to six digits."""
        return float(f"{self.first * self.factor**k:.6g}")
