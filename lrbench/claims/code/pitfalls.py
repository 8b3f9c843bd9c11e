"""What torch does with the mistakes that are most often made with schedules."""

import inspect
import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from lrbench.claims.code.stepping import sgd, used

BATCHES = 390  # in an epoch of CIFAR-10 at a batch size of 128


def cosine_of_epochs_stepped_by_batch() -> dict[str, float]:
    """When a cosine of 100 epochs that is stepped after every batch is at its minimum."""
    rates = used(CosineAnnealingLR(sgd(0.1), T_max=100), BATCHES)
    return {"epochs until the minimum": next(t for t, rate in enumerate(rates) if rate < 1e-9) / BATCHES}


def after_the_collapse() -> dict[str, bool | float]:
    """What becomes of schedules of epochs in five epochs, if they are stepped after every batch."""
    cosine = used(CosineAnnealingLR(sgd(0.1), T_max=100), 5 * BATCHES)
    step = used(StepLR(sgd(0.1), step_size=30), 5 * BATCHES)

    def share_above_half(rates: list[float]) -> float:
        return round(sum(rate > 0.05 for rate in rates) / len(rates), 2)

    return {
        "cosine: below 1 % of its peak within the first epoch": min(cosine[:BATCHES]) < 0.001,
        "cosine: after its minimum it is back at its peak within the first epoch": max(cosine[100:BATCHES]) > 0.0999,
        "cosine: share of the batches after its minimum above half its peak": share_above_half(cosine[100:]),
        "StepLR: below 1 % of its peak within the first epoch": min(step[:BATCHES]) < 0.001,
        "StepLR: share of the batches after its first 100 above half its peak": share_above_half(step[100:]),
    }


def seen_in_a_log() -> dict[str, bool]:
    """Whether stepping after every batch shows in the rates, printed every batch, or once an epoch for ten epochs."""
    cosine = {batches: used(CosineAnnealingLR(sgd(0.1), T_max=100), 10 * batches) for batches in (BATCHES, 400)}
    step = used(StepLR(sgd(0.1), step_size=30), 10 * BATCHES)
    return {
        "cosine, printed every batch: changes within an epoch": len(set(cosine[BATCHES][:BATCHES])) > 1,
        "cosine, printed every batch: reaches its minimum in the first epoch": min(cosine[BATCHES][:BATCHES]) < 1e-9,
        **{
            f"cosine, {batches} batches, printed once an epoch: falls below a tenth of its peak": (
                min(rates[::batches]) < 0.01
            )
            for batches, rates in cosine.items()
        },
        "StepLR, printed every batch: changes within an epoch": len(set(step[:BATCHES])) > 1,
        "StepLR, printed once an epoch: falls below a tenth of its peak": min(step[::BATCHES]) < 0.01,
    }


def how_much_too_fast() -> dict[str, float]:
    """After how many epochs StepLR(30) first drops, stepped by epoch, over the same stepped by batch."""

    def epochs_to_drop(steps_in_epoch: int) -> float:
        rates = used(StepLR(sgd(0.1), step_size=30), 31)
        return next(t for t, rate in enumerate(rates) if rate < 0.1) / steps_in_epoch

    return {
        f"times too fast, {batches} batches an epoch": epochs_to_drop(1) / epochs_to_drop(batches)
        for batches in (100, BATCHES)
    }


