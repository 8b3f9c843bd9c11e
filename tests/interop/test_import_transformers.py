"""transformers' settings, against `get_scheduler` of the transformers that is installed, and against its Trainer's own
count of updates."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from imports import SETTINGS, rate, rates, require_same, sgd
from transformers.optimization import get_scheduler

from lrbench.errors import ConfigError
from lrbench.interop.foreign import transformers as ours
from lrbench.interop.foreign.imported import GivenSizes
from lrbench.interop.foreign.read import mapping_of

N, LR = 60, 0.1


def theirs(kind: str, warm: int, kwargs: dict[str, Any]) -> np.ndarray:
    """The rates of N updates of a Trainer's loop."""
    optimizer = sgd(LR)
    scheduler = get_scheduler(kind, optimizer, warm, N, kwargs or None)
    seen = []
    for _ in range(N):
        seen.append(rate(optimizer))
        optimizer.step()
        scheduler.step()
    return np.array(seen)


def settings(kind: str, warm: float = 6, **kwargs: Any) -> dict[str, Any]:
    more = {"lr_scheduler_kwargs": kwargs} if kwargs else {}
    return {"learning_rate": LR, "max_steps": N, "lr_scheduler_type": kind, "warmup_steps": warm, **more}


LEVELS: list[tuple[str, int, dict[str, Any]]] = [
    ("linear", 6, {}),
    ("linear", 0, {}),
    ("cosine", 6, {}),
    ("cosine_with_restarts", 6, {}),
    ("cosine_with_restarts", 6, {"num_cycles": 3}),
    ("polynomial", 6, {}),
    ("polynomial", 6, {"power": 2.0, "lr_end": 1e-3}),
    ("constant", 6, {}),
    ("constant_with_warmup", 6, {}),
    ("inverse_sqrt", 6, {}),
    ("inverse_sqrt", 6, {"timescale": 20}),
    ("inverse_sqrt", 0, {}),
    ("cosine_with_min_lr", 6, {"min_lr": 1e-3}),
    ("cosine_with_min_lr", 6, {"min_lr_rate": 0.1}),
    ("warmup_stable_decay", 6, {"num_decay_steps": 12}),
    ("warmup_stable_decay", 6, {"num_decay_steps": 54, "decay_type": "linear"}),
    ("warmup_stable_decay", 6, {"num_decay_steps": 12, "decay_type": "1-sqrt", "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", 6, {"num_decay_steps": 12, "warmup_type": "cosine", "num_stable_steps": 42}),
]
OWN: list[tuple[str, int, dict[str, Any]]] = [
    ("cosine", 6, {"num_cycles": 1.5}),
    ("cosine", 6, {"num_cycles": 0.4}),
    ("cosine_with_restarts", 6, {"num_cycles": 4}),  # 54 updates are no four equal cycles
    ("cosine_warmup_with_min_lr", 6, {"min_lr": 1e-3}),
    ("cosine_warmup_with_min_lr", 6, {"min_lr_rate": 0.1, "warmup_lr_rate": 0.2}),
    ("warmup_stable_decay", 6, {"num_decay_steps": 12, "num_stable_steps": 20}),
]


@pytest.mark.filterwarnings("ignore:Both num_training_steps")
@pytest.mark.parametrize(("kind", "warm", "kwargs"), LEVELS)
def test_levels_have_their_rates(kind: str, warm: int, kwargs: dict[str, Any]) -> None:
    found = ours.imported(settings(kind, warm, **kwargs), GivenSizes())
    assert found.by == "levels"
    assert found.run.updates == N
    require_same(rates(found), theirs(kind, warm, kwargs))


@pytest.mark.filterwarnings("ignore:Both num_training_steps")
@pytest.mark.parametrize(("kind", "warm", "kwargs"), OWN)
def test_their_own_function_has_their_rates_to_the_bit(kind: str, warm: int, kwargs: dict[str, Any]) -> None:
    found = ours.imported(settings(kind, warm, **kwargs), GivenSizes())
    assert found.by == "their own function"
    require_same(rates(found), theirs(kind, warm, kwargs), close=0)


def test_a_plateau_hears_what_theirs_hears() -> None:
    """The Trainer hands it the metric of every evaluation; it has no warmup, whatever is asked for."""
    given = settings("reduce_lr_on_plateau", 6, factor=0.5, patience=1, min_lr=1e-3)
    found = ours.imported({**given, "eval_strategy": "steps", "eval_steps": 4}, GivenSizes())
    assert "no warmup" in found.left[0]
    metrics = np.random.default_rng(0).exponential(size=N // 4).tolist()
    optimizer = sgd(LR)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, min_lr=1e-3)
    seen = []
    for update in range(N):
        seen.append(rate(optimizer))
        optimizer.step()
        if (update + 1) % 4 == 0:
            scheduler.step(metrics[update // 4])
    assert len({row[0] for row in seen}) > 3
    require_same(rates(found, metrics[:-1]), seen)


def test_names_of_enumerations_and_arguments_in_a_word() -> None:
    given = {**settings("SchedulerType.COSINE_WITH_RESTARTS"), "lr_scheduler_kwargs": '{"num_cycles": 3}'}
    same = settings("cosine_with_restarts", num_cycles=3)
    assert (
        ours.imported({**given, "optim": "OptimizerNames.SGD"}, GivenSizes()).overrides
        == ours.imported({**same, "optim": "sgd"}, GivenSizes()).overrides
    )


@pytest.mark.parametrize(
    ("warm", "ratio", "updates"),
    [(500, None, 500), (0.06, None, 4), (0, 0.06, 4), (0, None, 0), (1, None, 1)],
)
def test_a_warmup_is_a_number_or_a_share(warm: float, ratio: float | None, updates: int) -> None:
    """ceil(0.06 x 60) = 4; a share was warmup_ratio before version 5."""
    given = {**settings("linear", warm), "max_steps": 60 if warm < 60 else 6000}
    if ratio is not None:
        given["warmup_ratio"] = ratio
    words = ours.imported(given, GivenSizes()).overrides
    assert (f"warmup.length={updates}ba" in words) is (updates > 0)


@pytest.mark.slow
@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_updates_of_an_epoch_are_the_trainers(tmp_path: Any, drop: bool, accumulate: int) -> None:
    """Its own `set_initial_training_values`, of a loader over 50 samples in batches of 8, for 2.5 epochs."""
    given = {
        "per_device_train_batch_size": 8, "gradient_accumulation_steps": accumulate, "num_train_epochs": 2.5,
        "dataloader_drop_last": drop, "learning_rate": LR,
    }  # fmt: skip
    import transformers

    args = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[], **given)
    trainer = transformers.Trainer(torch.nn.Linear(1, 1), args, train_dataset=[{"x": i} for i in range(50)])
    *_, updates = trainer.set_initial_training_values(args, trainer.get_train_dataloader())
    assert ours.imported(given, GivenSizes(samples=50)).run.updates == updates


@pytest.mark.slow
def test_training_arguments_themselves(tmp_path: Any) -> None:
    """What `to_json_string` writes: 120 settings, of which none that moves rates is unknown."""
    from transformers import TrainingArguments

    args = TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, learning_rate=3e-5, warmup_steps=0.1, lr_scheduler_type="cosine",
        weight_decay=0.01, max_steps=200,
    )  # fmt: skip
    found = ours.imported(json.loads(args.to_json_string()), GivenSizes())
    assert found.overrides == (
        "optimizer=adamw", "optimizer.lr=3e-05", "optimizer.args.betas=[0.9, 0.999]", "optimizer.args.eps=1e-08",
        "optimizer.args.weight_decay=0.01", "scheduler=cosine", "scheduler.interval=batch",
        "warmup=linear_10pct_zero", "warmup.length=20ba", "horizon=200ba",
    )  # fmt: skip
    assert not found.left
    assert {"logging_steps", "output_dir", "seed"} < {*found.not_taken}


def test_a_file_of_theirs() -> None:
    """BERT on SST-2: 67,349 sentences, batches of 32, 3 epochs."""
    found = ours.imported(mapping_of(str(SETTINGS / "training_args.json")), GivenSizes(samples=67349))
    assert found.run.updates == 3 * 2105
    assert found.overrides[-4:] == (
        "scheduler.interval=batch", "warmup=linear_10pct_zero", "warmup.length=632ba", "horizon=6315ba",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "asked", "words"),
    [
        ({"num_train_epochs": 3}, GivenSizes(), ("--updates-per-epoch",)),
        (settings("cosin"), GivenSizes(), ("lr_scheduler_type=cosin", "'cosine'")),
        (settings("greedy"), GivenSizes(), ("greedy", "plateau")),
        (settings("linear", num_cycles=3), GivenSizes(), ("lr_scheduler_kwargs.num_cycles=3", "no such argument")),
        (settings("cosine_with_min_lr"), GivenSizes(), ("min_lr", "one of the two")),
        (settings("warmup_stable_decay"), GivenSizes(), ("num_decay_steps", "not there")),
        (
            settings("warmup_stable_decay", num_decay_steps=9, warmup_type="1-sqrt"),
            GivenSizes(),
            ("warmup_type=1-sqrt",),
        ),
        (settings("reduce_lr_on_plateau"), GivenSizes(), ("eval_strategy=no", "never hears")),
        ({**settings("linear"), "lr_warmdown": 4}, GivenSizes(), ("lr_warmdown=4", "may move rates")),
        ({**settings("linear"), "warmup_steps": -1}, GivenSizes(), ("warmup_steps=-1",)),
    ],
)
def test_what_is_refused(given: dict[str, Any], asked: GivenSizes, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        ours.imported(given, asked)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_what_is_named() -> None:
    found = ours.imported({**settings("linear"), "deepspeed": "zero2.json", "optim": "adafactor"}, GivenSizes())
    assert "DeepSpeed" in found.left[0]
    assert any("adafactor" in name for name in found.not_taken)
