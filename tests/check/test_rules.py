"""Of every rule the smallest schedule that it speaks of, and the nearest that it does not. Digits: 16 updates an epoch
with the default batch of 64."""

import pytest
from check_support import Found
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from lrbench.check.linter import IDS, REFUSED

MLP = ("model=mlp",)
VIT = ("model=vit_micro", "optimizer=adamw")
TORCH = "torch.optim.lr_scheduler."
HERE = f"{__name__}."
CUSTOM = ("scheduler=custom", "scheduler.interval=epoch")
COSINE = (*MLP, *CUSTOM, f"scheduler._target_={TORCH}CosineAnnealingLR")
INVERSE_SQRT = (*MLP, "optimizer=adam", "scheduler=inverse_sqrt")
ADAM = (*MLP, "optimizer=adam")
STEP = (*MLP, "scheduler=step", "scheduler.interval=batch")
ONECYCLE = (*MLP, "scheduler=onecycle")
PLATEAU = (*MLP, "scheduler=plateau")
RAMP = ("warmup=linear5", "warmup.args.total_iters=end")
OVERSHOOT = (
    *(*MLP, "warmup=linear5", f"warmup._target_={HERE}overshoot"),
    *("~warmup.args.start_factor", "~warmup.args.end_factor", "~warmup.args.total_iters"),
)
TWO_GROUPS = ("model=vit_micro", "param_groups=backbone_head")
LARGE = ("model=mlp", "model.args.hidden=[12000,1000]", "optimizer=adamw")

