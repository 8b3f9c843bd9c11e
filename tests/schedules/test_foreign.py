"""Against other libraries: the same rates where the conventions meet, and the size of the difference where they do not.

The peak is 0.1, an epoch has 10 updates, the horizon is 40 epochs; transformers schedules per update, timm per epoch.
"""

from collections.abc import Callable
from math import cos, pi
from typing import Any

import numpy as np
import pytest
import torch
import transformers.optimization as hf
from handmade import experiment, ramp, scheduler, warmup
from timm.scheduler import CosineLRScheduler, MultiStepLRScheduler, PolyLRScheduler, StepLRScheduler
from timm.scheduler.scheduler import Scheduler as TimmScheduler

from lrbench.experiment import Experiment, Scheduler
from lrbench.schedules import lr_table

PEAK, N, W = 0.1, 400, 40


def rates(made: Experiment) -> np.ndarray:
    return lr_table(made).lr[:, 0]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)


def live(schedule: Callable[..., Any], **arguments: Any) -> np.ndarray:
    """The rates of a loop over N updates that steps the schedule after each."""
    ours = optimizer()
    steppable = schedule(ours, **arguments)
    seen = []
    for _ in range(N):
        seen.append(ours.param_groups[0]["lr"])
        ours.step()
        steppable.step()
    return np.array(seen)


def require_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * PEAK)


# ---- transformers: warmup from zero, per update -------------------------------------------------------------

ZERO = "linear_10pct_zero"  # a tenth of N is W
TOTAL = {"num_warmup_steps": W, "num_training_steps": N}
RESTARTS = scheduler(
    "cosine_restarts", {"T_0": "72ba"}, interval="batch"
)  # 5 cycles in the 360 updates after the warmup


def by_batch(name: str, **args: Any) -> Scheduler:
    return scheduler(name, args, interval="batch")


