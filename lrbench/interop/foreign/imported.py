"""What a settings file of any library comes to, and how its times and numbers are written as overrides."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrbench.errors import ConfigError
from lrbench.horizon import Interval

ENDS = ("T_max", "total_iters", "total_steps")  # arguments that a level lets reach the end by itself
OWN = "their own class"


@dataclass(frozen=True, kw_only=True)
class GivenSizes:
    """What is said beside the file, where it does not say so itself: updates of an epoch; else samples of the training
    set, samples of a device's batch, devices."""

    updates_per_epoch: int | None = None
    samples: int | None = None
    batch_size: int | None = None
    devices: int | None = None

    def epoch(self, batch: int | None, accumulate: int = 1, drop_last: bool = False, sharded: bool = True) -> int:
        """Updates of an epoch: as given, else counted as a distributed sampler and a loader of torch would.

        batch: of one device. sharded: the samples are shared out first, then cut into batches; else batches are shared
        out (accelerate). Raises ConfigError where that is not known.
        """
        if self.updates_per_epoch is not None:
            return self.updates_per_epoch
        size = self.batch_size or batch
        if self.samples is None or size is None:
            also = "" if size else " and --batch-size"
            why = "the file counts epochs, and does not say how many updates one has"
            raise ConfigError("--updates-per-epoch", "", why, f"give it, or --samples{also}")
        cut = math.floor if drop_last else math.ceil
        devices = self.devices or 1
        of_one = math.ceil(self.samples / devices) / size if sharded else cut(self.samples / size) / devices
        batches = cut(of_one)
        if batches == 0:
            why = f"an epoch of {self.samples} samples has no whole batch of {size * devices}"
            raise ConfigError("--samples", self.samples, why, "give those of the training set")
        return math.ceil(batches / accumulate)

    def total(self, batch: int | None, accumulate: int = 1) -> int | None:
        """Samples of one update, over all devices."""
        size = self.batch_size or batch
        return None if size is None else size * (self.devices or 1) * accumulate


@dataclass(frozen=True, kw_only=True)
class ForeignRun:
    """How long theirs trains, in updates; `per_epoch` of them an epoch, None where nothing counts epochs."""

    updates: int
    per_epoch: int | None

    def time(self, updates: int) -> str:
        """`30ep`, or `500ba` where that is no whole epoch."""
        if self.per_epoch and updates % self.per_epoch == 0:
            return f"{updates // self.per_epoch}ep"
        return f"{updates}ba"

    def tick(self, interval: Interval) -> int:
        """Updates between two steps of theirs."""
        return 1 if interval == "batch" or self.per_epoch is None else self.per_epoch

    def length(self, steps: int, interval: Interval, start: int = 0) -> str | int:
        """A length of so many steps, from update `start` on. One beyond the end stays a bare number, as theirs hands it
        over: lrbench lets it pass, and its check tells what that means."""
        stop = start + steps * self.tick(interval)
        if stop == self.updates:
            return "end"
        return steps if stop > self.updates else self.time(stop - start)

    def positions(self, steps: Sequence[int], interval: Interval, start: int = 0) -> list[str] | list[int]:
        """Moments, so many steps from update 0; where one is beyond the end, all as bare numbers from `start` on."""
        tick = self.tick(interval)
        if all(step * tick <= self.updates for step in steps):
            return [f"@{self.time(step * tick)}" for step in steps]
        return [step - start // tick for step in steps]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """overrides: give the rates of theirs, update for update, in a run of `run`'s length. batch: samples of an update.
    by: what stands for their schedule where no level of lrbench does. defaults: of theirs, where the file says nothing
    and rates depend on it. left: what touches rates and is not in the overrides, in sentences. not_taken: names of
    settings that leave the rates alone."""

    overrides: tuple[str, ...]
    run: ForeignRun
    batch: int | None = None
    by: str = "levels"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    not_taken: tuple[str, ...] = ()

    @property
    def mixed(self) -> bool:
        """Whether the overrides count both epochs and updates, so that they give these rates only where an epoch has
        as many updates as here."""
        counted = {unit for word in self.overrides for unit in re.findall(r"\d(ep|ba)\b", word)}
        return len(counted) == 2


def in_updates(words: Sequence[str], run: ForeignRun) -> tuple[str, ...]:
    """Overrides of a schedule that is stepped by the update, every time in updates where one is: they then give the
    same rates whatever an epoch of the data is."""
    if not any(re.search(r"\dba\b", word) or word == "scheduler=custom" for word in words):
        return tuple(words)
    return tuple(re.sub(r"\b(\d+)ep\b", lambda found: f"{int(found[1]) * (run.per_epoch or 1)}ba", w) for w in words)


def level(group: str, name: str, args: Mapping[str, Any] | None = None, **settings: Any) -> list[str]:
    """`scheduler=cosine scheduler.interval=batch scheduler.args.eta_min=1e-05`; what is None, and a length that reaches
    the end by itself, is left out."""
    own = {k: v for k, v in (args or {}).items() if v is not None and not (k in ENDS and v == "end")}
    return [
        f"{group}={name}",
        *(f"{group}.{k}={written(v)}" for k, v in settings.items() if v is not None),
        *(f"{group}.args.{k}={written(v)}" for k, v in own.items()),
    ]


def custom(target: str, args: Mapping[str, Any], interval: Interval, own_warmup: bool) -> list[str]:
    """A scheduler of theirs itself, by its path; its times are steps."""
    return [
        "scheduler=custom",
        f"scheduler._target_={target}",
        f"scheduler.interval={interval}",
        *(["scheduler.own_warmup=true"] if own_warmup else []),
        *(f"+scheduler.args.{k}={written(v)}" for k, v in args.items() if v is not None),
    ]


def optimizer(name: str, lr: float, **args: Any) -> list[str]:
    return [f"optimizer={name}", f"optimizer.lr={written(lr)}", *level("optimizer", name, args)[1:]]


def written(value: Any) -> str:
    """A value as the command line has it; numbers at the 15 digits that lrbench takes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return "null" if value is None else str(value)
