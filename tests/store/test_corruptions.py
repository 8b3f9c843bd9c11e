"""A sample of the damage that `tests/benchmarks/run.py corruptions` does to records a thousand times."""

import random

import pytest
from corruptions_of_records import KINDS, make_world, try_many


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


def test_no_damage_is_believed(world):
    trials = try_many(world, count=30, seed=20)
    assert trials.believed == []
    assert trials.tracebacks == []
    assert trials.noticed > 20
    assert trials.noticed + trials.harmless == 30


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_damage(kind):
    chance = random.Random(0)
    content = b'{"update": 1, "val/loss": 0.5}\n{"update": 2, "val/loss": 0.25}\n'
    assert all(KINDS[kind](content, chance) != content for _ in range(20))