# rule: (overrides that it speaks of, the nearest of which it does not)
PAIRS = {
    "epoch-schedule-stepped-by-batch": (
        (*STEP, "scheduler.args.step_size=30"),
        (*STEP, "scheduler.args.step_size=30ep"),
    ),
    "scheduler-steps-first": ((*STEP, "scheduler.first_row=1"), STEP),
    "onecycle-stepped-by-epoch": ((*ONECYCLE, "scheduler.interval=epoch"), ONECYCLE),
    "onecycle-steps-differ": (
        (*ONECYCLE, "scheduler.args.total_steps=960"),
        (*ONECYCLE, "scheduler.args.total_steps=480"),
    ),
    "never-moves": ((*MLP, "horizon=1ep"), (*MLP, "horizon=2ep")),
    "patience-too-long": ((*PLATEAU, "scheduler.args.patience=20"), (*PLATEAU, "scheduler.args.patience=18")),
    "transformer-without-warmup": (VIT, (*VIT, "warmup=linear_5pct")),
    "large-batch-without-warmup": ((*MLP, "batch_size=513"), (*MLP, "batch_size=512")),
    "large-model-or-adamw-without-warmup": (LARGE, (*LARGE, "optimizer.lr=0.00009")),
    "high-rate-without-warmup": (
        (*MLP, "optimizer=adam", "optimizer.lr=0.01"),
        (*MLP, "optimizer=adam", "optimizer.lr=0.009"),
    ),
    "jump-at-seam": ((*MLP, *RAMP, "warmup.args.end_factor=0.5"), (*MLP, *RAMP)),
    "warmup-never-climbs": ((*MLP, "warmup=linear5", "warmup.length=1ep"), (*MLP, "warmup=linear1")),
    "warmup-ends-early": (
        (*MLP, *RAMP[:1], "warmup.args.total_iters=3"),
        (*MLP, *RAMP[:1], "warmup.args.total_iters=5"),
    ),
    "warmup-above-peak": (
        OVERSHOOT,
        (*MLP, *RAMP),
    ),
    "warmup-length": ((*MLP, "warmup=linear5", "horizon=19ep"), (*MLP, "warmup=linear5", "horizon=20ep")),
    "warmup-shorter-than-adam-memory": (
        (*MLP, "optimizer=adam", "optimizer.args.betas=[0.9,0.95]", "warmup=linear_5pct"),  # 24 of 480 updates; 40
        (*MLP, "optimizer=adam", "optimizer.args.betas=[0.9,0.95]", "warmup=linear_5pct", "warmup.length=40ba"),
    ),
    "past-t-max": ((*COSINE, "+scheduler.args.T_max=28"), (*COSINE, "+scheduler.args.T_max=29")),
    "schedule-ends-elsewhere": (
        (*MLP, "warmup=linear5", "scheduler.args.T_max=30"),
        (*MLP, "warmup=linear5", "scheduler.args.T_max=25"),
    ),
    "milestones-shifted-by-warmup": (
        (*MLP, "scheduler=multistep", "scheduler.args.milestones=[10,20]", "warmup=linear5"),
        (*MLP, "scheduler=multistep", "scheduler.args.milestones=[10,20]"),
    ),
    "drops-beyond-horizon": (
        (*MLP, "scheduler=multistep", "scheduler.args.milestones=[10,31]"),
        (*MLP, "scheduler=multistep", "scheduler.args.milestones=[10,30]"),
    ),
    "restart-cut-short": (
        (*MLP, "scheduler=cosine_restarts", "scheduler.args.T_0=20"),
        (*MLP, "scheduler=cosine_restarts", "scheduler.args.T_0=15"),
    ),
    "long-training-at-constant-rate": ((*MLP, "scheduler=constant", "horizon=31ep"), (*MLP, "scheduler=constant")),
    "vit-at-constant-rate": (
        (*VIT, "scheduler=constant", "warmup=linear1", "horizon=11ep"),
        (*VIT, "scheduler=constant", "warmup=linear1", "horizon=10ep"),
    ),
    "cnn-at-constant-rate": (("scheduler=constant", "horizon=11ep"), ("scheduler=constant", "horizon=10ep")),
    "final-rate-high": (
        (*MLP, "scheduler=step", "scheduler.args.gamma=0.5"),  # three times: 0.125
        (*MLP, "scheduler=step", "scheduler.args.gamma=0.45"),
    ),
    "floor-above-peak": (
        (*TWO_GROUPS, "scheduler.args.eta_min=0.006"),  # of 0.01
        (*TWO_GROUPS, "scheduler.args.eta_min=0.005"),
    ),
    "inverse-sqrt-base-rate": (
        (
            *MLP,
            "optimizer=adam",
            "scheduler=inverse_sqrt",
            "scheduler.args.d_model=512",
            "scheduler.args.warmup_steps=4000",
        ),
        (*MLP, "optimizer=adam", "scheduler=inverse_sqrt"),
    ),
    "rate-for-another-batch": (
        ("batch_size=12", "horizon=1ep", "scheduler.interval=batch"),  # 21 times the usual rate of a sample
        ("batch_size=13", "horizon=1ep", "scheduler.interval=batch"),  # 19.7 times
    ),
    "ghost-batch": (("accumulate=2",), (*MLP, "accumulate=2")),
    "onecycle-for-long": ((*ONECYCLE, "horizon=51ep"), (*ONECYCLE, "horizon=50ep")),
    "onecycle-peak-untuned": (
        (*ONECYCLE, "optimizer.lr=0.1"),
        (*ONECYCLE, "optimizer.lr=0.11"),
    ),
    "onecycle-brings-momentum": ((*ONECYCLE, "optimizer=sgd_plain"), ONECYCLE),
    "onecycle-one-peak-for-groups": (
        (*TWO_GROUPS, *CUSTOM[:1], "scheduler.interval=batch", f"scheduler._target_={HERE}one_peak"),
        (*TWO_GROUPS, "scheduler=onecycle"),
    ),
    "weight-decay-schedule": (
        (*MLP, "weight_decay=cosine", "weight_decay.args.T_max=400"),
        (*MLP, "weight_decay=cosine", "weight_decay.args.T_max=480"),
    ),
}
# Of what no option of lrbench's own levels makes: `test_others`.
OTHERS = {"pretrained-and-new-at-one-rate", "rel-threshold-negative-metric"}


def overshoot(optimizer: Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 0.1 + step / 4)


def one_peak(optimizer: Optimizer) -> OneCycleLR:
    return OneCycleLR(optimizer, max_lr=0.1, total_steps=480)


def test_every_rule_is_here() -> None:
    assert {f"check.{name}" for name in {*PAIRS, *OTHERS}} == {*IDS} - {*REFUSED}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_rule_speaks_of_its_mistake_and_not_of_its_neighbour(name: str, found: Found) -> None:
    mistaken, near = PAIRS[name]
    assert f"check.{name}" in [f.rule for f in found(*mistaken)]
    assert f"check.{name}" not in [f.rule for f in found(*near)]


