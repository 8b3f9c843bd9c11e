"""mmengine's config: `optim_wrapper`, `param_scheduler` and `train_cfg`, as Python that is read and never run, or JSON.

As mmengine 0.10.7 has them. Its schedulers multiply what the one before left, each from its `begin` to its `end`; here
one that rises is the warmup, and the other the schedule.
"""

from collections.abc import Mapping
from typing import Any

from lrbench.errors import ConfigError, did_you_mean
from lrbench.horizon import Interval
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, GivenSizes, Imported, in_updates, level, optimizer, written
from lrbench.interop.foreign.mmengine_kinds import KINDS, Stretch, late_cosine

SECTIONS = ("optim_wrapper", "param_scheduler", "train_cfg", "auto_scale_lr", "train_dataloader")
OPTIMIZERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # theirs: ours, and torch's defaults
    "SGD": ("sgd", {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False}),
    "Adam": ("adam", {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0}),
    "AdamW": ("adamw", {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}),
    "RMSprop": ("rmsprop", {"momentum": 0.0, "weight_decay": 0.0}),
}
DETERMINISTIC = ("by_epoch", "begin", "end", "convert_to_iter_based", "verbose", "type", "param_name")


def imported(values: Mapping[str, Any], asked: GivenSizes) -> Imported:
    """Raises ConfigError for what cannot be told, for schedulers that overlap in ways lrbench has no words for, and for
    a setting that may move rates and is not known."""
    given = Given(values)
    if "lr_config" in values:
        why = "this is a config of before mmengine (mmcv 1.x)"
        raise ConfigError("lr_config", "", why, "give one with param_scheduler, as its migration guide shows")
    wrapper, loader = given.part("optim_wrapper"), given.part("train_dataloader")
    if not wrapper.values:
        raise ConfigError("optim_wrapper", "", "there is none", "give a whole config, or a dump of one")
    batch = loader.values.get("batch_size")
    batch = batch if isinstance(batch, int) else None
    run = _run(given.part("train_cfg"), wrapper, asked, batch)
    chosen = wrapper.part("optimizer")
    lr = chosen.number("lr") * _scaled(given.part("auto_scale_lr"), asked, batch)
    stretches = [_stretch(place, s, run) for place, s in enumerate(_list(given.get("param_scheduler")))]
    moved = [s for s in stretches if "Momentum" not in s.kind]
    accumulate = wrapper.count("accumulative_counts", 1)
    if accumulate > 1 and any(s.interval == "batch" for s in moved):
        why = "their schedulers count iterations, of which an update has several"
        raise ConfigError("optim_wrapper.accumulative_counts", accumulate, why, "import it with 1, and other lengths")
    left = [f"{s.args.within[:-1]} ({s.kind}): it moves the momentum" for s in stretches if s not in moved]
    left += _groups(wrapper.part("paramwise_cfg"))
    peak, words = _composed(moved, run, lr)
    made, other = _optimizer(chosen, peak)
    wrapper.without("type", "clip_grad", "constructor", "loss_scale", "dtype", "use_fsdp")
    for part in (wrapper, *(s.args for s in moved)):
        part.not_taken(DETERMINISTIC)
    rest = [name for name, _ in given.rest() if name not in SECTIONS]
    clip = ["optim_wrapper.clip_grad"] if wrapper.values.get("clip_grad") else []
    defaults = {k: v for s in moved for k, v in s.args.defaults.items()}
    words.append(f"horizon={run.time(run.updates)}")
    by_update = all(s.interval == "batch" for s in moved)
    return Imported(
        overrides=(*made, *(in_updates(words, run) if by_update else words)),
        run=run,
        batch=asked.total(batch, accumulate),
        defaults=defaults,
        left=tuple(left),
        not_taken=(*other, *clip, *rest),
    )