# theirs: (function, its arguments, our scheduler after a warmup from zero)
TRANSFORMERS: dict[str, tuple[dict[str, Any], Scheduler]] = {
    "get_cosine_schedule_with_warmup": (TOTAL, by_batch("cosine")),
    "get_cosine_with_hard_restarts_schedule_with_warmup": ({**TOTAL, "num_cycles": 5}, RESTARTS),
    "get_linear_schedule_with_warmup": (TOTAL, by_batch("linear")),
    "get_constant_schedule_with_warmup": ({"num_warmup_steps": W}, by_batch("constant")),
    "get_polynomial_decay_schedule_with_warmup": ({**TOTAL, "lr_end": 0.0, "power": 0.9}, by_batch("polynomial")),
    "get_inverse_sqrt_schedule": (
        {"num_warmup_steps": W, "timescale": 25},
        by_batch("inverse_sqrt_decay", timescale=25),
    ),
    "get_wsd_schedule": (
        {"num_warmup_steps": W, "num_decay_steps": 100, "num_training_steps": N, "decay_type": "linear"},
        by_batch("wsd", decay_iters="100ba", shape="linear"),
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_schedules_after_a_warmup_from_zero(name: str) -> None:
    arguments, main = TRANSFORMERS[name]
    theirs = live(getattr(hf, name), **arguments)
    ours = rates(experiment(main, ZERO))
    require_same(ours, theirs)
    assert ours[0] == 0
    assert ours[W] == pytest.approx(PEAK, rel=1e-12)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_functions_are_targets_themselves(name: str) -> None:
    """A function that returns a LambdaLR; its arguments may carry units. It holds its own warmup."""
    arguments, _ = TRANSFORMERS[name]
    units = {"num_warmup_steps": "10%", "num_training_steps": "end", "num_decay_steps": "10ep"}
    made = Scheduler(
        target=f"transformers.optimization.{name}",
        interval="batch",
        own_warmup=True,
        args={k: units.get(k, v) for k, v in arguments.items()},
    )
    assert (rates(experiment(made)) == live(getattr(hf, name), **arguments)).all()


def test_a_transformers_function_through_the_custom_level() -> None:
    from lrbench.config import experiments as config

    made = config.experiment(
        "tracker=none", "model=mlp", "horizon=10ep", "scheduler=custom", "scheduler.interval=batch",
        "scheduler._target_=transformers.get_cosine_schedule_with_warmup",
        "+scheduler.args.num_warmup_steps=10%", "+scheduler.args.num_training_steps=end", "scheduler.own_warmup=true",
    )  # fmt: skip
    n = made.clock.updates
    by_hand = [t / 16 if t < 16 else (1 + cos(pi * (t - 16) / (n - 16))) / 2 for t in range(n)]
    require_same(rates(made), PEAK * np.array(by_hand))


def test_torchs_linear_warmup_begins_one_percent_higher_than_transformers() -> None:
    """torch: 0.01 + 0.99 t / W; transformers: t / W. They meet at the peak; the first update is the farthest."""
    gap = rates(experiment(scheduler("cosine", interval="batch"), ramp(f"{W}ba", "batch"))) - live(
        hf.get_cosine_schedule_with_warmup, **TOTAL
    )
    assert gap[0] == pytest.approx(0.01 * PEAK, rel=1e-12)
    assert (np.diff(gap[: W + 1]) < 0).all()
    assert np.abs(gap[W:]).max() <= 1e-12 * PEAK


def test_transformers_inverse_square_root_is_the_papers_shifted_by_one() -> None:
    """transformers: sqrt(W / t) with the warmup t / W; the paper counts steps from 1, as ours does."""
    ours, theirs = rates(experiment("inverse_sqrt")), live(hf.get_inverse_sqrt_schedule, num_warmup_steps=W)
    require_same(ours[:-1], theirs[1:])
    assert np.abs(ours - theirs).max() == pytest.approx(PEAK / W, rel=1e-9)  # one step of the rise


def test_transformers_wsd_with_a_cosine_falls_as_ours() -> None:
    arguments = {"num_warmup_steps": W, "num_decay_steps": 100, "num_training_steps": N}
    ours = rates(experiment(by_batch("wsd", decay_iters="25%", shape="cosine"), ZERO))
    require_same(ours, live(hf.get_wsd_schedule, **arguments))


def test_transformers_polynomial_with_its_floor() -> None:
    ours = rates(experiment(by_batch("polynomial_floor", power=2.0, eta_min=1e-3), ZERO))
    theirs = live(hf.get_polynomial_decay_schedule_with_warmup, **TOTAL, lr_end=1e-3, power=2.0)
    require_same(ours, theirs)


def test_transformers_inverse_square_root_by_default_has_the_warmups_timescale() -> None:
    ours = rates(experiment(by_batch("inverse_sqrt_decay", timescale=f"{W}ba"), ZERO))
    require_same(ours, live(hf.get_inverse_sqrt_schedule, num_warmup_steps=W))


def test_transformers_cosine_warmup() -> None:
    arguments = {"num_warmup_steps": W, "num_decay_steps": 100, "num_training_steps": N, "warmup_type": "cosine"}
    main = by_batch("wsd", decay_iters="100ba", shape="cosine")
    require_same(rates(experiment(main, "cosine_10pct")), live(hf.get_wsd_schedule, **arguments))


# ---- Loops written out, by their formulas -------------------------------------------------------------------


def test_nanogpts_loop_decays_for_a_part_of_the_run() -> None:
    """lr_decay_iters=300 counts from update 0; what follows it is at min_lr."""
    low, end = 0.1 * PEAK, 300
    cosine = [low + (PEAK - low) * (1 + cos(pi * (t - W) / (end - W))) / 2 for t in range(W, end + 1)]
    by_hand = [*(PEAK * t / W for t in range(W)), *cosine, *[low] * (N - end - 1)]
    for T_max in ("@300ba", f"{end - W}ba", "@75%"):
        require_same(rates(experiment(by_batch("cosine_hold", T_max=T_max), ZERO)), np.array(by_hand))


def test_dinos_schedule_is_a_linspace_and_a_cosine() -> None:
    """The first row is the start and the last of the warmup the peak, both exactly."""
    start, final = 1e-6, 1e-5
    steps = np.arange(N - W)
    cosine = final + 0.5 * (PEAK - final) * (1 + np.cos(np.pi * steps / len(steps)))
    ramp_ = warmup("linear_10pct_linspace", {"start_lr": start})
    ours = rates(experiment(by_batch("cosine", eta_min=final), ramp_))
    require_same(ours, np.concatenate([np.linspace(start, PEAK, W), cosine]))
    assert ours[[0, W - 1, W]].tolist() == [start, PEAK, PEAK]


# ---- timm: per epoch ----------------------------------------------------------------------------------------

E = 40  # epochs
WARM = {"warmup_t": 5, "warmup_lr_init": 0.01 * PEAK}


def timm_rates(theirs: TimmScheduler) -> np.ndarray:
    """The rates of E epochs of timm's usual loop: `step(epoch + 1)` after each epoch."""
    seen = []
    for epoch in range(E):
        seen.append(theirs.optimizer.param_groups[0]["lr"])
        theirs.step(epoch + 1)
    return np.array(seen)


def by_epoch(made: Experiment) -> np.ndarray:
    return rates(made)[::10]


def test_timm_cosine_with_its_warmup_before_it() -> None:
    theirs = CosineLRScheduler(optimizer(), t_initial=E - 5, warmup_prefix=True, **WARM)
    require_same(by_epoch(experiment("cosine", "linear5")), timm_rates(theirs))


def test_timm_cosine_with_a_floor_and_no_warmup() -> None:
    theirs = CosineLRScheduler(optimizer(), t_initial=E, lr_min=1e-5)
    require_same(by_epoch(experiment("cosine_floor1e-5")), timm_rates(theirs))


def test_timm_cosine_of_the_whole_length_is_cut_off_by_its_warmup() -> None:
    """t_initial = E with the warmup before it: 5 epochs of the cosine never come, and the run ends above the floor."""
    theirs = timm_rates(CosineLRScheduler(optimizer(), t_initial=E, warmup_prefix=True, **WARM))
    ours = by_epoch(experiment("cosine", "linear5"))
    assert theirs[-1] == pytest.approx(PEAK * (1 + cos(pi * 34 / 40)) / 2, rel=1e-9)  # 5.4 % of the peak
    assert ours[-1] == pytest.approx(PEAK * (1 + cos(pi * 34 / 35)) / 2, rel=1e-9)  # 0.2 %
    assert theirs[-1] - ours[-1] == pytest.approx(0.0525 * PEAK, rel=0.01)


def test_timm_cosine_by_default_runs_underneath_its_warmup() -> None:
    """Without warmup_prefix the cosine has come down already where the warmup ends: it joins 3.8 % below the peak."""
    theirs = timm_rates(CosineLRScheduler(optimizer(), t_initial=E, **WARM))
    ours = by_epoch(experiment("cosine", "linear5"))
    require_same(theirs[:5], ours[:5])
    assert theirs[5] == pytest.approx(PEAK * (1 + cos(pi * 5 / 40)) / 2, rel=1e-9)
    assert ours[5] - theirs[5] == pytest.approx(0.0381 * PEAK, rel=0.01)
    require_same(by_epoch(experiment("cosine", warmup("linear5", join="replace"))), theirs)


@pytest.mark.parametrize(
    ("theirs", "main"),
    [
        (lambda o: PolyLRScheduler(o, t_initial=E, power=0.9, **WARM), "polynomial"),
        (lambda o: StepLRScheduler(o, decay_t=12, decay_rate=0.1, warmup_prefix=False, **WARM), "step"),
        (lambda o: StepLRScheduler(o, decay_t=2, decay_rate=0.5, warmup_prefix=False, **WARM),
         scheduler("step", {"step_size": "2ep", "gamma": 0.5})),  # two of the drops are under the warmup
        (lambda o: CosineLRScheduler(o, t_initial=8, cycle_decay=0.5, cycle_limit=9, **WARM), "cosine_cycles"),
    ],
)  # fmt: skip
def test_timms_other_schedules_run_underneath_a_warmup_too(theirs: Callable[..., Any], main: Any) -> None:
    require_same(by_epoch(experiment(main, warmup("linear5", join="replace"))), timm_rates(theirs(optimizer())))


def test_timm_cosine_cools_down_at_its_floor() -> None:
    """t_initial=30, cooldown_epochs=10, which is what a run of 40 epochs makes of it; after a warmup from 1e-6."""
    warm = {"warmup_t": 5, "warmup_lr_init": 1e-6}
    theirs = CosineLRScheduler(optimizer(), t_initial=25, lr_min=1e-5, warmup_prefix=True, **warm)
    main = scheduler("cosine_hold", {"T_max": "@30ep", "eta_min": 1e-5})
    ours = by_epoch(experiment(main, "linear5_from1e-6"))
    require_same(ours, timm_rates(theirs))
    assert ours[[0, 29, 30, 39]].tolist() == [1e-6, pytest.approx(4.05e-4, rel=1e-2), 1e-5, 1e-5]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"t_initial": 8, "cycle_decay": 0.5, "cycle_limit": 5}, {}),
        ({"t_initial": 8, "cycle_decay": 0.5, "cycle_limit": 3}, {"cycle_limit": 3}),
        ({"t_initial": 5, "cycle_mul": 2.0, "cycle_decay": 0.7, "cycle_limit": 9}, {"T_mult": 2, "cycle_decay": 0.7}),
        ({"t_initial": 8, "cycle_limit": 5, "lr_min": 1e-3}, {"cycle_decay": 1.0, "eta_min": 1e-3}),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_timm_cosine_in_cycles(theirs: dict[str, Any], ours: dict[str, Any], warm: bool) -> None:
    live = CosineLRScheduler(optimizer(), **theirs, **({"warmup_prefix": True, **WARM} if warm else {}))
    main = scheduler("cosine_cycles", {"T_0": f"{theirs['t_initial']}ep", **ours})
    require_same(by_epoch(experiment(main, "linear5" if warm else "none")), timm_rates(live))


