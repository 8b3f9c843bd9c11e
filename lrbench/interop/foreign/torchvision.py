"""A command line of torchvision's reference scripts: references/classification, detection or segmentation/train.py.

As of torchvision 0.20 to 0.29: the schedules that they build, and when they step them.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NoReturn

from lrbench.errors import ConfigError
from lrbench.horizon import Interval
from lrbench.interop.foreign.given import MOVES
from lrbench.interop.foreign.imported import ForeignRun, GivenSizes, Imported, level, optimizer

# Flags on which rates depend, with their defaults, of every script.
FLAGS: dict[str, dict[str, Any]] = {
    "classification": {
        "epochs": 90, "batch_size": 32, "opt": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4,
        "lr_scheduler": "steplr", "lr_warmup_epochs": 0, "lr_warmup_method": "constant", "lr_warmup_decay": 0.01,
        "lr_step_size": 30, "lr_gamma": 0.1, "lr_min": 0.0, "start_epoch": 0,
    },
    "detection": {
        "epochs": 26, "batch_size": 2, "opt": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-4,
        "lr_scheduler": "multisteplr", "lr_step_size": 8, "lr_steps": [16, 22], "lr_gamma": 0.1, "start_epoch": 0,
    },
    "segmentation": {
        "epochs": 30, "batch_size": 8, "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "lr_warmup_epochs": 0,
        "lr_warmup_method": "linear", "lr_warmup_decay": 0.01, "start_epoch": 0,
    },
}  # fmt: skip
SWITCHES = {"segmentation": ("aux_loss",), "detection": (), "classification": ()}
HARMLESS = ("model_ema_decay", "model_ema_steps", "norm_weight_decay", "bias_weight_decay",
            "transformer_embedding_decay", "trainable_backbone_layers", "aspect_ratio_group_factor")  # fmt: skip
MARKS = {"lr-steps": "detection", "aspect-ratio-group-factor": "detection", "aux-loss": "segmentation"}
DETECTION_WARMUP = 1000  # updates of the first epoch, at most


@dataclass(frozen=True)
class CommandLine:
    """A command line taken apart: which script, its flags, devices where the launcher says so, and what is left."""

    script: str
    flags: argparse.Namespace
    devices: int | None
    rest: tuple[str, ...]
    assumed: bool


def imported(words: Sequence[str], asked: GivenSizes) -> Imported:
    """Raises ConfigError for what is no such line, and for a flag that may move rates and is not known."""
    line = _line(words)
    flags = line.flags
    asked = GivenSizes(**{**vars(asked), "devices": asked.devices or line.devices})
    if flags.epochs < 1:
        raise ConfigError("--epochs", flags.epochs, "this is no length of time", "give whole epochs above 0")
    per_epoch = asked.epoch(flags.batch_size, drop_last=line.script != "classification")
    run = ForeignRun(updates=flags.epochs * per_epoch, per_epoch=per_epoch)
    words_ = {"classification": _classification, "detection": _detection, "segmentation": _segmentation}[line.script](
        flags, run
    )
    given = {name.replace("-", "_") for word in words if (name := word.partition("=")[0].lstrip("-"))}
    short = {"wd": "weight_decay", "b": "batch_size"}
    said = given | {long for name, long in short.items() if name in given}
    unsaid = {name: FLAGS[line.script][name] for name in _used(line) if name not in said}
    return Imported(
        overrides=(*_optimizer(flags), *words_, f"horizon={run.time(run.updates)}"),
        run=run,
        batch=asked.total(flags.batch_size),
        defaults={**({"script": f"references/{line.script}/train.py"} if line.assumed else {}), **unsaid},
        left=tuple(_left(flags)),
        not_taken=(*(["--batch-size"] if "batch_size" in said else []), *line.rest),
    )


def _used(line: CommandLine) -> list[str]:
    """The flags on which these rates depend."""
    flags = line.flags
    if line.script == "segmentation":
        main: tuple[str, ...] = ()
    else:
        by = {"steplr": ("lr_step_size", "lr_gamma"), "multisteplr": ("lr_steps", "lr_gamma"),
              "exponentiallr": ("lr_gamma",), "cosineannealinglr": ("lr_min",)}  # fmt: skip
        main = ("lr_scheduler", *by.get(flags.lr_scheduler.lower(), ()))
    warm = ("lr_warmup_method", "lr_warmup_decay") if getattr(flags, "lr_warmup_epochs", 0) else ()
    return [name for name in ("epochs", "lr", *main, *warm) if name in FLAGS[line.script]]


def _left(flags: argparse.Namespace) -> list[str]:
    found = []
    if flags.start_epoch:
        found.append(f"--start-epoch {flags.start_epoch}: the overrides are the whole schedule, from epoch 0")
    if getattr(flags, "aux_loss", False):
        found.append("--aux-loss: the parameters of the auxiliary classifier have 10 times these rates")
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError("torchvision", "", message, "give the line that was typed, from the script's name on")


def _line(words: Sequence[str]) -> CommandLine:
    """Raises ConfigError."""
    place = next((i for i, word in enumerate(words) if word.endswith(".py")), None)
    launcher, script = ([], "") if place is None else (words[:place], words[place])
    flags = list(words if place is None else words[place + 1 :])
    if not any(word.startswith("-") for word in flags) and not script:
        why = "this is no command line of a reference script"
        raise ConfigError("torchvision", " ".join(words), why, "give one, as train.py --lr 0.5 --epochs 100")
    found = next((name for name in FLAGS if name in PurePath(script).parts), None)
    other = next((part for part in PurePath(script).parts if part.endswith(("classification", "flow", "matching"))), "")
    if found is None and other:
        raise ConfigError("torchvision", script, "this script is not known", f"known are {', '.join(FLAGS)}")
    marked = next((of for mark, of in MARKS.items() if any(re.match(f"--{mark}(=|$)", w) for w in flags)), None)
    name = found or marked or "classification"
    parser = _Parser(add_help=False, allow_abbrev=False)
    for flag, default in FLAGS[name].items():
        long = f"--{flag.replace('_', '-')}"
        names = {"weight_decay": ["--wd", long], "batch_size": ["-b", long], "start_epoch": [long, "--start_epoch"]}
        kind = type(default[0]) if isinstance(default, list) else type(default)
        many: dict[str, Any] = {"nargs": "+"} if isinstance(default, list) else {}
        parser.add_argument(*names.get(flag, [long]), dest=flag, type=kind, default=default, **many)
    for flag in SWITCHES[name]:
        parser.add_argument(f"--{flag.replace('_', '-')}", dest=flag, action="store_true")
    for flag in ("--ngpus", "--nodes", "--world-size"):
        parser.add_argument(flag, type=int)
    taken, rest = parser.parse_known_args(flags)
    return CommandLine(name, taken, _devices(launcher, taken), tuple(_untaken(rest)), found is None and marked is None)


def _untaken(rest: Sequence[str]) -> list[str]:
    """The names of flags that leave the rates alone. Raises ConfigError for one that may not."""
    names = [word.partition("=")[0] for word in rest if word.startswith("-")]
    for name in names:
        plain = name.lstrip("-").replace("-", "_")
        if MOVES.search(plain.lower()) and plain not in HARMLESS:
            raise ConfigError(name, "", "it may move rates, and no such flag is known", "take it out if it does not")
    return names


def _devices(launcher: Sequence[str], flags: argparse.Namespace) -> int | None:
    """Of torchrun's flags, or of those of their run_with_submitit.py."""
    text = " ".join(launcher)
    each = re.search(r"--nproc[-_]per[-_]node[= ](\d+)", text)
    nodes = re.search(r"--nnodes[= ](\d+)", text)
    if each:
        return int(each[1]) * (int(nodes[1]) if nodes else 1)
    return flags.ngpus * (flags.nodes or 1) if flags.ngpus else flags.world_size


