"""From what the cells of a confirmation came to, to verdicts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.family import Tested, family
from lrbench.stats.intervals import ConfidenceInterval, newcombe_paired, t_interval
from lrbench.stats.paired import POWER, Success, success
from lrbench.stats.power import Agreement, pairs_for, rerun_agreement
from lrbench.stats.selection import reach_variance
from lrbench.stats.spread import spread_gains
from lrbench.stats.verdict import Verdict, verdict
from lrbench.study.confirmation import ContrastRuns, scored
from lrbench.study.result import Contrast, Effect, Paths, SeedPair
from lrbench.study.rules import Rules
from lrbench.study.size import MOST
from lrbench.study.tuning import ChosenValue, choice_variance_of, reach_of

DIRECTIONAL = (
    "contradicted", "supported", "larger than claimed", "smaller than claimed", "direction supported, size unresolved",
)  # fmt: skip


def contrasts(
    rules: Rules, choices: Mapping[str, ChosenValue], seen: Sequence[ContrastRuns], *, turned: bool = False
) -> tuple[Contrast, ...]:
    """One for each arm beside the baseline, in their order: primary ones are a family, the others one of their own.

    turned: of what the baseline gains over each arm, which is then what is claimed.
    """
    by_arm = {s.arm: s.turned() if turned else s for s in seen}
    variances = {arm: _choice_variance(rules, choices, arm) for arm in by_arm}
    tested: dict[str, Tested] = {}
    reach: dict[str, tuple[float, float]] = {}
    for primary in (True, False):
        arms = [arm for arm in rules.contrasts if arm in by_arm and (arm in rules.family) == primary]
        gains = [_compared(rules, by_arm[arm]) for arm in arms]
        reaches = {arm: _reach(rules, choices, arm, rules.alpha / len(arms)) for arm in arms}
        reach |= {arm: (r[1], r[0]) if turned else r for arm, r in reaches.items()}
        found = family(gains, rules.alpha, [reach[arm] for arm in arms], nulls=[rules.nulls(arm) for arm in arms],
                       margin=rules.margin)  # fmt: skip
        tested |= dict(zip(arms, found, strict=True))
    return tuple(
        _contrast(rules, by_arm[arm], tested[arm], variances[arm], reach[arm])
        if arm in by_arm
        else _without(rules, choices, arm)
        for arm in rules.contrasts
    )


def _reach(rules: Rules, choices: Mapping[str, ChosenValue], arm: str, alpha: float) -> tuple[float, float]:
    """Values are chosen for what they reach, not for how often, nor for how alike on all seeds."""
    return reach_of(rules, choices, arm, alpha) if rules.of_metric else (0.0, 0.0)


def _choice_variance(rules: Rules, choices: Mapping[str, ChosenValue], arm: str) -> float:
    return choice_variance_of(rules, choices, arm) if rules.of_metric else 0.0


def _compared(rules: Rules, seen: ContrastRuns) -> NDArray[np.float64]:
    """What a contrast is about, pair by pair: gains, or which of the two succeeded."""
    if rules.kind != "success":
        return gains_of(rules, seen.pairs())
    return np.array([p.success for p in seen.pairs()], np.float64)


def gains_of(rules: Rules, pairs: Sequence[SeedPair]) -> NDArray[np.float64]:
    """By seed, where both succeeded; of a spread the pseudo-values that stand for gains."""
    both = [(p.arm, p.baseline) for p in pairs if p.arm is not None and p.baseline is not None]
    if rules.kind == "spread":
        return spread_gains([arm for arm, _ in both], [base for _, base in both])
    return np.array([rules.gain(arm, base) for arm, base in both])


def _contrast(
    rules: Rules, seen: ContrastRuns, tested: Tested, variance: float, reach: tuple[float, float]
) -> Contrast:
    claim, pairs = rules.claim(seen.arm), seen.pairs()
    chosen = rules.of_metric and rules.tunes and rules.estimand != "swap"
    both = success([p.baseline is not None for p in pairs], [p.arm is not None for p in pairs])
    if rules.kind == "success":
        tested = _of_rates(tested, both)
    found, forbidden, remarks = _verdict(rules, seen, tested, both)
    return Contrast(
        arm=seen.arm,
        primary=seen.arm in rules.family,
        claim=claim,
        values=seen.values,
        verdict=found,
        remarks=remarks,
        tested=tested,
        at_values=None if rules.kind == "success" else t_interval(gains_of(rules, pairs), tested.level),
        choice_sd=math.sqrt(variance) if chosen else None,
        success=both,
        pairs=pairs,
        paths=_paths(rules, seen) if rules.estimand == "both" else None,
        agreement=None if forbidden else _agreement(rules, seen, tested, (variance, reach), found),
        pairs_needed=_pairs_needed(rules, seen.arm, tested, reach)
        if found == "inconclusive" and not forbidden
        else None,
        reach=reach if chosen else None,
    )


def _of_rates(tested: Tested, both: Success) -> Tested:
    """With the intervals that a difference of two rates has, and its exact p (McNemar's; the sign-flip test of which
    of the two succeeded is the same). The two disagree where few pairs differ: Newcombe's interval is without 0 for 5
    pairs of 10 that all differ one way, of which McNemar's p is 0.0625."""

    def newcombe(level: float) -> ConfidenceInterval | None:
        return newcombe_paired(both.both, both.only_second, both.only_first, both.neither, level)

    interval, p = newcombe(tested.level), 1.0 if both.mcnemar_p is None else both.mcnemar_p
    without_zero = interval is not None and not interval.low <= 0 <= interval.high
    return replace(
        tested,
        interval=interval,
        equivalence=newcombe(tested.equivalence_level),
        p=p,
        disagrees=without_zero != (p <= 1 - tested.level),
    )


