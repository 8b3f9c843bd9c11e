"""What tuning found and what it cost, arm by arm."""

import math
from collections.abc import Mapping

import numpy as np

from lrbench.stats.tuning import expected_best, stable_range
from lrbench.study.result import TuningResult
from lrbench.study.rules import Rules
from lrbench.study.tuning import ChosenValue, GridPoint


def tuning_results(rules: Rules, choices: Mapping[str, ChosenValue]) -> tuple[TuningResult, ...]:
    return tuple(_result(rules, choice) for choice in choices.values())


def _result(rules: Rules, choice: ChosenValue) -> TuningResult:
    points = choice.points
    means = [_counted(p, rules.chance) for p in points]
    known = [m for m in means if m is not None] if all(m is not None for m in means) else []
    best = (max if rules.higher else min)(known) if known else None
    return TuningResult(
        choice=choice,
        runs=sum(len(p.scores) for p in points),
        failures=sum(p.failures for p in points),
        expected_best=tuple(expected_best(known, k, higher_is_better=rules.higher) for k in range(1, len(known) + 1)),
        sensitivity=None if best is None else float(np.mean([abs(best - m) for m in known])),
        stable=stable_range(
            [p.value for p in points],
            [math.nan if p.mean is None else p.mean for p in points],
            [p.failures for p in points],
            _tolerance(rules, choice),
            higher_is_better=rules.higher,
        ),
    )


def _counted(point: GridPoint, chance: float | None) -> float | None:
    """The mean with a failure counted as what guessing reaches. None where a run failed and that is not known."""
    if point.failures and chance is None:
        return None
    scores = [chance if s is None else s for s in point.scores]
    return float(np.mean([s for s in scores if s is not None]))


def _tolerance(rules: Rules, choice: ChosenValue) -> float:
    """What is lost without being a loss: the smallest margin of a claim, else two standard errors of the best mean."""
    margins = [m for arm in rules.contrasts if (m := rules.claim(arm).margin) is not None]
    if margins and rules.of_metric:
        return min(margins)
    scores = [s for p in choice.points if p.value == choice.value for s in p.scores if s is not None]
    return 2 * float(np.std(scores, ddof=1)) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
