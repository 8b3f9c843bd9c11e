"""What a design says, in names and numbers: all that decides which runs are needed and what is concluded from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from lrbench.errors import ConfigError
from lrbench.plural import plural
from lrbench.stats.verdict import ClaimedEffect, Kind
from lrbench.study.seeds import ROLES, SEEDS_A_REPLICATE, SEEDS_A_ROLE
from lrbench.study.tuning_rules import TuningRules

# How often an arm succeeds, whatever it reaches. How far apart its results lie from seed to seed, in doublings of the
# baseline's (`stats.spread`). What is read off a grid of values, in doublings (`readings`): up to
# which value it succeeds, which is the best, and how wide the range of good ones is. A fraction is the arm's metric
# over the baseline's, seed by seed: the mean of its logarithm, so that all that is done with differences is done with
# those of logarithms, and the answer is the geometric mean of the pairs' fractions. Of the baseline in the arm it is
# the inverse, which a mean of fractions is not. Source: Keene (1995), Statistics in Medicine 14, 811-819. (Fieller's
# interval is of the ratio of two means, and knows no reach of tuned values.)
Read = Literal["threshold", "optimum", "width"]
StudyKind = Kind | Literal["success", "spread"] | Read
Estimand = Literal["tuned", "swap", "both"]
Rate = Literal["as given", "baseline tuned"]
ALPHA = {1: 0.05, 2: 0.0294}  # of each look, 0.05 in all. Source: Pocock (1977), Biometrika 64, table 1


@dataclass(frozen=True, kw_only=True)
class Rules:
    """arms, tasks: their names. claims: what is claimed of each arm against the baseline, as gains (above 0: the arm is
    better); arms without one claim no size. primary: the arms whose contrasts are the family. pairs or detect: how many
    pairs, or the true gain that is to be found with 80 % power. looks: 1, or 2 where pairs are doubled if a verdict of
    the first look is inconclusive. within: of a width, how far below the best a good value may stay, in the metric."""

    arms: tuple[str, ...]
    baseline: str
    tasks: tuple[str, ...]
    metric: str  # that is concluded from, on the test set or not
    judge: str  # that is tuned by, on validation
    higher: bool
    chance: float | None = None  # what guessing reaches of it, where that is known
    unit: str = ""  # of it; "%" for a share in [0, 1]
    kind: StudyKind = "difference"
    estimand: Estimand = "tuned"
    rate: Rate = "as given"  # of a swap
    tuning: TuningRules | None = None
    claims: Mapping[str, ClaimedEffect] = field(default_factory=dict)
    primary: tuple[str, ...] = ()
    pairs: int | None = None
    detect: float | None = None
    most_pairs: int = 200
    looks: int = 2
    replicate: int = 0
    within: float | None = None

    def __post_init__(self) -> None:
        if len(self.arms) < 2:
            raise ConfigError("arms", ", ".join(self.arms), "one arm is compared with nothing", "give two or more")
        if self.baseline not in self.arms:
            raise ConfigError("baseline", self.baseline, f"no arm is called so; they are {', '.join(self.arms)}")
        for option, names in (("claims", self.claims), ("primary", self.primary)):
            for name in names:
                if name not in self.contrasts:
                    why = f"it is no arm beside the baseline; those are {', '.join(self.contrasts)}"
                    raise ConfigError(option, name, why)
        if self.looks not in ALPHA:
            raise ConfigError("looks", self.looks, "one look, or one and at most one further", "give 1 or 2")
        if (self.pairs is None) == (self.detect is None):
            why = "either the number of pairs is given or what they are to detect"
            raise ConfigError("pairs", self.pairs, why, "give pairs: 20, or detect: 0.005, in the metric's own unit")
        if self.pairs is not None and not self.least_pairs <= self.pairs <= SEEDS_A_REPLICATE:
            why = f"a family of {len(self.family)} asks for {self.least_pairs} to {SEEDS_A_REPLICATE}"
            raise ConfigError("pairs", self.pairs, why, "below that no verdict could be reached, whatever was measured")
        if self.detect is not None and not self.detect > 0:
            raise ConfigError(
                "detect", self.detect, "give a gain above 0, in the metric's own unit (0.005 of accuracy)"
            )
        if self.detect is not None and not self.tunes:
            why = "the noise is measured while values are tuned, and a swap as given tunes none"
            raise ConfigError("detect", self.detect, why, "give pairs: 20, or more")
        if self.detect is not None and not self.of_metric:
            asked = "how often one succeeds" if self.kind == "success" else "how far apart two of them lie"
            why = f"the noise is measured of what a run reaches, and the question is {asked}"
            raise ConfigError("detect", self.detect, why, "give pairs: 73, or as many as the question takes")
        if not self.least_pairs <= self.most_pairs <= SEEDS_A_REPLICATE:
            why = f"each look has {SEEDS_A_REPLICATE} seeds, of which a verdict takes {self.least_pairs} at least"
            raise ConfigError("most_pairs", self.most_pairs, why)
        if self.varies and self.tuning is None:
            cure = "give tuning: {first: 0.05, points: 5}, or estimand: swap with rate: as given"
            raise ConfigError("tuning", None, "the arms are run at the values of a grid", cure)
        if not 0 <= self.replicate < SEEDS_A_ROLE // SEEDS_A_REPLICATE:
            raise ConfigError("replicate", self.replicate, "give a whole number from 0 to 999")
        self._require_choices()

    def _require_choices(self) -> None:
        kinds = (*get_args(Kind), "success", "spread", *get_args(Read))
        for option, known in (("kind", kinds), ("estimand", get_args(Estimand)), ("rate", get_args(Rate))):
            given = getattr(self, option)
            if given not in known:
                raise ConfigError(option, given, f"give one of {', '.join(known)}")
        margins = {self.claim(arm).margin for arm in self.contrasts}
        if self.within_margin and None in margins:
            raise ConfigError("margin", None, f"'{self.kind}' means within a margin", "give one, with its reason")
        if self.within_margin and len(margins) > 1:
            why = "the contrasts of one family are tested against one margin"
            raise ConfigError("margin", sorted(margins), why, "give all arms the same")  # type: ignore[type-var]
        if self.kind in ("fraction", "spread") and self.estimand == "both":
            why = f"the two paths of a {self.kind} would be factors of it, and are told as gains"
            raise ConfigError("estimand", self.estimand, why, "give tuned or swap")
        if self.kind == "fraction":
            self._require_fractions()
        if self.kind == "width" and not (self.within and self.within > 0):
            cure = "give how far below the best a good value may stay, as in within: 1%"
            raise ConfigError("within", self.within, "a width is that of the range of good values", cure)
        if self.kind != "width" and self.within is not None:
            raise ConfigError("within", self.within, f"it is of a width, and this is about '{self.kind}'")

    def _require_fractions(self) -> None:
        for arm in self.contrasts:
            claim = self.claim(arm)
            if not claim.ranged:
                why = "a fraction is held against the range that it is claimed to lie in"
                raise ConfigError("claims", arm, why, f"give claims: {{{arm}: {{low: 0.9, high: 0.95}}}}, or one end")
            if claim.margin is not None:
                why = "a fraction has no direction, so there is nothing that differs by less than a margin"
                raise ConfigError(f"claims.{arm}.margin", claim.margin, why, "leave it out; the range says it all")

    @property
    def within_margin(self) -> bool:
        """Whether the verdict is about a margin."""
        return self.kind in ("no worse", "equal")

    @property
    def rule(self) -> Kind:
        """The rule of the verdict: rates of success and readings differ as means do."""
        known: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
        return known.get(self.kind, "difference")

    @property
    def reads(self) -> bool:
        """Whether a number is read off each seed's grid."""
        return self.kind in get_args(Read)

    @property
    def of_metric(self) -> bool:
        """Whether gains are of what runs reach, which is what values are chosen by and the noise is measured of."""
        return self.kind not in ("success", "spread")

    @property
    def in_doublings(self) -> bool:
        """Whether gains are logarithms to base 2."""
        return self.reads or self.kind == "spread"

    @property
    def tunes(self) -> bool:
        return not self.reads and (self.estimand != "swap" or self.rate == "baseline tuned")

    @property
    def varies(self) -> bool:
        """Whether arms are run at the values of a grid."""
        return self.tunes or self.reads

    @property
    def tuned_arms(self) -> tuple[str, ...]:
        """The arms whose own values are chosen."""
        if not self.tunes:
            return ()
        return (self.baseline,) if self.estimand == "swap" else self.arms

    @property
    def contrasts(self) -> tuple[str, ...]:
        """The arms that are compared with the baseline."""
        return tuple(a for a in self.arms if a != self.baseline)

    @property
    def family(self) -> tuple[str, ...]:
        """The arms of the primary contrasts."""
        return self.primary or self.contrasts

    @property
    def alpha(self) -> float:
        """Of one look."""
        return ALPHA[self.looks]

    @property
    def least_pairs(self) -> int:
        """The fewest with which the exact sign-flip test can pass the strictest step of Holm's correction."""
        from lrbench.stats.paired import pairs_needed

        return pairs_needed(len(self.family), 1 - self.alpha)

    def claim(self, arm: str) -> ClaimedEffect:
        return self.claims.get(arm, ClaimedEffect())

    @property
    def margin(self) -> float | None:
        """That the contrasts have in common; None where they have none, or several."""
        margins = {self.claim(arm).margin for arm in self.contrasts}
        return margins.pop() if len(margins) == 1 else None

    def nulls(self, arm: str) -> tuple[float, ...]:
        """The gains that a contrast is tested against: none, minus the margin, or the ends of a claimed fraction."""
        if self.kind == "fraction":
            claim = self.claim(arm)
            return tuple(math.log(end) for end in (claim.low, claim.high) if end)
        return (-(self.margin or 0.0),) if self.kind == "no worse" else (0.0,)

    def scaled(self, value: float) -> float:
        """A value on the scale on which gains are differences."""
        return math.log(value) if self.kind == "fraction" else value

    def gain(self, arm: float, baseline: float) -> float:
        """The arm's minus the baseline's, above 0 where the arm is better; or the logarithm of the arm's fraction of
        the baseline's, above 0 where it is more of it, whichever way is better."""
        higher = self.higher or self.reads or self.kind == "fraction"
        first, second = (arm, baseline) if higher else (baseline, arm)
        return self.scaled(first) - self.scaled(second)

    @property
    def to_find(self) -> float | None:
        """What is to be detected, as a gain. A fraction that lies so far from what it is held against, relatively."""
        return math.log1p(self.detect) if self.detect is not None and self.kind == "fraction" else self.detect

    def told(self, gain: float) -> str:
        """A gain in words; of a share in points."""
        if self.in_doublings:
            return plural(gain, "doubling", ".3g")
        if self.kind == "fraction":
            return f"{100 * math.expm1(gain):.3g}%"
        return plural(100 * gain, "point", ".3g") if self.unit == "%" else f"{gain:.3g}"

    def seeds(self, role: str, many: int, begin: int = 0) -> range:
        """The seeds of a role: disjoint ranges, shifted by the replicate, the same in every study."""
        first = ROLES[role] * SEEDS_A_ROLE + self.replicate * SEEDS_A_REPLICATE + begin
        return range(first, first + many)