def test_timm_polynomial_with_a_floor() -> None:
    theirs = PolyLRScheduler(optimizer(), t_initial=30, power=0.9, lr_min=1e-3)
    main = scheduler("polynomial_floor", {"total_iters": "30ep", "eta_min": 1e-3})
    require_same(by_epoch(experiment(main)), timm_rates(theirs))


def test_timm_polynomial_with_its_warmup_before_it() -> None:
    theirs = PolyLRScheduler(optimizer(), t_initial=E - 5, power=0.9, warmup_prefix=True, **WARM)
    require_same(by_epoch(experiment("polynomial", "linear5")), timm_rates(theirs))


def test_timm_polynomial_of_the_whole_length_ends_above_zero() -> None:
    """As its cosine: without room for the warmup, 5 of the 40 epochs never come."""
    theirs = timm_rates(PolyLRScheduler(optimizer(), t_initial=E, power=0.9, warmup_prefix=True, **WARM))
    assert theirs[-1] == pytest.approx(PEAK * (1 - 34 / 40) ** 0.9, rel=1e-9)  # 18 % of the peak
    assert by_epoch(experiment("polynomial", "linear5"))[-1] == pytest.approx(PEAK * (1 - 34 / 35) ** 0.9, rel=1e-9)


def test_timm_step() -> None:
    theirs = StepLRScheduler(optimizer(), decay_t=12, decay_rate=0.1)
    require_same(by_epoch(experiment("step")), timm_rates(theirs))  # 30 % of 40 epochs


