"""transformers' TrainingArguments: `args.to_json_string()`, or the JSON or YAML that a script is started with.

As transformers 5.24 has them: `get_scheduler`, and how the Trainer counts updates. Every schedule is one of updates.
"""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any

from lrbench.errors import ConfigError, did_you_mean
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import (
    ForeignRun,
    GivenSizes,
    Imported,
    custom,
    in_updates,
    level,
    optimizer,
    written,
)

FUNCTIONS = {
    "linear": "get_linear_schedule_with_warmup",
    "cosine": "get_cosine_schedule_with_warmup",
    "cosine_with_restarts": "get_cosine_with_hard_restarts_schedule_with_warmup",
    "polynomial": "get_polynomial_decay_schedule_with_warmup",
    "constant": "get_constant_schedule",
    "constant_with_warmup": "get_constant_schedule_with_warmup",
    "inverse_sqrt": "get_inverse_sqrt_schedule",
    "reduce_lr_on_plateau": "get_reduce_on_plateau_schedule",
    "cosine_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup",
    "cosine_warmup_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "warmup_stable_decay": "get_wsd_schedule",
    "greedy": "get_greedy_schedule",
}
SHAPES = {"linear": "linear", "cosine": "cosine", "1-sqrt": "one_minus_sqrt"}
HARMLESS = ("ignore_data_skip", "gradient_checkpointing", "torch_empty_cache_steps", "use_legacy_prediction_loop",
            "average_tokens_across_devices", "lr_scheduler_kwargs")  # fmt: skip
GROUPS = "(logging|eval|save|hub|dataloader|log|push|load_best)_"
LEFT = {
    "deepspeed": "DeepSpeed's own configuration may hold another scheduler",
    "auto_find_batch_size": "another batch makes other epochs",
    "fsdp_config": None,
}


def imported(values: Mapping[str, Any], asked: GivenSizes) -> Imported:
    """Raises ConfigError for what cannot be told, and for a setting that may move rates and is not known."""
    given = Given(values)
    main = ("learning_rate", "lr_scheduler_type", "num_train_epochs", "max_steps")
    given.require_any("a file of TrainingArguments", *main)
    batch = given.count("per_device_train_batch_size", 8)
    accumulate = given.count("gradient_accumulation_steps", 1)
    run = _run(given, asked, batch, accumulate)
    kind = _named(given.word("lr_scheduler_type", "linear"))
    if kind not in FUNCTIONS:
        raise ConfigError("lr_scheduler_type", kind, "theirs has no such schedule", did_you_mean(kind, FUNCTIONS))
    lr = given.number("learning_rate", 5e-5)
    warm = _warmup_steps(given, run.updates)
    kwargs = Given(_kwargs(given), "lr_scheduler_kwargs.")
    left = [f"{name}: {why}" for name, why in LEFT.items() if given.get(name) and why]
    if kind in ("constant", "reduce_lr_on_plateau") and warm:
        left.append(f"warmup_steps={warm}: {kind} of theirs has no warmup, and none is here")
        warm = 0
    words = _level(kind, kwargs, run, warm)
    by = "levels" if words is not None else "their own function"
    if words is None:
        words = _own_function(kind, kwargs, run, warm)
    elif kind == "reduce_lr_on_plateau":
        words += _heard(given, run)
    if unknown := [*kwargs.rest()]:
        why = f"{FUNCTIONS[kind]} has no such argument, or lrbench does not know it"
        raise ConfigError(f"lr_scheduler_kwargs.{unknown[0][0]}", unknown[0][1], why, "take it out")
    chosen, other = _optimizer(given, lr)
    rest = given.not_taken(HARMLESS, GROUPS)
    return Imported(
        overrides=(*chosen, *in_updates([*words, f"horizon={run.time(run.updates)}"], run)),
        run=run,
        batch=asked.total(batch, accumulate),
        by=by,
        defaults={**given.defaults, **kwargs.defaults},
        left=tuple(left),
        not_taken=(*other, *given.there("per_device_train_batch_size"), *rest),
    )


def _named(word: str) -> str:
    """`cosine`, also where the name of an enumeration stands: SchedulerType.COSINE."""
    return word.rpartition(".")[2].lower()


def _run(given: Given, asked: GivenSizes, batch: int, accumulate: int) -> ForeignRun:
    """max_steps, else num_train_epochs of as many updates as their loader has."""
    steps, drop = given.whole("max_steps", -1), given.flag("dataloader_drop_last")
    given.defaults.pop("max_steps", None)
    known = asked.updates_per_epoch or asked.samples
    if steps > 0:
        given.without("num_train_epochs")
        per_epoch = asked.epoch(batch, accumulate, drop, sharded=False) if known else None
        return ForeignRun(updates=steps, per_epoch=per_epoch)
    per_epoch = asked.epoch(batch, accumulate, drop, sharded=False)
    return ForeignRun(updates=ceil(given.number("num_train_epochs", 3.0) * per_epoch), per_epoch=per_epoch)


