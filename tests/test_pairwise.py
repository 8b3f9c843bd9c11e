"""The array that covers all pairs."""

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st
from pairwise import pairwise


def test_three_switches_take_four_cases() -> None:
    assert pairwise("ab", "ab", "ab") == [("a", "a", "a"), ("a", "b", "b"), ("b", "a", "b"), ("b", "b", "a")]


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.integers(2, 9))
def test_every_pair_that_can_meet_meets_and_nothing_else(sizes: list[int], forbidden: int) -> None:
    """Legal are the cases whose sum is no multiple of a number."""
    factors = [range(n) for n in sizes]
    everything = pairwise(*factors, legal=lambda *case: sum(case) % forbidden != 0)
    assert all(sum(case) % forbidden != 0 for case in everything)
    for i, j in combinations(range(len(factors)), 2):
        met = {(case[i], case[j]) for case in everything}
        assert met == {(c[i], c[j]) for c in product(*factors) if sum(c) % forbidden != 0}
    assert len(everything) == len(set(everything))
