"""What a schedule refuses: always a ConfigError that names the option, its value and the cure."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from handmade import GROUPS, TORCH, experiment, ramp, scheduler, warmup
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Scheduler, Warmup
from lrbench.schedules import Feedback, hears_metric, lr_table
from lrbench.schedules.feedback import check_feedback

HERE = __name__ + "."


def refused(made: Any, *words: str) -> str:
    """The refusal of a table, of whose words these are the essential ones."""
    with pytest.raises(ConfigError) as caught:
        lr_table(made() if callable(made) else made)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def main(target: str, interval: str = "epoch", **args: Any) -> Scheduler:
    return Scheduler(target=target if "." in target else TORCH + target, interval=interval, args=args)


def cosine(value: Any, interval: str = "epoch", warm: Any = None, **fields: Any) -> Experiment:
    return experiment(main("CosineAnnealingLR", interval, T_max=value), warm, **fields)


def multistep(milestones: Any, interval: str = "epoch", warm: Any = None, **fields: Any) -> Experiment:
    return experiment(main("MultiStepLR", interval, milestones=milestones), warm, **fields)


# ---- What is no time ----------------------------------------------------------------------------------------

NO_TIME = [
    "5 epochs", "-3ep", "+3ep", "30 ep", "3", "010", "3.5", "1e-3", "3e2ep", "3epochs", "3 %", "3.ep", "1_0x",
    "-1x", "-0.5/ep", "1:30", "2024-01-01", "3updates", "٣ep",
]  # fmt: skip


@pytest.mark.parametrize("interval", ["epoch", "batch"])
@pytest.mark.parametrize("value", NO_TIME)
def test_what_starts_like_a_number_and_is_no_time(value: str, interval: str) -> None:
    said = refused(cosine(value, interval), f"scheduler.args.T_max={value}", "neither a number nor a time")
    for cure in ("30ep", "500ba", "10%", "end", "@30ep", "0.95/ep", "0.01x"):
        assert cure in said


def test_a_number_in_quotes_is_refused_by_the_whole_path() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.args\.T_max=3: neither a number nor a time"):
        config.experiment("tracker=none", "model=mlp", "scheduler=cosine", "scheduler.args.T_max='3'")


@pytest.mark.parametrize("word", ["ep", ".ep", "cos", "End", "end ", "nan", "infx", "inf/ep", ""])
def test_a_plain_word_goes_to_torch_whose_error_is_put_into_words(word: str) -> None:
    refused(cosine(word), f"CosineAnnealingLR(T_max={word})", "TypeError", "Change scheduler.args")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("120%", ("T_max=120%", "at most 100%")),
        ("100.1%", ("T_max=100.1%", "at most 100%")),
        ("0ep", ("T_max=0ep", "zero", "longer")),
        ("0%", ("T_max=0%", "zero", "longer")),
        ("0ba", ("T_max=0ba", "zero", "longer")),
        ("41ep", ("T_max=41ep", "only 40", "are left", "write end")),
    ],
)
@pytest.mark.parametrize("interval", ["epoch", "batch"])
def test_a_length_of_nothing_or_past_the_end(value: str, words: tuple[str, ...], interval: str) -> None:
    refused(cosine(value, interval), *words)


def test_what_rounds_to_zero_updates() -> None:
    refused(cosine("0.1%", "batch"), "T_max=0.1%", "zero updates", "longer")  # 0.4 updates
    assert lr_table(cosine("0.2%", "batch")).lr[1, 0] == pytest.approx(0, abs=1e-15)  # 0.8: one update


@pytest.mark.parametrize(
    ("value", "warm", "words"),
    [
        ("36ep", "linear5", ("36 steps", "only 35 are left", "write end")),
        ("36ep", ramp("25ba", "batch"), None),  # 38 begin after it, the one under way included
        ("39ep", ramp("25ba", "batch"), ("39 steps", "only 38 are left", "write end")),
    ],
)
def test_a_length_must_fit_behind_the_warmup(value: str, warm: Any, words: tuple[str, ...] | None) -> None:
    if words is None:
        lr_table(cosine(value, warm=warm))
    else:
        refused(cosine(value, warm=warm), *words)


WHOLE = [
    ("2.5ep", "2.5 epochs", "2ep and 3ep"),
    ("25ba", "2.5 epochs", "2ep and 3ep"),
    ("33%", "13.2 epochs", "13ep and 14ep"),
    ("0.4%", "0.16 epochs", "the nearest: 1ep;"),
]


@pytest.mark.parametrize(("value", "is_", "near"), WHOLE)
def test_an_epoch_schedule_takes_whole_epochs(value: str, is_: str, near: str) -> None:
    refused(cosine(value), f"T_max={value}", is_, near, "once an epoch (10 updates)", "scheduler.interval=batch")
    lr_table(cosine(value, "batch"))  # the cure


def test_a_length_is_whole_updates() -> None:
    refused(cosine("2.55ep", "batch"), "T_max=2.55ep", "25.5 updates (10 an epoch)", "25ba and 26ba")
    refused(cosine("2.5ba", "batch"), "T_max=2.5ba", "2.5 updates", "2ba and 3ba")


def test_patience_is_whole_evaluations() -> None:
    made = experiment(scheduler("plateau", {"patience": "3ep"}), eval_every="2ep")
    refused(made, "patience=3ep", "1.5 evaluations", "once an evaluation (20 updates)", "20ba and 40ba", "eval_every")
    lr_table(replace(made, eval_every="1ep"))  # the cure
    for near in ("20ba", "40ba"):
        lr_table(experiment(scheduler("plateau", {"patience": near}), eval_every="2ep"))


# ---- Positions ----------------------------------------------------------------------------------------------

POSITIONS = [
    (["@30%", "@20%"], None, ("must ascend", "later")),
    (["@3ep", "@3ep"], None, ("must ascend", "later")),
    (["@3ep", 4], None, ("milestones=['@3ep', 4]", "at sign", "or none")),
    (["@3ep", "4ep"], None, ("at sign", "or none")),
    (["@41ep"], None, ("milestones=@41ep", "update 410", "past the end of the horizon (400 updates)", "@60%")),
    (["@401ba"], None, ("milestones=@401ba",)),
    (["@4ep"], "linear5", ("milestones=@4ep", "update 40", "inside the warmup (updates 0 to 49)", "behind the warmup")),
    (["@2ep"], ramp("25ba", "batch"), ("update 20", "inside the warmup (updates 0 to 24)")),
    (["@2.5ep"], None, ("milestones=@2.5ep", "2.5 epochs", "@2ep and @3ep", "scheduler.interval=batch")),
    (["@45ba"], None, ("4.5 epochs", "@4ep and @5ep", "scheduler.interval=batch")),
    (["@120%"], None, ("milestones=@120%", "at most 100%")),
    (["@-3ep"], None, ("milestones=@-3ep", "no length of time")),
    (["@3"], None, ("milestones=@3", "no length of time", "30ep")),
    (["@"], None, ("milestones=@", "no length of time")),
    (["@3 ep"], None, ("milestones=@3 ep", "no length of time", "without a space")),
]


@pytest.mark.parametrize(("milestones", "warm", "words"), POSITIONS)
def test_positions_that_are_refused(milestones: Any, warm: Any, words: tuple[str, ...]) -> None:
    refused(multistep(milestones, warm=warm), *words)


def test_a_position_is_a_whole_update() -> None:
    said = refused(multistep(["@0.55ep"], "batch"), "milestones=@0.55ep", "5.5 updates", "@5ba and @6ba")
    assert "evaluation" not in said
    for near in ("@5ba", "@6ba"):
        lr_table(multistep([near], "batch"))


@pytest.mark.parametrize("interval", ["epoch", "batch"])
def test_a_position_at_the_end_of_the_warmup_drops_on_the_first_main_row(interval: str) -> None:
    rates = lr_table(multistep(["@5ep"], interval, "linear5")).lr[:, 0]
    assert rates[49] == pytest.approx(0.0802)
    assert rates[50:] == pytest.approx(0.01)


# ---- Factors and relative values ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gamma", "words"),
    [
        ("0.95/", ("gamma=0.95/", "no length of time")),
        ("0.95/epoch", ("gamma=0.95/epoch", "no length of time")),
        ("0.1/@30ep", ("gamma=0.1/@30ep", "no length of time")),
        ("0.1/0ep", ("gamma=0.1/0ep", "no time at all", "longer")),
        ("0.1/150%", ("gamma=0.1/150%", "at most 100%")),
        ("-0.5/ep", ("gamma=-0.5/ep", "neither a number nor a time")),
        ("1e400/ep", ("gamma=inf", "the rate inf at step 1")),
    ],
)
@pytest.mark.parametrize("interval", ["epoch", "batch"])
def test_factors_over_time(gamma: str, words: tuple[str, ...], interval: str) -> None:
    refused(experiment(main("ExponentialLR", interval, gamma=gamma)), *words)


GROUPED = [
    ({"decay": 1e-3}, "no value for the parameter group 'no_decay'; name every group"),
    ({"dcay": 1e-3, "no_decay": 1e-4}, "eta_min.dcay: no such parameter group. Did you mean 'decay'?"),
    ({"decay": 1e-3, "no_decay": 1e-4, "all": 1.0}, "eta_min.all: no such parameter group"),
    ({"decay": 1e-3, "no_decay": "5 epochs"}, "eta_min=5 epochs: neither a number nor a time"),
]


@pytest.mark.parametrize(("value", "words"), GROUPED)
def test_values_by_group(value: dict[str, Any], words: str) -> None:
    refused(experiment(scheduler("cosine", {"eta_min": value}), param_groups=GROUPS), words)


def test_a_group_that_the_experiment_does_not_have() -> None:
    refused(experiment(scheduler("cosine", {"eta_min": {"decay": 1e-3}})), "no such parameter group", "Known: all")


# ---- The warmup ---------------------------------------------------------------------------------------------

WARMUPS = [
    ("40ep", "epoch", ("warmup is 400 updates and the horizon 400", "shorten the warmup")),
    ("41ep", "batch", ("warmup is 410 updates and the horizon 400", "shorten the warmup")),
    ("100%", "batch", ("warmup is 400 updates",)),
    ("end", "epoch", ("warmup.length=end", "leave room", "5ep or 10%")),
    ("5", "epoch", ("warmup.length=5", "no length of time", "30ep")),
    ("5 epochs", "epoch", ("no length of time", "without a space")),
    ("-5ep", "epoch", ("no length of time", "sign")),
    ("@5ep", "epoch", ("no length of time",)),
    ("120%", "batch", ("at most 100%",)),
    ("0ep", "epoch", ("zero updates", "longer")),
    ("0.1%", "batch", ("zero updates", "longer")),
    ("25ba", "epoch", ("2.5 epochs", "2ep and 3ep", "warmup.interval=batch")),
    ("2.5ep", "epoch", ("2.5 epochs", "2ep and 3ep", "warmup.interval=batch")),
    ("3%", "epoch", ("1.2 epochs", "1ep and 2ep", "warmup.interval=batch")),
    ("2.55ep", "batch", ("25.5 updates", "25ba and 26ba")),
    ("5ep", "metric", ("warmup.interval=metric", "epoch or batch")),
]


@pytest.mark.parametrize(("length", "interval", "words"), WARMUPS)
def test_warmups_that_are_refused(length: str, interval: str, words: tuple[str, ...]) -> None:
    option = "warmup.interval=" if interval == "metric" else "warmup.length="
    refused(lambda: experiment("cosine", ramp(length, interval)), option, *words)


def test_a_warmup_may_leave_one_update() -> None:
    assert lr_table(experiment(scheduler("cosine", interval="batch"), ramp("399ba", "batch"))).lr[-1, 0] == 0.1


def test_a_warmup_that_torch_refuses_says_so_of_the_warmup() -> None:
    zero = Warmup(target=TORCH + "LinearLR", interval="epoch", length="5ep", args={"start_factor": 0.0})
    refused(experiment("cosine", zero), "warmup: LinearLR(start_factor=0.0)", "ValueError", "Change warmup.args")


def test_one_cycle_and_a_warmup() -> None:
    refused(lambda: experiment("onecycle", "linear5"), "OneCycleLR warms up by itself", "warmup=none")


# ---- What torch refuses, and what its schedulers must not do -------------------------------------------------


class WeightDecay(LRScheduler):
    """Changes what a schedule of rates must leave alone."""

    def get_lr(self) -> list[float]:
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0.1 / (self.last_epoch + 1)
        return self.base_lrs


def negative(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 1 - step / 10)


def nan(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: math.nan if step == 7 else 1.0)


def complex_(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: (1 - step / 10) ** 0.5)  # complex past step 10


def warns(optimizer: torch.optim.Optimizer) -> LambdaLR:
    import warnings

    warnings.warn("this schedule is deprecated", UserWarning, stacklevel=1)
    return LambdaLR(optimizer, lambda step: 1.0)


def nothing(optimizer: torch.optim.Optimizer) -> None:
    return None


TORCH_REFUSES = [
    (main("CosineAnnealingLR", T_max=0), ("scheduler.args.T_max=0", "divides by it", "at least one step, such as end")),
    (main("ExponentialLR"), ("ExponentialLR()", "gamma", "TypeError")),
    (main("OneCycleLR", max_lr=0.1, total_steps=10), ("OneCycleLR(", "ValueError", "total_steps=10")),
    (main("OneCycleLR", max_lr=0.1, total_steps="end", pct_start=0.025), ("ZeroDivisionError", "pct_start=0.025")),
    (main("OneCycleLR", max_lr=0.1, total_steps="end", pct_start=2.0), ("ValueError", "pct_start=2.0")),
    (main("MultiStepLR", milestones=5), ("MultiStepLR(milestones=5)", "TypeError")),
    (main("ReduceLROnPlateau", "metric", factor=2.0), ("ReduceLROnPlateau(factor=2.0)", "ValueError")),
    (main("ReduceLROnPlateau", "metric", mode="least"), ("ReduceLROnPlateau(mode=least)", "ValueError")),
    (main("StepLR", step_size=3, gama=0.1), ("StepLR(", "gama")),
    (main("CosineAnnealingLR", T_max="end", eta_min=-1.0), ("the rate -", "finite and not negative")),
    (main("ConstantLR", factor=0.0), ("ConstantLR(factor=0.0)", "Change scheduler.args")),
    (main(HERE + "WeightDecay"), ("WeightDecay also changes weight_decay", "only rate and momentum")),
    (main(HERE + "negative"), ("negative() gives the rate -0.01 at step 11 of 40", "not negative")),
    (main(HERE + "nan"), ("nan() gives the rate nan at step 7 of 40", "finite")),
    (main(HERE + "complex_"), ("complex_()", "TypeError", "complex")),
    (main(HERE + "nothing"), ("nothing()", "AttributeError")),
    (main(HERE + "missing"), ("scheduler._target_=", "cannot be imported")),
    (main(HERE + "WeightDecy"), ("cannot be imported", "Did you mean 'WeightDecay'?")),
    (main("StepLRR", step_size=3), ("cannot be imported", "Did you mean 'StepLR'?")),
    (
        main("nopackage.Schedule"),
        ("scheduler._target_=nopackage.Schedule", "No module named 'nopackage'", "pip install nopackage"),
    ),
    (main("torch.optim"), ("torch.optim", "module, not a class or function")),
]


@pytest.mark.parametrize(("spec", "words"), TORCH_REFUSES, ids=lambda v: v.target if isinstance(v, Scheduler) else "")
def test_what_is_refused_before_anything_is_trained(spec: Scheduler, words: tuple[str, ...]) -> None:
    refused(experiment(spec), *words)


def test_a_warning_of_somebodys_own_class_is_shown_and_refuses_nothing() -> None:
    with pytest.warns(UserWarning, match="this schedule is deprecated"):
        assert (lr_table(experiment(main(HERE + "warns"))).lr == 0.1).all()


def test_a_bad_rate_that_only_a_longer_horizon_reaches() -> None:
    assert lr_table(experiment(main(HERE + "negative"), horizon="11ep")).lr[-1, 0] == 0


def test_no_rate_of_the_feedback_is_built_with_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="ReduceLROnPlateau"):
        Feedback(experiment(main("ReduceLROnPlateau", "metric", factor=2.0)).schedule)


# ---- Schedules that hear a metric ---------------------------------------------------------------------------

MEASURED = ["train/loss", "val/loss", "val/accuracy"]
UNHEARD = [
    ("plateau", {"monitor": None}, ("monitor=null", "ReduceLROnPlateau", "val/loss")),
    ("plateau", {"monitor": "val/f1"}, ("monitor=val/f1", "never measured", "val/accuracy")),
    (scheduler("plateau", interval="epoch"), {}, ("interval=epoch", "interval=metric", "eval_every=1ep")),
    (scheduler("plateau", interval="batch"), {}, ("monitor=val/loss", "train/loss", "interval=metric")),
    ("plateau", {"warmup": warmup("linear5", join="min")}, ("warmup.join=min", "not its own", "after the warmup")),
    ("plateau", {"monitor": "train/loss"}, ("monitor=train/loss", "interval=batch", "val/loss, val/accuracy")),
    (scheduler("cosine", interval="metric"), {}, ("interval=metric", "CosineAnnealingLR", "epoch or batch")),
]


@pytest.mark.parametrize(("spec", "fields", "words"), UNHEARD)
def test_a_metric_schedule_must_hear_its_metric(spec: Any, fields: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_feedback(experiment(spec, **fields).schedule, MEASURED)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("plateau", {}),
        (scheduler("plateau", interval="batch"), {"monitor": "train/loss"}),
        ("cosine", {"monitor": None}),
        ("cosine", {"monitor": "val/f1"}),
    ],
)
def test_these_are_legal(spec: Any, fields: dict[str, Any]) -> None:
    check_feedback(experiment(spec, **fields).schedule, MEASURED)


class OwnMetric:
    """A user's schedule that hears a metric: halves when told a number above 1."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.groups = optimizer.param_groups

    def step(self, metric: float) -> None:
        for group in self.groups:
            group["lr"] *= 0.5 if metric > 1 else 1.0