def _optimizer(flags: argparse.Namespace) -> list[str]:
    opt, decay = getattr(flags, "opt", "sgd").lower(), flags.weight_decay
    if opt.startswith("sgd"):
        name = "sgd_nesterov" if "nesterov" in opt else "sgd"
        return optimizer(name, flags.lr, momentum=flags.momentum, weight_decay=decay)
    if opt == "rmsprop":
        return optimizer("rmsprop", flags.lr, alpha=0.9, eps=0.0316, momentum=flags.momentum, weight_decay=decay)
    if opt == "adamw":
        return optimizer("adamw", flags.lr, weight_decay=decay)
    raise ConfigError("--opt", opt, "theirs takes sgd, sgd_nesterov, rmsprop and adamw", "give one")


def _warmup(flags: argparse.Namespace, run: ForeignRun, interval: Interval) -> list[str]:
    """torch's LinearLR or ConstantLR before the rest."""
    epochs, method, factor = flags.lr_warmup_epochs, flags.lr_warmup_method.lower(), flags.lr_warmup_decay
    if epochs == 0:
        return ["warmup=none"]
    length = run.time(epochs * (run.per_epoch or 1))
    if method == "linear":
        return level("warmup", "linear5", {"start_factor": factor}, interval=interval, length=length)
    if method == "constant":
        return level("warmup", "constant5", {"factor": factor}, interval=interval, length=length)
    raise ConfigError("--lr-warmup-method", method, "theirs are linear and constant", "give one")


def _classification(flags: argparse.Namespace, run: ForeignRun) -> list[str]:
    """Stepped once an epoch, the warmup first."""
    name, start = flags.lr_scheduler.lower(), flags.lr_warmup_epochs * (run.per_epoch or 1)
    if name == "steplr":
        size = run.length(flags.lr_step_size, "epoch", start)
        words = level("scheduler", "step", {"step_size": size, "gamma": flags.lr_gamma})
    elif name == "cosineannealinglr":
        words = level("scheduler", "cosine", {"eta_min": flags.lr_min})
    elif name == "exponentiallr":
        words = level("scheduler", "exponential", {"gamma": flags.lr_gamma})
    else:
        why = "theirs takes steplr, cosineannealinglr and exponentiallr"
        raise ConfigError("--lr-scheduler", name, why, "give one")
    return [*words, *_warmup(flags, run, "epoch")]


def _detection(flags: argparse.Namespace, run: ForeignRun) -> list[str]:
    """Stepped once an epoch; over the first updates of the first epoch the rate climbs from a thousandth of itself."""
    name = flags.lr_scheduler.lower()
    if name == "multisteplr":
        args = {"milestones": run.positions(flags.lr_steps, "epoch"), "gamma": flags.lr_gamma}
        words = level("scheduler", "multistep", args)
    elif name == "cosineannealinglr":
        words = level("scheduler", "cosine")
    else:
        raise ConfigError("--lr-scheduler", name, "theirs takes multisteplr and cosineannealinglr", "give one")
    climb = min(DETECTION_WARMUP, (run.per_epoch or 1) - 1)
    if climb == 0:
        return [*words, "warmup=none"]
    start = {"start_factor": 0.001}
    return [*words, *level("warmup", "linear5", start, interval="batch", length=f"{climb}ba", join="replace")]


def _segmentation(flags: argparse.Namespace, run: ForeignRun) -> list[str]:
    """Stepped after every update."""
    words = level("scheduler", "polynomial", {"power": 0.9}, interval="batch")
    return [*words, *_warmup(flags, run, "batch")]
