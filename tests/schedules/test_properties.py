"""What holds for every schedule, on random experiments."""

from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest
from handmade import (
    GROUPS,
    SCHEDULERS,
    TORCH,
    experiment,
    level,
    optimizer,
    ramp,
    scheduler,
    warmup,
    with_args,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.experiment import Experiment, Scheduler
from lrbench.schedules import Feedback, lr_table

PEAK = 0.1
few = settings(max_examples=settings.default.max_examples // 6)  # for each level
TENS = st.integers(1, 6).map(lambda n: 10 * n)  # epochs of which 30, 60, 90 and 10 % are whole


def in_shares(name: str) -> bool:
    """Whether all times of a level are shares of the horizon, so that its curve stretches with it. Left out by design
    4.4: a schedule that warms up by itself (one cycle, inverse square root), and one that hears a metric."""
    plain = level("scheduler", name)
    words = [w for v in plain["args"].values() for w in (v if isinstance(v, list) else [v]) if isinstance(w, str)]
    absolute = any(w.endswith(("ep", "ba")) for w in words)
    return not (absolute or plain.get("own_warmup") or plain["interval"] == "metric" or name == "custom")


SHARES = [name for name in SCHEDULERS if in_shares(name)]
# With a unit, the same curve per epoch and per update.
EXPONENTIALS = {g: Scheduler(target=TORCH + "ExponentialLR", interval="epoch", args={"gamma": g})
                for g in ("0.95/ep", "0.1/end", "0.1/30%")}  # fmt: skip


def rates(made: Experiment, *metrics: list[float]) -> np.ndarray:
    return lr_table(made, *metrics).lr[:, 0]


def require_close(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * PEAK)


def by(main: Scheduler, interval: str) -> Scheduler:
    return replace(main, interval=interval)


@pytest.mark.parametrize(
    ("name", "length"),
    [("linear", "total_iters"), ("polynomial", "total_iters"), ("polynomial_floor", "total_iters"),
     ("cosine_hold", "T_max"), ("exponential_to", "total_iters"), ("wsd", "total_iters")],
)  # fmt: skip
def test_a_decay_that_ends_before_the_run_holds_its_floor(name: str, length: str) -> None:
    """From its last step on, exactly: 30 of 40 epochs after a warmup of 5."""
    table = rates(experiment(scheduler(name, {length: "@30ep"}, interval="epoch"), "linear5"))
    assert (np.diff(table[60:310:10]) <= 0).all()
    assert table[290] > table[300]
    assert (table[300:] == table[300]).all()


# ---- Granularity and stretching -----------------------------------------------------------------------------


@given(
    main=st.sampled_from(SHARES),
    interval=st.sampled_from(["epoch", "batch"]),
    warm=st.sampled_from(["none", "linear_10pct"]),
    epochs=TENS,
    per_epoch=st.integers(1, 12),
    factor=st.integers(2, 7),
)
def test_stretching_the_horizon_stretches_the_curve(
    main: str, interval: str, warm: str, epochs: int, per_epoch: int, factor: int
) -> None:
    short = experiment(scheduler(main, interval=interval), warm, per_epoch=per_epoch, horizon=f"{epochs}ep")
    long = replace(short, horizon=f"{factor * epochs}ep")
    tick = 1 if interval == "batch" else per_epoch  # the first update of each step: between steps there is no curve
    start = lr_table(short).warmup
    require_close(rates(long)[factor * start :: factor * tick], rates(short)[start::tick])
    require_close(rates(long)[: factor * start : factor], rates(short)[:start])


@given(
    main=st.sampled_from([*map(scheduler, SHARES), *EXPONENTIALS.values()]),
    warm=st.sampled_from(["none", "linear5", "linear_10pct"]),
    warm_interval=st.sampled_from(["epoch", "batch"]),
    epochs=st.integers(2, 6).map(lambda n: 10 * n),
    per_epoch=st.integers(1, 12),
)
def test_per_update_and_per_epoch_agree_where_an_epoch_begins(
    main: Scheduler, warm: str, warm_interval: str, epochs: int, per_epoch: int
) -> None:
    made = experiment(main, warm, per_epoch=per_epoch, horizon=f"{epochs}ep")
    fine = replace(made, scheduler=by(main, "batch"))
    if fine.warmup is not None:
        fine = replace(fine, warmup=replace(fine.warmup, interval=warm_interval))
    require_close(rates(fine)[::per_epoch], rates(made)[::per_epoch])


@given(epochs=TENS, per_epoch=st.integers(2, 12), factor=st.integers(2, 5))
def test_one_cycle_agrees_and_stretches_up_to_one_step(epochs: int, per_epoch: int, factor: int) -> None:
    """Its steps are k / (n - 1), not k / n, so that it is a step off; the steepest part is the rise, 0.3 n - 1 long."""
    coarse = experiment(scheduler("onecycle", interval="epoch"), per_epoch=per_epoch, horizon=f"{epochs}ep")
    fine = replace(coarse, scheduler=scheduler("onecycle"))
    if epochs > 10:
        gap = np.abs(rates(fine)[::per_epoch] - rates(coarse)[::per_epoch]).max()
        assert 0 < gap <= PEAK * pi / 2 / (0.3 * epochs - 1)
    stretched = rates(replace(fine, horizon=f"{factor * epochs}ep"))[::factor]
    n = epochs * per_epoch
    assert np.abs(stretched - rates(fine)).max() <= PEAK * pi / 2 / (0.3 * n - 1)


def test_one_cycles_gap_shrinks_with_the_steps() -> None:
    gaps = []
    for epochs in (20, 200):
        coarse = rates(experiment(scheduler("onecycle", interval="epoch"), per_epoch=7, horizon=f"{epochs}ep"))
        fine = rates(experiment("onecycle", per_epoch=7, horizon=f"{epochs}ep"))
        gaps.append(np.abs(fine - coarse)[::7].max() / PEAK)
    assert gaps == pytest.approx([0.13, 0.012], rel=0.1)  # why it is not held to 1e-12


# ---- The knob, the groups, the joint ------------------------------------------------------------------------

FLOORS = {
    "cosine_floor1e-5": 1e-5,
    "cosine_floor1e-6": 1e-6,
    "plateau": 1e-6,
}  # absolute rates in a level: they stay where they are
OF_A_WIDTH = ("inverse_sqrt_d512", "inverse_sqrt_d64")  # the formula of a model's width, times the optimizer's rate


@pytest.mark.parametrize("name", SCHEDULERS)
@few
@given(factor=st.floats(0.01, 10), seed=st.integers(0, 99))
def test_the_optimizers_rate_is_the_peak_under_every_level(name: str, factor: float, seed: int) -> None:
    metrics = np.random.default_rng(seed).random(300).tolist()
    made = experiment(name, horizon="300ep", per_epoch=2)
    once = rates(made, metrics)
    moved = rates(replace(made, optimizer=optimizer(lr=PEAK * factor)), metrics)
    if name not in OF_A_WIDTH:
        assert moved.max() == pytest.approx(PEAK * factor, rel=1e-12)
    floor = FLOORS.get(name)
    if floor is None:
        np.testing.assert_allclose(moved, factor * once, rtol=1e-12, atol=0)
    elif name == "plateau":
        free = (once > 1.1 * floor) & (moved > 1.1 * floor)  # the others have reached the floor
        np.testing.assert_allclose(moved[free], factor * once[free], rtol=1e-12, atol=0)
        assert moved.min() >= floor
    else:
        np.testing.assert_allclose(moved - floor, (PEAK * factor - floor) / (PEAK - floor) * (once - floor), atol=1e-14)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("warm", ["none", "linear5"])
def test_two_groups_are_each_alone(name: str, warm: str) -> None:
    warm = "none" if scheduler(name).own_warmup else warm
    one = experiment(name, warm, horizon="300ep", per_epoch=3)
    metrics = np.random.default_rng(1).random(300).tolist()
    alone, both = (lr_table(replace(one, param_groups=g), metrics) for g in (None, GROUPS))
    assert both.groups == ("decay", "no_decay")
    assert alone.groups == ("all",)
    assert (both.lr == alone.lr).all()  # the one column against each of the two
    if both.momentum is not None:
        assert (both.momentum == alone.momentum).all()


@given(floors=st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)), relative=st.booleans())
def test_a_value_by_group_is_that_group_alone(floors: tuple[float, float], relative: bool) -> None:
    values: list[Any] = [f"{f:.6f}x" if relative else f for f in floors]
    both = experiment(scheduler("cosine", {"eta_min": dict(zip(("decay", "no_decay"), values, strict=True))}))
    table = lr_table(replace(both, param_groups=GROUPS))
    for column, value in enumerate(values):
        assert (table.lr[:, column] == rates(with_args(experiment("cosine"), eta_min=value))).all()


