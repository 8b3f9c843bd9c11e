"""A LightningCLI's YAML: its sections `trainer`, `optimizer` and `lr_scheduler`.

As Lightning 2.6 has it: LightningCLI hands its scheduler to the trainer without an interval, and so it is stepped once
an epoch, whatever it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lrbench.errors import ConfigError
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, GivenSizes, Imported, custom, level, optimizer, written

Kind = Callable[[Given, ForeignRun], tuple[list[str], float | None]]

ENOUGH = 1000  # epochs, where neither max_epochs nor max_steps is said
OPTIMIZERS = {
    "SGD": ("momentum", "weight_decay", "nesterov"),
    "Adam": ("betas", "eps", "weight_decay"),
    "AdamW": ("betas", "eps", "weight_decay"),
    "RMSprop": ("alpha", "eps", "weight_decay", "momentum", "centered"),
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {  # torch's, where ours are others
    "SGD": {"momentum": 0.0, "weight_decay": 0.0},
    "AdamW": {"weight_decay": 0.01},
    "RMSprop": {"lr": 0.01},
}
METRICS = {"val_loss": "val/loss", "val/loss": "val/loss", "valid_loss": "val/loss", "val_acc": "val/accuracy",
           "val_accuracy": "val/accuracy", "val/acc": "val/accuracy", "val/accuracy": "val/accuracy"}  # fmt: skip
CHANGES = {  # callbacks that move rates, or updates of an epoch
    "GradientAccumulationScheduler": "it changes how many updates an epoch has",
    "LearningRateFinder": "it puts a rate of its own in the place of the optimizer's",
    "StochasticWeightAveraging": "it puts a schedule of its own in the place of this one",
    "BatchSizeFinder": "it changes how many updates an epoch has",
}
ENDS = {"EarlyStopping": "the run may end earlier than the schedule", "Timer": "the run may end earlier"}
HARMLESS = ("log_every_n_steps", "val_check_interval", "num_sanity_val_steps", "max_time",
            "reload_dataloaders_every_n_epochs", "check_val_every_n_epoch", "min_epochs", "min_steps")  # fmt: skip


def imported(values: Mapping[str, Any], asked: GivenSizes) -> Imported:
    """Raises ConfigError for what cannot be told, for what moves rates in code, and for a setting that may move rates
    and is not known."""
    given = Given(values["fit"] if isinstance(values.get("fit"), dict) else values)  # as its subcommand has it
    trainer, chosen, scheduled = given.part("trainer"), given.part("optimizer"), given.part("lr_scheduler")
    if not chosen.values:
        why = "there is no such section: the optimizer is made in the module's code, which no settings tell"
        raise ConfigError("optimizer", "", why, "give what `python main.py fit --print_config` prints, if it has one")
    run, batch = _run(trainer, asked)
    left = _callbacks(trainer)
    if trainer.get("max_time") is not None:
        left.append("trainer.max_time: the run may end earlier than the schedule")
    kind, args = _class(scheduled)
    words, peak = _scheduler(kind, args, trainer, run) if kind else (["scheduler=constant"], None)
    made, other = _optimizer(chosen, peak)
    given.without("model", "data", "seed_everything", "ckpt_path")
    rest = given.there("model", "data", "seed_everything", "ckpt_path")
    return Imported(
        overrides=(*made, *words, "warmup=none", f"horizon={run.time(run.updates)}"),
        run=run,
        batch=batch,
        defaults={**trainer.defaults, **args.defaults},
        left=tuple(left),
        not_taken=(*other, *rest, *trainer.not_taken(HARMLESS), *given.not_taken()),
    )


def _run(trainer: Given, asked: GivenSizes) -> tuple[ForeignRun, int | None]:
    """How long it trains, and the samples of an update."""
    for name in ("fast_dev_run", "overfit_batches"):
        if trainer.get(name):
            raise ConfigError(f"trainer.{name}", trainer.get(name), "this is a trial, not a training", "take it out")
    accumulate = trainer.count("accumulate_grad_batches", 1)
    limit, devices = trainer.get("limit_train_batches"), trainer.get("devices")
    nodes = trainer.count("num_nodes", 1)
    if asked.devices is None and isinstance(devices, int) and devices > 0:
        asked = GivenSizes(**{**vars(asked), "devices": devices * nodes})
    if asked.updates_per_epoch is None and limit not in (None, 1.0):
        if not isinstance(limit, int) or isinstance(limit, bool):
            why = "with it, samples do not tell how many updates an epoch has"
            raise ConfigError("trainer.limit_train_batches", limit, why, "give --updates-per-epoch")
        asked = GivenSizes(**{**vars(asked), "updates_per_epoch": -(-limit // accumulate)})
    per_epoch = asked.epoch(None, accumulate)
    epochs, steps = trainer.get("max_epochs"), trainer.whole("max_steps", -1)
    if epochs is None and steps <= 0:
        trainer.defaults["trainer.max_epochs"] = ENOUGH
        epochs = ENOUGH
    for name in ("max_steps", "accumulate_grad_batches", "num_nodes"):
        trainer.defaults.pop(f"trainer.{name}", None)
    updates = [steps] if steps > 0 else []
    if epochs is not None and (whole := trainer.whole("max_epochs", ENOUGH)) != -1:
        updates.append(whole * per_epoch)
    if not updates or min(updates) < 1:
        why = "training has no end, or none above 0"
        raise ConfigError("trainer.max_epochs", epochs, why, "give max_epochs or max_steps")
    return ForeignRun(updates=min(updates), per_epoch=per_epoch), asked.total(None, accumulate)


def _callbacks(trainer: Given) -> list[str]:
    """What those say of rates. Raises ConfigError for one that moves them."""
    found = trainer.get("callbacks") or []
    left = []
    for callback in found if isinstance(found, list) else [found]:
        path = str(callback.get("class_path") if isinstance(callback, dict) else callback)
        if (name := path.rpartition(".")[2]) in CHANGES:
            raise ConfigError("trainer.callbacks", path, CHANGES[name], "take it out")
        left += [f"{name}: {ENDS[name]}"] if name in ENDS else []
    return left


def _class(part: Given) -> tuple[str, Given]:
    """A class by its path, and its arguments; the path may be a bare name. Raises ConfigError."""
    if not part.values:
        return "", Given({})
    path = part.word("class_path")
    args = part.part("init_args")
    part.not_taken()
    for name, value in args.values.items():
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value)):
            why = "schedulers made of others are not read"
            raise ConfigError(args.name(name), "", why, "import each, and join them as warmup and scheduler")
    return path, args


def _optimizer(part: Given, peak: float | None) -> tuple[list[str], tuple[str, ...]]:
    """The overrides of the optimizer, and the settings that it leaves out; peak: the rate that its scheduler sets."""
    path, args = _class(part)
    name = path.rpartition(".")[2]
    own = DEFAULTS.get(name, {})
    lr = args.number("lr", own.get("lr", 1e-3))
    lr = lr if peak is None else peak
    if name not in OPTIMIZERS:
        return [f"optimizer.lr={written(lr)}"], (
            f"optimizer ({path} is no level of lrbench; optimizer.lr is its rate)",
            *(args.name(k) for k, _ in args.rest()),
        )
    given = {k: args.get(k, own.get(k)) for k in OPTIMIZERS[name]}
    for key, value in given.items():
        if isinstance(value, str):
            given[key] = args.number(key)
    return optimizer(name.lower(), lr, **given), tuple(args.name(k) for k, _ in args.rest())


def _scheduler(path: str, args: Given, trainer: Given, run: ForeignRun) -> tuple[list[str], float | None]:
    """The overrides of the scheduler; and the peak rate, where it puts one of its own in the optimizer's place."""
    module, _, name = path.rpartition(".")
    own = module in ("", "torch.optim.lr_scheduler") or module.endswith(("lightning.pytorch.cli", "lightning.cli"))
    kind = KINDS.get(name) if own else None
    if kind is None:
        if isinstance(args.values.get("lr_lambda"), str):
            raise ConfigError("lr_scheduler.init_args.lr_lambda", "", "this is code", "name a class of yours instead")
        target = path if module else f"torch.optim.lr_scheduler.{path}"
        words = custom(target, {k: _number(v) for k, v in args.values.items()}, "epoch", own_warmup=False)
        args.without(*args.values)
        return words, None
    words, peak = kind(args, run)
    if name == "ReduceLROnPlateau":
        words += _heard(args, trainer)
    if unknown := [k for k, _ in args.rest() if k not in ("verbose", "last_epoch")]:
        raise ConfigError(args.name(unknown[0]), args.values[unknown[0]], f"{name} has no such argument", "take it out")
    return words, peak


