"""Which rates a range test tries, how its losses are smoothed, and when it ends. No torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, repeat
from typing import Any, Literal, get_args

import numpy as np

from lrbench.errors import ConfigError, did_you_mean
from lrbench.find_lr.names import NAMES

Variant = Literal["lrbench", "guide"]
FEWEST = 30  # updates: a tenth is left out at the beginning, five at the end, and `slide` looks at 16 at a time
MOST_SEEDS = 1_000  # that a role has; see lrbench.study.rules
FIRST_SEED = 4_000_000  # of the role "finder", whose seeds train nothing else


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """`iterations` updates, whose rates grow by one factor from `start` to `end`. smoothing: the weight of what was
    before in the running mean of the losses. stop: the sweep ends where that mean lies above so many times its lowest;
    None: only where a loss is not finite. rule: what is suggested.

    Rates are those of `optimizer.lr`: each group's is its share of it, times `lr_scaling`, as in training.

    The defaults: from a tenth of the lowest peak that a recipe has (1e-5, fine-tuning) to more than any has; a sweep
    that is too high ends by itself. 100 updates are 14 a decade, 1.18 times the rate before. A mean of ten losses
    (0.9) covers 0.7 of a decade. Of all rules, `steepest_x5` is never far off the rates that studies tuned
    (results/benchmarks/find_lr_audit.md).
    """

    start: float = 1e-6
    end: float = 10.0
    iterations: int = 100
    smoothing: float = 0.9
    stop: float | None = 4.0
    seeds: int = 5
    variant: Variant = "lrbench"
    rule: str = "steepest_x5"

    def __post_init__(self) -> None:
        self._require_rates()
        self._require_ends()
        if self.variant not in get_args(Variant):
            raise ConfigError("find_lr.variant", self.variant, f"give one of {', '.join(get_args(Variant))}")
        if self.rule not in NAMES[self.variant]:
            why = f"the variant {self.variant} has no such rule.{did_you_mean(self.rule, NAMES[self.variant])}"
            raise ConfigError("find_lr.rule", self.rule, why)

    def _require_rates(self) -> None:
        if not (math.isfinite(self.start) and self.start > 0):
            raise ConfigError("find_lr.start", self.start, "give the lowest rate, above 0, such as 1e-6")
        if not (math.isfinite(self.end) and self.end > self.start):
            why = f"the rate grows from find_lr.start={self.start:g}, so the last one lies above it"
            raise ConfigError("find_lr.end", self.end, why, "give a higher one, such as 10")
        if self.iterations < FEWEST:
            why = f"a sweep of fewer than {FEWEST} updates has no curve that a rule could read"
            raise ConfigError("find_lr.iterations", self.iterations, why, "give 100, or more")

    def _require_ends(self) -> None:
        if not 0 <= self.smoothing < 1:
            why = "it is the weight of what was before in the running mean"
            raise ConfigError("find_lr.smoothing", self.smoothing, why, "give 0 (none) or more, below 1, such as 0.9")
        if self.stop is not None and not self.stop > 1:
            why = "the sweep ends where the loss lies above so many times its lowest"
            raise ConfigError("find_lr.stop", self.stop, why, "give a number above 1, such as 4, or null for never")
        if not 1 <= self.seeds <= MOST_SEEDS:
            why = f"give how often the sweep is made, 1 to {MOST_SEEDS}"
            raise ConfigError("find_lr.seeds", self.seeds, why, "5 are usual; one alone has no interval")

    @property
    def rates(self) -> list[float]:
        """What `optimizer.lr` is in each update. The guide's last one lies a factor below `end`."""
        if self.variant == "guide":
            factor = (self.end / self.start) ** (1 / self.iterations)
            return list(accumulate(repeat(factor, self.iterations - 1), lambda rate, by: rate * by, initial=self.start))
        return [float(rate) for rate in np.geomspace(self.start, self.end, self.iterations)]

    @property
    def seeds_used(self) -> range:
        return range(FIRST_SEED, FIRST_SEED + self.seeds)

    @property
    def of_a_sweep(self) -> dict[str, Any]:
        """What decides the numbers of a sweep, and so is part of its name."""
        return {k: v for k, v in asdict(self).items() if k not in ("seeds", "rule")}


# What the guide's function does where nothing else is said; its own weight of the newest loss is 0.05.
GUIDE = RangeTest(start=1e-8, smoothing=0.95, variant="guide", rule="steepest")


OF_THE_VARIANT = ("start", "smoothing", "rule")  # null means the variant's own


def range_test_of(plain: Mapping[str, Any]) -> RangeTest:
    """From a configuration's `find_lr`. Raises ConfigError."""
    base = GUIDE if plain["variant"] == "guide" else RangeTest()
    return replace(base, **{k: v for k, v in plain.items() if v is not None or k not in OF_THE_VARIANT})
