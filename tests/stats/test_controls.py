"""Controls of the verdict: how often arms that are the same are told apart, and whether a planted effect is found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lrbench.stats.intervals import t_interval
from lrbench.stats.paired import difference, holm

ARMS = 6
ROUNDS = 300
Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]

DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(0.9, 0.01, shape),
    "of 360 images": lambda rng, shape: rng.binomial(360, 0.98, shape) / 360,  # digits: coarse, and near the limit
    "skewed": lambda rng, shape: 1 - rng.exponential(0.02, shape),
}


def binomial(rounds: int, rate: float = 0.05) -> tuple[float, float]:
    """Between which shares of the rounds something of this rate stays, but for once in a thousand tests."""
    low, high = stats.binom.interval(0.999, rounds, rate)
    return low / rounds, high / rounds


def some(*cases: tuple[Any, ...], every_change: int) -> list[Any]:
    """All cases, of which one in so many runs on every change, and the others among the slow tests."""
    return [
        pytest.param(*case, marks=[] if i % every_change == 0 else [pytest.mark.slow]) for i, case in enumerate(cases)
    ]


@pytest.mark.parametrize(
    ("kind", "n"),
    some(
        ("normal", 10), ("normal", 3), ("of 360 images", 3), ("of 360 images", 10), ("skewed", 10), ("skewed", 3),
        every_change=6,
    ),
)  # fmt: skip
def test_arms_that_are_the_same(kind: str, n: int) -> None:
    """Six against one baseline, all of one distribution. Of the intervals, 5 % exclude 0, as many as the page says
    are expected; with Holm's correction at most 5 % of the rounds tell any apart. Uncorrected, a fifth of them do."""
    rng = np.random.default_rng(n)
    off, told, uncorrected = [], [], []
    for _ in range(ROUNDS):
        baseline, *arms = DRAWS[kind](rng, (ARMS + 1, n))
        found = [d for d in (difference(baseline, arm) for arm in arms) if d.t_p is not None]
        assert all((d.t_p <= 0.05) == (not d.interval.low <= 0 <= d.interval.high) for d in found)
        off.append(sum(d.t_p <= 0.05 for d in found))
        told.append(min(holm([d.t_p for d in found])) <= 0.05)
        uncorrected.append(off[-1] > 0)
    assert np.mean(off) / ARMS < 0.05 + 0.02  # arms that share a baseline go together: no binomial bound
    if kind != "skewed":  # the difference of two skewed values has long tails, on which t is too careful
        assert np.mean(off) / ARMS > 0.05 - 0.02
    assert np.mean(told) <= binomial(ROUNDS)[1]
    assert np.mean(uncorrected) > 0.1


def test_a_planted_effect_is_found() -> None:
    """One arm of six is better by twice the spread of the differences: found in nearly every round, and alone."""
    rng = np.random.default_rng(0)
    found, others = [], []
    for _ in range(150):
        values = rng.normal(0.9, 0.01, (ARMS + 1, 10))
        values[3] += 2 * 0.01 * 2**0.5
        adjusted = holm([difference(values[0], arm).t_p for arm in values[1:]])
        found.append(adjusted.pop(2) <= 0.05)
        others.append(min(adjusted) <= 0.05)
    assert np.mean(found) > 0.95
    assert np.mean(others) <= binomial(150)[1]


@pytest.mark.parametrize(
    ("kind", "low", "high", "n"),
    some(
        *(("normal", 0.94, 0.96, n) for n in (3, 5, 10)),
        *(("long tails", 0.94, 0.975, n) for n in (5, 3, 10)),
        *(("skewed", 0.87, 0.915, n) for n in (10, 3, 5)),  # what the page says of them: 88 % to 90 %
        every_change=9,
    ),
)
def test_coverage_of_paired_differences(kind: str, low: float, high: float, n: int) -> None:
    """6,000 samples of n differences of mean 1: a standard error of 0.3 points."""
    rng = np.random.default_rng(n)
    draw = {"normal": rng.standard_normal, "long tails": lambda s: rng.standard_t(4, s), "skewed": rng.exponential}
    d = draw[kind](size=(6000, n)) if kind == "skewed" else 1 + draw[kind]((6000, n))
    intervals = [t_interval(x) for x in d]
    assert low < np.mean([i.low <= 1 <= i.high for i in intervals if i]) < high


@pytest.mark.full
@pytest.mark.usefixtures("without_picture")
def test_real_runs_of_one_arm(make: Any, run: Any) -> None:
    """60 runs that differ in their seed alone; 200 times ten of them against ten others. Given the pool the pairings
    are independent, and a t test rejects as often as a permutation test, so that binomial bounds hold."""
    summaries = [run(make("horizon=1ep", f"seed={s}")).summary() for s in range(60)]
    for metric in ("test/accuracy", "test/loss"):
        pool = np.array([summary[metric] for summary in summaries])
        rng = np.random.default_rng(0)
        drawn = [pool[rng.permutation(60)[:20]] for _ in range(200)]
        rejected = [(difference(x[:10], x[10:]).t_p or 1.0) <= 0.05 for x in drawn]
        low, high = binomial(200)
        assert low <= np.mean(rejected) <= high, metric