def test_timm_step_has_its_warmup_before_it() -> None:
    theirs = StepLRScheduler(optimizer(), decay_t=12, decay_rate=0.1, **WARM)
    require_same(by_epoch(experiment("step", "linear5")), timm_rates(theirs))


def test_timm_step_without_the_prefix_counts_from_the_start_of_the_run() -> None:
    theirs = timm_rates(StepLRScheduler(optimizer(), decay_t=12, decay_rate=0.1, warmup_prefix=False, **WARM))
    ours = by_epoch(experiment("step", "linear5"))
    assert np.flatnonzero(np.diff(theirs) < 0).tolist() == [11, 23, 35]  # drops at epochs 12, 24, 36
    assert np.flatnonzero(np.diff(ours) < 0).tolist() == [16, 28]  # at 17 and 29, the warmup being no part of a step
    # Ours as timm's: the same drops as positions.
    positions = {"milestones": ["@12ep", "@24ep", "@36ep"]}
    require_same(by_epoch(experiment(scheduler("multistep", positions), "linear5")), theirs)


@pytest.mark.parametrize("warm", [False, True])
def test_timm_multistep_drops_an_epoch_before_its_milestones(warm: bool) -> None:
    """It compares decay_t with t + 1: decay_t=[12] has dropped in epoch 11, torch's milestones=[12] in epoch 12."""
    arguments = {**WARM, "warmup_prefix": False} if warm else {}
    ours = by_epoch(experiment("multistep", "linear5" if warm else "none"))  # 12, 24, 36
    same = timm_rates(MultiStepLRScheduler(optimizer(), decay_t=[13, 25, 37], decay_rate=0.1, **arguments))
    require_same(ours, same)
    early = timm_rates(MultiStepLRScheduler(optimizer(), decay_t=[12, 24, 36], decay_rate=0.1, **arguments))
    assert np.flatnonzero(np.abs(ours - early) > 1e-6).tolist() == [11, 23, 35]
    assert (ours - early).max() == pytest.approx(0.9 * PEAK, rel=1e-9)


