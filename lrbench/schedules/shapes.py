"""The schedules and ramps that torch lacks, in torch's manner: a function of the optimizer that returns a scheduler.

Each is a factor of the peak rate as a pure function of the step (0-based), with its source. Lengths are in steps; in a
config they carry units. Row t of the table is the factor at step t.
"""

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lrbench.errors import ConfigError

# Raised when the rates of a schedule in this module change for the same arguments.
NUMERICS = 2

DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
    "one_minus_sqrt": lambda done: 1 - sqrt(done),
}


def stable_decay(
    optimizer: Optimizer,
    total_iters: int,
    decay_iters: int,
    shape: Literal["linear", "cosine", "one_minus_sqrt"] = "one_minus_sqrt",
    final_factor: float = 0.0,
) -> LambdaLR:
    """The peak, then a decay over the last `decay_iters` of `total_iters` steps down to `final_factor` of it.

    After a warmup this is warmup-stable-decay (Hu et al. 2024, MiniCPM; the 1 - sqrt shape: Haegele et al. 2024).
    """
    if shape not in DECAYS:
        raise ConfigError(f"scheduler.args.shape={shape}: choose one of {', '.join(DECAYS)}.")
    if not 0 < decay_iters <= total_iters:
        raise ConfigError(f"scheduler.args.decay_iters={decay_iters}: the decay is part of the {total_iters} steps.")
    begin = total_iters - decay_iters

    def factor(step: int) -> float:
        done = min(max(step - begin, 0), decay_iters) / decay_iters
        return final_factor + (1 - final_factor) * DECAYS[shape](done)

    return LambdaLR(optimizer, factor)


def inverse_sqrt(optimizer: Optimizer, warmup_steps: int, d_model: int | None = None) -> LambdaLR:
    """Up linearly for `warmup_steps`, then down with 1/sqrt(step): Vaswani et al. 2017, section 5.3, steps from 1.

    Without `d_model` the highest factor is 1, reached at step warmup_steps (counted from 1), so that the optimizer's
    rate is the peak as everywhere. With it, the paper's own factor d_model^-0.5 min(step^-0.5, step warmup_steps^-1.5),
    which is made for an optimizer rate of 1.
    """
    scale = sqrt(warmup_steps) if d_model is None else d_model**-0.5

    def factor(step: int) -> float:
        return scale * min((step + 1) ** -0.5, (step + 1) * warmup_steps**-1.5)

    return LambdaLR(optimizer, factor)


def exponential_to(optimizer: Optimizer, final_lr: float, total_iters: int) -> LambdaLR:
    """Exponential decay to `final_lr` after `total_iters` steps, where it stays: gamma = (final_lr / peak)^(1 /
    total_iters)."""
    peak = float(optimizer.param_groups[0]["lr"])
    if not final_lr > 0:
        raise ConfigError(f"scheduler.args.final_lr={final_lr}: an exponential never reaches 0; give a rate above it.")
    return LambdaLR(optimizer, lambda step: (final_lr / peak) ** min(step / total_iters, 1.0))


def linear_ramp(optimizer: Optimizer, total_iters: int, first: Literal["zero", "one_over_w"]) -> LambdaLR:
    """Linear warmups that torch's LinearLR cannot write, over W = total_iters steps.

    `zero`: the factors 0, 1/W, 2/W, ...; the peak is the first step after the warmup (transformers' convention).
    `one_over_w`: the factors 1/W, 2/W, ..., 1; the peak is the last step of the warmup (Goyal et al. 2017 and most
    hand-written loops).
    """
    if first not in ("zero", "one_over_w"):
        raise ConfigError(f"warmup.args.first={first}: choose zero or one_over_w.")
    shift = 0 if first == "zero" else 1
    return LambdaLR(optimizer, lambda step: min((step + shift) / total_iters, 1.0))


def exponential_ramp(optimizer: Optimizer, total_iters: int, start_factor: float) -> LambdaLR:
    """A warmup by a constant factor a step, from `start_factor` to the peak at the first step after the warmup."""
    if not 0 < start_factor <= 1:
        raise ConfigError(f"warmup.args.start_factor={start_factor}: give a factor above 0, at most 1.")
    return LambdaLR(optimizer, lambda step: start_factor ** max(1 - step / total_iters, 0.0))
