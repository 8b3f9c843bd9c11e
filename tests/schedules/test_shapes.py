"""The schedules torch lacks, against values a person can check by hand, through the command's own path."""

from typing import Any

import pytest

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.schedules import lr_table

HERE = "scheduler._target_=lrbench.schedules.shapes."


def rates(name: str, *args: str) -> list[float]:
    """Ten updates at the peak 1."""
    custom = ["scheduler=custom", f"{HERE}{name}", "scheduler.interval=batch", *(f"+scheduler.args.{a}" for a in args)]
    common = ["tracker=none", "model=mlp", "horizon=10ba", "eval_every=10ba", "optimizer.lr=1.0"]
    return list(lr_table(config.experiment(*common, *custom)).lr[:, 0])


CASES = [
    ("stable_decay", ("total_iters=end", "decay_iters=50%", "shape=linear"), [1] * 6 + [0.8, 0.6, 0.4, 0.2]),
    ("stable_decay", ("total_iters=end", "decay_iters=4ba", "shape=cosine"), {7: 0.8535533905932737, 8: 0.5}),
    ("stable_decay", ("total_iters=end", "decay_iters=4ba", "shape=one_minus_sqrt", "final_factor=0.1"), {7: 0.55}),
    ("inverse_sqrt", ("warmup_steps=4ba",), {0: 0.25, 1: 0.5, 2: 0.75, 3: 1.0, 8: 2 / 3}),
    ("inverse_sqrt", ("warmup_steps=4ba", "d_model=64"), {0: 1 / 64, 3: 1 / 16, 8: 1 / 24}),
    ("exponential_to", ("total_iters=end", "final_lr=0.01x"), {0: 1.0, 5: 0.1}),
    ("cosine_hold", ("T_max=8ba", "eta_min=0.1"), {0: 1.0, 4: 0.55, 8: 0.1, 9: 0.1}),
    ("cosine_hold", ("T_max=@80%", "eta_min=0.1x"), {0: 1.0, 2: 0.8681980515339464, 4: 0.55, 8: 0.1, 9: 0.1}),
    ("polynomial_floor", ("total_iters=8ba", "power=2", "eta_min=0.2"), {0: 1.0, 2: 0.65, 4: 0.4, 8: 0.2, 9: 0.2}),
    ("cosine_cycles", ("T_0=2ba", "cycle_decay=0.5"), [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125]),
    ("cosine_cycles", ("T_0=2ba", "T_mult=2", "eta_min=0.2"), {0: 1, 1: 0.6, 2: 1, 4: 0.6, 6: 1}),
    ("cosine_cycles", ("T_0=4ba", "cycle_limit=2", "eta_min=0.2"), {0: 1, 2: 0.6, 4: 1, 6: 0.6, 8: 0.2, 9: 0.2}),
    (
        "cosine_cycles",
        ("T_0=4ba", "warmup_steps=2ba", "cycle_decay=0.6", "eta_min=0.2"),
        [0.2, 0.6, 1.0, 0.6, 0.2, 0.4, 0.6, 0.4, 0.2, 0.28],
    ),  # the third cycle's peak is 0.36
    ("inverse_sqrt_decay", ("timescale=2ba",), {0: 1.0, 2: 0.5**0.5, 6: 0.5}),
    ("ramp_from", ("total_iters=4ba", "start_lr=0.2"), [0.2, 0.4, 0.6, 0.8] + [1] * 6),
    ("ramp_from", ("total_iters=5ba", "start_lr=0.2", "peak=last"), [0.2, 0.4, 0.6, 0.8] + [1] * 6),
    ("ramp_from", ("total_iters=4ba", "start_lr=0.2x", "shape=cosine"), {0: 0.2, 1: 0.31715728752538097, 2: 0.6, 4: 1}),
    ("linear_ramp", ("total_iters=4ba", "first=zero"), [0, 0.25, 0.5, 0.75] + [1] * 6),
    ("linear_ramp", ("total_iters=4ba", "first=one_over_w"), [0.25, 0.5, 0.75] + [1] * 7),
    ("exponential_ramp", ("total_iters=2ba", "start_factor=0.01"), [0.01, 0.1] + [1] * 8),
]


@pytest.mark.parametrize(("name", "args", "expected"), CASES)
def test_values_by_hand(name: str, args: tuple[str, ...], expected: Any) -> None:
    got = rates(name, *args)
    wanted = expected if isinstance(expected, dict) else dict(enumerate(expected))
    for step, value in wanted.items():
        assert got[step] == pytest.approx(value, rel=1e-12), step


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("cosine_cycles", ("T_0=4ba", "T_mult=0.5"), r"scheduler\.args\.T_mult=0\.5: .*from 1 on"),
        ("cosine_cycles", ("T_0=4ba", "warmup_steps=4ba"), r"scheduler\.args\.warmup_steps=4: .*a cycle of 4 steps"),
        ("ramp_from", ("total_iters=4ba", "shape=sine"), r"warmup\.args\.shape=sine: choose one of linear, cosine"),
        ("ramp_from", ("total_iters=4ba", "peak=first"), r"warmup\.args\.peak=first: choose after or last"),
        ("ramp_from", ("total_iters=1ba", "peak=last"), r"warmup\.args\.peak=last: a warmup of one step"),
    ],
)
def test_what_has_no_shape_is_refused(name: str, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rates(name, *args)
