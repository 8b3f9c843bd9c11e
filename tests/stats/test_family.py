"""Families by published examples, and against statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from lrbench.stats.family import family
from lrbench.stats.paired import difference
from lrbench.stats.verdict import ClaimedEffect, verdict

# Student (1908), Biometrika 6: hours of sleep gained, one drug less the other; t = 4.0621, p = 0.002833, 0.700 to 2.460
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
# Darwin's maize in Fisher (1935), section 17 and 21, in eighths of an inch: t = 2.148, p = 0.0497; by signs 1726 / 2^15
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def made(means: list[float], n: int = 12, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [m + rng.normal(size=n) for m in means]


def test_one_contrast_is_the_paired_t_test() -> None:
    (found,) = family([SLEEP])
    assert found.mean == pytest.approx(1.58)
    assert found.sd == pytest.approx(1.229995, abs=1e-6)
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert found.interval == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert (found.rank, found.open, found.disagrees, found.level) == (1, True, False, 0.95)
    assert found.equivalence == pytest.approx(difference(np.zeros(10), SLEEP, 0.9).interval)


def test_fishers_maize_is_told_apart_by_t_and_not_by_signs() -> None:
    (found,) = family([MAIZE])
    assert found.p == pytest.approx(0.0497, abs=1e-4)
    assert found.sign_flip_p == 1726 / 2**15
    assert found.disagrees


@pytest.mark.slow
def test_steps_are_those_of_holm() -> None:
    """p 0.01, 0.02, 0.03 of three: 0.01 <= 0.05 / 3, 0.02 <= 0.05 / 2, 0.03 <= 0.05."""
    samples = made([1.5, 0.2, 2.5, 0.9])
    found = family(samples)
    assert sorted(f.rank for f in found) == [1, 2, 3, 4]
    assert [f.level for f in found] == pytest.approx([1 - 0.05 / (4 - f.rank + 1) for f in found])
    theirs = multipletests([f.p for f in found], method="holm")[0]
    assert [f.open and f.p <= 1 - f.level for f in found] == list(theirs)
    for f in found:
        assert f.interval is not None
        assert (f.p <= 1 - f.level) == (not f.interval.low <= 0 <= f.interval.high)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_what_stands_agrees_with_statsmodels(seed: int) -> None:
    found = family(made([0.9, 0.7, 0.5, 0.3, 0.0], seed=seed))
    stands = [f.open and f.p <= 1 - f.level for f in found]
    theirs = multipletests([f.p for f in found], method="holm")[0]
    if not any(f.disagrees for f in found):
        assert stands == list(theirs)
    assert all(t or not s for s, t in zip(stands, theirs, strict=True))  # signs can only take away


def test_a_step_whose_tests_disagree_closes_the_rest() -> None:
    found = family([np.array(MAIZE) - 3, MAIZE], alpha=0.1)[::-1]
    assert found[0].disagrees
    assert [(f.rank, f.open) for f in found] == [(1, True), (2, False)]


def test_reaches_widen_interval_and_p_on_their_sides() -> None:
    """MOVER: from the mean to an end it is sqrt(t^2 se^2 + reach^2)."""
    plain, wider = family([SLEEP])[0], family([SLEEP], reach=[(0.7, 0.2)])[0]
    assert plain.interval is not None
    assert wider.interval is not None
    assert plain.mean is not None
    assert plain.mean - wider.interval.low == pytest.approx(math.hypot(plain.mean - plain.interval.low, 0.7))
    assert wider.interval.high - plain.mean == pytest.approx(math.hypot(plain.interval.high - plain.mean, 0.2))
    assert wider.p > plain.p
    assert wider.sign_flip_p == plain.sign_flip_p
    assert not wider.disagrees  # both say that the differences are not 0; that the sum is not sure is another thing
    assert family([SLEEP], reach=[(0.0, 9.0)])[0].p == plain.p  # 0 lies on the other side
    assert family([-np.array(SLEEP)], reach=[(0.2, 0.7)])[0].p == pytest.approx(wider.p)


@pytest.mark.parametrize("reach", [0.0, 0.3, 2.0])
def test_p_and_interval_agree_whatever_the_reach(reach: float) -> None:
    for f in family(made([0.9, 0.5, 0.3, -0.4, -0.9], seed=1), reach=[(reach, reach / 2)] * 5):
        assert f.interval is not None
        assert (f.p <= 1 - f.level) == (not f.interval.low <= 0 <= f.interval.high)


def test_no_worse_is_tested_at_its_margin() -> None:
    """Means of 0.1 with a margin of 1: nothing differs from 0, and nothing is worse by 1."""
    found = family(made([0.1, 0.0]), nulls=[(-1.0,)] * 2)
    assert all(f.open and f.p <= 0.05 for f in found)
    assert {verdict("no worse", f.interval, f.equivalence, ClaimedEffect(margin=1.0)) for f in found} == {"supported"}
    assert not all(f.p <= 0.05 for f in family(made([0.1, 0.0])))


def test_a_range_is_told_from_the_nearer_of_its_ends() -> None:
    """Student's sleep, 0.700 to 2.460, between 0 and 3: 1.58 from 0 at p = 0.0028, 1.42 from 3 at p = 0.0053."""
    (found,) = family([SLEEP], nulls=[(0.0, 3.0)])
    assert found.p == pytest.approx(2 * stats.t.sf(1.42 / (1.229995 / 10**0.5), 9), rel=1e-4)
    assert found.sign_flip_p == pytest.approx(difference(np.full(10, 3.0), SLEEP).sign_flip_p)
    (beyond,) = family([SLEEP], nulls=[(-1.0, 0.0)], reach=[(0.5, 9.0)])
    assert beyond.p == family([SLEEP], reach=[(0.5, 9.0)])[0].p  # what lies further off is told apart too


