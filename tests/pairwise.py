"""Combinations that cover every pair of values, for suites whose full product is too long to run on every change."""

from collections.abc import Callable, Collection
from itertools import combinations, product
from typing import Any


def pairwise(*factors: Collection[Any], legal: Callable[..., bool] = lambda *case: True) -> list[tuple[Any, ...]]:
    """Cases, one value of each factor, in which every two values of two factors that can meet in a legal case do meet.

    Greedy: always a case with the most pairs not yet seen. (Gains only fall, so one walk for each gain, from the
    highest down, takes them in that order.)
    """
    cases = [
        (case, {((i, a), (j, b)) for (i, a), (j, b) in combinations(enumerate(at), 2)})
        for case, at in zip(product(*factors), product(*(range(len(f)) for f in factors)), strict=True)
        if legal(*case)
    ]
    unseen = set().union(*(pairs for _, pairs in cases))
    chosen = []
    for gain in range(len(factors) * (len(factors) - 1) // 2, 0, -1):
        for case, pairs in cases:
            if len(pairs & unseen) >= gain:
                chosen.append(case)
                unseen -= pairs
    return chosen
