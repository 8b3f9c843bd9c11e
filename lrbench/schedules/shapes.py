"""The schedules and ramps that torch lacks, in torch's manner: a function of the optimizer that returns a scheduler.

Each is a pure function of the step (0-based), with its source: a factor of the peak, or the rate itself where an
absolute one (a floor, a start) must be met exactly. Lengths are in steps; in a config they carry units. Row t of the
table is the value at step t.
"""

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from lrbench.errors import ConfigError

# Raised when the rates of a schedule in this module change for the same arguments.
NUMERICS = 2

DECAYS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
    "one_minus_sqrt": lambda done: 1 - sqrt(done),
}
RISES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: done,
    "cosine": lambda done: (1 - cos(pi * done)) / 2,
}


class Rates(LRScheduler):
    """As torch's LambdaLR, but `rate(step, peak)` is the rate itself."""

    def __init__(self, optimizer: Optimizer, rate: Callable[[int, float], float]) -> None:
        self._rate = rate
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        return [self._rate(self.last_epoch, float(peak)) for peak in self.base_lrs]


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
        raise ConfigError("scheduler.args.shape", shape, f"choose one of {', '.join(DECAYS)}")
    if not 0 < decay_iters <= total_iters:
        why = f"the decay is part of the {total_iters} steps"
        raise ConfigError("scheduler.args.decay_iters", decay_iters, why, "give a length above 0, and no longer")
    begin = total_iters - decay_iters

    def factor(step: int) -> float:
        done = min(max(step - begin, 0), decay_iters) / decay_iters
        return final_factor + (1 - final_factor) * DECAYS[shape](done)

    return LambdaLR(optimizer, factor)