def _number(value: Any) -> Any:
    """A number that YAML 1.1 takes for a word (1e-5), as one; anything else as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _cosine(args: Given, run: ForeignRun) -> tuple[list[str], None]:
    length = run.length(args.whole("T_max"), "epoch")
    falls = None if length == "end" or isinstance(length, int) else False  # it climbs again
    return level("scheduler", "cosine", {"T_max": length, **_given(args, "eta_min")}, only_falls=falls), None


def _plain(name: str, length: str, *others: str) -> Kind:
    """A level whose one time is a length, with arguments that are the level's own where they are not there."""

    def made(args: Given, run: ForeignRun) -> tuple[list[str], None]:
        steps = run.length(args.whole(length), "epoch")
        return level("scheduler", name, {length: steps, **_given(args, *others)}), None

    return made


def _multistep(args: Given, run: ForeignRun) -> tuple[list[str], None]:
    where = run.positions([int(m) for m in args.numbers("milestones")], "epoch")
    return level("scheduler", "multistep", {"milestones": where, **_given(args, "gamma")}), None


def _polynomial(args: Given, run: ForeignRun) -> tuple[list[str], None]:
    length = run.length(args.whole("total_iters", 5), "epoch")
    return level("scheduler", "polynomial", {"total_iters": length, "power": args.number("power", 1.0)}), None


