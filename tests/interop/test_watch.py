"""A watched loop: silent where it is right, and each mistake told, by its rule, with what shows it."""

import copy
import gc
import io
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from loops import EPOCHS, PER_EPOCH, RIGHT, UPDATES, by_epoch, by_update, of_transformers, sgd, updates, warmed_up
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

import lrbench
from lrbench.check.finding import Finding
from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.interop.watch import Watch
from lrbench.interop.words import told

Loop = Callable[[Optimizer, Any], None]


def watched(optimizer: Optimizer, scheduler: Any = None, **said: Any) -> Watch:
    """A silent one, of a run as it is meant."""
    said = {"updates": UPDATES, "per_epoch": PER_EPOCH, "tell": lambda _: None, **said}
    return lrbench.watch(optimizer, scheduler, **said)


def rules(found: list[Finding]) -> list[str]:
    return [f.rule for f in found]


def seen_in(make: Callable[[Optimizer], Any], loop: Loop, **said: Any) -> list[Finding]:
    """What is found in a loop."""
    optimizer = sgd()
    scheduler = make(optimizer)
    watch = watched(optimizer, scheduler, **said)
    loop(optimizer, scheduler)
    return watch.finish()


def only(found: list[Finding], rule: str) -> Finding:
    assert rules(found) == [rule], [told(f) for f in found]
    return found[0]


# ---- Right loops --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("said", ["all", *(pytest.param(s, marks=pytest.mark.slow) for s in ("no updates", "nothing"))])
@pytest.mark.filterwarnings("ignore:.*")  # torch's own, of OneCycle and Cyclic after a warmup
def test_a_right_loop_has_no_findings(name: str, said: str) -> None:
    make, loop = RIGHT[name]
    known = {"all": {}, "no updates": {"updates": None}, "nothing": {"updates": None, "per_epoch": None}}[said]
    assert seen_in(make, loop, **known) == []


@pytest.mark.parametrize("stop", [95, *(pytest.param(s, marks=pytest.mark.slow) for s in (7, 250))])
@pytest.mark.parametrize("name", [n for n in RIGHT if n != "plateau"])
def test_one_that_is_broken_off_has_none(name: str, stop: int) -> None:
    """Early stopping, or an exception: what would have come later cannot be told."""
    make, _ = RIGHT[name]
    optimizer = sgd()
    scheduler = make(optimizer)
    often = 1 if RIGHT[name][1] is by_update else PER_EPOCH
    watch = watched(optimizer, scheduler)
    for update, _ in updates():
        if update == stop:
            break
        optimizer.step()
        if (update + 1) % often == 0:
            scheduler.step()
    assert watch.finish(clean=False) == []


