"""What a run is put together from, each part a frozen value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lrbench.errors import ConfigError
from lrbench.horizon import Interval
from lrbench.metrics import Mode

CALLED = {"stable_decay": "wsd"}  # by its level: the ids of runs hold the function's own name, which so has to stay


def class_name(target: str) -> str:
    """How a person is told of a class or function: by its name without its module."""
    own = target.rpartition(".")[2]
    return CALLED.get(own, own)


@dataclass(frozen=True, kw_only=True)
class Component:
    """A class or function by its dotted path, with its arguments and what identifies its numbers."""

    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    numerics: int | str | None = None

    @property
    def name(self) -> str:
        """Of the class or function, without its module."""
        return class_name(self.target)


@dataclass(frozen=True, kw_only=True)
class Optimizer(Component):
    lr: float

    def __post_init__(self) -> None:
        require_positive("optimizer.lr", self.lr, "the peak rate is a number above 0, such as 0.1")


@dataclass(frozen=True, kw_only=True)
class Scheduler(Component):
    """A main schedule, and what its level says of its kind, so that no code needs to know classes by name.

    `peak_arg` names an argument that receives the group's peak rate (OneCycle's max_lr); `floor_arg` one that is the
    lowest rate, which must not lie above any group's peak; `mode_arg` one that says which way the monitored metric is
    better, min or max, and follows the metric where it is null. `only_falls`: whether the rate never rises; a rise is
    refused if so. None, where no level says it, as of a class that a person names: then a rise is only told. `still`:
    it is meant never to move; of any other that never does, it is told.

    `first_row`: which row the first update uses, None for row 0, as it should be. 1 is a loop that steps the scheduler
    before the optimizer, as people did before torch 1.1: every update uses the rate of the next step.
    """

    interval: Interval
    own_warmup: bool = False
    peak_arg: str | None = None
    floor_arg: str | None = None
    mode_arg: str | None = None
    only_falls: bool | None = None
    still: bool = False
    first_row: int | None = None

    def __post_init__(self) -> None:
        if self.first_row is not None and self.first_row < 1:
            cure = "give 1 for a scheduler that steps before the optimizer, or null"
            raise ConfigError("scheduler.first_row", self.first_row, "row 0 is the first without it", cure)


@dataclass(frozen=True, kw_only=True)
class Warmup(Component):
    """`join` is None where the main schedule begins at the warmup's end. Otherwise it runs from update 0, under the
    warmup, whose rows are its own (`replace`, timm's default), the lower of the two (`min`), or the main schedule's
    times the warmup's share of the peak (`product`: pytorch_warmup's dampening, Ma & Yarats 2021)."""

    interval: Interval
    length: str
    join: Literal["replace", "min", "product"] | None = None

    def __post_init__(self) -> None:
        if self.interval == "metric":
            raise ConfigError("warmup.interval", "metric", "a warmup hears no metric", "choose epoch or batch")


@dataclass(frozen=True, kw_only=True)
class WeightDecay(Component):
    """A scheduler whose "rate" is the weight decay of a group, from the group's own on."""

    interval: Interval

    def __post_init__(self) -> None:
        if self.interval == "metric":
            why = "a schedule of the weight decay hears no metric"
            raise ConfigError("weight_decay.interval", "metric", why, "choose epoch or batch")


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

    An argument named `root` says where the data lie: the identity leaves it out (`placeless`).
    """

    n_train: int | None = None
    fingerprint: str
    tokens: int | None = None
    augment: Augment = Augment()

    @property
    def placeless(self) -> "Data":
        """Itself without where it lies; of lrbench's own data sets also without `path`, and a tokenizer that is a file:
        the fingerprint holds their content."""
        ours = self.target.startswith("lrbench.")
        places = {"root", "path"} if ours else {"root"}
        if ours and str(self.args.get("tokenizer")).endswith(".json"):
            places.add("tokenizer")
        if not places & self.args.keys():
            return self
        return replace(self, args={k: v for k, v in self.args.items() if k not in places})


@dataclass(frozen=True, kw_only=True)
class ParamGroups(Component):
    """How the model's parameters are grouped; `lr_scales` is each group's share of the peak rate, in their order.
    `no_decay` names the groups without weight decay, None where all have it."""

    lr_scales: Mapping[str, float]
    no_decay: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """The run ends after evaluations for `patience` (`5ep`) in a row in which `monitor` was no better than before them.
    `mode`: which way it is better; `min_delta`: by how much at least, to count."""

    patience: str
    monitor: str
    mode: Mode
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_delta) and self.min_delta >= 0):
            raise ConfigError("early_stop.min_delta", self.min_delta, "give a number of at least 0")


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


def require_positive(option: str, value: float, cure: str) -> None:
    """Raises ConfigError."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(option, value, cure)
