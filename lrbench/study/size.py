"""How many pairs: decided when the values are chosen, from the noise at those values, and frozen by being so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lrbench.stats.power import pairs_for, upper_sd
from lrbench.study.rules import Rules
from lrbench.study.tuning import Choice, reach_of

CONFIDENCE = 0.8  # of the upper limit of a standard deviation: planned with the estimate itself, half of the studies
# would have too few pairs. Source: Browne (1995), Statistics in Medicine 14, 1933-1940


@dataclass(frozen=True)
class Size:
    """pairs: of one look; None where no number would do. sd: of the differences, the largest of all contrasts' upper
    limits; None where it was not asked for. why: in words. enough: False where more are needed than the design allows.
    """

    pairs: int | None
    sd: float | None
    why: str
    enough: bool = True


def size_of(rules: Rules, choices: Mapping[str, Choice]) -> Size:
    """The number of pairs of one look, for all contrasts of a task."""
    if rules.pairs is not None:
        return Size(rules.pairs, None, "given in the design")
    assert rules.detect is not None
    sds = [sd for arm in rules.contrasts if (sd := planned_sd(rules, choices, arm)) is not None]
    if not sds:
        return Size(rules.least_pairs, None, "the fewest there may be: the noise was not measured")
    level = 1 - rules.alpha / len(rules.family)  # of Holm's strictest step
    # What the choice of values adds to an interval, more pairs do not take away.
    reach = max(reach_of(rules, choices, arm, 1 - level)[0] for arm in rules.contrasts)
    added = (reach / float(stats.norm.isf((1 - level) / 2))) ** 2
    why = f"a gain of {rules.detect:g} is found with 80 % power where the differences' sd is {max(sds):.3g}"
    try:
        asked = max(rules.least_pairs, pairs_for(rules.detect, max(sds), level, added=added))
    except ValueError:
        why = f"no number of pairs finds a gain of {rules.detect:g}: the choice of values alone leaves {reach:.3g} open"
        return Size(None, max(sds), f"{why}, and only more tuning seeds (tuning.more) make it less", enough=False)
    return Size(asked, max(sds), why, enough=asked <= rules.most_pairs)


def planned_sd(rules: Rules, choices: Mapping[str, Choice], arm: str) -> float | None:
    """The upper limit of the sd of differences between an arm and the baseline, at each one's best values in turn
    (what is chosen later differs little). None where too few seeds had both.

    Its degrees of freedom are those of one value, for values share their seeds.
    """
    if arm not in choices:  # a swap at the baseline's value: its own noise, twice
        scores = [
            s for p in choices[rules.baseline].points for s in p.scores if p.value == choices[rules.baseline].value
        ]
        good = [s for s in scores if s is not None]
        return upper_sd(math.sqrt(2) * float(np.std(good, ddof=1)), len(good) - 1, CONFIDENCE) if good[1:] else None
    variances, freedom = [], 0
    for ours, theirs in zip(choices[arm].finalists, choices[rules.baseline].finalists, strict=False):
        d = _differences(choices[arm], ours, choices[rules.baseline], theirs)
        if d.size > 1:
            variances.append(float(d.var(ddof=1)))
            freedom = max(freedom, d.size - 1)
    return upper_sd(math.sqrt(float(np.mean(variances))), freedom, CONFIDENCE) if variances else None


def _differences(arm: Choice, ours: float, base: Choice, theirs: float) -> NDArray[np.float64]:
    """By seed, where both succeeded."""
    first, second = (next(p for p in c.points if p.value == v) for c, v in ((arm, ours), (base, theirs)))
    pairs = zip(first.scores, second.scores, strict=False)
    return np.array([a - b for a, b in pairs if a is not None and b is not None])
