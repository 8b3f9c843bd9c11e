"""The grammar of time, and what it means in updates and steps."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ConfigError
from lrbench.experiment import Component, Data, Experiment, Optimizer, Scheduler
from lrbench.horizon import (
    Clock,
    Phase,
    cadence,
    factor_per_step,
    horizon_updates,
    is_time,
    looks_numeric,
    position,
    round_half_up,
    span,
    steps,
    warmup_updates,
    whole_updates,
)

CLOCK = Clock(updates=437, per_epoch=10, per_eval=20)


def refused(*words: str) -> Any:
    return pytest.raises(ConfigError, match=r".*".join(word.replace(".", r"\.") for word in words))


# ---- The words ----------------------------------------------------------------------------------------------

LENGTHS = ["30ep", "1ep", "0ep", "500ba", "10%", "0.5%", "2.5ep", ".5ep", "010ep", "100%"]
NOT_LENGTHS = [
    "5 epochs", "5epochs", "-3ep", "+3ep", "30 ep", " 30ep", "30ep ", "3", "3.ep", "ep", "%", "", "3e2ep", "3EP", "3Ep",
    "3ep5ba", "٣ep", "1_0ep", "1,5ep", "infep", "end ", "End", "30s", "3/ep",
]  # fmt: skip


@pytest.mark.parametrize("text", LENGTHS)
def test_lengths_and_positions(text: str) -> None:
    assert is_time(text)
    assert is_time("@" + text)
    assert looks_numeric(text)
    assert looks_numeric("@" + text)


@pytest.mark.parametrize("text", NOT_LENGTHS)
def test_what_is_no_length(text: str) -> None:
    assert not is_time(text)
    with refused(f"option={text}".replace("+", r"\+"), "no length of time", "30ep", "500ba", "10%", "end"):
        span(text, CLOCK, "option")


def test_end_is_a_time_and_words_are_not() -> None:
    assert is_time("end")
    assert is_time("@end")
    for word in ("cos", "triangular2", "min", "rel", "none", "ending", "ep"):
        assert not is_time(word)
        assert not looks_numeric(word)
    for nonsense in ("5 epochs", "-3ep", "+3", ".5", "3", "@x", "-.5x"):
        assert not is_time(nonsense)
        assert looks_numeric(nonsense)


@pytest.mark.parametrize(
    ("text", "updates"),
    [
        ("3ep", 30), ("0.25ep", Fraction(5, 2)), (".1ep", 1), ("7ba", 7), ("10%", Fraction(437, 10)), ("100%", 437),
        ("0.1%", Fraction(437, 1000)), ("0ep", 0),
    ],
)  # fmt: skip
def test_a_length_in_updates_is_exact(text: str, updates: Fraction) -> None:
    assert span(text, CLOCK, "option") == updates


def test_shares_end_at_one_hundred() -> None:
    with refused("option=100.01%", "at most 100%"):
        span("100.01%", CLOCK, "option")
    with refused("option=0.5/120%", "at most 100%"):  # the whole value is shown
        span("120%", CLOCK, "option", "0.5/120%")


@given(st.fractions(0, 1000))
def test_halves_are_rounded_up(value: Fraction) -> None:
    whole = round_half_up(value)
    assert -Fraction(1, 2) < whole - value <= Fraction(1, 2)


# ---- Whole updates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "updates"),
    [("3ep", 30), ("2.5ep", 25), ("7ba", 7), ("10%", 44), ("30%", 131), ("0.12%", 1), ("100%", 437)],
)
def test_whole_updates(text: str, updates: int) -> None:
    assert whole_updates(text, CLOCK, "option") == updates


def test_a_share_of_exactly_half_an_update_rounds_up() -> None:
    assert whole_updates("50%", replace(CLOCK, updates=25), "option") == 13
    assert whole_updates("50%", replace(CLOCK, updates=1), "option") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2.55ep", ("option=2.55ep", "25.5 updates", "25ba and 26ba")),
        ("1.5ba", ("option=1.5ba", "1.5 updates", "1ba and 2ba")),
        ("0ep", ("option=0ep", "zero updates", "longer")),
        ("0ba", ("option=0ba", "zero updates", "longer")),
        ("0.1%", ("option=0.1%", "zero updates", "longer")),
        ("end", ("option=end", "no length of time")),
    ],
)
def test_what_is_not_whole_is_refused(text: str, words: tuple[str, ...]) -> None:
    with refused(*words):
        whole_updates(text, CLOCK, "option")


@pytest.mark.parametrize(("text", "updates"), [("30ep", 300), ("2000ba", 2000), ("2.5ep", 25), ("1ba", 1)])
def test_the_horizon(text: str, updates: int) -> None:
    assert horizon_updates(text, Clock(0, 10, 0, 8)) == updates


@pytest.mark.parametrize("text", ["30", "10%", "end", "5 epochs", "30epochs", "@30ep%", ""])
def test_the_horizon_is_epochs_or_updates(text: str) -> None:
    with refused(f"horizon={text}", "30ep", "2000ba"):
        horizon_updates(text, Clock(0, 10, 0, 8))


@pytest.mark.parametrize(("text", "words"), [("-3ep", "no length"), ("0ep", "zero"), ("2.55ep", "25ba and 26ba")])
def test_a_horizon_that_is_no_length(text: str, words: str) -> None:
    with refused(f"horizon={text}", words):
        horizon_updates(text, Clock(0, 10, 0, 8))


@pytest.mark.parametrize(
    ("text", "updates"), [(None, 437), ("end", 437), ("0.1%", 1), ("10%", 44), ("1ep", 10), ("0ep", 1), ("1.5ba", 2)]
)
def test_a_cadence_is_rounded_up(text: str | None, updates: int) -> None:
    assert cadence(text, CLOCK, "option") == updates


@pytest.mark.parametrize(
    ("text", "interval", "updates"),
    [("5ep", "epoch", 50), ("5ep", "batch", 50), ("25ba", "batch", 25), ("10%", "batch", 44), ("20ba", "epoch", 20)],
)
def test_the_warmup(text: str, interval: Any, updates: int) -> None:
    assert warmup_updates(text, CLOCK, interval) == updates


@pytest.mark.parametrize(
    ("text", "interval", "words"),
    [
        ("10%", "epoch", ("warmup.length=10%", "4.37 epochs", "4ep and 5ep", "warmup.interval=batch")),
        ("25ba", "epoch", ("2.5 epochs", "2ep and 3ep", "warmup.interval=batch")),
        ("437ba", "batch", ("437 updates and the horizon 437", "shorten the warmup")),
        ("50ep", "epoch", ("500 updates and the horizon 437", "lengthen")),
        ("end", "batch", ("leave room", "5ep or 10%")),
    ],
)
def test_a_warmup_that_is_refused(text: str, interval: Any, words: tuple[str, ...]) -> None:
    with refused(*words):
        warmup_updates(text, CLOCK, interval)


# ---- Steps of a phase ---------------------------------------------------------------------------------------


def phase(start: int, interval: Any, clock: Clock = CLOCK) -> Phase:
    return Phase(clock, start, clock.updates, interval)


@pytest.mark.parametrize(
    ("start", "interval", "steps_"),
    [
        (0, "batch", 437), (37, "batch", 400),
        (0, "epoch", 44), (50, "epoch", 39), (25, "epoch", 42), (29, "epoch", 42), (30, "epoch", 41),
        (0, "metric", 22), (40, "metric", 20), (25, "metric", 21),
    ],
)  # fmt: skip
def test_end_is_the_steps_still_to_begin(start: int, interval: Any, steps_: int) -> None:
    made = phase(start, interval)
    assert made.steps == steps_
    assert steps("end", made, "option") == steps_
    assert {made.index(t) for t in range(start, 437)} == set(range(steps_))


@settings(deadline=None)
@given(
    updates=st.integers(1, 500), per_epoch=st.integers(1, 40), per_eval=st.integers(1, 40), data=st.data(),
    interval=st.sampled_from(["epoch", "batch", "metric"]),
)  # fmt: skip
def test_every_step_of_a_phase_holds_for_some_update(
    updates: int, per_epoch: int, per_eval: int, data: st.DataObject, interval: Any
) -> None:
    made = phase(data.draw(st.integers(0, updates - 1)), interval, Clock(updates, per_epoch, per_eval))
    held = [made.index(t) for t in range(made.start, made.stop)]
    assert held == sorted(held)
    assert set(held) == set(range(made.steps))
    for before, after in zip(range(made.start, made.stop), range(made.start + 1, made.stop), strict=False):
        assert (made.index(after) > made.index(before)) == (after % made.tick == 0)  # on the calendar of the run


@pytest.mark.parametrize(
    ("text", "start", "interval", "count"),
    [
        ("3ep", 0, "epoch", 3), ("3ep", 25, "epoch", 3), ("3ep", 25, "batch", 30), ("4ep", 0, "metric", 2),
        ("40ba", 0, "epoch", 4), ("10%", 0, "batch", 44), ("43ep", 0, "epoch", 43), ("437ba", 0, "batch", 437),
    ],
)  # fmt: skip
def test_a_length_in_steps_counts_from_the_start_of_its_phase(text: str, start: int, interval: Any, count: int) -> None:
    assert steps(text, phase(start, interval), "scheduler.args.x") == count


@pytest.mark.parametrize(
    ("text", "start", "interval", "words"),
    [
        ("2.5ep", 0, "epoch", ("2.5 epochs", "2ep and 3ep", "scheduler.interval=batch")),
        ("3ep", 0, "metric", ("1.5 evaluations", "20ba and 40ba", "eval_every")),
        ("2.55ep", 0, "batch", ("25.5 updates", "25ba and 26ba")),
        ("0ep", 0, "epoch", ("zero steps",)),
        ("0.1%", 0, "batch", ("zero updates",)),
        ("40ep", 50, "epoch", ("40 steps", "interval=epoch", "only 39 are left", "write end")),
        ("438ba", 0, "batch", ("438 steps", "only 437 are left")),
        ("440ba", 0, "metric", None),  # the 22nd evaluation would be at 440: the one under way counts
    ],
)
def test_a_length_in_steps_that_is_refused(text: str, start: int, interval: Any, words: tuple[str, ...] | None) -> None:
    if words is None:
        assert steps(text, phase(start, interval), "scheduler.args.x") == 22
        return
    with refused(f"scheduler.args.x={text}", *words):
        steps(text, phase(start, interval), "scheduler.args.x")


@pytest.mark.parametrize(
    ("text", "start", "interval", "at"),
    [
        ("@30ep", 0, "epoch", 30), ("@30ep", 50, "epoch", 25), ("@30ep", 25, "epoch", 28), ("@30ep", 50, "batch", 250),
        ("@5ep", 50, "epoch", 0), ("@5ep", 50, "batch", 0), ("@0ep", 0, "epoch", 0),
        ("@60%", 0, "batch", 262), ("@50%", 0, "batch", 219), ("@end", 0, "batch", 437), ("@100%", 37, "batch", 400),
        ("@4ep", 0, "metric", 2), ("@430ba", 0, "epoch", 43),
    ],
)  # fmt: skip
def test_a_position_counts_from_the_start_of_the_run(text: str, start: int, interval: Any, at: int) -> None:
    assert position(text, phase(start, interval), "scheduler.args.x") == at


@pytest.mark.parametrize(
    ("text", "start", "interval", "words"),
    [
        ("@4ep", 50, "epoch", ("update 40", "inside the warmup", "0 to 49", "behind the warmup")),
        ("@2ep", 25, "epoch", ("update 20", "inside the warmup", "0 to 24")),
        ("@44ep", 0, "epoch", ("update 440", "past the end", "437 updates", "@60%")),
        ("@438ba", 0, "batch", ("update 438", "past the end")),
        ("@2.5ep", 0, "epoch", ("2.5 epochs", "@2ep and @3ep", "scheduler.interval=batch")),
        ("@60%", 0, "epoch", ("26.22 epochs", "@26ep and @27ep", "scheduler.interval=batch")),
        ("@end", 0, "epoch", ("43.7 epochs", "@43ep and @44ep")),
        ("@0.55ep", 0, "batch", ("5.5 updates", "@5ba and @6ba")),
        ("@3ep", 0, "metric", ("1.5 evaluations", "@20ba and @40ba", "eval_every")),
        ("@120%", 0, "batch", ("at most 100%",)),
        ("@-3ep", 0, "batch", ("no length",)),
        ("@3", 0, "batch", ("no length",)),
    ],
)
def test_a_position_that_is_refused(text: str, start: int, interval: Any, words: tuple[str, ...]) -> None:
    with refused(f"scheduler.args.x={text}", *words):
        position(text, phase(start, interval), "scheduler.args.x")


@pytest.mark.parametrize(
    ("factor", "text", "start", "interval", "per_step"),
    [
        (0.95, "ep", 0, "epoch", 0.95),
        (0.95, "ep", 0, "batch", 0.95**0.1),
        (0.95, "ba", 0, "epoch", 0.95**10),
        (0.95, "ba", 0, "batch", 0.95),
        (0.1, "30ep", 0, "epoch", 0.1 ** (1 / 30)),
        (0.1, "30ep", 0, "batch", 0.1 ** (1 / 300)),
        (0.1, "10%", 0, "batch", 0.1 ** (1 / 43.7)),  # no rounding: a factor needs no whole steps
        (0.01, "end", 0, "epoch", 0.01 ** (1 / 44)),
        (0.01, "end", 50, "batch", 0.01 ** (1 / 387)),
        (0.5, "ep", 0, "metric", 0.25),
    ],
)
def test_a_factor_over_a_time(factor: float, text: str, start: int, interval: Any, per_step: float) -> None:
    assert factor_per_step(factor, text, phase(start, interval), "option") == pytest.approx(per_step, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "words"),
    [("0ep", "no time at all"), ("", "no length"), ("@3ep", "no length"), ("epoch", "no length"), ("120%", "100%")],
)
def test_a_factor_over_no_time(text: str, words: str) -> None:
    with refused(f"option=0.5/{text}", words):
        factor_per_step(0.5, text, phase(0, "epoch"), "option")


# ---- The clock of an experiment -----------------------------------------------------------------------------


def experiment(**fields: Any) -> Experiment:
    return Experiment(
        **{
            "model": Component(target="builtins.list"),
            "data": Data(target="builtins.list", n_train=1077, fingerprint="0"),
            "task": Component(target="builtins.list"),
            "optimizer": Optimizer(target="torch.optim.SGD", lr=0.1),
            "scheduler": Scheduler(target="builtins.list", interval="epoch"),
            "horizon": "30ep",
            "batch_size": 64,
            "seed": 0,
            **fields,
        }
    )


def test_an_epoch_leaves_the_tail_out() -> None:
    assert experiment().clock == Clock(updates=480, per_epoch=16, per_eval=16, samples=64)  # 1077 // 64
    assert experiment(batch_size=1077).clock == Clock(30, 1, 1, 1077)
    assert experiment(horizon="100ba", eval_every="2ep").clock == Clock(100, 16, 32, 64)
    assert experiment(horizon="100ba", eval_every="10%").clock == Clock(100, 16, 10, 64)


def test_micro_batches_change_no_clock() -> None:
    assert experiment(accumulate=4, ranks=2).clock == experiment().clock


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"eval_every": "31ep"}, ("eval_every=31ep", "496 updates", "only 480", "lengthen")),
        ({"eval_every": "end"}, ("eval_every=end", "no length")),
        ({"eval_every": "0ep"}, ("eval_every=0ep", "zero")),
        ({"eval_every": "1"}, ("eval_every=1", "no length")),
        ({"horizon": "10ba"}, ("eval_every=1ep", "16 updates", "only 10")),
        ({"batch_size": 1078}, ("batch_size=1078", "1077 samples")),
        ({"batch_size": 0}, ("batch_size=0",)),
        ({"accumulate": 5}, ("accumulate=5", "batch_size=64", "even")),
        ({"accumulate": 32, "ranks": 4}, ("accumulate=32", "128 equal parts", "even")),
        ({"accumulate": 0}, ("accumulate=0",)),
        ({"ranks": -1}, ("ranks=-1",)),
        ({"threads": 0}, ("threads=0",)),
        ({"seed": -1}, ("seed=-1",)),
        ({"clip": 0.0}, ("clip=0.0", "null")),
        ({"clip": float("nan")}, ("clip=nan",)),
    ],
)
def test_an_experiment_that_is_refused(fields: dict[str, Any], words: tuple[str, ...]) -> None:
    with refused(*words):
        experiment(**fields)


@pytest.mark.parametrize("lr", [0.0, -0.1, float("nan"), float("inf")])
def test_the_peak_is_a_number_above_zero(lr: float) -> None:
    with refused(f"optimizer.lr={lr}", "above 0"):
        Optimizer(target="torch.optim.SGD", lr=lr)
