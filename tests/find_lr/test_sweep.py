"""A sweep on the engine: the losses of a textbook loop, each rate used by its update, and nothing else touched."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.config.experiments import experiment
from lrbench.data import Reading
from lrbench.data.digits import Digits
from lrbench.engine import loop
from lrbench.engine.state import new_state
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.find_lr import find as find_module
from lrbench.find_lr.find import find, known
from lrbench.find_lr.found import Found, Suggestion, remarks, rounded, suggestion, suggestions, sweep_id
from lrbench.find_lr.range_test import GUIDE, RangeTest
from lrbench.find_lr.store import path_of
from lrbench.find_lr.sweep import RangeTestSweep, sweep, table

CPU = torch.device("cpu")
TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256")
SHORT = RangeTest(iterations=40, seeds=2, start=1e-3)


@pytest.fixture(scope="module")
def tiny() -> Experiment:
    return experiment(*TINY)


def textbook(e: Experiment, test: RangeTest, seed: int, many: int) -> list[float]:
    model = new_state(replace(e, seed=seed), CPU).model
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-4)
    batches = Digits().load(seed).train.stream(Reading(e.batch_size, seed))
    losses = []
    for t, rate in enumerate(test.rates[:many]):
        x, y = batches.batch(t)
        loss = nn.functional.cross_entropy(model(x), y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    return losses


@pytest.mark.parametrize("test", [SHORT, replace(GUIDE, iterations=40, start=1e-3)], ids=["lrbench", "guide"])
def test_its_losses_are_those_of_a_textbook_loop(tiny: Experiment, test: RangeTest) -> None:
    made = sweep(tiny, test, 4_000_001, CPU)
    assert made.losses == pytest.approx(textbook(tiny, test, 4_000_001, len(made.losses)), rel=1e-5)
    assert len(made.losses) > 20


def test_every_update_uses_its_rate(tiny: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever schedule the experiment has, one that hears a metric too."""
    rates, real = [], loop._columns
    monkeypatch.setattr(loop, "_columns", lambda groups, kinds: rates.append(real(groups, kinds)) or rates[-1])
    scheduled = experiment(*TINY, "scheduler=plateau", "scheduler.args.patience=1", "warmup=linear_10pct")
    made = sweep(scheduled, SHORT, 4_000_000, CPU)
    assert [row[0] for row in rates[: len(made.losses)]] == SHORT.rates[: len(made.losses)]
    assert len(rates) <= len(made.losses) + 9  # it looks every ten updates


def test_rates_are_those_of_the_option() -> None:
    e = experiment(*TINY, "lr_scaling.rule=linear", "lr_scaling.base_batch=128", "param_groups=no_decay_norm_bias")
    lr = table(e, SHORT).lr
    assert lr.shape == (40, 2)
    assert lr[:, 0] == pytest.approx(2 * np.array(SHORT.rates))
    for_ten = replace(e, optimizer=replace(e.optimizer, lr=10.0))
    assert table(for_ten, SHORT).lr == pytest.approx(lr)


def test_clip_and_accumulation_are_the_experiments(tiny: Experiment) -> None:
    plain = sweep(tiny, SHORT, 4_000_000, CPU).losses
    clipped = sweep(replace(tiny, clip=1e-3), SHORT, 4_000_000, CPU).losses
    parts = sweep(replace(tiny, accumulate=2), SHORT, 4_000_000, CPU).losses
    assert clipped[0] == plain[0]
    assert clipped[20] != plain[20]
    assert parts[5] == pytest.approx(plain[5], rel=1e-5)


def test_the_process_keeps_its_generators(tiny: Experiment) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    sweep(tiny, SHORT, 4_000_000, CPU)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])


