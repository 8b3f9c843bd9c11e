"""Seeds are hashes of their key."""

import subprocess
import sys

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.randomness import generator, seed_of

KEYS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), min_size=1, max_size=4).map(tuple)


def test_the_seed_of_a_key_never_changes():
    assert seed_of("order", 3, 12) == 5759495061623513703
    assert seed_of("split", 0) == 2514447058604514893


@settings(deadline=None)  # the machine may be busy
@given(KEYS, KEYS)
def test_only_equal_keys_have_equal_seeds(one, other):
    assert (seed_of(*one) == seed_of(*other)) == (one == other)
    assert 0 <= seed_of(*one) < 2**64


def test_the_parts_of_a_key_are_told_apart():
    keys = [("a", "b"), ("ab",), ("a, b",), ("a', 'b",), (1,), ("1",), (1, 1), (11,), ("b", "a"), (-1,)]
    assert len({seed_of(*key) for key in keys}) == len(keys)


def test_neighbouring_keys_differ_in_the_32_bits_that_a_cpu_generator_uses():
    low = {seed_of("order", seed, epoch) % 2**32 for seed in range(40) for epoch in range(40)}
    assert len(low) == 1600


def test_a_cpu_generator_uses_only_the_low_32_bits():
    draws = [torch.rand(8, generator=torch.Generator().manual_seed(5 + high * 2**32)) for high in (0, 7)]
    assert torch.equal(*draws)  # why keys are hashed and seeds never added


def test_a_generator_depends_on_its_key_alone():
    torch.manual_seed(1)
    first = torch.rand(8, generator=generator("noise", 1, 2))
    torch.manual_seed(2)
    torch.rand(3)
    assert torch.equal(first, torch.rand(8, generator=generator("noise", 1, 2)))
    assert not torch.equal(first, torch.rand(8, generator=generator("noise", 2, 1)))
    assert generator("noise", 1).initial_seed() == seed_of("noise", 1)


def test_a_generator_leaves_the_default_one_alone():
    before = torch.get_rng_state()
    torch.rand(8, generator=generator("noise", 1))
    assert torch.equal(before, torch.get_rng_state())


def test_seeds_are_had_without_torch():
    program = "import sys, lrbench.randomness as r; r.seed_of('a', 1); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
