"""What a legal-looking schedule does against its own kind: refused, or told in a line, or nothing to say of it."""

import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from handmade import SCHEDULERS, TORCH, WARMUPS, experiment, optimizer, ramp, scheduler, warmup, with_args
from timm.scheduler import CosineLRScheduler, PolyLRScheduler, StepLRScheduler
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, LRScaling, Optimizer, ParamGroups, Scheduler, Warmup, WeightDecay
from lrbench.metrics import metric_of
from lrbench.schedules import check, hears_metric, lr_table
from lrbench.schedules.feedback import check_feedback

HERE = __name__ + "."
BACKBONE_HEAD = ParamGroups(target="g", lr_scales={"backbone": 0.1, "head": 1.0})


def said(made: Experiment) -> str:
    return "\n".join(remark.says for remark in check(made.schedule))


def refused(made: Experiment) -> str:
    with pytest.raises(ConfigError) as caught:
        check(made.schedule)
    return str(caught.value)


def custom(target: str, interval: str = "epoch", **args: Any) -> Scheduler:
    return Scheduler(target=target, interval=interval, args=args)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_level_as_it_is_has_nothing_against_it(name: str) -> None:
    for warm in ("none", "linear5"):
        if not (scheduler(name).own_warmup and warm != "none"):
            assert said(experiment(name, warm, horizon="300ep")) == ""


# ---- A floor above a peak -----------------------------------------------------------------------------------

FLOORS = [
    ("cosine", {"eta_min": 0.2}, "eta_min=0.2", "eta_min=0.1x"),
    ("cosine_restarts", {"eta_min": 0.2}, "eta_min=0.2", "eta_min=0.1x"),
    ("exponential_to", {"final_lr": 0.2}, "final_lr=0.2", "final_lr=0.1x"),
    ("plateau", {"min_lr": 0.2}, "min_lr=0.2", "min_lr=0.1x"),
    ("cyclic", {"base_lr": 0.2}, "base_lr=0.2", "base_lr=0.1x"),
    ("cosine", {"eta_min": "1.5x"}, "eta_min=1.5x", "eta_min=0.1x"),
]


@pytest.mark.parametrize(("name", "args", "given", "cure"), FLOORS)
def test_a_floor_above_the_peak(name: str, args: dict[str, Any], given: str, cure: str) -> None:
    text = refused(experiment(scheduler(name, args)))
    assert text.startswith(f"scheduler.args.{given}: ")
    assert "0.1, the peak rate of the parameter group 'all'" in text
    assert cure in text
    key = next(iter(args))
    assert said(experiment(scheduler(name, {key: "0.1x"}))) == ""  # the cure
    assert said(experiment(scheduler(name, {key: "1x"}))) == said(experiment(scheduler(name, {key: 0.1})))


def test_a_floor_is_held_against_every_group_at_the_rate_it_has() -> None:
    fields = {"param_groups": BACKBONE_HEAD, "lr_scaling": LRScaling(rule="linear", base_batch=80)}
    below, above = (experiment(scheduler("cosine", {"eta_min": e}), **fields) for e in (0.0009, 0.0011))
    assert said(below) == ""  # 0.1 * 8 / 80 * 0.1 = 0.001
    assert "0.001, the peak rate of the parameter group 'backbone'" in refused(above)
    by_group = {"backbone": 0.0009, "head": 0.0011}
    assert said(with_args(above, eta_min=by_group)) == ""


def overshoot(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 1 + step / 5)


def test_other_rates_above_the_peak() -> None:
    """No argument that a level calls its floor: the rates show it."""
    growing = experiment(scheduler("exponential", {"gamma": "2/ep"}, only_falls=False), horizon="3ep")
    assert "ExponentialLR(gamma=2.0) goes up to 0.4 (update 20), above 0.1, the peak of the group" in refused(growing)
    low_divisor = experiment(scheduler("onecycle", {"final_div_factor": 0.01}))
    assert "above 0.1, the peak of the group 'all'" in refused(low_divisor)
    overshoot = Warmup(target=HERE + "overshoot", interval="epoch", length="5ep")
    text = said(experiment("cosine", overshoot))
    assert text == "warmup: it goes up to 0.18, above the peak 0.1 of group 'all'."


