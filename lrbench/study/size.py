"""How many pairs: decided when the values are chosen, from the noise at those values, and frozen by being so."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lrbench.plural import plural
from lrbench.stats.paired import POWER
from lrbench.stats.power import pairs_for, upper_sd, verdict_probabilities
from lrbench.stats.selection import reach_variance
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.rules import Rules
from lrbench.study.tuning import ChosenValue, reach_of

CONFIDENCE = 0.8  # of the upper limit of a standard deviation: planned with the estimate itself, half of the studies
# would have too few pairs. Source: Browne (1995), Statistics in Medicine 14, 1933-1940
LIKELY = 0.5
MOST = 10_000  # pairs that anybody would think of


@dataclass(frozen=True)
class Size:
    """pairs: of one look; None where no number would do. sd: of the differences, the largest of all contrasts' upper
    limits; None where it was not asked for. why: in words. enough: False where more are needed than the design allows.
    """

    pairs: int | None
    sd: float | None
    why: str
    enough: bool = True


def size_of(rules: Rules, choices: Mapping[str, ChosenValue]) -> Size:
    """The number of pairs of one look, for all contrasts of a task."""
    sds = {arm: sd for arm in rules.contrasts if (sd := planned_sd(rules, choices, arm)) is not None}
    found = _given(rules) if rules.pairs is not None or not sds else _asked(rules, choices, max(sds.values()))
    if found.pairs is None or not found.enough:
        return found
    for arm, sd in sds.items():
        if (needed := pairs_that_decide(rules, arm, sd, found.pairs)) != found.pairs:
            many = f"about {needed} would" if needed else "nor do many more"
            why = f"{plural(found.pairs, 'pair')} cannot decide what is claimed of {arm} (sd {rules.told(sd)}): {many}"
            return Size(found.pairs, sd, why, enough=False)
        reach = reach_of(rules, choices, arm, rules.alpha / len(rules.family))
        if pairs_that_decide(rules, arm, sd, found.pairs, reach) != found.pairs:
            found = replace(
                found, why=f"{found.why}; what is claimed of {arm} may stay open: {_left(rules, max(reach))}"
            )
    return found


def _left(rules: Rules, reach: float) -> str:
    """What more pairs do not take away. It is told, and stops nothing: a gain that is larger is found all the same."""
    return f"the choice of values leaves {rules.told(reach)}, of which more tuning seeds (tuning.more) leave less"


def _given(rules: Rules) -> Size:
    if rules.pairs is not None:
        return Size(rules.pairs, None, "given in the design")
    return Size(rules.least_pairs, None, "the fewest there may be: the noise was not measured")


def _asked(rules: Rules, choices: Mapping[str, ChosenValue], sd: float) -> Size:
    """As many as find what is to be detected, at Holm's strictest step."""
    assert rules.to_find is not None
    level = 1 - rules.alpha / len(rules.family)
    # What the choice of values adds to an interval, more pairs do not take away. A gain has to exceed 0, and a fraction
    # may lie on either side of what it is held against.
    both = [reach_of(rules, choices, arm, 1 - level) for arm in rules.contrasts]
    reach = max(max(r) if rules.kind == "fraction" else r[0] for r in both)
    size = rules.told(rules.to_find)
    gain = f"a fraction {size} off what it is held against" if rules.kind == "fraction" else f"a gain of {size}"
    why = f"{gain} is found with 80 % power where the differences' sd is {rules.told(sd)}"
    try:
        bare = pairs_to_find(rules, sd)
    except ValueError:
        why = f"no number of pairs that anybody runs finds {gain}: the differences' sd is {rules.told(sd)}"
        return Size(None, sd, why, enough=False)
    if bare > rules.most_pairs:
        return Size(bare, sd, why, enough=False)
    with suppress(ValueError):
        if (asked := pairs_to_find(rules, sd, reach)) <= rules.most_pairs:
            return Size(asked, sd, why)
    return Size(bare, sd, f"at the chosen values {why}; at the best ones it may stay open: {_left(rules, reach)}")


