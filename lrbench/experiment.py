"""Everything that determines the numbers of one training run, as frozen values (its name: `identity`).

No torch and no Hydra here: an Experiment can be made and read anywhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from lrbench.components import Component, Optimizer, Scheduler, Warmup, WeightDecay, require_positive
from lrbench.errors import ConfigError
from lrbench.horizon import Clock, horizon_updates, moment, whole_updates
from lrbench.metrics import Mode
from lrbench.schedule_plan import SchedulePlan


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of the training images, in this order.

    crop: random crop after padding by that many pixels of zero. hflip: random horizontal flip. erase: probability
    that a random rectangle is erased (Zhong et al. 2020). mixup: alpha of the Beta distribution by which two samples
    are blended (Zhang et al. 2018). cutmix: alpha by which a rectangle is pasted from another sample (Yun et al.
    2019). With both, a coin chooses for each sample.
    """

    crop: int = 0
    hflip: bool = False
    mixup: float | None = None
    cutmix: float | None = None
    erase: float | None = None

    def __post_init__(self) -> None:
        if self.crop < 0:
            raise ConfigError("data.augment.crop", self.crop, "the padding is a number of pixels, 0 for none")
        for option in ("mixup", "cutmix"):
            if getattr(self, option) is not None:
                cure = "give the alpha of a Beta distribution, a number above 0 such as 0.2 or 1.0, or null"
                require_positive(f"data.augment.{option}", getattr(self, option), cure)
        if self.erase is not None and not 0 < self.erase <= 1:
            cure = "give a probability above 0 and at most 1, such as 0.25, or null"
            raise ConfigError("data.augment.erase", self.erase, cure)


@dataclass(frozen=True, kw_only=True)
class Data(Component):
    """`n_train`: samples of an epoch, None for an endless stream. `fingerprint`: the content's hash, taken into the
    identity instead of a path. `tokens`: of each sample, where all have equally many.

    An argument named `root` says where the data lie: the identity leaves it out.
    """

    n_train: int | None = None
    fingerprint: str
    tokens: int | None = None
    augment: Augment = Augment()


@dataclass(frozen=True, kw_only=True)
class ParamGroups(Component):
    """How the model's parameters are grouped; `lr_scales` is each group's share of the peak rate, in their order.
    `no_decay` names the groups without weight decay, None where all have it."""

    lr_scales: Mapping[str, float]
    no_decay: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class LRScaling:
    """Multiplies every peak rate by batch_size / base_batch (Goyal et al. 2017), or by its square root."""

    rule: Literal["linear", "sqrt"]
    base_batch: int = 256

    def factor(self, batch_size: int) -> float:
        ratio = batch_size / self.base_batch
        return ratio if self.rule == "linear" else math.sqrt(ratio)

    def __post_init__(self) -> None:
        require_positive("lr_scaling.base_batch", self.base_batch, "give the batch size that the rate was made for")