def _verdict(rules: Rules, seen: ContrastRuns, tested: Tested, both: Success) -> tuple[Verdict, bool, tuple[str, ...]]:
    """The verdict of the intervals, whether the family, the sign-flip test or failures forbid it, and why."""
    found = verdict(rules.rule, tested.interval, tested.equivalence, rules.claim(seen.arm))
    remarks = []
    excluded = len(seen.seeds) - tested.n  # none where success is what is asked about
    if excluded:
        cause = f"the {rules.kind} lies beyond the grid" if rules.reads else "one of the two was unsuccessful"
        remarks.append(f"{excluded} of {len(seen.seeds)} pairs are left out: {cause}")
    equal = rules.kind == "equal" and found == "supported"
    why = None if found not in DIRECTIONAL else _why_forbidden(rules, tested, both, direction=not equal)
    if why is None:
        return found, False, tuple(remarks)
    return "inconclusive", True, (*remarks, why)


def _why_forbidden(rules: Rules, tested: Tested, both: Success, *, direction: bool) -> str | None:
    """Why nothing may be said; None where it may. direction: False of equality, which is a family of its own, whose
    steps are in the intervals, and which the tests of a difference do not speak of."""
    if direction and not tested.open:
        return "an earlier step of the family was not passed, so nothing is said of this one"
    if direction and tested.disagrees:
        if rules.kind == "success":
            return f"McNemar's exact test disagrees with Newcombe's interval (p = {tested.p:.3g})"
        return f"the exact sign-flip test disagrees with the t interval (p = {tested.sign_flip_p:.3g})"
    if rules.kind != "success" and both.mcnemar_p is not None and both.mcnemar_p < rules.alpha:
        ours, theirs = both.only_first + both.neither, both.only_second + both.neither
        if rules.reads:
            return f"the {rules.kind} lies beyond the grid {ours} times for the arm, {theirs} for the baseline"
        return f"the unsuccessful runs differ: {ours} of the arm's, {theirs} of the baseline's; that is a verdict too"
    return None


