"""The settings: what they mean, where they come from, what is refused."""

from dataclasses import asdict

import numpy as np
import pytest

from lrbench.config.schema import FindLRConfig
from lrbench.errors import ConfigError
from lrbench.find_lr.range_test import GUIDE, RangeTest, range_test_of
from lrbench.study.rules import SEEDS_A_REPLICATE, Rules

PLAIN = {**asdict(FindLRConfig()), "variant": "lrbench"}


def test_the_configuration_has_the_same_defaults() -> None:
    assert range_test_of(PLAIN) == RangeTest()
    assert range_test_of({**PLAIN, "variant": "guide"}) == GUIDE
    assert range_test_of({**PLAIN, "stop": None}).stop is None


def test_rates() -> None:
    rates = RangeTest(start=1e-3, end=10, iterations=101).rates
    assert (rates[0], rates[25], rates[-1]) == pytest.approx((1e-3, 1e-2, 10))
    assert np.ptp(np.diff(np.log(rates))) == pytest.approx(0, abs=1e-12)
    assert len(GUIDE.rates) == 100
    assert GUIDE.rates[-1] == pytest.approx(10 / (10 / 1e-8) ** 0.01)  # it never reaches its end


def test_seeds_are_those_of_the_role() -> None:
    rules = Rules(arms=("a", "b"), baseline="a", tasks=("",), metric="m", judge="m", higher=True, estimand="swap",
                  pairs=10)  # fmt: skip
    assert RangeTest(seeds=7).seeds_used == rules.seeds("finder", 7)
    with pytest.raises(ConfigError):
        RangeTest(seeds=SEEDS_A_REPLICATE + 1)
    RangeTest(seeds=SEEDS_A_REPLICATE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"start": 0.0}, ("find_lr.start=0.0", "above 0")),
        ({"start": float("nan")}, ("find_lr.start=nan",)),
        ({"start": 1.0, "end": 1.0}, ("find_lr.end=1.0", "find_lr.start=1", "give a higher one")),
        ({"end": 1e-7}, ("find_lr.end=1e-07", "grows from find_lr.start=1e-06")),
        ({"end": float("inf")}, ("find_lr.end=inf",)),
        ({"iterations": 29}, ("find_lr.iterations=29", "fewer than 30")),
        ({"smoothing": 1.0}, ("find_lr.smoothing=1.0", "0.9")),
        ({"smoothing": -0.1}, ("find_lr.smoothing=-0.1",)),
        ({"stop": 1.0}, ("find_lr.stop=1.0", "null for never")),
        ({"seeds": 0}, ("find_lr.seeds=0", "one alone has no interval")),
        ({"variant": "fastai"}, ("find_lr.variant=fastai", "lrbench, guide")),
        ({"rule": "steep"}, ("find_lr.rule=steep", "Did you mean 'steepest'?")),
        ({"rule": "valley", "variant": "guide"}, ("find_lr.rule=valley", "guide has no such rule")),
    ],
)
def test_refused(given: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        RangeTest(**given)  # type: ignore[arg-type]
    for word in words:
        assert word in str(refused.value)


def test_what_names_a_sweep() -> None:
    """More seeds and another rule read the same sweeps."""
    assert RangeTest(seeds=9, rule="slide").of_a_sweep == RangeTest().of_a_sweep
    assert RangeTest(end=1.0).of_a_sweep != RangeTest().of_a_sweep
