"""timm's train.py: the args.yaml that it leaves in a run's folder, or a YAML of its --config.

As timm 1.0.31 has them: `create_scheduler_v2` and the loop of train.py, whose defaults stand here.
"""

from collections.abc import Mapping
from math import floor
from typing import Any

from lrbench.errors import ConfigError, did_you_mean
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, GivenSizes, Imported, in_updates, level, optimizer, written
from lrbench.interop.foreign.timm_classes import CYCLES, Theirs, decay_steps, own_class

SCHEDULERS = (*CYCLES, "step", "multistep", "constant", "wsd", "rsqrt", "plateau", "none")
SHAPES = {None: "one_minus_sqrt", "1-sqrt": "one_minus_sqrt", "linear": "linear", "cosine": "cosine"}
OPTIMIZERS = {  # theirs: ours, and which settings of theirs it takes
    "sgd": ("sgd_nesterov", ("momentum", "weight_decay")),
    "nesterov": ("sgd_nesterov", ("momentum", "weight_decay")),
    "momentum": ("sgd", ("momentum", "weight_decay")),
    "adam": ("adam", ("betas", "eps", "weight_decay")),
    "adamw": ("adamw", ("betas", "eps", "weight_decay")),
    "lamb": ("lamb", ("betas", "eps", "weight_decay")),
    "lion": ("lion", ("betas", "weight_decay")),
    "rmsprop": ("rmsprop", ("momentum", "eps", "weight_decay")),
    "muon": ("muon", ("momentum", "weight_decay")),
}
METRICS = {"loss": "val/loss", "top1": "val/accuracy"}
HARMLESS = (
    "model_ema_decay", "model_ema_warmup", "mixup_off_epoch", "bn_momentum", "synchronize_step",
    "layer_decay_no_opt_scale", "recovery_interval", "freeze_bn",
)  # fmt: skip
OTHERS = (  # of schedules that it is not
    "decay_epochs", "decay_milestones", "decay_rate", "patience_epochs", "cooldown_epochs", "min_lr", "warmup_lr",
    "lr_base", "lr_base_size", "lr_base_scale", "lr_cycle_mul", "lr_cycle_decay", "lr_cycle_limit", "lr_k_decay",
    "lr_decay_fn", "lr_stable_timescale", "lr_noise_pct", "lr_noise_std", "warmup_epochs", "warmup_prefix",
    "layer_decay_min_scale",
)  # fmt: skip
COUNTED = ("epoch_repeats", "aug_repeats", "train_size_schedule")  # they change how many updates an epoch has


def imported(values: Mapping[str, Any], asked: GivenSizes) -> Imported:
    """Raises ConfigError for what cannot be told, and for a setting that may move rates and is not known."""
    given = Given(values)
    given.require_any("an args.yaml of timm", "sched", "epochs", "lr", "lr_base", "opt")
    batch, accumulate = given.count("batch_size", 128), given.count("grad_accum_steps", 1)
    per_epoch = _epoch(given, asked, batch, accumulate)
    theirs = _theirs(given, _peak(given, asked, batch * accumulate), per_epoch)
    words, by = _scheduler(theirs, given)
    decay = given.get("layer_decay")
    if decay is not None:
        if theirs.sched == "plateau" or given.get("layer_decay_min_scale"):
            why = "of a plateau, and with layer_decay_min_scale, each layer's rate is another curve"
            raise ConfigError("layer_decay", decay, why, "import it without, and give the layers' rates yourself")
        words += level("param_groups", "layer_decay", {"decay": given.number("layer_decay")})
    chosen, other = _optimizer(given, theirs.lr)
    left = [f"start_epoch={given.get('start_epoch')}: the overrides are the whole schedule, from epoch 0"]
    rest = given.not_taken((*HARMLESS, *OTHERS))
    words.append(f"horizon={theirs.run.time(theirs.run.updates)}")
    return Imported(
        overrides=(*chosen, *(in_updates(words, theirs.run) if theirs.interval == "batch" else words)),
        run=theirs.run,
        batch=asked.total(batch, accumulate),
        by="levels" if by else "their own class",
        defaults={k: v for k, v in given.defaults.items() if v is not False},
        left=tuple(left if given.get("start_epoch") else ()),
        not_taken=(*other, *given.there("batch_size"), *rest),
    )


def _epoch(given: Given, asked: GivenSizes, batch: int, accumulate: int) -> int:
    """Updates of an epoch; their loader leaves an incomplete batch out."""
    for name in COUNTED:
        if given.get(name) and asked.updates_per_epoch is None:
            why = "with it, samples do not tell how many updates an epoch has"
            raise ConfigError(name, given.get(name), why, "give --updates-per-epoch, as their log says")
    return asked.epoch(batch, accumulate, drop_last=True)


