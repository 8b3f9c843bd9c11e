"""The schedules torch lacks, against values a person can check by hand, through the command's own path."""

import pytest

from lrbench.config import experiments as config
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
    ("linear_ramp", ("total_iters=4ba", "first=zero"), [0, 0.25, 0.5, 0.75] + [1] * 6),
    ("linear_ramp", ("total_iters=4ba", "first=one_over_w"), [0.25, 0.5, 0.75] + [1] * 7),
    ("exponential_ramp", ("total_iters=2ba", "start_factor=0.01"), [0.01, 0.1] + [1] * 8),
]


@pytest.mark.parametrize(("name", "args", "expected"), CASES)
def test_values_by_hand(name: str, args: tuple[str, ...], expected: list[float] | dict[int, float]) -> None:
    got = rates(name, *args)
    wanted = expected if isinstance(expected, dict) else dict(enumerate(expected))
    for step, value in wanted.items():
        assert got[step] == pytest.approx(value, rel=1e-12), step