def _without(rules: Rules, choices: Mapping[str, ChosenValue], arm: str) -> Contrast:
    """The contrast that can have no verdict on the metric."""
    remarks, both = [], None
    for name in (arm, rules.baseline):
        choice = choices.get(name)
        if choice is not None and choice.standing == "edge":
            end = "lowest" if choice.value == choice.points[0].value else "highest"
            remarks.append(f"{name} is not tuned: its best value {choice.value:g} is the {end} of {len(choice.points)}")
        if choice is not None and choice.standing == "failed":
            runs = sum(len(p.scores) for p in choice.points)
            low, high = choice.points[0].value, choice.points[-1].value
            remarks.append(f"{name} was unsuccessful at every value from {low:g} to {high:g} ({runs} of {runs} runs)")
    if {arm, rules.baseline} <= choices.keys():
        both = _tuning_success(choices[arm], choices[rules.baseline])
    return Contrast(
        arm=arm, primary=arm in rules.family, claim=rules.claim(arm), values=(None, None), verdict=None,
        remarks=tuple(remarks), tested=None, at_values=None, choice_sd=None, success=both, pairs=(), paths=None,
        agreement=None, pairs_needed=None,
    )  # fmt: skip


def _tuning_success(arm: ChosenValue, baseline: ChosenValue) -> Success:
    """Of the runs at each one's best value, on the seeds that both were tried on."""
    ours, theirs = (next(p for p in c.points if p.value == c.value).scores for c in (arm, baseline))
    many = min(len(ours), len(theirs))
    return success([s is not None for s in theirs[:many]], [s is not None for s in ours[:many]])


def _paths(rules: Rules, seen: ContrastRuns) -> Paths:
    rows = [[scored(o) for o in r] for r in (seen.base, seen.arm_at_base, seen.base_at_arm, seen.own)]
    whole = [i for i in range(len(seen.seeds)) if all(row[i] is not None for row in rows)]

    def effect(first: int, second: int) -> Effect:
        d = np.array([rules.gain(rows[second][i], rows[first][i]) for i in whole])  # type: ignore[arg-type]
        return Effect(d.size, float(d.mean()) if d.size else None, t_interval(d))

    return Paths(
        seeds=tuple(seen.seeds[i] for i in whole),
        excluded=tuple(s for i, s in enumerate(seen.seeds) if i not in whole),
        total=effect(0, 3),
        swap_first=(effect(0, 1), effect(1, 3)),
        retune_first=(effect(0, 2), effect(2, 3)),
    )


def _pairs_needed(rules: Rules, arm: str, tested: Tested, reach: tuple[float, float]) -> int | None:
    """Where the gain that was seen is the true one; None where more pairs do not help: the choice of values is what
    leaves it open."""
    if tested.mean is None or not tested.sd:
        return None
    away, above = away_from_null(rules, arm, tested.mean)
    added = reach_variance(reach[0] if above else reach[1], 1 - tested.level)
    equal, nulls = rules.kind == "equal" and away > 0, rules.nulls(arm)
    within = equal or min(nulls) < tested.mean < max(nulls)
    # Both one-sided tests have to be passed: each as often as leaves the power for the two together.
    level, aim = tested.equivalence_level if equal else tested.level, (1 + POWER) / 2 if within else POWER
    try:
        return pairs_for(abs(away), tested.sd, level, aim, most=MOST, added=added)
    except ValueError:
        return None


def away_from_null(rules: Rules, arm: str, mean: float) -> tuple[float, bool]:
    """How far a mean gain lies from what its verdict is read against, and whether its interval's lower end decides: 0,
    the margin that no loss may reach, the nearer end of a claimed fraction, or the nearer of the two margins that
    equals lie between (below 0: outside)."""
    if rules.kind == "equal":
        margin = rules.margin or 0.0
        return margin - abs(mean), (mean < 0) == (abs(mean) < margin)
    nearest = min(rules.nulls(arm), key=lambda null: abs(mean - null))
    return mean - nearest, mean > nearest


def _agreement(
    rules: Rules, seen: ContrastRuns, tested: Tested, chosen: tuple[float, tuple[float, float]], found: Verdict
) -> Agreement | None:
    """chosen: the variance of the choice, and the reach of the true gain."""
    if tested.mean is None or tested.sd is None:
        return None
    tests = round(rules.alpha / (1 - tested.level))
    claim = rules.claim(seen.arm)
    variance, reach = chosen
    return rerun_agreement(
        rules.rule, claim, tested.mean, tested.sd, tested.n, variance, rules.alpha, tests, reached=found, reach=reach
    )