def test_a_right_loop_that_goes_on_from_a_checkpoint() -> None:
    first, half = sgd(), UPDATES // 2
    scheduler = CosineAnnealingLR(first, T_max=EPOCHS)
    by_epoch(first, scheduler, EPOCHS // 2)
    saved = copy.deepcopy((first.state_dict(), scheduler.state_dict()))
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    watch = watched(optimizer, scheduler, done=half)
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    by_epoch(optimizer, scheduler, EPOCHS // 2)
    assert watch.finish() == []
    assert len(watch.rates) == half


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_one_that_steps_its_scheduler_forward_to_where_it_was() -> None:
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    watch = watched(optimizer, scheduler, done=100)
    for _ in range(10):
        scheduler.step()
    by_epoch(optimizer, scheduler, 20)
    assert watch.finish() == []


def test_a_warmup_by_hand_in_front_of_the_scheduler() -> None:
    """As YOLO's: every batch of the first epochs sets the rate itself."""
    optimizer = sgd()
    scheduler = LambdaLR(optimizer, lambda epoch: 1 - epoch / EPOCHS)
    watch = watched(optimizer, scheduler)
    for update, ends in updates():
        if update < 3 * PER_EPOCH:
            optimizer.param_groups[0]["lr"] = 0.1 * update / (3 * PER_EPOCH)
        optimizer.step()
        if ends:
            scheduler.step()
    assert watch.finish() == []


def test_a_warmup_that_dampens() -> None:
    """pytorch_warmup's loop: the rate is another one than the scheduler's all along."""
    import pytorch_warmup

    optimizer = Adam([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=UPDATES)
    warmup = pytorch_warmup.LinearWarmup(optimizer, warmup_period=50)
    watch = watched(optimizer, scheduler)
    for _ in updates():
        optimizer.step()
        with warmup.dampening():
            scheduler.step()
    assert watch.finish() == []


def test_a_cut_by_hand_that_lasts() -> None:
    """Under a scheduler that works on from the rate that it finds."""
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    watch = watched(optimizer, scheduler)
    for update, ends in updates():
        if update == 155:
            optimizer.param_groups[0]["lr"] *= 0.1
        optimizer.step()
        if ends:
            scheduler.step()
    assert watch.finish() == []


def test_several_processes_as_accelerate_has_them() -> None:
    """It steps a scheduler once for each process, which is right where the schedule's length counts all of them."""
    make = of_transformers("linear", num_warmup_steps=40, num_training_steps=4 * UPDATES)

    def four_times(optimizer: Optimizer, scheduler: Any) -> None:
        for _ in updates():
            optimizer.step()
            for _ in range(4):
                scheduler.step()

    assert seen_in(make, four_times) == []


# ---- Right loops of any size --------------------------------------------------------------------------------

SIZED: dict[str, Callable[[Optimizer, int], Any]] = {
    "cosine": lambda o, n: CosineAnnealingLR(o, T_max=n),
    "linear": lambda o, n: LinearLR(o, 1.0, 0.0, total_iters=n),
    "polynomial": lambda o, n: PolynomialLR(o, total_iters=n, power=2.0),
    "warmed up": lambda o, n: warmed_up(n, max(1, n // 10))(o),
    "milestones": lambda o, n: MultiStepLR(o, sorted({max(1, n // 2), max(1, 3 * n // 4)})),
    "step": lambda o, n: StepLR(o, max(1, n // 3)),
    "exponential": lambda o, n: ExponentialLR(o, 0.01 ** (1 / n)),
    "one cycle": lambda o, n: OneCycleLR(o, 0.1, total_steps=n, pct_start=0.35),
    "warmup only": lambda o, n: LinearLR(o, 0.1, total_iters=max(1, n // 10)),
    "restarts": lambda o, n: CosineAnnealingWarmRestarts(o, max(1, n // 3)),
}


@pytest.mark.filterwarnings("ignore:.*")
@given(
    name=st.sampled_from([*SIZED]),
    epochs=st.integers(1, 40),
    per_epoch=st.integers(1, 25),
    by_epoch=st.booleans(),
    last=st.booleans(),
    told=st.booleans(),
)
def test_right_loops_of_any_size(
    name: str, epochs: int, per_epoch: int, by_epoch: bool, last: bool, told: bool
) -> None:
    """Whatever the numbers of epochs and updates, and whether the last step is made: no false alarm."""
    updates = epochs * per_epoch
    optimizer, every = sgd(), per_epoch if by_epoch else 1
    steps = epochs if by_epoch else updates
    assume(steps > 1)
    try:
        scheduler = SIZED[name](optimizer, steps)
    except ZeroDivisionError:  # torch's, where a rise or a decay has no step
        return
    said = {"updates": updates, "per_epoch": per_epoch} if told else {}
    watch = lrbench.watch(optimizer, scheduler, **said, tell=lambda _: None)
    for update in range(1, updates + 1):
        optimizer.step()
        if update % every == 0 and (last or update < updates):
            scheduler.step()
    found = watch.finish()
    if not told and epochs == 1 and by_epoch and not last:  # never stepped, and rightly: nobody could know
        found = [f for f in found if f.rule != "watch.never-stepped" or f.severity != "warning"]
    assert found == []


# ---- Mistakes: when the scheduler is stepped ----------------------------------------------------------------


def test_one_cycle_stepped_by_epoch() -> None:
    found = only(
        seen_in(lambda o: OneCycleLR(o, 0.1, total_steps=UPDATES), by_epoch), "check.onecycle-stepped-by-epoch"
    )
    assert (found.severity, found.claim) == ("error", "onecycle-per-batch-step")
    assert "300 steps and is stepped every 10 updates: it goes through 10.0% of its course" in found.says
    assert "from 0.004 to 0.02703" in found.says


@pytest.mark.parametrize(
    "make",
    [
        lambda o: CosineAnnealingLR(o, T_max=UPDATES),
        of_transformers("linear", num_warmup_steps=30, num_training_steps=UPDATES),
        warmed_up(UPDATES, 30),
    ],
)
def test_a_schedule_of_updates_stepped_by_epoch(make: Callable[[Optimizer], Any]) -> None:
    found = only(seen_in(make, by_epoch), "watch.stepped-by-epoch")
    assert "goes through 10.0% of its course, 30 steps in 300 updates" in found.says


@pytest.mark.parametrize(
    "make",
    [
        lambda o: MultiStepLR(o, [90, 180, 270]),
        lambda o: StepLR(o, 90),
        lambda o: CosineAnnealingWarmRestarts(o, 100),
        lambda o: LinearLR(o, 0.01, total_iters=90),
    ],
)
def test_one_without_a_length(make: Callable[[Optimizer], Any]) -> None:
    """It does not come to its first drop, its first restart or its peak."""
    found = only(seen_in(make, by_epoch), "watch.stepped-by-epoch")
    assert "is stepped every 10 updates: it comes to step 30 in 300 updates" in found.says


@pytest.mark.parametrize(
    "make",
    [
        lambda o: CosineAnnealingLR(o, T_max=EPOCHS),
        lambda o: MultiStepLR(o, [9, 18, 27]),
        lambda o: StepLR(o, 10),
        lambda o: ExponentialLR(o, 0.9),
        lambda o: CosineAnnealingWarmRestarts(o, 5),
        warmed_up(EPOCHS),
    ],
)
def test_a_schedule_of_epochs_stepped_by_update(make: Callable[[Optimizer], Any]) -> None:
    found = only(seen_in(make, by_update), "check.epoch-schedule-stepped-by-batch")
    assert found.severity == "error"
    assert "counts epochs and is stepped after every update" in found.says


def test_whole_drops_are_counted_and_what_was_seen_is_said() -> None:
    """500 updates have 16 whole periods of 30, and 10 epochs have none; at once, 8 updates were seen."""
    lines: list[str] = []
    only(
        seen_in(
            lambda o: StepLR(o, 30), lambda o, s: by_update(o, s, 50), updates=500, per_epoch=50, tell=lines.append
        ),
        "check.epoch-schedule-stepped-by-batch",
    )
    at_once = " ".join(lines[0].split())
    assert "a factor 0.1 every 30 steps comes to 1e-16 in 500 updates; in 10 epochs it comes to 1 (so it" in at_once
    assert "updates seen so far)" in at_once


@pytest.mark.parametrize("call", [lrbench.watch, lambda it: lrbench.schedule(it, "scheduler=cosine", updates=10)])
@pytest.mark.parametrize("given", [3, None, torch.nn.Linear(1, 1)])
def test_what_is_no_optimizer(call: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(ConfigError, match="has no parameter groups; give the optimizer that trains"):
        call(given)


def test_never_stepped() -> None:
    found = only(
        seen_in(lambda o: CosineAnnealingLR(o, T_max=EPOCHS), lambda o, s: by_epoch(o, Still())), "watch.never-stepped"
    )
    assert found.severity == "error"
    assert found.says == "CosineAnnealingLR.step() was never called in 300 updates: all were trained at 0.1"


def test_another_scheduler_is_stepped_than_the_watched_one() -> None:
    optimizer = sgd()
    idle, moving = CosineAnnealingLR(optimizer, T_max=EPOCHS), ExponentialLR(optimizer, 0.9)
    watch = watched(optimizer, idle)
    by_epoch(optimizer, moving)
    found = only(watch.finish(), "watch.never-stepped")
    assert (found.severity, found.otherwise) == ("warning", "watch the scheduler that is stepped")


class Still:
    def step(self) -> None: ...


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("often", [1, PER_EPOCH])
def test_stepped_before_the_optimizer(often: int) -> None:
    def first(optimizer: Optimizer, scheduler: Any) -> None:
        for update, _ in updates():
            if update % often == 0:
                scheduler.step()
            optimizer.step()

    found = only(seen_in(lambda o: CosineAnnealingLR(o, UPDATES // often), first), "check.scheduler-steps-first")
    assert (found.severity, found.claim) == ("warning", "step-order-off-by-one")


@pytest.mark.parametrize("often", [1, PER_EPOCH])
@pytest.mark.parametrize("make", [lambda o: StepLR(o, 10, gamma=0.9), lambda o: LambdaLR(o, lambda t: 0.999**t)])
def test_stepped_twice(often: int, make: Callable[[Optimizer], Any]) -> None:
    def twice(optimizer: Optimizer, scheduler: Any) -> None:
        for update, _ in updates():
            optimizer.step()
            if (update + 1) % often == 0:
                scheduler.step()
                scheduler.step()

    found = only(seen_in(make, twice), "watch.stepped-twice")
    assert "called 2 times every" in found.says
    assert f"{2 * UPDATES // often} steps in 300 updates" in found.says


@pytest.mark.parametrize("k", [2, 3, 4, 8])
@pytest.mark.filterwarnings("ignore:Detected call of")  # torch's own, as the first batches are
def test_stepped_for_every_batch_of_those_that_are_accumulated(k: int) -> None:
    def accumulating(optimizer: Optimizer, scheduler: Any) -> None:
        for batch in range(40 * k):
            if (batch + 1) % k == 0:
                optimizer.step()
            scheduler.step()

    found = only(seen_in(lambda o: CosineAnnealingLR(o, T_max=40), accumulating, updates=40, per_epoch=10),
                 "watch.stepped-twice")  # fmt: skip
    assert f"called {k} times every update" in found.says
    assert f"after 1/{k} of the run" in found.says
    assert "gradients are accumulated" in found.otherwise


@pytest.mark.parametrize(("milestones", "warmup"), [([9, 18, 27], 5), ([6, 29], 3), ([10, 40], 0)])
def test_milestones_beyond_the_run(milestones: list[int], warmup: int) -> None:
    def make(optimizer: Optimizer) -> Any:
        drops = MultiStepLR(optimizer, milestones)
        if not warmup:
            return drops
        return SequentialLR(optimizer, [LinearLR(optimizer, 0.1, total_iters=warmup), drops], [warmup])

    found = only(seen_in(make, by_epoch), "check.drops-beyond-horizon")
    assert f"before its last drop at step {milestones[-1] + warmup}" in found.says
    assert ("take the warmup's length off" in found.otherwise) == bool(warmup)


def test_a_floor_above_the_rate_is_told_at_once() -> None:
    told_so_far: list[str] = []
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS, eta_min=1.0)
    watch = watched(optimizer, scheduler, tell=told_so_far.append)
    optimizer.step()
    scheduler.step()
    assert "check.floor-above-peak" in "".join(told_so_far)
    assert "(eta_min) is 1, above the 0.1" in watch.findings[0].says


def test_steps_that_fp16_skips() -> None:
    """The scheduler goes on where the scaler leaves the optimizer out."""

    def skipping(skipped: set[int]) -> Loop:
        def loop(optimizer: Optimizer, scheduler: Any) -> None:
            for update, _ in updates():
                if update not in skipped:
                    optimizer.step()
                scheduler.step()

        return loop

    make = lambda o: CosineAnnealingLR(o, T_max=UPDATES)  # noqa: E731
    found = only(seen_in(make, skipping({40, 90})), "watch.steps-skipped")
    assert found.severity == "note"
    assert found.says.startswith("2 steps of the scheduler had no optimizer step with them")
    found = only(seen_in(make, skipping({*range(100, 200, 5)}), updates=None), "watch.steps-skipped")
    assert found.severity == "warning"
    with pytest.warns(UserWarning, match="before `optimizer.step"):  # torch's, which is wrong here
        found = only(seen_in(make, skipping({0, 1})), "watch.steps-skipped")
    assert found.severity == "note"


def test_a_real_scaler() -> None:
    """torch's own, which skips what is not finite."""
    optimizer = sgd()
    (parameter,) = optimizer.param_groups[0]["params"]
    scaler = torch.amp.GradScaler("cpu")
    scheduler = CosineAnnealingLR(optimizer, T_max=60)
    watch = watched(optimizer, scheduler, updates=60)
    for update in range(60):
        optimizer.zero_grad()
        loss = parameter.sum() * (float("inf") if update in (30, 31) else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
    assert len(watch.rates) == 58
    found = only(watch.finish(), "watch.steps-skipped")
    assert found.says.startswith("2 steps of the scheduler")


def test_another_optimizer_trains() -> None:
    optimizer, other = sgd(), sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    optimizer.step()
    watch = watched(optimizer, scheduler)
    by_epoch(other, scheduler)
    assert "watch.no-updates" in rules(watch.finish())


def test_a_rate_that_is_no_finite_number() -> None:
    lines: list[str] = []
    make = lambda o: LambdaLR(o, lambda i: float("nan") if i > 250 else 1.0)  # noqa: E731
    found = only(seen_in(make, by_update, tell=lines.append), "watch.not-a-rate")
    assert found.severity == "error"
    assert found.says == (
        "update 251 had a rate of nan, and 49 of 300 updates had one that is negative or no finite number"
    )
    assert any("at most 0.1, last nan" in " ".join(line.split()) for line in lines)
    plan = ["scheduler=constant", "scheduler.interval=batch"]
    only(seen_in(make, by_update, plan=plan), "watch.not-a-rate")


def test_a_rate_of_zero_all_along() -> None:
    found = only(seen_in(lambda o: LambdaLR(o, lambda _: 0.0), by_update), "watch.trained-at-zero")
    assert (found.severity, found.says) == ("error", "all 300 updates had a rate of 0 and trained nothing")


# ---- Mistakes: where the schedule ends ----------------------------------------------------------------------


def test_t_max_off_by_the_warmup() -> None:
    found = only(seen_in(warmed_up(EPOCHS + 5), by_epoch), "check.schedule-ends-elsewhere")
    assert "5 steps before SequentialLR of LinearLR and CosineAnnealingLR does (step 30 of 35)" in found.says
    assert "the warmup of 5 steps" in found.says
    assert found.otherwise.endswith("25")
    assert found.claim == "tmax-must-subtract-warmup"


def test_t_max_off_by_a_warmup_by_hand() -> None:
    """The scheduler is stepped from epoch 5 on, and has the length of the run."""

    def by_hand(optimizer: Optimizer, scheduler: Any) -> None:
        for update, ends in updates():
            epoch = update // PER_EPOCH
            if epoch < 5:
                optimizer.param_groups[0]["lr"] = 0.1 * (epoch + 1) / 5
            optimizer.step()
            if ends and epoch >= 5:
                scheduler.step()

    found = only(seen_in(lambda o: CosineAnnealingLR(o, T_max=EPOCHS), by_hand), "check.schedule-ends-elsewhere")
    assert "5 epochs, in which the scheduler was not stepped" in found.says
    assert seen_in(lambda o: CosineAnnealingLR(o, T_max=EPOCHS - 5), by_hand) == []


def test_a_cosine_that_climbs_again() -> None:
    found = only(seen_in(lambda o: CosineAnnealingLR(o, T_max=20), by_epoch), "check.schedule-ends-elsewhere")
    assert "has 20 steps and was stepped 30 times" in found.says


def test_a_decay_that_is_far_from_its_end() -> None:
    found = only(seen_in(lambda o: CosineAnnealingLR(o, T_max=100), by_epoch), "check.schedule-ends-elsewhere")
    assert "70 steps before" in found.says


def test_training_at_a_rate_of_zero() -> None:
    make = of_transformers("linear", num_warmup_steps=10, num_training_steps=200)
    found = only(seen_in(make, by_update), "watch.trained-at-zero")
    assert found.says == "the last 100 of 300 updates had a rate of 0 and trained nothing"


def test_longer_than_was_said() -> None:
    assert rules(seen_in(lambda o: StepLR(o, 10), by_epoch, updates=200)) == ["watch.longer-than-said"]


# ---- Mistakes: by hand, and on resuming ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "often"),
    [
        (lambda o: LambdaLR(o, lambda t: 1 - t / (EPOCHS + 1)), PER_EPOCH),
        (lambda o: OneCycleLR(o, 0.1, total_steps=UPDATES), 1),
    ],
)
def test_a_cut_by_hand_that_is_overwritten(make: Callable[[Optimizer], Any], often: int) -> None:
    def cut(optimizer: Optimizer, scheduler: Any) -> None:
        for update, _ in updates():
            if update == 155:
                optimizer.param_groups[0]["lr"] *= 0.1
            optimizer.step()
            if (update + 1) % often == 0:
                scheduler.step()

    found = only(seen_in(make, cut), "check.manual-edit-overwritten")
    assert (found.severity, found.claim) == ("error", "manual-lr-cut-persists")
    assert f"after update {160 if often > 1 else 156} put back" in found.says


def resumed(load: Callable[[Optimizer, Any, Any], None], length: int = EPOCHS, **said: Any) -> list[Finding]:
    """What is found in the second half of a cosine's run, after loading what `load` does."""
    first = sgd()
    scheduler = CosineAnnealingLR(first, T_max=EPOCHS)
    by_epoch(first, scheduler, EPOCHS // 2)
    saved = copy.deepcopy((first.state_dict(), scheduler.state_dict()))
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=length)
    watch = watched(optimizer, scheduler, **said)
    load(optimizer, scheduler, saved)
    by_epoch(optimizer, scheduler, EPOCHS // 2)
    return watch.finish()


def test_resumed_without_the_optimizers_rate() -> None:
    """A cosine then goes on from the peak: its rates are twice what they should be."""
    found = only(resumed(lambda o, s, saved: s.load_state_dict(saved[1]), done=150), "watch.resumed-on-another-curve")
    assert found.says == "the scheduler went on at its step 15, whose rate is 0.05, and the optimizer at 0.1"


def test_resumed_without_the_scheduler() -> None:
    found = resumed(lambda o, s, saved: o.load_state_dict(saved[0]), done=150)
    assert "150 updates were made before, and the scheduler began at its step 0" in found[0].says
    assert found[0].rule == "watch.resumed-on-another-curve"


def test_an_extension_that_the_checkpoint_takes_back() -> None:
    """torch restores T_max with the state, whatever the scheduler was built with."""

    def both(optimizer: Optimizer, scheduler: Any, saved: Any) -> None:
        optimizer.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])

    found = resumed(both, length=60, updates=None, done=150)
    assert "T_max was 60 when the scheduler was built, and is 30 since its state was loaded" in found[0].says


# ---- Against a plan -----------------------------------------------------------------------------------------

PLAN = ["scheduler=cosine", "warmup=linear5"]


def test_the_plan_is_kept_to() -> None:
    assert seen_in(warmed_up(EPOCHS), by_epoch, plan=PLAN) == []


@pytest.mark.parametrize(
    ("make", "plan"),
    [
        (lambda o: OneCycleLR(o, 0.1, total_steps=UPDATES), ["scheduler=onecycle"]),
        (lambda o: CyclicLR(o, 0.01, 0.1, 30, base_momentum=0.8, max_momentum=0.9), ["scheduler=cyclic"]),
    ],
)
def test_the_peak_is_the_one_that_a_scheduler_was_built_with(make: Callable[[Optimizer], Any], plan: list[str]) -> None:
    """Both write another rate into the optimizer before the first update."""
    assert seen_in(make, by_update, plan=plan) == []


def test_an_experiment_is_a_plan() -> None:
    made = config.experiment("tracker=none", "scheduler=cosine", "warmup=linear5")
    optimizer = sgd(lr=0.1)
    scheduler = warmed_up(30)(optimizer)
    watch = lrbench.watch(optimizer, scheduler, plan=made, tell=lambda _: None)
    for update in range(480):
        optimizer.step()
        if (update + 1) % 16 == 0:
            scheduler.step()
    assert watch.finish() == []


@pytest.mark.parametrize(
    ("make", "loop", "plan", "rule"),
    [
        (lambda o: CosineAnnealingLR(o, EPOCHS), by_epoch, PLAN, "watch.off-plan"),
        (lambda o: LambdaLR(o, lambda t: 1.0), by_epoch, PLAN, "watch.never-stepped"),
        (lambda o: LambdaLR(o, lambda t: 0.1 ** (t // 9)), by_update, ["scheduler=step"],
         "check.epoch-schedule-stepped-by-batch"),
        (lambda o: LambdaLR(o, lambda t: 1 - t / UPDATES), by_epoch, ["scheduler=linear", "scheduler.interval=batch"],
         "watch.stepped-by-epoch"),
        (lambda o: LambdaLR(o, lambda t: max(1 - 2 * t / UPDATES, 0.0)), by_update,
         ["scheduler=linear", "scheduler.interval=batch"], "watch.stepped-twice"),
        (lambda o: LambdaLR(o, lambda t: 1 - (t + 1) / UPDATES), by_update, ["scheduler=linear",
         "scheduler.interval=batch"], "check.scheduler-steps-first"),
        (lambda o: LambdaLR(o, lambda t: 0.3 * (1 - t / EPOCHS)), by_epoch, ["scheduler=linear"], "watch.other-peak"),
    ],
)  # fmt: skip
def test_off_the_plan(make: Callable[[Optimizer], Any], loop: Loop, plan: list[str], rule: str) -> None:
    """Each mistake where the scheduler itself (a lambda, whose length nobody knows) tells nothing."""
    optimizer = sgd()
    watch = watched(optimizer, plan=plan)  # the peak is the rate that the optimizer has before the scheduler is built
    loop(optimizer, make(optimizer))
    found = [f for f in watch.finish() if f.rule != "watch.trained-at-zero"]
    assert only(found, rule).severity == "error"


def test_a_plan_says_where_it_was_left() -> None:
    def cut(optimizer: Optimizer, scheduler: Any) -> None:
        for update, ends in updates():
            optimizer.param_groups[0]["lr"] *= 0.1 if update == 200 else 1.0
            optimizer.step()
            if ends:
                scheduler.step()

    found = only(seen_in(warmed_up(EPOCHS), cut, plan=PLAN), "watch.off-plan")
    assert found.says.startswith("100 of 300 updates used another rate than the plan has, from update 200 on. ")


def test_a_plan_of_overrides_needs_a_length() -> None:
    with pytest.raises(ConfigError, match="a plan of overrides has no length"):
        lrbench.watch(sgd(), plan=PLAN)


# ---- What it tells when, and what it leaves alone -----------------------------------------------------------


def test_what_is_certain_is_told_at_once() -> None:
    optimizer, lines = sgd(), []
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=UPDATES)
    watch = watched(optimizer, scheduler, tell=lines.append)
    by_epoch(optimizer, scheduler, 8)
    assert len(lines) == 1
    assert lines[0].startswith("error    check.onecycle-stepped-by-epoch: OneCycleLR has 300 steps")
    by_epoch(optimizer, scheduler, 22)
    watch.finish()
    assert len(lines) == 2
    assert lines[1].startswith("watched  300 updates of 300: rate 0.004")
    assert all(len(line) <= 80 for text in lines for line in text.splitlines())


def test_a_lost_rate_is_told_at_the_first_step() -> None:
    first = sgd()
    before = CosineAnnealingLR(first, T_max=EPOCHS)
    by_epoch(first, before, 10)
    optimizer, lines = sgd(), []
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    watched(optimizer, scheduler, tell=lines.append)
    scheduler.load_state_dict(before.state_dict())
    by_epoch(optimizer, scheduler, 1)
    assert [line.split(":")[0] for line in lines] == ["error    watch.resumed-on-another-curve"]


def test_every_group_of_every_update_is_recorded() -> None:
    optimizer = sgd(groups=3)
    optimizer.param_groups[1]["lr"] = 0.01
    scheduler = ExponentialLR(optimizer, 0.9)
    watch = watched(optimizer, scheduler)
    by_epoch(optimizer, scheduler, 2)
    optimizer.load_state_dict(optimizer.state_dict())  # puts other groups in place of these
    by_epoch(optimizer, scheduler, 1)
    assert watch.rates.shape == (30, 3)
    assert watch.rates[:, 1].tolist() == [0.01] * 10 + [0.01 * 0.9] * 10 + [0.01 * 0.9 * 0.9] * 10


def test_a_step_that_calls_its_parents_is_one_update() -> None:
    class Mine(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            super().step(closure)

    sgd().step()  # torch's hooks are in SGD.step from now on
    watch = watched(Mine([torch.nn.Parameter(torch.ones(1))], lr=0.1))
    optimizer = Mine([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    watch = watched(optimizer)
    for _ in range(5):
        optimizer.step()
    assert len(watch.rates) == 5


@pytest.mark.parametrize("make", [lambda o: CosineAnnealingLR(o, EPOCHS), warmed_up(EPOCHS), ReduceLROnPlateau])
def test_the_scheduler_stays_what_it_is(make: Callable[[Optimizer], Any]) -> None:
    optimizer = sgd()
    scheduler = make(optimizer)
    kind, plain = type(scheduler), copy.deepcopy(scheduler.state_dict())
    watch = watched(optimizer, scheduler)
    assert type(scheduler) is kind
    assert scheduler.state_dict() == plain
    assert type(pickle.loads(pickle.dumps(copy.deepcopy(scheduler)))) is kind
    torch.save(scheduler.state_dict(), io.BytesIO())
    watch.finish()
    assert not hasattr(kind.step, "over")
    assert not optimizer._optimizer_step_post_hooks
    assert not optimizer._optimizer_step_pre_hooks


def test_two_watches_do_not_disturb_each_other() -> None:
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    one, other = watched(optimizer, scheduler), watched(optimizer, scheduler)
    by_epoch(optimizer, scheduler)
    assert one.finish() == other.finish() == []
    assert len(one.rates) == len(other.rates) == UPDATES


def test_its_class_is_as_before_whoever_ends_first() -> None:
    """Another scheduler of the class is not counted meanwhile, and one that is gone leaves nothing in it."""
    methods = dict(vars(CosineAnnealingLR))
    optimizers = [sgd() for _ in range(4)]
    schedulers = [CosineAnnealingLR(o, T_max=EPOCHS) for o in optimizers]
    watches = [watched(o, s) for o, s in zip(optimizers[:3], schedulers[:3], strict=True)]
    for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
        by_epoch(optimizer, scheduler)
    assert [len(w._steps) for w in watches] == [EPOCHS] * 3
    watches[1].finish()
    watches[2].finish()
    del schedulers, scheduler
    gc.collect()
    assert dict(vars(CosineAnnealingLR)) == methods


def test_it_keeps_nothing_alive() -> None:
    optimizer = sgd()
    watch, gone = watched(optimizer, CosineAnnealingLR(optimizer, T_max=EPOCHS)), weakref.ref(optimizer)
    optimizer.step()
    del optimizer
    gc.collect()
    assert gone() is None
    assert len(watch.rates) == 1


def test_as_a_context() -> None:
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    with watched(optimizer, scheduler) as watch:
        by_epoch(optimizer, Still())
    assert rules(watch.findings) == ["watch.never-stepped"]
    assert watch.finish() == watch.findings


def test_bad_input_is_refused() -> None:
    optimizer = sgd()
    for words, said in (
        ("updates=0", {"updates": 0}),
        ("per_epoch=0.5", {"per_epoch": 0.5}),
        ("done=-1", {"done": -1}),
    ):
        with pytest.raises(ConfigError, match=words):
            lrbench.watch(optimizer, **said)
    for none in (LambdaLR, 3):
        with pytest.raises(ConfigError, match="it has no step"):
            lrbench.watch(optimizer, none)
    with pytest.raises(AttributeError, match="no attribute 'wotch'"):
        lrbench.wotch  # noqa: B018


@pytest.mark.slow
def test_the_end_of_the_process_will_do(tmp_path: Path) -> None:
    """And `import lrbench` imports no torch."""
    (tmp_path / "loop.py").write_text(
        "import sys, lrbench\n"
        "assert 'torch' not in sys.modules\n"
        "import torch\n"
        "optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)\n"
        "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)\n"
        "lrbench.watch(optimizer, scheduler, updates=300, per_epoch=10)\n"
        "for update in range(300):\n"
        "    optimizer.step()\n"
        "    scheduler.step()\n"
    )
    done = subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "check.epoch-schedule-stepped-by-batch" in done.stderr
    assert done.stderr.count("check.epoch-schedule-stepped-by-batch") == 1
    assert done.stdout == ""


def test_the_rates_are_those_of_the_update() -> None:
    """Read when the step is made, before a scheduler goes on."""
    optimizer = sgd()
    scheduler = LinearLR(optimizer, 0.1, total_iters=10)
    watch = watched(optimizer, scheduler)
    expected = []
    for _ in range(10):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert np.array_equal(watch.rates[:, 0], expected)