@given(starts=st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)), last=st.booleans())
def test_a_warmup_starts_at_each_groups_own_rate_exactly(starts: tuple[float, float], last: bool) -> None:
    """An absolute rate by group, or a share of the peak; the peak is the warmup's last row, or the one after it."""
    args = {"start_lr": {"decay": starts[0], "no_decay": f"{starts[1]:.6f}x"}, "peak": "last" if last else "after"}
    table = lr_table(experiment("constant", warmup("linear_10pct_linspace", args), param_groups=GROUPS))
    assert table.lr[0].tolist() == [starts[0], float(f"{starts[1]:.6f}") * PEAK]
    assert (table.lr[39 if last else 40] == PEAK).all()
    assert last or (table.lr[39] <= PEAK).all()


MAINS = ["constant", "cosine", "custom", scheduler("multistep", {"milestones": ["@20ep", "@30ep"]}),
         scheduler("step", {"step_size": "2ep"})]  # fmt: skip


@given(
    mains=st.tuples(*[st.sampled_from(MAINS)] * 2),
    intervals=st.tuples(*[st.sampled_from(["epoch", "batch"])] * 2),
    warm=st.integers(1, 19),
    warm_intervals=st.tuples(*[st.sampled_from(["epoch", "batch"])] * 2),
    horizon=st.integers(300, 420),
)
def test_warmup_and_main_know_nothing_of_each_other(
    mains: tuple[Any, Any], intervals: tuple[str, str], warm: int, warm_intervals: tuple[str, str], horizon: int
) -> None:
    """Whatever the two intervals are: the main rows are the same under any warmup of that length, and the reverse."""
    one, other = (scheduler(m) if isinstance(m, str) else m for m in mains)
    made = experiment(by(one, intervals[0]), ramp(f"{warm}ep", warm_intervals[0]), horizon=f"{horizon}ba")
    table = lr_table(made)
    assert table.warmup == 10 * warm
    other_main = lr_table(replace(made, scheduler=by(other, intervals[1])))
    other_warmup = lr_table(replace(made, warmup=ramp(f"{warm}ep", warm_intervals[1])))
    assert (other_main.lr[: table.warmup] == table.lr[: table.warmup]).all()
    assert (other_warmup.lr[table.warmup :] == table.lr[table.warmup :]).all()