def test_a_users_class_may_hear_a_metric() -> None:
    made = experiment(main(HERE + "OwnMetric", "metric"), horizon="4ep")
    assert hears_metric(made.schedule)
    assert lr_table(made, [2.0, 1.0, 2.0]).lr[::10, 0].tolist() == [0.1, 0.05, 0.05, 0.025]
    for name in ("cosine", "onecycle", main(HERE + "nan")):
        assert not hears_metric(experiment(name).schedule)


# ---- Through Hydra: what the signature knows -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("+scheduler.args.T_mx=3",), "no argument 'T_mx'. Did you mean 'T_max'?"),
        (("scheduler=step", "+scheduler.args.step_sise=3"), "no argument 'step_sise'. Did you mean 'step_size'?"),
        (("scheduler=onecycle", "+scheduler.args.max_lr=1"), "max_lr: lrbench gives this argument of OneCycleLR"),
        (("+scheduler.args.optimizer=1",), "optimizer: lrbench gives this argument"),
        (("+scheduler.args.verbose=true",), "no argument 'verbose'"),
        (("scheduler=custom", f"scheduler._target_={TORCH}ExponentialLR", "scheduler.interval=epoch"),
         "ExponentialLR needs gamma; add '+scheduler.args.gamma=...'"),
        (("scheduler=custom", f"scheduler._target_={TORCH}StepLRR", "scheduler.interval=epoch"),
         "Did you mean 'StepLR'?"),
        (("warmup=linear5", "+warmup.args.start_facter=0.1"), "Did you mean 'start_factor'?"),
        (("eval_every=50ep",), "eval_every=50ep"),
        (("optimizer.lr=0",), "optimizer.lr=0"),
        (("optimizer.lr=-0.1",), "optimizer.lr=-0.1"),
        (("optimizer.lr=nan",), "optimizer.lr=nan"),
        (("optimizer.lr=inf",), "optimizer.lr=inf"),
    ],
)  # fmt: skip
def test_arguments_are_bound_to_the_signature(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        config.experiment("tracker=none", "model=mlp", *overrides)


def test_units_need_no_quotes_on_the_command_line() -> None:
    made = config.experiment(
        "tracker=none", "model=mlp", "param_groups=no_decay_norm_bias", "scheduler=cosine",
        "scheduler.args.eta_min={decay: 0.01x, no_decay: 1e-4}", "warmup=linear_10pct", "warmup.length=6%",
    )  # fmt: skip
    rates = lr_table(made).lr
    assert made.scheduler.args["eta_min"] == {"decay": "0.01x", "no_decay": 1e-4}
    assert np.all(rates[-1] >= [1e-3, 1e-4])