def test_of_a_class_without_a_kind_it_is_told() -> None:
    made = experiment(custom(TORCH + "CosineAnnealingLR", T_max="end", eta_min=0.2))
    assert "goes up to 0.199" in said(made)
    assert "as 0.1x" in said(made)


# ---- A rise of what only falls ------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", ["epoch", "batch"])
@pytest.mark.parametrize("length", ["30ep", 30, "@30ep"])
def test_a_cosine_that_climbs_again(interval: str, length: Any) -> None:
    length = 300 if length == 30 and interval == "batch" else length
    text = refused(experiment(scheduler("cosine", {"T_max": length}, interval=interval)))
    assert re.search(r"rises from \S+ \(update 300\) to 0\.02\d+ \(update 39\d\)", text)
    for cure in ("end", "scheduler=cosine_hold", "scheduler.only_falls=false"):
        assert cure in text


def test_what_is_meant_to_rise_can_say_so() -> None:
    assert said(experiment(scheduler("cosine", {"T_max": "30ep"}, only_falls=False))) == ""
    assert "rises from" in said(experiment(scheduler("cosine", {"T_max": "30ep"}, only_falls=None)))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("linear", {"start_factor": 0.5, "end_factor": 1.0}),
        ("wsd", {"final_factor": 1.5}),
        ("exponential", {"gamma": "1.1/ep"}),
        ("step", {"gamma": 2.0}),
        ("multistep", {"milestones": ["@10ep"], "gamma": 1.5}),
    ],
)
def test_arguments_that_turn_a_decay_around(name: str, args: dict[str, Any]) -> None:
    text = refused(experiment(scheduler(name, args)))
    assert "rises from" in text or "above 0.1, the peak" in text


def test_the_first_step_past_the_floor_is_no_rise_to_speak_of() -> None:
    """With T_max a step short of the run the last row is the floor; two short, and it is above it."""
    assert said(experiment(scheduler("cosine", {"T_max": 39}))) == ""
    assert "rises from" in refused(experiment(scheduler("cosine", {"T_max": 38})))


# ---- A rate that never moves --------------------------------------------------------------------------------


def test_one_epoch_stepped_per_epoch() -> None:
    text = said(experiment("cosine", horizon="1ep"))
    assert "CosineAnnealingLR(T_max=1, eta_min=0.0) never changes the rate" in text
    assert "every 10 updates" in text
    assert "scheduler.interval=batch" in text
    assert said(experiment(scheduler("cosine", interval="batch"), horizon="1ep")) == ""
    assert said(experiment("constant", horizon="1ep")) == ""  # it is not meant to
    assert "never changes" in said(experiment("cosine", ramp("3ep", "epoch"), horizon="4ep"))


def test_drops_beyond_the_horizon() -> None:
    assert "never changes the rate in the 20 epochs" in said(
        experiment(scheduler("step", {"step_size": 30}), horizon="20ep")
    )
    text = said(experiment(scheduler("multistep", {"milestones": [8, 30, 60]}), horizon="20ep"))
    assert text.endswith("milestones=[8, 30, 60]: the schedule has 20 epochs, so that it never comes to 30 and 60.")


def test_a_plateau_that_cannot_fall_even_if_nothing_improves() -> None:
    text = said(experiment(scheduler("plateau", {"patience": 50})))
    assert "never lowers the rate in 40 evaluations, even if val/loss never improves" in text
    assert said(experiment(scheduler("plateau", {"patience": 37}))) == ""  # the 39th metric is the last that counts
    assert said(experiment(scheduler("plateau", {"patience": 38}))) != ""


# ---- Bare numbers and a warmup ------------------------------------------------------------------------------


def test_bare_milestones_that_a_warmup_shifts() -> None:
    made = experiment(scheduler("multistep", {"milestones": [8, 11]}), ramp("1ep", "batch"), horizon="14ep")
    assert said(made) == (
        "scheduler.args.milestones=[8, 11]: bare numbers count from the end of the warmup, so these are epochs 9 and "
        "12 of the run; ['@8ep', '@11ep'] count from its start."
    )
    assert np.flatnonzero(np.diff(lr_table(made).lr[:, 0]) < 0).tolist()[-2:] == [89, 119]
    assert said(with_args(made, milestones=["@8ep", "@11ep"])) == ""  # the cure
    by_batch = experiment(scheduler("multistep", {"milestones": [80]}, interval="batch"), ramp("15ba", "batch"))
    assert "updates 95 of the run; ['@80ba']" in said(by_batch)