@pytest.mark.slow
def test_equivalences_are_a_holm_family_of_their_own() -> None:
    for seed in range(30):
        samples, margin = made([0.0, 0.1, 0.3, 0.5], seed=seed), 0.85
        found = family(samples, margin=margin)
        p = [ttost_paired(d, np.zeros(d.size), -margin, margin)[0] for d in samples]
        theirs = multipletests(p, method="holm")[0]
        inside = [-margin < f.equivalence.low and f.equivalence.high < margin for f in found if f.equivalence]
        assert inside == list(theirs)


def test_without_a_margin_equivalences_have_no_order() -> None:
    assert [f.equivalence_level for f in family(made([0.0, 1.0]))] == pytest.approx([0.95, 0.95])


def test_few_pairs_and_equal_ones() -> None:
    none, one, same, shifted = family([[], [3.0], [0.0, 0.0, 0.0], [2.0] * 12])
    assert (none.mean, none.interval, none.p, none.n) == (None, None, 1.0, 0)
    assert (one.mean, one.sd, one.interval, one.equivalence, one.p) == (3.0, None, None, None, 1.0)
    assert (same.sd, same.interval, same.p) == (0.0, (0.0, 0.0), 1.0)
    assert (shifted.sd, shifted.interval, shifted.p, shifted.rank) == (0.0, (2.0, 2.0), 0.0, 1)
    assert not shifted.disagrees
    assert family([[0.1 + 0.2, 0.3]])[0].sd == 0.0  # equal but for rounding
    assert family([[2.0, 2.0]])[0].disagrees  # two signs show nothing
    assert family([]) == []


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        family([[1.0, float("nan")]])
    with pytest.raises(ValueError, match="each of 2 contrasts"):
        family([[1.0], [2.0]], reach=[(0.1, 0.1)])
    with pytest.raises(ValueError, match="0 or more"):
        family([[1.0]], reach=[(0.1, -0.1)])