def who_is_stepped_by_batch() -> dict[str, bool | str]:
    """Of 10 epochs of 39 batches: what arrives where, and whom torch's documentation wants stepped after a batch."""
    cycle = used(OneCycleLR(sgd(0.1), max_lr=0.1, epochs=10, steps_per_epoch=39), 10 * 39 - 1)
    by_epoch = used(CosineAnnealingLR(sgd(0.1), T_max=10), 11)
    by_batch = used(CosineAnnealingLR(sgd(0.1), T_max=10 * 39), 10 * 39 + 1)
    same = all(abs(a - b) < 1e-9 for a, b in zip(by_batch[::39], by_epoch, strict=True))
    named = [n for n, c in vars(lr_scheduler).items() if inspect.isclass(c) and "after a batch" in (c.__doc__ or "")]
    return {
        "OneCycleLR, stepped by batch, rises to its peak and falls below its start": max(cycle)
        > 0.09
        > cycle[0]
        > cycle[-1],
        "a cosine counted in epochs, stepped by epoch, ends at its minimum": by_epoch[-1] < 1e-9,
        "a cosine counted in batches, stepped by batch, has the same rates at the epochs' starts": same,
        "to be stepped after a batch, in torch's documentation": ", ".join(sorted(named)),
    }


def plateau_by_batch() -> dict[str, int | float]:
    """A loss that falls by 5 % an epoch for 20 epochs, told once an epoch, or batch by batch with noise of 15 %."""
    noise = torch.randn(20, BATCHES, generator=torch.Generator().manual_seed(0))
    optimizers = sgd(0.1), sgd(0.1)
    epoch, batch = (ReduceLROnPlateau(optimizer, factor=0.1, patience=10) for optimizer in optimizers)
    first = 0.0
    for t in range(20 * BATCHES):
        loss = 2 * 0.95 ** (t / BATCHES)
        batch.step(loss * (1 + 0.15 * float(noise.flatten()[t])))
        if (t + 1) % BATCHES == 0:
            epoch.step(loss)
        if not first and optimizers[1].param_groups[0]["lr"] < 0.1:
            first = (t + 1) / BATCHES
    return {
        "rate after 20 epochs of progress, told once an epoch": optimizers[0].param_groups[0]["lr"],
        "rate after the same, told every batch": optimizers[1].param_groups[0]["lr"],
        "epochs until the first cut, told every batch": round(first, 2),
    }