def _run(cfg: Given, wrapper: Given, asked: GivenSizes, batch: int | None) -> ForeignRun:
    """max_epochs or max_iters of the training loop."""
    accumulate = wrapper.count("accumulative_counts", 1)
    wrapper.defaults.clear()
    cfg.without("type", "by_epoch", "val_interval", "val_begin", "dynamic_intervals")
    iters = cfg.values.get("max_iters")
    if iters is not None:
        known = asked.updates_per_epoch or (asked.samples and (batch or asked.batch_size))
        return ForeignRun(
            updates=-(-cfg.whole("max_iters") // accumulate),
            per_epoch=asked.epoch(batch, accumulate) if known else None,
        )
    epochs, per_epoch = cfg.whole("max_epochs"), asked.epoch(batch, accumulate)
    cfg.not_taken()
    return ForeignRun(updates=epochs * per_epoch, per_epoch=per_epoch)


def _scaled(auto: Given, asked: GivenSizes, batch: int | None) -> float:
    """By which auto_scale_lr multiplies the rate, where it is enabled."""
    if not auto.flag("enable"):
        return 1.0
    size, base = asked.batch_size or batch, auto.count("base_batch_size")
    if size is None or asked.devices is None:
        missing = "--devices" if size else "--batch-size"
        why = "auto_scale_lr multiplies the rate by the batch of all devices, which the file does not say"
        raise ConfigError(missing, "", why, "give it")
    return size * asked.devices / base


def _list(found: Any) -> list[Any]:
    return [] if found is None else found if isinstance(found, list) else [found]


def _stretch(place: int, found: Any, run: ForeignRun) -> Stretch:
    """Raises ConfigError for what is no scheduler, and for epochs in a run that has none."""
    where = f"param_scheduler[{place}]."
    if not isinstance(found, dict):
        raise ConfigError(where[:-1], getattr(found, "source", found), "this is no scheduler", "give dict(type=...)")
    args = Given(found, where)
    kind, by_epoch = args.word("type").rpartition(".")[2], args.get("by_epoch") is not False
    if kind not in KINDS and "Momentum" not in kind:
        raise ConfigError(f"{where}type", kind, "lrbench has no schedule for it", did_you_mean(kind, KINDS))
    if by_epoch and run.per_epoch is None:
        raise ConfigError("--updates-per-epoch", "", f"{where[:-1]} counts epochs", "give it, or --samples")
    times = run.per_epoch or 1 if by_epoch and args.flag("convert_to_iter_based") else 1
    interval: Interval = "epoch" if by_epoch and times == 1 and not args.flag("convert_to_iter_based") else "batch"
    end = None if args.get("end") is None or args.number("end") >= 1e9 else round(args.number("end") * times)
    begin = round(args.number("begin", 0) * times)
    for name in ("begin", "convert_to_iter_based"):
        args.defaults.pop(f"{where}{name}", None)
    if end is not None and end <= begin:
        raise ConfigError(f"{where}end", end, f"it begins at {begin}", "let it end later")
    return Stretch(kind=kind, args=args, interval=interval, begin=begin, end=end, times=times)


def _composed(moved: list[Stretch], run: ForeignRun, lr: float) -> tuple[float, list[str]]:
    """The peak rate, and the overrides of warmup and scheduler. Raises ConfigError where there are more, and where they
    do not stand one after the other."""
    ramps = [s for s in moved if _rises(s, run)]
    mains = [s for s in moved if s not in ramps]
    if len(ramps) > 1 or len(mains) > 1:
        names = ", ".join(s.kind for s in moved)
        why = f"lrbench has one warmup and one schedule, and this has {names}"
        raise ConfigError("param_scheduler", f"{len(moved)} schedulers", why, "leave out what does not move the rate")
    begun = ramps[0].last(run) * run.tick(ramps[0].interval) if ramps else 0
    if not mains:
        words = level("scheduler", "constant", interval="batch")
    elif mains[0].kind == "CosineAnnealingLR" and mains[0].at(run) > begun:
        words = late_cosine(mains[0], run, lr)
        return lr, [*words, *(_warmup(ramps[0], None, run) if ramps else ["warmup=none"])]
    else:
        words = KINDS[mains[0].kind](mains[0], run)
        _require_to_the_end(mains[0], run)
    if not ramps:
        if mains and mains[0].at(run) > 0:
            why = "the rate stands until then, and lrbench's schedule begins at once"
            raise ConfigError(mains[0].args.name("begin"), mains[0].begin, why, "let it begin at 0")
        return _peak(mains, lr), [*words, "warmup=none"]
    return _peak(mains, lr), [*words, *_warmup(ramps[0], mains[0] if mains else None, run)]


def _peak(mains: list[Stretch], lr: float) -> float:
    """A one-cycle of theirs sets a peak of its own."""
    return mains[0].args.number("eta_max") if mains and mains[0].kind == "OneCycleLR" else lr


def _rises(s: Stretch, run: ForeignRun) -> bool:
    """Whether it is a warmup: from less than the rate up to it, before the end."""
    if s.kind not in ("LinearLR", "ConstantLR") or s.begin > 0 or s.end is None:
        return False
    return s.end * run.tick(s.interval) < run.updates and s.args.get("end_factor", 1.0) == 1.0


def _warmup(s: Stretch, main: Stretch | None, run: ForeignRun) -> list[str]:
    """LinearLR reaches the rate in its last step; ConstantLR gives it back in its last step."""
    tick, steps = run.tick(s.interval), s.last(run)
    factor = s.args.number("start_factor" if s.kind == "LinearLR" else "factor", 1 / 3)
    s.args.get("end_factor")
    updates = steps * tick
    join = None
    if main is not None and main.at(run) != updates:
        if main.at(run) != 0 or not _still(main, updates, run):
            why = f"the schedule begins at update {main.at(run)}, and the warmup ends at {updates}"
            cure = "let the one begin where the other ends"
            raise ConfigError(main.args.name("begin"), main.begin, why, cure)
        join = "replace"
    length = run.time(updates)
    if s.kind == "ConstantLR":
        words = {"factor": factor, "total_iters": steps - 1}
        return level("warmup", "constant5", words, interval=s.interval, length=length, join=join)
    if steps == 1:
        return level("warmup", "constant5", {"factor": factor}, interval=s.interval, length=length, join=join)
    start = {"start_lr": f"{written(factor)}x"}
    return level("warmup", "linear_10pct_linspace", start, interval=s.interval, length=length, join=join)


def _still(main: Stretch, updates: int, run: ForeignRun) -> bool:
    """Whether a schedule that begins with the warmup stands until its end: what moves under it is multiplied."""
    tick = run.tick(main.interval)
    if main.kind == "MultiStepLR":
        return all(m * main.times * tick >= updates for m in main.args.numbers("milestones"))
    if main.kind == "StepLR":
        return main.steps("step_size") * tick >= updates
    return tick >= updates


def _require_to_the_end(s: Stretch, run: ForeignRun) -> None:
    """Raises ConfigError for a curve that stops before the end of the run, where the rate stays at what it was."""
    if s.kind in ("MultiStepLR", "StepLR", "LinearLR", "PolyLR", "CosineRestartLR") or s.end is None:
        return
    if s.end * run.tick(s.interval) < run.updates:
        why = f"it stops at step {s.end} and the rate stays as it is there, which no level of lrbench does"
        raise ConfigError(s.args.name("end"), s.end, why, "let it reach the end of training")


def _groups(wise: Given) -> list[str]:
    """Parameters with rates of their own, in sentences; what only moves weight decay is not told."""
    found = []
    for name, value in (wise.get("custom_keys") or {}).items():
        times = value.get("lr_mult") if isinstance(value, dict) else None
        if times not in (None, 1, 1.0):
            found.append(f"optim_wrapper.paramwise_cfg.custom_keys: parameters of {name} have {times:g} of these rates")
    where = "optim_wrapper.paramwise_cfg"
    times = {name: wise.get(name) for name in ("bias_lr_mult", "dcn_offset_lr_mult")}
    found += [f"{where}.{k}: some parameters have {v:g} of these rates" for k, v in times.items() if v not in (None, 1)]
    decay = [k for k in wise.values if "decay_rate" in k or "layer" in k]
    return [*found, *(f"{where}.{k}: layers have rates of their own (param_groups=layer_decay)" for k in decay)]


def _optimizer(args: Given, lr: float) -> tuple[list[str], tuple[str, ...]]:
    """The overrides of the optimizer, and the settings that it leaves out."""
    kind = args.word("type").rpartition(".")[2]
    if kind not in OPTIMIZERS:
        rest = [args.name(k) for k, _ in args.rest()]
        return [f"optimizer.lr={written(lr)}"], (f"optimizer ({kind} is no level of lrbench)", *rest)
    name, own = OPTIMIZERS[kind]
    given = {k: args.get(k, default) for k, default in own.items()}
    return optimizer(name, lr, **given), tuple(args.name(k) for k, _ in args.rest())