def _peak(given: Given, asked: GivenSizes, batch: int) -> float:
    """lr, else lr_base times the batch of all devices over lr_base_size, or its root for adaptive optimizers."""
    opt = given.word("opt", "sgd").lower()
    scale = given.get("lr_base_scale") or ("sqrt" if any(o in opt for o in ("ada", "lamb")) else "linear")
    if given.get("lr"):
        given.without("lr_base", "lr_base_size")
        return given.number("lr")
    if scale not in ("sqrt", "linear"):
        raise ConfigError("lr_base_scale", scale, "theirs are linear and sqrt", "give one")
    base, size = given.number("lr_base", 0.1), given.count("lr_base_size", 256)
    if asked.devices is None:
        why = f"the rate is {base:g} for a batch of {size}, and the file does not say how many devices share it"
        raise ConfigError("--devices", "", why, "give it, 1 for one")
    ratio = batch * asked.devices / size
    return base * (ratio**0.5 if scale == "sqrt" else ratio)


def _theirs(given: Given, lr: float, per_epoch: int) -> Theirs:
    sched = given.word("sched", "cosine").lower()
    if sched not in SCHEDULERS:
        raise ConfigError("sched", sched, "theirs has no such schedule", did_you_mean(sched, SCHEDULERS))
    on_updates = given.flag("sched_on_updates")
    times = per_epoch if on_updates else 1
    epochs, warm = given.whole("epochs", 300), given.number("warmup_epochs", 5) if sched != "none" else 0
    prefix = given.flag("warmup_prefix") if sched != "plateau" else True
    cooldown = given.number("cooldown_epochs", 0) if sched in (*CYCLES, "wsd", "rsqrt") else 0
    if epochs < 1 or warm < 0 or cooldown < 0:
        raise ConfigError("epochs", epochs, "this is no length of time", "give whole epochs above 0")
    length: float = epochs * times
    if sched in ("wsd", "rsqrt"):
        length, total = (length if prefix else length - warm * times), (epochs + warm * prefix + cooldown) * times
        prefix = True
    elif sched in CYCLES:
        total = _with_cycles(given, length) + warm * times * prefix + cooldown * times
    else:
        total = length + warm * times * given.flag("warmup_prefix")
    run = ForeignRun(updates=int(total // times) * per_epoch, per_epoch=per_epoch)
    return Theirs(
        sched=sched, lr=lr, interval="batch" if on_updates else "epoch", per_step=times, run=run, length=length,
        warmup=warm * times, warmup_lr=given.number("warmup_lr", 1e-5) if warm else 0.0, prefix=prefix,
        cooldown=cooldown * times, share=given.get("layer_decay") is not None,
        low=0.0 if sched in ("step", "multistep", "constant", "none") else given.number("min_lr", 0.0),
    )  # fmt: skip


def _with_cycles(given: Given, length: float) -> float:
    """Of their get_cycle_length, without the warmup."""
    cycles, times = max(1, given.whole("lr_cycle_limit", 1)), given.number("lr_cycle_mul", 1.0)
    try:
        return length * cycles if times == 1.0 else floor(-length * (times**cycles - 1) / (1 - times))
    except OverflowError as error:
        raise ConfigError("lr_cycle_mul", times, "cycles that grow so have no end", "give a factor near 1") from error


def _scheduler(theirs: Theirs, given: Given) -> tuple[list[str], bool]:
    """The overrides of scheduler and warmup, and whether levels of lrbench were found for them."""
    noise = given.get("lr_noise")
    fits = theirs.warmup == int(theirs.warmup) and noise is None
    words = _level(theirs, given) if fits else None
    return (own_class(theirs, given, noise), False) if words is None else ([*words, *_warmup(theirs)], True)


def _warmup(theirs: Theirs) -> list[str]:
    if theirs.warmup == 0:
        return ["warmup=none"]
    length = theirs.run.time(int(theirs.warmup) * theirs.run.tick(theirs.interval))
    join = None if theirs.prefix else "replace"
    start = {"start_lr": theirs.rate(theirs.warmup_lr)}
    return level("warmup", "linear5_from1e-6", start, interval=theirs.interval, length=length, join=join)


def _level(theirs: Theirs, given: Given) -> list[str] | None:
    """The schedule as a level of lrbench; None where no level is it."""
    run, interval = theirs.run, theirs.interval
    if theirs.sched in CYCLES:
        return _cycling(theirs, given)
    if theirs.sched in ("constant", "none"):
        return level("scheduler", "constant", interval=interval)
    if theirs.sched == "step":
        every, gamma = given.number("decay_epochs", 90) * theirs.per_step, given.number("decay_rate", 0.1)
        if every != int(every) or every < 1:
            return None
        size = run.length(int(every), interval, theirs.start)
        return level("scheduler", "step", {"step_size": size, "gamma": gamma}, interval=interval)
    if theirs.sched == "multistep":
        return _multistep(theirs, given)
    if theirs.sched == "plateau":
        return _plateau(theirs, given)
    if theirs.sched == "rsqrt" or given.get("lr_decay_fn") not in SHAPES:
        return None
    decay = decay_steps(theirs, given)
    args = {
        "total_iters": run.length(int(theirs.length), interval, theirs.start),
        "decay_iters": run.time(decay * run.tick(interval)),
        "shape": SHAPES[given.get("lr_decay_fn")],
        "final_factor": theirs.low / theirs.lr,
    }
    return level("scheduler", "wsd", args, interval=interval)


def _cycling(theirs: Theirs, given: Given) -> list[str] | None:
    run, interval = theirs.run, theirs.interval
    cycles, low = max(1, given.whole("lr_cycle_limit", 1)), theirs.rate(theirs.low)
    if theirs.sched == "tanh" or given.number("lr_k_decay", 1.0) != 1.0 or (theirs.sched == "poly" and cycles > 1):
        return None
    length = run.length(int(theirs.length), interval, theirs.start)
    if theirs.sched == "poly":
        args = {"total_iters": length, "power": given.number("decay_rate", 0.1), "eta_min": low}
        return level("scheduler", "polynomial_floor", args, interval=interval)
    if cycles == 1:
        name = "cosine" if length == "end" else "cosine_hold"
        return level("scheduler", name, {"T_max": length, "eta_min": low}, interval=interval)
    times = given.number("lr_cycle_mul", 1.0)
    if times != 1.0:  # where a cycle of theirs begins is a matter of how a logarithm rounds
        return None
    args = {"T_0": length, "cycle_decay": given.number("lr_cycle_decay", 0.5), "cycle_limit": cycles, "eta_min": low}
    return level("scheduler", "cosine_cycles", args, interval=interval)


def _multistep(theirs: Theirs, given: Given) -> list[str] | None:
    """A milestone m of theirs drops at step m - 1, counted from the warmup's end where that stands before it."""
    run = theirs.run
    begin = int(theirs.warmup) if theirs.prefix else 0
    epochs = given.numbers("decay_milestones", [90, 180, 270])
    steps = [begin + epoch * theirs.per_step - 1 for epoch in epochs]
    if steps != sorted(set(steps)) or any(step != int(step) or step <= begin for step in steps):
        return None
    where = run.positions([int(step) for step in steps], theirs.interval, theirs.start)
    args = {"milestones": where, "gamma": given.number("decay_rate", 0.1)}
    return level("scheduler", "multistep", args, interval=theirs.interval)


def _plateau(theirs: Theirs, given: Given) -> list[str]:
    """torch's, heard once the warmup is over."""
    metric = given.word("eval_metric", "top1")
    if metric not in METRICS:
        why = "the plateau listens to it, and lrbench measures no such thing"
        raise ConfigError("eval_metric", metric, why, f"give one of {', '.join(METRICS)}")
    if theirs.interval == "batch":
        raise ConfigError("sched_on_updates", True, "theirs steps a plateau by the epoch only", "take it out")
    args = {
        "mode": "min" if metric == "loss" else "max",
        "factor": given.number("decay_rate", 0.1),
        "patience": given.whole("patience_epochs", 10),
        "min_lr": theirs.low,
    }
    every = given.whole("val_interval", 1)
    words = [f"monitor={METRICS[metric]}", *([f"eval_every={every}ep"] if every > 1 else [])]
    return [*level("scheduler", "plateau", args), *words]


def _optimizer(given: Given, lr: float) -> tuple[list[str], tuple[str, ...]]:
    """The overrides of the optimizer, and the settings that it leaves out."""
    opt = given.word("opt", "sgd").lower()
    settings = {
        "momentum": given.number("momentum", 0.9),
        "weight_decay": given.number("weight_decay", 2e-5),
        "betas": given.numbers("opt_betas") or None,
        "eps": given.get("opt_eps"),
    }
    for name in ("momentum", "weight_decay"):
        given.defaults.pop(name, None)  # no rate depends on them
    if opt not in OPTIMIZERS:
        return [f"optimizer.lr={written(lr)}"], (f"opt ({opt} is no level of lrbench; optimizer.lr is its rate)",)
    name, taken = OPTIMIZERS[opt]
    args = {k: settings[k] for k in taken} | ({"alpha": 0.9} if name == "rmsprop" else {})
    return optimizer(name, lr, **args), ()