def _warmup_steps(given: Given, updates: int) -> int:
    """A number of updates, or below 1 a share of them; warmup_ratio is what that was called before version 5."""
    steps = given.number("warmup_steps", 0.0)
    given.defaults.pop("warmup_steps", None)
    ratio = given.number("warmup_ratio", 0.0)
    given.defaults.pop("warmup_ratio", None)
    if steps < 0 or not 0 <= ratio <= 1:
        raise ConfigError("warmup_steps", steps, "a warmup is a number of updates, or a share below 1", "give one")
    steps = steps or ratio
    return int(steps) if steps >= 1 and not ratio else ceil(updates * steps)


def _kwargs(given: Given) -> dict[str, Any]:
    """Raises ConfigError for what is no mapping."""
    found = given.get("lr_scheduler_kwargs") or {}
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError as error:
            raise given.wrong("lr_scheduler_kwargs", found, "a mapping", "{num_cycles: 3}") from error
    if not isinstance(found, dict):
        raise given.wrong("lr_scheduler_kwargs", found, "a mapping", "{num_cycles: 3}")
    return {k: v for k, v in found.items() if v is not None}


def _warmup(warm: int, run: ForeignRun) -> list[str]:
    """The factors 0, 1/W, 2/W, ... of theirs."""
    if warm == 0:
        return ["warmup=none"]
    return level("warmup", "linear_10pct_zero", length=run.time(warm))