def test_nothing_shifts_without_a_warmup_or_with_one_inside_the_first_epoch() -> None:
    for warm in (None, ramp("9ba", "batch")):
        assert said(experiment(scheduler("multistep", {"milestones": [8, 11]}), warm)) == ""


def test_milestones_in_any_order_are_one_schedule_and_written_in_one_way() -> None:
    text = refused(experiment(scheduler("multistep", {"milestones": [20, 10]})))
    assert text == (
        "scheduler.args.milestones=[20, 10]: MultiStepLR takes these in any order, and one schedule is written in one "
        "way; let them ascend: [10, 20]."
    )
    for meant in ([10, 20], [10, 10]):  # twice at one epoch: a drop of both at once
        assert said(experiment(scheduler("multistep", {"milestones": meant}))) == ""
    assert said(experiment(custom(HERE + "in_this_order", factors=[3, 2, 1]))) == ""


def in_this_order(optimizer: torch.optim.Optimizer, factors: list[int]) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: factors[min(step, 2)] / 3)


def test_a_bare_length_that_forgot_the_warmup() -> None:
    text = said(experiment(scheduler("cosine", {"T_max": 40}), "linear5"))
    assert text == "scheduler.args.T_max=40: the warmup leaves 35 of the 40 epochs; write end for all of them."
    assert said(experiment(scheduler("cosine", {"T_max": 35}), "linear5")) == ""


def test_a_bare_length_beyond_the_horizon() -> None:
    text = said(experiment(scheduler("cosine", {"T_max": 100})))
    assert text == "scheduler.args.T_max=100: the schedule has 40 epochs, and is cut off there; end is all of them."
    assert said(experiment(scheduler("inverse_sqrt", {"d_model": 512}), optimizer=optimizer(lr=1.0))) == ""


# ---- A warmup that misses the peak --------------------------------------------------------------------------


def warming_up(target: str = "LinearLR", interval: str = "epoch", length: str = "5ep", **args: Any) -> str:
    return said(experiment("cosine", Warmup(target=TORCH + target, interval=interval, length=length, args=args)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in WARMUPS if name != "none"])
@pytest.mark.parametrize("join", [None, "replace", "min", "product"])
def test_of_every_warmup_level_there_is_nothing_to_say(name: str, join: Any) -> None:
    assert said(experiment("cosine", warmup(name, join=join), horizon="300ep")) == ""


def test_a_warmup_that_never_moves() -> None:
    text = warming_up(start_factor=1.0, end_factor=1.0, total_iters="end")
    assert text.startswith("warmup: LinearLR(start_factor=1.0, end_factor=1.0, total_iters=5) never moves: the rate is")
    assert "the peak 0.1 from the first update on" in text


def test_a_warmup_that_jumps_at_the_seam() -> None:
    text = warming_up(start_factor=0.01, end_factor=0.5, total_iters="end")
    assert text.endswith("comes to 0.05 at its end, and there the rate jumps to 0.1.")
    assert warming_up("ConstantLR", factor=0.1, total_iters="end") == ""  # He et al.: the jump is its meaning


def test_a_bare_length_that_the_warmup_cuts_or_outlasts() -> None:
    text = warming_up(start_factor=0.01, total_iters=10)
    assert text.endswith(
        "comes to 0.0505 at its end, and there the rate jumps to 0.1: warmup.args.total_iters=10 is cut off after 5 "
        "epochs, and end is all of them."
    )
    text = warming_up(start_factor=0.01, total_iters=3)
    assert text.endswith("is at the peak after 3 of its 5 epochs, and stands there for the others.")
    assert warming_up(start_factor=0.01, total_iters=5) == ""


def test_a_warmup_of_one_epoch_stepped_per_epoch() -> None:
    text = warming_up(length="1ep", start_factor=0.01, total_iters="end")
    assert "never climbs: it is stepped every 10 updates, and ends at the first" in text
    assert warming_up("ConstantLR", length="1ep", factor=0.1, total_iters="end") == ""
    assert warming_up(length="1ep", interval="batch", start_factor=0.01, total_iters="end") == ""


def of_five_steps(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, [0.1, 0.2, 0.3, 0.4, 0.5].__getitem__)