def pairs_to_find(rules: Rules, sd: float, reach: float = 0.0) -> int:
    """The pairs of a look that find what is to be detected, at Holm's strictest step: a gain over 0, or a fraction off
    what it is held against, between two ends off both. reach: of the choice of values. ValueError where none do."""
    assert rules.to_find is not None
    alpha = rules.alpha / len(rules.family)
    aim = (1 + POWER) / 2 if any(len(rules.nulls(arm)) > 1 for arm in rules.contrasts) else POWER
    return max(rules.least_pairs, pairs_for(rules.to_find, sd, 1 - alpha, aim, added=reach_variance(reach, alpha)))


def pairs_that_decide(
    rules: Rules, arm: str, sd: float, pairs: int, reach: tuple[float, float] = (0.0, 0.0)
) -> int | None:
    """So many, or the fewest doublings of them, with which some verdict is likelier than not at one of the gains that
    matter to the claim; None where ten thousand do not, as where the reach of the chosen values is too large for any.
    Where no size is claimed any number may decide, and the noise of what runs reach says nothing of how often or how
    alike they reach it."""
    claim = rules.claim(arm)
    gains = [0.0] if rules.within_margin else gains_of_claim(rules, claim)
    if not gains or sd == 0 or not rules.of_metric:
        return pairs
    tests = len(rules.family)

    def decides(n: int) -> bool:
        found = (verdict_probabilities(rules.rule, claim, g, sd, n, rules.alpha, tests, reach) for g in gains)
        return any(p >= LIKELY for f in found for name, p in f.items() if name != "inconclusive")

    return next((n for n in (pairs * 2**k for k in range(12)) if n <= MOST and decides(n)), None)


def gains_of_claim(rules: Rules, claim: ClaimedEffect) -> list[float]:
    """The true gains at which a claim of a size is looked at: none, both ends of the range, and its middle. Nothing of
    a claim of a direction alone, and of other kinds."""
    if rules.kind == "fraction":
        ends = [end for end in (claim.low, claim.high) if end]
        middle = [math.sqrt(math.prod(ends))] if len(ends) > 1 else []
        return sorted({0.0, *map(math.log, ends + middle)}) if ends != [1.0] else []
    if rules.kind not in ("difference", "success") or not claim.sized:
        return []
    high = 2 * claim.low if claim.high is None else claim.high
    return sorted({0.0, claim.low, (claim.low + high) / 2, high})


def planned_sd(rules: Rules, choices: Mapping[str, ChosenValue], arm: str) -> float | None:
    """The upper limit of the sd of differences between an arm and the baseline, at each one's best values in turn
    (what is chosen later differs little). None where too few seeds had both.

    Its degrees of freedom are those of one value, for values share their seeds.
    """
    if rules.baseline not in choices:
        return None
    if arm not in choices:  # a swap at the baseline's value: its own noise, twice
        scores = [
            s for p in choices[rules.baseline].points for s in p.scores if p.value == choices[rules.baseline].value
        ]
        good = [rules.scaled(s) for s in scores if s is not None]
        return upper_sd(math.sqrt(2) * float(np.std(good, ddof=1)), len(good) - 1, CONFIDENCE) if good[1:] else None
    variances, freedom = [], 0
    for ours, theirs in zip(choices[arm].finalists, choices[rules.baseline].finalists, strict=False):
        d = _differences(rules, choices[arm], ours, choices[rules.baseline], theirs)
        if d.size > 1:
            variances.append(float(d.var(ddof=1)))
            freedom = max(freedom, d.size - 1)
    return upper_sd(math.sqrt(float(np.mean(variances))), freedom, CONFIDENCE) if variances else None


def _differences(rules: Rules, arm: ChosenValue, ours: float, base: ChosenValue, theirs: float) -> NDArray[np.float64]:
    """By seed, where both succeeded."""
    first, second = (next(p for p in c.points if p.value == v) for c, v in ((arm, ours), (base, theirs)))
    pairs = zip(first.scores, second.scores, strict=False)
    return np.array([rules.gain(a, b) for a, b in pairs if a is not None and b is not None])