def test_timm_multistep_shifts_its_milestones_by_its_warmup() -> None:
    """With warmup_prefix, its default, decay_t counts from the end of the warmup: the drops come 5 epochs later."""
    theirs = timm_rates(MultiStepLRScheduler(optimizer(), decay_t=[13, 25], decay_rate=0.1, **WARM))
    shifted = scheduler("multistep", {"milestones": ["@17ep", "@29ep"]})
    require_same(by_epoch(experiment(shifted, "linear5")), theirs)


# ---- pytorch_warmup: the product of both, per update --------------------------------------------------------


MAINS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=N),
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=120, gamma=0.1),
    "exponential": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.95**0.1),
}


def dampened(name: str) -> np.ndarray:
    return rates(
        experiment(by_batch(name), warmup("linear5_one_over_w", length=f"{W}ba", interval="batch", join="product"))
    )


@pytest.mark.parametrize("name", MAINS)
def test_the_product_of_warmup_and_main(name: str) -> None:
    """The main schedule from update 0, times min(1, (t + 1) / W)."""
    require_same(dampened(name), live(MAINS[name]) * np.minimum((np.arange(N) + 1) / W, 1))


@pytest.mark.parametrize("name", MAINS)
def test_the_product_is_pytorch_warmups_dampening(name: str) -> None:
    theirs = pytest.importorskip("pytorch_warmup")
    o, seen = optimizer(), []
    main = MAINS[name](o)
    damper = theirs.LinearWarmup(o, warmup_period=W)
    for _ in range(N):
        seen.append(o.param_groups[0]["lr"])
        o.step()
        with damper.dampening():
            main.step()
    require_same(dampened(name), np.array(seen))


@pytest.mark.parametrize("name", MAINS)
def test_the_lower_of_warmup_and_main(name: str) -> None:
    ramp_ = warmup("linear_10pct", length="80ba", join="min")
    ours = rates(experiment(by_batch(name), ramp_))
    rising = PEAK * (0.01 + 0.99 * np.arange(80) / 80)
    falling = live(MAINS[name])
    require_same(ours, np.concatenate([np.minimum(rising, falling[:80]), falling[80:]]))
