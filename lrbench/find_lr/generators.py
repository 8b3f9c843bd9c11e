"""The process's random generators, left as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def keeping_generators() -> Iterator[None]:
    """Give torch's default generators (CPU, every CUDA device in use, MPS), NumPy's and Python's back their states."""
    python, numpys, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cudas = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpys)
        torch.set_rng_state(cpu)
        for i, state in enumerate(cudas):
            torch.cuda.set_rng_state(state, i)
        if mps is not None:
            torch.mps.set_rng_state(mps)
