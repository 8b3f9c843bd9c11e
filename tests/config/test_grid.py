"""The grid: counted before it is expanded, and expanded as Hydra's basic sweeper would."""

import itertools
from decimal import Decimal

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.grid import MOST, axes, confirm, count, jobs
from lrbench.errors import ConfigError

PARSER = OverridesParser.create()


def grid(*overrides: str):
    return axes(PARSER, overrides)


numbers = st.one_of(
    st.integers(-20, 20), st.decimals(-5, 5, places=2, allow_nan=False).map(lambda d: f"{d.normalize():f}")
)
steps = numbers.filter(lambda n: Decimal(n) != 0)
values = st.one_of(
    st.sampled_from(["1", "0.1", "cosine", "null", "true", "[1,2]", "{a:1}", "'a,b'", '"x y"', "a\\,b", "${seed}", ""]),
    st.lists(st.sampled_from(["1", "1e-3", "end", "'q,r'", "[3]", "10%"]), min_size=1, max_size=4).map(",".join),
    st.tuples(numbers, numbers, steps).map(lambda r: f"range({r[0]},{r[1]},{r[2]})"),
    st.integers(0, 5).map(lambda n: f"range({n})"),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda v: f"choice({','.join(v)})"),
)
keys = st.sampled_from(["seed", "optimizer.lr", "scheduler", "+x", "++y", "model@pkg"])


@given(st.lists(st.tuples(keys, values), min_size=1, max_size=4))
def test_the_jobs_and_their_order_are_hydras(chosen):
    typed = [f"{key}={value}" for key, value in chosen]
    (theirs,) = BasicSweeper.split_arguments(PARSER.parse_overrides(typed), max_batch_size=None)
    if theirs:
        ours = grid(*typed)
        assert [list(job) for job in jobs(ours)] == theirs
        assert count(ours) == len(theirs)
    else:
        with pytest.raises(ConfigError, match="this has no values, so the grid is empty"):
            grid(*typed)


def test_a_deletion_is_one_job():
    assert list(jobs(grid("~optimizer.args.momentum", "seed=1,2"))) == [
        ("~optimizer.args.momentum=null", "seed=1"), ("~optimizer.args.momentum=null", "seed=2"),
    ]  # fmt: skip


def test_a_huge_grid_is_counted_without_being_made():
    huge = grid("seed=range(1000000000)", "optimizer.lr=range(0,1000000000,0.5)", "scheduler=a,b,c")
    assert count(huge) == 10**9 * 2 * 10**9 * 3
    assert list(itertools.islice(jobs(huge[2:]), 2)) == [("scheduler=a",), ("scheduler=b",)]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("seed=range(3,3)", "seed=range(3,3): this has no values"),
        ("seed=range(3,0)", "this has no values"),
        ("seed=range(0,3,0)", "the step must not be zero"),
        ("optimizer.lr=interval(0,1)", "optimizer.lr=interval(0,1): an interval cannot be enumerated"),
    ],
)
def test_what_is_no_grid_is_refused(typed, words):
    with pytest.raises(ConfigError) as refusal:
        grid("seed=0", typed)
    assert words in str(refusal.value)


class Terminal:
    def __init__(self, is_one):
        self.isatty = lambda: is_one


@pytest.mark.parametrize(
    ("n", "yes", "terminal", "answer", "refused"),
    [
        (10_000, False, False, None, None),
        (10_001, True, False, None, None),
        (10**6, True, True, None, None),
        (10_001, False, False, None, "10,001 jobs; if that is meant, add --yes"),
        (10_001, False, True, "y", None),
        (10_001, False, True, "", "was not started"),
        (MOST, False, True, "no", "was not started"),
        (MOST + 1, False, True, None, "100,001 jobs; if that is meant, add --yes"),  # not even asked
        (10**6, False, False, None, "1,000,000 jobs"),
    ],
)
def test_a_large_sweep_is_confirmed(monkeypatch, n, yes, terminal, answer, refused):
    asked = []
    monkeypatch.setattr("sys.stdin", Terminal(terminal))
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    if refused is None:
        confirm(n, yes)
    else:
        with pytest.raises(ConfigError, match=refused):
            confirm(n, yes)
    assert bool(asked) == (answer is not None)