UNDER = [n for n in SCHEDULERS if not level("scheduler", n).get("own_warmup") and n != "plateau"]


@pytest.mark.parametrize("name", UNDER)
def test_a_schedule_under_its_warmup_is_the_one_without_a_warmup(name: str) -> None:
    """Rates after the warmup, and momenta from update 0; before it, the rows of the three joins."""
    alone = lr_table(experiment(name, horizon="300ep", per_epoch=3, param_groups=GROUPS))
    ramp_ = lr_table(experiment("constant", "linear5", horizon="300ep", per_epoch=3)).lr[:15]
    rows = {"replace": ramp_, "min": np.minimum(ramp_, alone.lr[:15]), "product": alone.lr[:15] * ramp_ / PEAK}
    for join, wanted in rows.items():
        made = experiment(name, warmup("linear5", join=join), horizon="300ep", per_epoch=3, param_groups=GROUPS)
        table = lr_table(made)
        assert table.warmup == 15
        require_close(table.lr[:15], np.broadcast_to(wanted, (15, 2)))
        assert (table.lr[15:] == alone.lr[15:]).all()
        if alone.momentum is not None:
            assert table.momentum is not None
            assert (table.momentum == alone.momentum).all()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_same_experiment_has_the_same_table(name: str) -> None:
    made = experiment(name, horizon="300ep", per_epoch=3)
    one, other = lr_table(made), lr_table(replace(made, seed=5, batch_size=8))
    assert (one.lr == other.lr).all()
    assert one.lr.dtype == np.float64
    assert one.lr.shape == (900, 1)


# ---- Feedback -----------------------------------------------------------------------------------------------

PLATEAUS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.floats(0.1, 0.9),
        "patience": st.integers(0, 3),
        "threshold": st.floats(0, 0.5),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 2),
        "min_lr": st.sampled_from([0.0, 1e-3, {"decay": 1e-3, "no_decay": 1e-2}]),
    },
)
METRICS = st.lists(st.one_of(st.floats(-2, 2), st.sampled_from([float("nan"), float("inf")])), min_size=1, max_size=25)


@pytest.mark.slow
@given(
    args=PLATEAUS,
    metrics=METRICS,
    per_eval=st.integers(1, 25),
    warm=st.integers(0, 30),
    horizon=st.integers(31, 150),
    by_batch=st.booleans(),
)
def test_what_was_heard_so_far_settles_the_known_rows(
    args: dict[str, Any], metrics: list[float], per_eval: int, warm: int, horizon: int, by_batch: bool
) -> None:
    main = scheduler("plateau", {"patience": 1, **args}, interval="batch" if by_batch else "metric")
    made = experiment(
        main,
        ramp(f"{warm}ba", "batch") if warm else None,
        horizon=f"{horizon}ba",
        eval_every=f"{per_eval}ba",
        param_groups=GROUPS,
    )
    table = lr_table(made, metrics)
    live = Feedback(made.schedule)
    tick = 1 if by_batch else per_eval
    for k in range(len(metrics) + 1):
        part = lr_table(made, metrics[:k])
        # After k values, the rate is certain up to the next evaluation after the warmup.
        assert part.known == min(horizon, (warm // tick + k + 1) * tick)
        assert (part.lr[: part.known] == table.lr[: part.known]).all()
        assert (part.lr[part.known :] == part.lr[part.known - 1]).all()
        if part.known > (warm // tick + k) * tick:  # the run is long enough to use the k-th value
            assert live.row == part.lr[part.known - 1].tolist()
        assert Feedback(made.schedule, metrics[:k]).row == live.row  # resumed
        if k < len(metrics):
            live.step(metrics[k])
    assert live.metrics == metrics


def test_a_schedule_that_hears_nothing_ignores_metrics() -> None:
    made = experiment("cosine")
    table = lr_table(made, [1.0, 2.0])
    assert (table.lr == lr_table(made).lr).all()
    assert table.known == 400