def wrong_order() -> dict[str, bool]:
    """The rates that ten updates use if the scheduler steps before the optimizer."""
    right = used(CosineAnnealingLR(sgd(0.1), T_max=10), 11)
    optimizer, wrong = sgd(0.1), []
    scheduler = CosineAnnealingLR(optimizer, T_max=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(10):
            scheduler.step()
            wrong.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
    return {
        "each update uses the rate of the next": wrong == right[1:],
        "the first rate is never used": right[0] not in wrong,
    }


def notice_of_the_wrong_order() -> dict[str, bool | float]:
    """What there is to notice if the scheduler steps before the optimizer, a cosine over 5,000 updates."""
    optimizer = sgd(0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=5_000)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        scheduler.step()
        optimizer.step()
    rates = used(CosineAnnealingLR(sgd(0.1), T_max=5_000), 5_001)
    largest = max(before - after for before, after in pairwise(rates))
    return {
        "largest change of the rate of an update, as a share of the peak": round(largest / 0.1, 5),
        "torch warns": any("before `optimizer.step()`" in str(warning.message) for warning in heard),
    }


def ratio_of_two_groups() -> dict[str, float]:
    """A backbone at 1e-4, a head at 1e-3: the one's rate over the other's after 75 of 100 epochs, 10 at the start."""
    makers: dict[str, Callable[[torch.optim.Optimizer], LRScheduler]] = {
        "StepLR": lambda o: StepLR(o, step_size=30),
        "MultiStepLR": lambda o: MultiStepLR(o, milestones=[30, 60, 90]),
        "ExponentialLR": lambda o: ExponentialLR(o, gamma=0.95),
        "LinearLR": lambda o: LinearLR(o, start_factor=1.0, end_factor=0.01, total_iters=100),
        "LambdaLR": lambda o: LambdaLR(o, lambda epoch: (1 - epoch / 100) ** 0.9),
        "CosineAnnealingLR to 0": lambda o: CosineAnnealingLR(o, T_max=100),
        "CosineAnnealingLR to 1e-5": lambda o: CosineAnnealingLR(o, T_max=100, eta_min=1e-5),
        "OneCycleLR, max_lr=1e-3": lambda o: OneCycleLR(o, max_lr=1e-3, total_steps=100),
    }
    found = {}
    for name, make in makers.items():
        optimizer = sgd(1e-4, 1e-3)
        used(make(optimizer), 75)
        backbone, head = (group["lr"] for group in optimizer.param_groups)
        found[name] = round(head / backbone, 2)
    return found


def floor_above_a_rate() -> dict[str, bool]:
    """Whether a cosine with eta_min=1e-6 over 10 epochs only ever falls, from three peaks."""
    found = {}
    for peak in (1e-3, 1e-5, 1e-7):
        rates = used(CosineAnnealingLR(sgd(peak), T_max=10, eta_min=1e-6), 11)
        found[f"from {peak:g}, it only falls"] = rates == sorted(rates, reverse=True)
    return found


def six_decimals() -> dict[str, bool | float]:
    """How far the rate of the first group, printed with six decimals, is off at most; and what it tells of another."""
    from_scratch = used(CosineAnnealingLR(sgd(0.1), T_max=100, eta_min=1e-5), 100)
    fine_tuning = used(CosineAnnealingLR(sgd(1e-5), T_max=10, eta_min=1e-6), 10)

    def off(rates: list[float]) -> float:
        return round(max(abs(float(f"{rate:.6f}") / rate - 1) for rate in rates), 2)

    def printed(optimizer: torch.optim.Optimizer) -> str:
        return f"{optimizer.param_groups[0]['lr']:.6f}"

    return {
        "off by at most, from 0.1 to 1e-5 in 100 epochs": off(from_scratch),
        "off by at most, from 1e-5 to 1e-6 in 10 epochs": off(fine_tuning),
        "tells a head at 1e-3 from one at 1e-2": printed(sgd(1e-5, 1e-3)) != printed(sgd(1e-5, 1e-2)),
    }


def dry_run(make: Callable[[torch.optim.Optimizer], LRScheduler], epochs: int) -> list[float]:
    """Our rewriting of the guide's helper, without its plot: SGD at 0.1, a step of each an epoch, no metric."""
    return used(make(sgd(0.1)), epochs)


def what_a_dry_run_shows() -> dict[str, bool]:
    """Which schedules and mistakes can be read off such a drawing."""

    def warmup_and_cosine(o: torch.optim.Optimizer) -> LRScheduler:
        parts: list[LRScheduler] = [LinearLR(o, start_factor=0.01, total_iters=5), CosineAnnealingLR(o, T_max=95)]
        return SequentialLR(o, parts, milestones=[5])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR passes an epoch, which torch deprecates
        joined = dry_run(warmup_and_cosine, 100)
    short = dry_run(lambda o: CosineAnnealingLR(o, T_max=10), 100)
    one_cycle = dry_run(lambda o: OneCycleLR(o, max_lr=0.1, epochs=20, steps_per_epoch=400), 20)
    try:
        plateau = bool(dry_run(ReduceLROnPlateau, 20))
    except TypeError:  # its step needs a metric
        plateau = False
    return {
        "warmup and cosine: start, peak and end": joined[0] < 0.0011 and joined[5] > 0.0999 and joined[-1] < 1e-4,
        "a T_max of 10 in 100 epochs": short[10] < 1e-9 and short[20] > 0.0999,
        "OneCycleLR of 20 epochs: its peak": max(one_cycle) > 0.09,
        "ReduceLROnPlateau": plateau,
        "the peak of a run at 1e-3": max(dry_run(lambda o: CosineAnnealingLR(o, T_max=100), 100)) < 0.01,
    }


def one_line() -> dict[str, bool]:
    """A scheduler is constructed and nothing else is changed in a loop of 100 epochs."""
    optimizer = sgd(0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=100)
    for _ in range(100):
        optimizer.step()
    return {
        "one line constructs it": isinstance(scheduler, LRScheduler),
        "with that line alone the rate falls": optimizer.param_groups[0]["lr"] < 0.1,
    }