def _level(kind: str, kwargs: Given, run: ForeignRun, warm: int) -> list[str] | None:
    """The schedule as levels of lrbench; None where none is it."""
    after = run.updates - warm
    by_update: dict[str, Any] = {"interval": "batch"}
    args: dict[str, Any]
    ramp = _warmup(warm, run)
    if kind in ("constant", "constant_with_warmup"):
        return [*level("scheduler", "constant", **by_update), *ramp]
    if kind == "linear":
        return [*level("scheduler", "linear", **by_update), *ramp]
    if kind == "polynomial":
        args = {"power": kwargs.number("power", 1.0), "eta_min": kwargs.number("lr_end", 1e-7)}
        return [*level("scheduler", "polynomial_floor", args, **by_update), *ramp]
    if kind == "inverse_sqrt":
        scale = kwargs.whole("timescale", warm or 10_000)
        if "timescale" not in kwargs.values and warm:
            kwargs.defaults.pop("lr_scheduler_kwargs.timescale")
        return [*level("scheduler", "inverse_sqrt_decay", {"timescale": scale}), *ramp]
    if kind == "warmup_stable_decay":
        return _wsd(kwargs, run, warm)
    if kind == "reduce_lr_on_plateau":
        return _plateau(kwargs)
    if kind in ("cosine", "cosine_with_min_lr") and kwargs.get("num_cycles", 0.5) == 0.5:
        kwargs.defaults.pop("lr_scheduler_kwargs.num_cycles", None)
        args = {"eta_min": _floor(kwargs)} if kind == "cosine_with_min_lr" else {}
        return [*level("scheduler", "cosine", args, **by_update), *ramp]
    if kind == "cosine_with_restarts" and after % (cycles := kwargs.count("num_cycles", 1)) == 0:
        args = {"T_0": run.time(after // cycles)} if cycles > 1 else {}
        return [*level("scheduler", "cosine_restarts" if cycles > 1 else "cosine", args, **by_update), *ramp]
    return None


def _floor(kwargs: Given) -> float | str:
    """Raises ConfigError where there is none, or two."""
    low, share = kwargs.get("min_lr"), kwargs.get("min_lr_rate")
    if (low is None) == (share is None):
        raise ConfigError("lr_scheduler_kwargs.min_lr", low, "theirs takes it or min_lr_rate", "give one of the two")
    return kwargs.number("min_lr") if share is None else f"{written(kwargs.number('min_lr_rate'))}x"


def _wsd(kwargs: Given, run: ForeignRun, warm: int) -> list[str] | None:
    rise, fall = kwargs.word("warmup_type", "linear"), kwargs.word("decay_type", "cosine")
    decay, low = kwargs.whole("num_decay_steps"), kwargs.number("min_lr_ratio", 0.0)
    stable = kwargs.whole("num_stable_steps", run.updates - warm - decay)
    kwargs.defaults.clear()
    if fall not in SHAPES:
        raise ConfigError("lr_scheduler_kwargs.decay_type", fall, "theirs has none of this name", "give linear")
    ends = warm + stable + decay == run.updates
    if not (ends and rise in ("linear", "cosine") and kwargs.number("num_cycles", 0.5) == 0.5 and decay > 0):
        return None
    kwargs.defaults.clear()
    args = {"decay_iters": run.length(decay, "batch", run.updates - decay), "shape": SHAPES[fall], "final_factor": low}
    if args["decay_iters"] == "end":
        args["decay_iters"] = run.time(decay)
    ramp = _warmup(warm, run)
    if warm and (rise == "cosine" or low):
        start = {"start_lr": f"{written(low)}x" if low else 0.0, "shape": rise}
        ramp = level("warmup", "cosine_10pct", start, length=run.time(warm))
    return [*level("scheduler", "wsd", args), *ramp]


def _plateau(kwargs: Given) -> list[str]:
    """torch's, with torch's defaults."""
    args = {
        "mode": kwargs.word("mode", "min"), "factor": kwargs.number("factor", 0.1),
        "patience": kwargs.whole("patience", 10), "threshold": kwargs.number("threshold", 1e-4),
        "threshold_mode": kwargs.word("threshold_mode", "rel"), "cooldown": kwargs.whole("cooldown", 0),
        "min_lr": kwargs.number("min_lr", 0.0), "eps": kwargs.number("eps", 1e-8),
    }  # fmt: skip
    return [*level("scheduler", "plateau", args), "warmup=none"]


def _heard(given: Given, run: ForeignRun) -> list[str]:
    """Which metric, and how often it is measured."""
    metric = given.word("metric_for_best_model", "loss").removeprefix("eval_")
    if metric not in ("loss", "accuracy"):
        why = "the plateau listens to it, and lrbench measures no such thing"
        raise ConfigError("metric_for_best_model", metric, why, "give loss or accuracy")
    when = _named(str(given.get("eval_strategy") or given.get("evaluation_strategy") or "no"))
    if when == "no":
        raise ConfigError("eval_strategy", when, "the plateau never hears its metric", "give epoch or steps")
    if when == "epoch":
        return [f"monitor=val/{metric}"]
    every = given.number("eval_steps", given.number("logging_steps", 500))
    return [f"monitor=val/{metric}", f"eval_every={run.time(int(every) if every >= 1 else ceil(run.updates * every))}"]


def _own_function(kind: str, kwargs: Given, run: ForeignRun, warm: int) -> list[str]:
    """Their function itself. Raises ConfigError for one that takes words like numbers, and for one without a plan."""
    if kind == "greedy":
        why = "it reacts to losses as they come, in a way of its own"
        raise ConfigError("lr_scheduler_type", kind, why, "lrbench's nearest is scheduler=plateau")
    length = {} if "num_stable_steps" in kwargs.values else {"num_training_steps": run.updates}
    args = {"num_warmup_steps": warm, **length, **kwargs.values}
    if words := [name for name, value in args.items() if isinstance(value, str)]:
        why = "lrbench has no level with this shape, and takes no such word"
        raise ConfigError(f"lr_scheduler_kwargs.{words[0]}", args[words[0]], why, "give linear or cosine")
    kwargs.without(*args)
    return ["warmup=none", *custom(f"transformers.{FUNCTIONS[kind]}", args, "batch", own_warmup=warm > 0)]


def _optimizer(given: Given, lr: float) -> tuple[list[str], tuple[str, ...]]:
    """The overrides of the optimizer, and the settings that it leaves out."""
    name = _named(given.word("optim", "adamw_torch"))
    decay = given.number("weight_decay", 0.0)
    betas = [given.number("adam_beta1", 0.9), given.number("adam_beta2", 0.999)]
    eps = given.number("adam_epsilon", 1e-8)
    for key in ("optim", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"):
        given.defaults.pop(key, None)  # no rate depends on them
    if name.startswith("adamw"):
        return optimizer("adamw", lr, betas=betas, eps=eps, weight_decay=decay), ()
    if name == "sgd":
        return optimizer("sgd_plain", lr, weight_decay=decay), ()
    if name.startswith("rmsprop"):
        return optimizer("rmsprop", lr, weight_decay=decay), ()
    if name.startswith("lion"):
        return optimizer("lion", lr, betas=betas, weight_decay=decay), ()
    return [f"optimizer.lr={written(lr)}"], (f"optim ({name} is no level of lrbench; optimizer.lr is its rate)",)
