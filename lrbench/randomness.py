"""Randomness as a pure function of a key.

Every random number of a run is drawn from a generator made for its purpose, such as `generator("order", seed,
epoch)`. No generator state is carried along or saved, so a run can be resumed at any update, and two runs
with the same seed see the same weights, batches and augmentation whatever else differs.

A CPU generator uses only 32 bits of its seed (the low ones), so neighbouring keys must not be told apart by
adding numbers to a seed: `seed + epoch` makes seed 0 at epoch 1 the same stream as seed 1 at epoch 0. The key
is hashed.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(*key: str | int) -> int:
    """64-bit seed of a key: BLAKE2b of its `repr`, in [0, 2**64). About 1 us.

    Keys that differ in any word, number, type or order have different seeds (but for a hash collision). Pass
    plain ints: a NumPy integer of equal value has another `repr`, so another seed.
    """
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little")


def generator(*key: str | int) -> torch.Generator:
    """A new CPU generator seeded by `seed_of(*key)`.

    Draw on the CPU and move the numbers to the device: then every device sees the same ones.
    """
    import torch  # here, so that a command that only needs seeds starts without it

    return torch.Generator().manual_seed(seed_of(*key))