@pytest.mark.parametrize(
    ("optimizer", "usual"),
    [
        (("optimizer=adam",), 1e-3),
        (("optimizer=sgd",), 0.1),
        (("optimizer=sgd_plain",), 1.0),
        (("optimizer=lion",), 1e-4),  # 3 to 10 times below AdamW's
        (("optimizer=muon",), 1e-3),  # scaled to AdamW's
        (("optimizer=muon", "optimizer.args.adjust_lr_fn=original"), 0.02),
    ],
)
def test_what_is_ten_times_the_usual_depends_on_the_optimizer(
    found: Found, optimizer: tuple[str, ...], usual: float
) -> None:
    rule = "check.high-rate-without-warmup"
    high = [f for f in found(*MLP, *optimizer, f"optimizer.lr={10 * usual:g}") if f.rule == rule]
    assert f"(about {usual:.1g})" in high[0].says
    assert rule not in [f.rule for f in found(*MLP, *optimizer, f"optimizer.lr={9 * usual:g}")]


def noisy(optimizer: Optimizer) -> LambdaLR:
    """A decay with noise on it, which falls on its way up again."""
    return LambdaLR(optimizer, lambda step: (1 - step / 40) * (1 + 0.5 * (step * 7 % 5 - 2) / 2))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ((f"{TORCH}CosineAnnealingLR", "+scheduler.args.T_max=10"), True),
        ((f"{TORCH}CosineAnnealingWarmRestarts", "+scheduler.args.T_0=10"), False),
        (
            (
                f"{TORCH}CyclicLR",
                "+scheduler.args.base_lr=0.01",
                "+scheduler.args.max_lr=0.1",
                "+scheduler.args.step_size_up=5",
            ),
            False,
        ),
        ((f"{HERE}noisy",), False),
    ],
)
def test_a_class_that_nobody_described_may_come_back_by_its_nature(
    overrides: tuple[str, ...], told: bool, found: Found
) -> None:
    target, *args = overrides
    findings = found(*MLP, *CUSTOM, f"scheduler._target_={target}", *args, "horizon=30ep")
    assert any(f.rule == "check.past-t-max" for f in findings) == told


def half_way(optimizer: Optimizer) -> LambdaLR:
    """A warmup that comes to half of the peak, and is at it one step later."""
    return LambdaLR(optimizer, lambda step: 0.1 * (step + 1) if step < 5 else 1.0)


CONSTANT = (*MLP, "warmup=constant5")
OWN_RAMP = OVERSHOOT[0], OVERSHOOT[1], f"warmup._target_={HERE}half_way", *OVERSHOOT[3:]


@pytest.mark.parametrize(
    ("overrides", "severity"),
    [
        (OWN_RAMP, "warning"),  # it was to arrive
        (CONSTANT, "note"),  # practice: He et al. 2015
        ((*CONSTANT, "warmup.args.factor=0.74"), "note"),
        ((*CONSTANT, "warmup.args.factor=0.76"), None),
        ((*MLP, "warmup=linear2"), None),  # its own stairs are half of the peak each
        ((*MLP, "warmup=exponential5"), None),  # stairs that grow by one factor
        ((*MLP, "warmup=linear5_one_over_w"), None),
    ],
)
def test_a_jump_upwards_at_the_seam(overrides: tuple[str, ...], severity: str | None, found: Found) -> None:
    assert [f.severity for f in found(*overrides) if f.rule == "check.jump-at-seam"] == [severity] * bool(severity)


@pytest.mark.parametrize(("updates", "told"), [(199, False), (200, True)])
def test_adams_memory_is_told_of_where_a_fifth_of_the_run_holds_it(updates: int, told: bool, found: Found) -> None:
    """40 updates at beta2 = 0.95. In a shorter run a share is all there is, and DeiT's is 1.7 %."""
    said = found(
        *VIT, "optimizer.args.betas=[0.9,0.95]", "warmup=linear_3pct", f"horizon={updates}ba", "eval_every=1ep"
    )
    assert ("check.warmup-shorter-than-adam-memory" in [f.rule for f in said]) == told