def test_a_warmup_that_cannot_be_stepped_past_its_end_is_left_alone() -> None:
    """It does not say where it would go."""
    assert said(experiment("cosine", Warmup(target=HERE + "of_five_steps", interval="epoch", length="5ep"))) == ""


# ---- A weight decay -----------------------------------------------------------------------------------------


def decaying(target: str = "CosineAnnealingLR", interval: str = "batch", **args: Any) -> str:
    spec = WeightDecay(target=TORCH + target, interval=interval, args=args)  # type: ignore[arg-type]
    adamw = optimizer("adamw", args={"weight_decay": 0.04})
    return said(experiment("cosine", weight_decay=spec, optimizer=adamw))


def test_a_weight_decay_that_reaches_its_goal_at_the_end() -> None:
    for goal in (0.4, 0.0):
        assert decaying(T_max="end", eta_min=goal) == ""
        assert decaying(T_max=400, eta_min=goal) == ""
    assert decaying("LinearLR", start_factor=1.0, end_factor=0.1, total_iters="10ep") == ""  # then it stands


def test_a_weight_decay_that_turns_around() -> None:
    text = decaying(T_max=200, eta_min=0.4)
    assert text.startswith("weight_decay: CosineAnnealingLR(T_max=200, eta_min=0.4) moves to 0.4 (update 200) and back")
    assert text.endswith("let its length reach the end (end).")


def test_a_weight_decay_that_the_end_cuts_off() -> None:
    text = decaying(T_max=800, eta_min=0.4)
    assert (
        text == "weight_decay.args.T_max=800: the schedule has 400 updates, and is cut off there; end is all of them."
    )


def test_a_weight_decay_that_never_moves() -> None:
    assert decaying(T_max="end", eta_min=0.04).endswith(
        "never changes the weight decay in the 400 updates that it has."
    )
    text = decaying("StepLR", "epoch", step_size=50)
    assert text.splitlines()[0] == (
        "weight_decay: StepLR(step_size=50) never changes the weight decay in the 40 epochs that it has; "
        "weight_decay.interval=batch steps it at each update."
    )


# ---- What step() takes --------------------------------------------------------------------------------------

TIMM = {
    "timm.scheduler.CosineLRScheduler": (CosineLRScheduler, {"t_initial": 40, "lr_min": 1e-3}),
    "timm.scheduler.PolyLRScheduler": (PolyLRScheduler, {"t_initial": 40, "power": 0.9}),
    "timm.scheduler.StepLRScheduler": (StepLRScheduler, {"decay_t": 12, "decay_rate": 0.1}),
}
OWN_WARMUP = {"warmup_t": 5, "warmup_lr_init": 0.001}  # timm's default: the cosine runs underneath it


@pytest.mark.parametrize("own", [{}, OWN_WARMUP])
@pytest.mark.parametrize("target", TIMM)
def test_timms_schedulers_are_stepped_with_the_epoch(target: str, own: dict[str, Any]) -> None:
    make, args = TIMM[target]
    theirs = make(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1), **args, **own)
    seen = []
    for epoch in range(40):
        seen.append(theirs.optimizer.param_groups[0]["lr"])
        theirs.step(epoch + 1)
    made = experiment(custom(target, **args, **own))
    assert not hears_metric(made.schedule)
    assert lr_table(made).lr[::10, 0].tolist() == seen


def test_timms_cosine_through_the_custom_level() -> None:
    """The figures of timm's own loop over 30 epochs, to 5 digits."""
    made = config.experiment(
        "tracker=none", "model=mlp", "horizon=30ep", "scheduler=custom", "scheduler.interval=epoch",
        "scheduler._target_=timm.scheduler.CosineLRScheduler", "+scheduler.args.t_initial=30",
    )  # fmt: skip
    rates = lr_table(made).lr[::16, 0].round(5).tolist()
    assert rates[:7] == [0.1, 0.09973, 0.09891, 0.09755, 0.09568, 0.0933, 0.09045]
    assert rates[-1] == 0.00027
    assert made.monitor is None


