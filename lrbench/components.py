"""What a run is put together from, each by its dotted path: the parts that a schedule depends on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lrbench.errors import ConfigError
from lrbench.horizon import Interval


@dataclass(frozen=True, kw_only=True)
class Component:
    """A class or function by its dotted path, with its arguments and what identifies its numbers."""

    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    numerics: int | str | None = None

    @property
    def name(self) -> str:
        """Of the class or function, without its module."""
        return self.target.rpartition(".")[2]


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
    refused if so. None, where no level says it, as of a class that a person names: then a rise is only told.
    """

    interval: Interval
    own_warmup: bool = False
    peak_arg: str | None = None
    floor_arg: str | None = None
    mode_arg: str | None = None
    only_falls: bool | None = None


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


def require_positive(option: str, value: float, cure: str) -> None:
    """Raises ConfigError."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(option, value, cure)
