"""Advice in a world where some claims are settled so, and the facts that suites go through."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from random import Random
from typing import Any

from lrbench.advise.choose import Advice, advice
from lrbench.advise.evidence import Verdicts
from lrbench.advise.facts import CHOICES, DOMAINS, Facts
from lrbench.advise.table import read_table
from lrbench.claims.ledger import claims
from lrbench.claims.settled import Settled
from lrbench.errors import ConfigError

KNOWN, TABLE = claims(), read_table()
FACTORS = {
    "domain": tuple(DOMAINS),
    "pretrained": (False, True),
    "epochs": (None, 1, 5, 20, 26, 60, 100, 300),
    "batch": (None, 64, 1024, 8192),
    "size": (None, 5e5, 2e8),
    "samples": (None, 1_280_000),
    "optimizer": ("", "sgd", "adam", "lion", "muon"),
    "scheduler": ("", *CHOICES["scheduler"]),
    "recipe": ("", *CHOICES["recipe"]),
    "budget": ("", "open"),
    "goal": ("", "fast", "reproduce", "search"),
    "training": ("", "well", "stuck", "unstable"),
}


def world(**settled: str) -> Verdicts:
    """Where these claims, with _ for -, have these verdicts, and no other is settled."""
    named = {name.replace("_", "-"): verdict for name, verdict in settled.items()}
    assert named.keys() <= KNOWN.keys(), named
    return Verdicts(KNOWN, {name: Settled(name, verdict) for name, verdict in named.items()})


def advised(settled: Verdicts | None = None, **facts: object) -> Advice:
    return advice(Facts(**facts), settled or world(), TABLE)  # type: ignore[arg-type]


def many(factors: Mapping[str, Sequence[Any]]) -> list[Facts]:
    """Facts in which every two values of two factors meet. (The product is too long for `pairwise` to walk through.)"""
    unseen = {((m, a), (n, b)) for m, n in combinations(factors, 2) for a, b in product(factors[m], factors[n])}
    draw, found = Random(0), list[Facts]()
    while unseen:
        must = dict(min(unseen, key=repr))
        drawn = [{n: must.get(n, draw.choice(values)) for n, values in factors.items()} for _ in range(30)]
        case = max(drawn, key=lambda c: len({*combinations(c.items(), 2)} & unseen))
        unseen -= {*combinations(case.items(), 2)}
        found.append(Facts(**case))
    return found


def refused(*args: object, **facts: object) -> ConfigError:
    try:
        advised(*args, **facts)  # type: ignore[arg-type]
    except ConfigError as error:
        return error
    raise AssertionError("not refused")