def test_it_ends_where_the_loss_explodes_or_is_not_finite(tiny: Experiment) -> None:
    high = replace(SHORT, end=1e4)
    assert sweep(tiny, high, 4_000_000, CPU).end == "rose"
    assert len(sweep(tiny, high, 4_000_000, CPU).losses) < 40
    never = replace(SHORT, end=1e30, stop=None)
    made = sweep(tiny, never, 4_000_000, CPU)
    assert made.end == "not finite"
    assert not math.isfinite(made.losses[-1])
    assert np.isfinite(made.losses[:-1]).all()
    assert sweep(tiny, replace(SHORT, end=1e-2), 4_000_000, CPU).end == "whole"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda e: experiment(*TINY, 'start.of=["scheduler=constant","tracker=none","model=mlp"]'), ("start.of=",)),
        (lambda e: replace(e, ranks=2), ("find_lr", "2 were started")),
    ],
    ids=["a fork", "several processes"],
)
def test_refused(tiny: Experiment, made, words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        find(made(tiny), tmp_path, SHORT)
    assert all(word in str(refused.value) for word in words)
    assert list(tmp_path.iterdir()) == []


# ---- several seeds, kept ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_name_of_a_sweep(tiny: Experiment) -> None:
    name = sweep_id(tiny, SHORT)
    for same in ("scheduler=onecycle", "warmup=linear_10pct", "horizon=9ep", "optimizer.lr=0.7", "seed=5",
                 "eval_every=2ep"):  # fmt: skip
        assert sweep_id(experiment(*TINY, same), SHORT) == name, same
    for other in ("batch_size=128", "optimizer=adamw", "optimizer.args.momentum=0.8", "clip=1.0", "amp=bf16",
                  "model.args.hidden=[9]", "lr_scaling.rule=linear", "accumulate=2"):  # fmt: skip
        assert sweep_id(experiment(*TINY, other), SHORT) != name, other
    assert sweep_id(tiny, replace(SHORT, seeds=9, rule="slide")) == name
    assert sweep_id(tiny, replace(SHORT, end=1.0)) != name


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were swept."""
    seeds: list[int] = []

    def counted(e: Experiment, test: RangeTest, seed: int, *rest: object) -> RangeTestSweep:
        seeds.append(seed)
        return sweep(e, test, seed, *rest)

    monkeypatch.setattr(find_module, "sweep", counted)
    return seeds


def test_a_seed_is_swept_once(tiny: Experiment, swept: list[int], tmp_path: Path) -> None:
    assert known(tiny, tmp_path, SHORT) is None
    told: list[str] = []
    first = find(tiny, tmp_path, SHORT, say=told.append)
    assert swept == [4_000_000, 4_000_001]
    assert len(told) == 2
    assert find(tiny, tmp_path, SHORT) == first == known(tiny, tmp_path, SHORT)
    three = find(tiny, tmp_path, replace(SHORT, seeds=3))
    assert swept == [4_000_000, 4_000_001, 4_000_002]
    assert three.sweeps[:2] == first.sweeps
    assert find(tiny, tmp_path, SHORT) == first
    assert find(tiny, tmp_path, replace(SHORT, seeds=1)).suggested.low is None
    assert len(swept) == 3
    (kept,) = (tmp_path / "find_lr").iterdir()
    assert kept.stat().st_size < 15_000


def test_it_goes_on_where_it_was_stopped(tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = find(tiny, tmp_path / "whole", SHORT)

    def stopped(e: Experiment, test: RangeTest, seed: int, *rest: object) -> RangeTestSweep:
        if seed == 4_000_001:
            raise KeyboardInterrupt
        return sweep(e, test, seed, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(find_module, "sweep", stopped)
        with pytest.raises(KeyboardInterrupt):
            find(tiny, tmp_path, SHORT)
    assert known(tiny, tmp_path, SHORT) is None
    assert find(tiny, tmp_path, SHORT) == whole


def test_what_was_suggested_is_what_is_kept(tiny: Experiment, tmp_path: Path) -> None:
    """A rule that reads a curve otherwise one day does not change the runs that were made by it."""
    found = find(tiny, tmp_path, SHORT)
    path = path_of(tmp_path, found.id)
    rate = found.suggested.rate
    path.write_text(path.read_text().replace(f'"{SHORT.rule}": {{"rate": {rate}', f'"{SHORT.rule}": {{"rate": 0.077'))
    assert find(tiny, tmp_path, SHORT).suggested.rate == 0.077


@pytest.mark.parametrize("damage", ["{", '{"format": 9}', '{"format": 1, "id": "other"}'])
def test_a_damaged_file_is_refused(tiny: Experiment, damage: str, tmp_path: Path) -> None:
    path = path_of(tmp_path, sweep_id(tiny, SHORT))
    path.parent.mkdir()
    path.write_text(damage)
    with pytest.raises(ConfigError, match="cannot be read"):
        find(tiny, tmp_path, SHORT)


def test_what_is_not_finite_is_kept_too(tiny: Experiment, tmp_path: Path) -> None:
    never = replace(SHORT, end=1e30, stop=None)
    first = find(tiny, tmp_path, never)
    again = find(tiny, tmp_path, never)
    assert repr(again) == repr(first)  # nan is not equal to itself
    assert all(s.end == "not finite" for s in again.sweeps)


def test_a_first_loss_that_is_not_finite_is_refused(tiny: Experiment, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(
        find_module, "sweep", lambda e, test, seed, *rest: RangeTestSweep(seed, (math.nan,), "not finite")
    )
    with pytest.raises(ConfigError, match="first loss of a new model is nan"):
        find(tiny, tmp_path, SHORT)
    assert list(tmp_path.iterdir()) == []


def test_the_interval_by_hand() -> None:
    # Logarithms -2, -1, 0: mean -1, sd 1, t(2) = 4.3027, so -1 +- 2.484.
    found = suggestion("valley", [0.01, 0.1, 1.0])
    assert found == Suggestion("valley", 0.1, rounded(10**-3.484), rounded(10**1.484), 3, 3)
    assert (found.low, found.high) == (0.00033, 30.0)
    assert suggestion("valley", [0.123456]) == Suggestion("valley", 0.12, None, None, 1, 1)
    assert suggestion("valley", [0.1, None, 0.1]).answers == 2
    assert suggestion("valley", [0.1, None]).rate is None  # half of the seeds are no majority


def test_remarks(tiny: Experiment, tmp_path: Path) -> None:
    low = find(tiny, tmp_path, replace(SHORT, start=1e-9, end=1e-7))
    assert low.suggested.rate is None
    text = " ".join(remarks(low))
    assert "never falls" in text
    assert "higher find_lr.end" in text
    whole = tuple(RangeTestSweep(seed, tuple(3 - i / 40 for i in range(40)), "whole") for seed in SHORT.seeds_used)
    assert any("turns nowhere" in r for r in remarks(Found("", "", SHORT, whole, suggestions(SHORT, whole))))
    falling = tuple(
        RangeTestSweep(seed, tuple(1 + 2.0 ** -(i / 3) for i in range(40)), "rose") for seed in SHORT.seeds_used
    )
    high = Found("", "", SHORT, falling, suggestions(SHORT, falling))
    assert not any("turns nowhere" in r for r in remarks(high))
    assert any("find_lr.start below 0.001" in r for r in remarks(high))
    far = Suggestion(SHORT.rule, 0.1, 0.01, 1.0, 2, 2)
    above = replace(high, suggestions={**high.suggestions, SHORT.rule: Suggestion(SHORT.rule, 11.0, None, None, 2, 2)})
    assert any("on 2 of 2 seeds the loss exploded below this rate, first at 10" in r for r in remarks(above))
    unsure = replace(high, suggestions={**high.suggestions, SHORT.rule: far})
    assert any(f"{SHORT.rule} is uncertain by a factor of 100" in r for r in remarks(unsure))


def test_the_guides_finder(tiny: Experiment, tmp_path: Path) -> None:
    test = replace(GUIDE, iterations=40, seeds=2)
    found = find(tiny, tmp_path, test)
    assert set(found.suggestions) == {
        "steepest", "minimum_tenth", "printed", "steepest_tenth", "steepest_x5", "steepest_x10"
    }  # fmt: skip
    assert found.id != find(tiny, tmp_path, replace(SHORT, iterations=40)).id