@dataclass(frozen=True, kw_only=True)
class Start:
    """Begin from another run's state at an update: its model, and what else is carried.

    `at` is an update of the parent (`30ep`, `500ba`), `end`, or `plateau` (where its feedback schedule first cut).
    `carry`: `optimizer`, its moments; `stream`, its place in the batches and the noise of its seed, where data, batch
    and seed are the same: a run cut in two so equals the uncut one.
    """

    of: "Experiment"
    at: str
    carry: tuple[str, ...] = ("model", "optimizer", "stream")

    def __post_init__(self) -> None:
        if "model" not in self.carry or set(self.carry) - {"model", "optimizer", "stream"}:
            raise ConfigError(
                "start.carry", self.carry, "a fork carries the model", "carry [model], with optimizer, stream or both"
            )

    @property
    def update(self) -> int | None:
        """The parent's update that `at` means; None for `plateau`, which only the parent's record knows."""
        return None if self.at == "plateau" else moment(self.at, self.of.clock, "start.at")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    model: Component
    data: Data
    task: Component
    optimizer: Optimizer
    scheduler: Scheduler
    warmup: Warmup | None = None
    weight_decay: WeightDecay | None = None  # None where it stays the optimizer's
    horizon: str
    batch_size: int
    seed: int
    eval_every: str = "1ep"
    monitor: str | None = None
    monitor_mode: Mode | None = None  # which way its task declares it better, where its name does not tell
    clip: float | None = None
    param_groups: ParamGroups | None = None  # None for one group, `all`
    lr_scaling: LRScaling | None = None
    threads: int = 1
    accumulate: int | None = None  # micro-batches an update, None for 1
    ranks: int | None = None  # processes, None for 1
    amp: Literal["bf16", "fp16"] | None = None
    channels_last: Literal[True] | None = None
    compile: Literal[True] | None = None
    start: Start | None = None
    numerics: Mapping[str, int] = field(default_factory=dict)  # of the loop, the batches, the optimizer groups

    def __post_init__(self) -> None:
        """Refuse what can be refused without loading anything; clock and phases are made once, here."""
        require_positive("batch_size", self.batch_size, "give the samples of one update, such as 64")
        require_positive("threads", self.threads, "give a number of CPU threads, such as 1")
        if self.seed < 0:
            raise ConfigError("seed", self.seed, "a seed is a whole number from 0")
        if self.clip is not None:
            require_positive("clip", self.clip, "give the largest gradient norm, such as 1.0, or null")
        if self.data.n_train is not None and self.batch_size > self.data.n_train:
            why = f"the training set has only {self.data.n_train} samples"
            raise ConfigError("batch_size", self.batch_size, why, "take a batch no larger than that")
        self._require_even_parts()
        self._require_epochs()
        if self.scheduler.own_warmup and self.warmup is not None:
            raise ConfigError(
                "warmup.length",
                self.warmup.length,
                f"{self.scheduler.name} warms up by itself",
                "use warmup=none with this scheduler",
            )
        _ = self.schedule.main
        _ = self.start and self.start.update

    def _require_even_parts(self) -> None:
        for option in ("accumulate", "ranks"):
            parts = getattr(self, option)
            if parts is not None:
                require_positive(option, parts, "give how many equal parts a batch is cut into")
        if self.batch_size % self.parts:
            why = (
                f"batch_size={self.batch_size} is cut into {self.parts} equal parts ({self.accumulate or 1} "
                f"micro-batches on each of {self.ranks or 1} ranks), and they must come out even"
            )
            cure = "change one of the three. (batch_size counts all samples of an update.)"
            raise ConfigError("accumulate", self.accumulate or 1, why, cure)

    def _require_epochs(self) -> None:
        """Refuse to step once an epoch where there are none."""
        for option, part in (("scheduler", self.scheduler), ("warmup", self.warmup)):
            if self.data.n_train is None and part is not None and part.interval == "epoch":
                raise ConfigError(
                    f"{option}.interval",
                    "epoch",
                    "these data have no end, so no epochs",
                    f"use {option}.interval=batch",
                )

    @property
    def parts(self) -> int:
        """Into how many equal parts each update's batch is cut, over ranks and micro-batches."""
        return (self.accumulate or 1) * (self.ranks or 1)

    @cached_property
    def clock(self) -> Clock:
        """Updates of the whole run, of an epoch (the tail of each permutation left out), and between evaluations."""
        n_train = self.data.n_train
        per_epoch = None if n_train is None else n_train // self.batch_size
        clock = Clock(0, per_epoch, 0, self.batch_size, self.data.tokens)
        clock = replace(clock, updates=horizon_updates(self.horizon, clock))
        per_eval = whole_updates(self.eval_every, clock, "eval_every")
        if per_eval > clock.updates:
            why = f"that is {per_eval} updates and the horizon only {clock.updates}: nothing would be measured underway"
            raise ConfigError("eval_every", self.eval_every, why, "evaluate more often or lengthen `horizon`")
        return replace(clock, per_eval=per_eval)

    @property
    def continues(self) -> bool:
        """Whether the streams of batches and noise go on where the parent's were at `start.at`."""
        start = self.start
        return (
            start is not None
            and "stream" in start.carry
            and (start.of.data, start.of.batch_size, start.of.seed) == (self.data, self.batch_size, self.seed)
        )

    @cached_property
    def peaks(self) -> dict[str, float]:
        """The peak rate of every parameter group, in the optimizer's order."""
        peak = self.optimizer.lr * (self.lr_scaling.factor(self.batch_size) if self.lr_scaling else 1.0)
        scales = self.param_groups.lr_scales if self.param_groups else {"all": 1.0}
        return {name: peak * scale for name, scale in scales.items()}

    @cached_property
    def schedule(self) -> SchedulePlan:
        """What the table of rates depends on, as a value of its own."""
        return SchedulePlan(
            clock=self.clock,
            peaks=self.peaks,
            optimizer=self.optimizer,
            scheduler=self.scheduler,
            warmup=self.warmup,
            monitor=self.monitor,
            monitor_mode=self.monitor_mode,
            weight_decay=self.weight_decay,
            decays=self.decays if self.weight_decay else None,
        )

    @property
    def decays(self) -> dict[str, float]:
        """The weight decay that a schedule of it begins with, of every parameter group. Raises ConfigError."""
        given = self.optimizer.args.get("weight_decay")
        if not (isinstance(given, int | float) and given > 0):
            why = f"a schedule of {self.optimizer.name}'s weight decay begins with it, and what has none keeps none"
            cure = "give a value above 0, of an optimizer that takes one, such as adamw; or leave weight_decay=constant"
            raise ConfigError("optimizer.args.weight_decay", given, why, cure)
        spared = (self.param_groups and self.param_groups.no_decay) or ()
        return {group: 0.0 if group in spared else float(given) for group in self.peaks}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out and shown: nothing here changes its numbers, so nothing here is hashed."""

    results: Path = Path("results")
    device: str = "auto"
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1min"
    keep: tuple[str, ...] = ("end",)
    tracker: Component | None = None
    workers: int = 2  # processes that read images from disk
    test: bool = True  # evaluate the test set, once, on the final weights; a run that is done may be asked later
    force: bool = False
    retry: bool = False
    strict: bool = True
    hydra: Mapping[str, str] = field(default_factory=dict)  # Hydra's own files, by name, kept with the record

    def __post_init__(self) -> None:
        if self.workers < 0:
            cure = "give a number of processes that read images from disk, 0 for none"
            raise ConfigError("workers", self.workers, cure)