def cosine_hold(optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> Rates:
    """Half a cosine from the peak to `eta_min` over `T_max` steps, which then stays there; torch's climbs again.

    The decay of Keras' CosineDecay (eta_min = alpha peak), of Composer and timm (`cooldown_epochs`), and of most loops
    that train language models: eta_min + (peak - eta_min) (1 + cos(pi min(t, T_max) / T_max)) / 2.
    """

    def rate(step: int, peak: float) -> float:
        return eta_min + (peak - eta_min) * DECAYS["cosine"](min(step / T_max, 1.0))

    return Rates(optimizer, rate)


def polynomial_floor(optimizer: Optimizer, total_iters: int, power: float = 1.0, eta_min: float = 0.0) -> Rates:
    """eta_min + (peak - eta_min) (1 - t / total_iters)^power, then `eta_min`; torch's PolynomialLR ends at zero.

    As mmengine's PolyLR (eta_min), and transformers' get_polynomial_decay_schedule_with_warmup (lr_end) after its
    warmup; Chen et al. 2017 (DeepLab) with a floor.
    """

    def rate(step: int, peak: float) -> float:
        return eta_min + (peak - eta_min) * max(1 - step / total_iters, 0.0) ** power

    return Rates(optimizer, rate)


def cosine_cycles(
    optimizer: Optimizer,
    T_0: int,
    T_mult: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int | None = None,
    warmup_steps: int = 0,
    eta_min: float = 0.0,
) -> Rates:
    """Cosines with restarts (Loshchilov & Hutter 2017): cycle i has T_0 T_mult^i steps and cycle_decay^i of the peak.

    Each begins with a linear rise from `eta_min` over `warmup_steps`; after `cycle_limit` cycles comes `eta_min`.
    Without the rise it is timm's CosineLRScheduler (t_initial, cycle_mul, cycle_decay, cycle_limit, lr_min).
    """
    if T_mult < 1:
        raise ConfigError("scheduler.args.T_mult", T_mult, "cycles that shrink have an end", "give a factor from 1 on")
    if not 0 <= warmup_steps < T_0:
        why = f"the rise is part of a cycle of {T_0} steps"
        raise ConfigError("scheduler.args.warmup_steps", warmup_steps, why, "give fewer steps, or 0 for none")

    def rate(step: int, peak: float) -> float:
        cycle, begun, length = _cycle(step, T_0, T_mult)
        if cycle_limit is not None and cycle >= cycle_limit:
            return eta_min
        rise, done = peak * cycle_decay**cycle - eta_min, step - begun
        if done < warmup_steps:
            return eta_min + rise * done / warmup_steps
        return eta_min + rise * DECAYS["cosine"]((done - warmup_steps) / (length - warmup_steps))

    return Rates(optimizer, rate)


def _cycle(step: int, first: int, factor: float) -> tuple[int, float, float]:
    """The number, the begin and the length of the cycle that a step falls in, each `factor` times the one before."""
    if factor == 1:
        return step // first, step // first * first, first
    cycle, begun, length = 0, 0.0, float(first)
    while step >= begun + length:
        cycle, begun, length = cycle + 1, begun + length, length * factor
    return cycle, begun, length


def inverse_sqrt_decay(optimizer: Optimizer, timescale: int) -> LambdaLR:
    """sqrt(timescale / (timescale + t)), from the peak on: half of it after three times the `timescale`.

    After any warmup it is transformers' get_inverse_sqrt_schedule; with a timescale of the warmup's length, the 1/sqrt
    of all steps from the beginning (Raffel et al. 2020, T5).
    """
    return LambdaLR(optimizer, lambda step: sqrt(timescale / (timescale + step)))


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
        raise ConfigError("scheduler.args.final_lr", final_lr, "an exponential never reaches 0", "give a rate above it")
    return LambdaLR(optimizer, lambda step: (final_lr / peak) ** min(step / total_iters, 1.0))


def linear_ramp(optimizer: Optimizer, total_iters: int, first: Literal["zero", "one_over_w"]) -> LambdaLR:
    """Linear warmups that torch's LinearLR cannot write, over W = total_iters steps.

    `zero`: the factors 0, 1/W, 2/W, ...; the peak is the first step after the warmup (transformers' convention).
    `one_over_w`: the factors 1/W, 2/W, ..., 1; the peak is the last step of the warmup (Goyal et al. 2017 and most
    hand-written loops).
    """
    if first not in ("zero", "one_over_w"):
        raise ConfigError("warmup.args.first", first, "choose zero or one_over_w")
    shift = 0 if first == "zero" else 1
    return LambdaLR(optimizer, lambda step: min((step + shift) / total_iters, 1.0))


def ramp_from(
    optimizer: Optimizer,
    total_iters: int,
    start_lr: float = 0.0,
    shape: Literal["linear", "cosine"] = "linear",
    peak: Literal["after", "last"] = "after",
) -> Rates:
    """A warmup from the rate `start_lr` exactly, a straight line or half a cosine, over W = total_iters steps.

    peak=after: step t is at t/W, the peak is the first step after the warmup (timm's warmup_lr_init; transformers).
    peak=last: step t is at t/(W - 1), the peak is the warmup's last step (np.linspace(start_lr, peak, W) of DINO and
    MAE; mmengine, whose `end` counts likewise).
    """
    if shape not in RISES:
        raise ConfigError("warmup.args.shape", shape, f"choose one of {', '.join(RISES)}")
    if peak not in ("after", "last"):
        raise ConfigError("warmup.args.peak", peak, "choose after or last")
    last = total_iters if peak == "after" else total_iters - 1
    if last == 0:
        why = "a warmup of one step cannot both start at start_lr and end at the peak"
        raise ConfigError("warmup.args.peak", peak, why, "lengthen the warmup, or use peak=after")

    def rate(step: int, top: float) -> float:
        return top if step >= last else start_lr + (top - start_lr) * RISES[shape](step / last)

    return Rates(optimizer, rate)


def exponential_ramp(optimizer: Optimizer, total_iters: int, start_factor: float) -> LambdaLR:
    """A warmup by a constant factor a step, from `start_factor` to the peak at the first step after the warmup."""
    if not 0 < start_factor <= 1:
        raise ConfigError("warmup.args.start_factor", start_factor, "give a factor above 0, at most 1")
    return LambdaLR(optimizer, lambda step: start_factor ** max(1 - step / total_iters, 0.0))