class Counted:
    """Takes both, by names of its own order."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.group = optimizer.param_groups[0]

    def step(self, metric: float, num_updates: int, more: int = 0) -> None:
        self.group["lr"] = 0.1 / (1 + num_updates + metric)


class Unknown(Counted):
    def step(self, temperature: float) -> None:  # type: ignore[override]
        pass


class ByKeyword(Counted):
    def step(self, *, metric: float) -> None:  # type: ignore[override]
        pass


def a_plateau(optimizer: torch.optim.Optimizer, mode: str = "min") -> ReduceLROnPlateau:
    return ReduceLROnPlateau(optimizer, mode=mode, patience=0)


def test_a_step_may_take_both() -> None:
    made = experiment(custom(HERE + "Counted", "metric"), horizon="3ep")
    assert hears_metric(made.schedule)
    assert lr_table(made, [1.0, 2.0]).lr[::10, 0].tolist() == [0.1, 0.1 / 3, 0.1 / 5]


@pytest.mark.parametrize(("name", "needs"), [("Unknown", "temperature"), ("ByKeyword", "metric")])
def test_a_step_that_needs_what_lrbench_does_not_give(name: str, needs: str) -> None:
    text = refused(experiment(custom(HERE + name)))
    assert f"{name}.step() needs an argument named {needs}, which lrbench does not give" in text
    assert "num_updates" in text


def test_a_function_that_returns_a_metric_scheduler_is_one() -> None:
    made = experiment(custom(HERE + "a_plateau", "metric"), horizon="4ep")
    assert hears_metric(made.schedule)
    assert lr_table(made, [1.0, 1.0, 0.5]).lr[::10, 0].tolist() == pytest.approx([0.1, 0.1, 0.01, 0.01])
    with pytest.raises(ConfigError, match="interval=epoch: a_plateau is stepped after an evaluation"):
        check_feedback(experiment(custom(HERE + "a_plateau")).schedule, ["val/loss"])


def test_a_warmup_hears_no_metric() -> None:
    deaf = Warmup(target=HERE + "a_plateau", interval="epoch", length="5ep")
    assert "only the main schedule hears one" in refused(experiment("cosine", deaf))


# ---- Which way a metric is better ---------------------------------------------------------------------------

MEASURED = ["train/loss", "val/loss", "val/accuracy", "val/f1_gap"]


@pytest.mark.parametrize(("monitor", "mode"), [("val/loss", "min"), ("val/accuracy", "max")])
def test_plateaus_mode_follows_the_metric(monitor: str, mode: str) -> None:
    follows, given = (experiment(scheduler("plateau", {"mode": m}), monitor=monitor) for m in (None, mode))
    for made in (follows, given):
        assert said(made) == ""
        assert made.schedule.arguments(made.schedule.main, "all")["mode"] == mode
    metrics = [0.3, 0.6, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert (lr_table(follows, metrics).lr == lr_table(given, metrics).lr).all()


@pytest.mark.parametrize(("monitor", "mode", "cure"), [("val/loss", "max", "min"), ("val/accuracy", "min", "max")])
def test_a_mode_against_the_metric(monitor: str, mode: str, cure: str) -> None:
    for main in (scheduler("plateau", {"mode": mode}), custom(HERE + "a_plateau", "metric", mode=mode)):
        text = refused(experiment(main, monitor=monitor))
        assert re.fullmatch(rf"scheduler\.args\.mode={mode}: .*{monitor}.*; set it to {cure}\.", text)


def test_the_default_of_a_class_named_by_hand_may_be_against_it_too() -> None:
    by_hand = experiment(custom(TORCH + "ReduceLROnPlateau", "metric"), monitor="val/accuracy")
    assert "mode=min: more of val/accuracy is better" in refused(by_hand)


def test_where_the_direction_is_not_known_it_must_be_given() -> None:
    assert metric_of("val/f1_gap", {}).higher_is_better is None
    made = experiment("plateau", monitor="val/f1_gap")
    with pytest.raises(ConfigError, match=r"scheduler\.args\.mode=null: .*val/f1_gap is better.*give min or max"):
        check_feedback(made.schedule, MEASURED)
    for mode in ("min", "max"):
        assert said(with_args(made, mode=mode)) == ""


# ---- What a scheduler must not move, and chance --------------------------------------------------------------


def beta2(optimizer: torch.optim.Optimizer) -> LambdaLR:
    def factor(step: int) -> float:
        optimizer.param_groups[0]["betas"] = (0.9, 0.99 + step / 1e4)
        return 1.0

    return LambdaLR(optimizer, factor)


def beta1(optimizer: torch.optim.Optimizer) -> LambdaLR:
    def factor(step: int) -> float:
        optimizer.param_groups[0]["betas"] = (0.9 - step / 1e3, 0.999)
        return 1.0

    return LambdaLR(optimizer, factor)


def chance(optimizer: torch.optim.Optimizer, source: str) -> LambdaLR:
    draws = {
        "torch": lambda: float(torch.rand(())),
        "numpy": lambda: float(np.random.rand()),
        "random": random.random,
        "its own": np.random.default_rng().random,
    }
    return LambdaLR(optimizer, lambda step: 0.5 + draws[source]() / 2)


def test_a_scheduler_that_moves_beta2() -> None:
    adamw = optimizer("adamw", lr=0.1)
    assert "beta2 also changes beta2; only rate and momentum (beta1) may move" in refused(
        experiment(custom(HERE + "beta2"), optimizer=adamw)
    )
    moved = lr_table(experiment(custom(HERE + "beta1"), optimizer=adamw)).momentum
    assert moved is not None
    assert moved[10, 0] == pytest.approx(0.899)


@pytest.mark.parametrize("source", ["torch", "numpy", "random"])
def test_a_scheduler_that_draws_random_numbers(source: str) -> None:
    text = refused(experiment(custom(HERE + "chance", source=source)))
    assert "chance draws random numbers" in text
    assert "fixed seed" in text


def test_a_scheduler_with_a_generator_of_its_own_and_no_seed() -> None:
    main = Scheduler(target=HERE + "chance", interval="epoch", args={"source": "its own"}, numerics="0123456789abcdef")
    assert "gives other rates when it is built again" in refused(experiment(main))


# ---- Rounding, and the end of an exponential -----------------------------------------------------------------


@pytest.mark.parametrize("start", [0.1, 0.3, 1 / 3])
def test_what_rounding_leaves_below_zero_is_as_torch_has_it(start: float) -> None:
    made = experiment(scheduler("linear", {"start_factor": start, "total_iters": 20}))
    ours = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.LinearLR(ours, start, 0.0, 20)
    seen = []
    for _ in range(40):
        seen.append(ours.param_groups[0]["lr"])
        ours.step()
        theirs.step()
    assert lr_table(made).lr[::10, 0].tolist() == seen
    assert -1e-17 < seen[-1] < 0


def test_exponential_to_stays_at_its_final_rate() -> None:
    """A tenth after 20 epochs, and not a thousandth of a tenth after 40."""
    rates = lr_table(experiment(scheduler("exponential_to", {"final_lr": "0.1x", "total_iters": "20ep"}))).lr[::10, 0]
    assert rates[10] == pytest.approx(0.1 * 0.1**0.5)
    assert rates[20:].tolist() == pytest.approx([0.01] * 20, rel=1e-12)


# ---- An optimizer that warms up by itself --------------------------------------------------------------------


def warming(params: Any, lr: float, num_warmup_steps: int = 10) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=lr)


def test_an_optimizers_own_warmup() -> None:
    free = optimizer("schedulefree_adamw")
    with_warmup = Optimizer(target=free.target, lr=free.lr, args={**free.args, "warmup_steps": 100})
    text = refused(experiment("constant", optimizer=with_warmup))
    assert text.startswith("optimizer.args.warmup_steps=100: AdamWScheduleFree would warm up by itself")
    assert "warmup=linear_10pct" in text
    assert said(experiment("constant", "linear5", optimizer=free)) == ""
    by_default = Optimizer(target=HERE + "warming", lr=0.1)
    assert "num_warmup_steps=10" in refused(experiment("constant", optimizer=by_default))
    off = Optimizer(target=HERE + "warming", lr=0.1, args={"num_warmup_steps": 0})
    assert said(experiment("constant", optimizer=off)) == ""


def test_restarts_at_every_step_stand_still() -> None:
    """Cycles pass, but not one that is a constant; the level that is meant to be one does."""
    restarts = experiment(scheduler("cosine_restarts", {"T_0": "1ep"}))
    assert "never changes the rate in the 40 epochs" in said(restarts)
    assert said(experiment(scheduler("cosine_restarts", {"T_0": "2ep"}))) == ""
    assert said(experiment("constant")) == ""