def _onecycle(args: Given, run: ForeignRun) -> tuple[list[str], float]:
    if args.get("total_steps") is not None:
        steps = args.whole("total_steps")
        args.without("epochs", "steps_per_epoch")
    else:
        steps = args.whole("epochs") * args.whole("steps_per_epoch")
    own = _given(args, "pct_start", "anneal_strategy", "cycle_momentum", "base_momentum", "max_momentum", "div_factor",
                 "final_div_factor", "three_phase")  # fmt: skip
    words = level("scheduler", "onecycle", {"total_steps": run.length(steps, "epoch"), **own}, interval="epoch")
    return words, args.number("max_lr")


def _cyclic(args: Given, run: ForeignRun) -> tuple[list[str], float]:
    up = run.length(args.whole("step_size_up", 2000), "epoch")
    down = None if args.get("step_size_down") is None else run.length(args.whole("step_size_down"), "epoch")
    own = _given(args, "mode", "gamma", "cycle_momentum", "base_momentum", "max_momentum")
    sizes = {"base_lr": args.number("base_lr"), "step_size_up": up, "step_size_down": down}
    return level("scheduler", "cyclic", {**sizes, **own}, interval="epoch"), args.number("max_lr")


def _plateau(args: Given, run: ForeignRun) -> tuple[list[str], None]:
    own = _given(args, "factor", "threshold", "threshold_mode", "cooldown", "eps")
    own |= {"mode": args.word("mode", "min"), "patience": args.whole("patience", 10)}
    return level("scheduler", "plateau", {**own, "min_lr": args.number("min_lr", 0.0)}), None


def _heard(args: Given, trainer: Given) -> list[str]:
    """What a plateau hears after every epoch. Raises ConfigError."""
    monitor = args.word("monitor")
    if monitor not in METRICS:
        why = "the plateau listens to it, and lrbench does not know what it measures"
        raise ConfigError(args.name("monitor"), monitor, why, "give val_loss or val_acc")
    if trainer.whole("check_val_every_n_epoch", 1) != 1:
        why = "the plateau is stepped every epoch, with what was measured last"
        raise ConfigError("trainer.check_val_every_n_epoch", trainer.get("check_val_every_n_epoch"), why, "give 1")
    trainer.defaults.pop("trainer.check_val_every_n_epoch", None)
    return [f"monitor={METRICS[monitor]}"]


def _given(args: Given, *names: str) -> dict[str, Any]:
    """Those of some arguments that are there: torch's defaults are the levels'."""
    return {name: _number(value) for name in names if (value := args.get(name)) is not None}


KINDS: Mapping[str, Kind] = {
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _plain("cosine_restarts", "T_0", "T_mult", "eta_min"),
    "StepLR": _plain("step", "step_size", "gamma"),
    "MultiStepLR": _multistep,
    "ExponentialLR": lambda args, run: (level("scheduler", "exponential", {"gamma": args.number("gamma")}), None),
    "PolynomialLR": _polynomial,
    "OneCycleLR": _onecycle,
    "CyclicLR": _cyclic,
    "ReduceLROnPlateau": _plateau,
}
