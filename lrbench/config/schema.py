"""The typed schema of the configuration: what may be set, and of what type. A misspelt key anywhere is refused.

Open only are the `args` beside a `_target_`; they are bound to its signature when the Experiment is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from lrbench.errors import ConfigError, did_you_mean
from lrbench.sweep.slurm.options import Slurm


class Interval(Enum):
    """When a scheduler is stepped (Lightning's word): each epoch, each update, or after each evaluation."""

    epoch = "epoch"
    batch = "batch"
    metric = "metric"


class Rule(Enum):
    none = "none"
    linear = "linear"
    sqrt = "sqrt"


class Amp(Enum):
    """Mixed precision: autocast to bfloat16, or to float16 with a loss scaler."""

    none = "none"
    bf16 = "bf16"
    fp16 = "fp16"


@dataclass
class ComponentConfig:
    _target_: str = MISSING
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class OptimizerConfig(ComponentConfig):
    lr: Any = MISSING  # the peak rate under every scheduler, a number; or auto


@dataclass
class SchedulerConfig(ComponentConfig):
    interval: Interval = MISSING
    own_warmup: bool = False  # it warms up by itself: any other warmup is refused
    peak_arg: str | None = None  # an argument that receives the group's peak rate
    floor_arg: str | None = None  # an argument that is the lowest rate, below every group's peak
    mode_arg: str | None = None  # an argument that, where it is null, says which way the monitored metric is better
    still: bool = False  # it is meant never to move the rate
    only_falls: bool | None = None  # whether the rate never rises: then a rise is refused; null: it is told
    first_row: int | None = None  # 1: the scheduler is stepped before the optimizer, a mistake (conf/pitfall)


@dataclass
class OptionalConfig:
    """A group with a level that does nothing, whose `_target_` is null."""

    _target_: str | None = MISSING
    args: dict[str, Any] = field(default_factory=dict)


class Join(Enum):
    """What the warmup's updates use where the main schedule runs under it from update 0."""

    replace = "replace"  # the warmup's rates (timm)
    min = "min"  # the lower of the two
    product = "product"  # the main schedule's times the warmup's share of the peak (pytorch_warmup)


@dataclass
class WarmupConfig(OptionalConfig):
    interval: Interval = Interval.epoch
    length: str | None = None
    join: Join | None = None  # null: first the warmup, then the main schedule


@dataclass
class WeightDecayConfig(OptionalConfig):
    interval: Interval = Interval.batch


@dataclass
class AugmentConfig:
    crop: int = 0  # pixels of padding
    hflip: bool = False
    mixup: float | None = None  # alpha (Zhang et al. 2018)
    cutmix: float | None = None  # alpha (Yun et al. 2019)
    erase: float | None = None  # probability (Zhong et al. 2020)


@dataclass
class DataConfig(ComponentConfig):
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class LRScalingConfig:
    rule: Rule = Rule.none
    base_batch: int = 256


class Variant(Enum):
    lrbench = "lrbench"
    guide = "guide"


@dataclass
class FindLRConfig:
    """What `lrbench.find_lr.range_test.RangeTest` is; null is the variant's own."""

    start: float | None = None
    end: float = 10.0
    iterations: int = 100
    smoothing: float | None = None
    stop: float | None = 4.0
    seeds: int = 5
    variant: Variant = Variant.lrbench
    rule: str | None = None


@dataclass
class StartConfig:
    of: Any = None  # a run id, a recipe's name, or a list of overrides; null begins from scratch
    at: str = "end"  # 30ep, 500ba, end or plateau
    carry: list[str] = field(default_factory=lambda: ["model", "optimizer", "stream"])
    new_head: bool = False
    head_names: str | None = None


@dataclass
class EarlyStopConfig:
    patience: str | None = None
    min_delta: float = 0.0


class Scale(Enum):
    linear = "linear"
    log = "log"


@dataclass
class PlotConfig:
    scale: Scale = Scale.linear  # of the rate's axis


@dataclass
class Config:
    model: ComponentConfig = MISSING
    data: DataConfig = MISSING
    task: ComponentConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    scheduler: SchedulerConfig = MISSING
    warmup: WarmupConfig = MISSING
    weight_decay: WeightDecayConfig = MISSING
    param_groups: OptionalConfig = MISSING
    tracker: OptionalConfig = MISSING
    horizon: str = MISSING
    batch_size: int = MISSING
    seed: int = 0
    eval_every: str = "1ep"
    monitor: str | None = None
    clip: float | None = None
    lr_scaling: LRScalingConfig = field(default_factory=LRScalingConfig)
    threads: int = 1
    accumulate: int = 1
    amp: Amp = Amp.none
    channels_last: bool = True
    compile: bool = False
    start: StartConfig = field(default_factory=StartConfig)
    early_stop: EarlyStopConfig = field(default_factory=EarlyStopConfig)
    own_metrics: list[Any] = field(default_factory=list)  # dotted paths, or {_target_: PATH, args: {}}
    device: str = "auto"
    results: str | None = None
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1min"
    keep: list[str] = field(default_factory=lambda: ["end"])
    workers: int = 2
    test: bool = True
    force: bool = False
    retry: bool = False
    audit: bool = True
    strict: bool = False
    accepts: Any = None  # findings of `lrbench check` that are meant, by id, each with the reason
    out: str | None = None
    plot: PlotConfig = field(default_factory=PlotConfig)
    find_lr: FindLRConfig = field(default_factory=FindLRConfig)


@dataclass
class LocalLauncherConfig:
    _target_: str = MISSING
    workers: int | None = None


@dataclass
class SlurmLauncherConfig(Slurm):
    _target_: str = MISSING


def choices(option: str) -> tuple[str, ...]:
    """The values of an option with few, by its dotted name; none for any other, and for what is no option."""
    kind: Any = Config
    for name in option.split("."):
        kind = get_type_hints(kind).get(name) if is_dataclass(kind) else None
    kinds = [k for k in get_args(kind) or (kind,) if isinstance(k, type)]
    if bool in kinds:
        return "false", "true"
    return tuple(member.name for k in kinds if issubclass(k, Enum) for member in k)


def require_schema(plain: Mapping[str, Any], schema: type = Config, prefix: str = "") -> None:
    """Refuse what `+key=value` adds beside the schema (only `args` are open, and bound to a signature later), what
    `~key` takes from it, and a list or a part that ${...} made another thing of, which OmegaConf holds to no type.
    Raises ConfigError."""
    kinds = _kinds(schema)
    for key in kinds.keys() - plain.keys():
        why = "every run has this option, so it cannot be taken away"
        raise ConfigError(f"~{prefix}{key}", "", why, "give it a value, or leave it as it is")
    for key, value in plain.items():
        if key not in kinds:
            raise ConfigError(f"{prefix}{key}", value, f"there is no such option.{did_you_mean(key, kinds)}")
        kind = dict if is_dataclass(kinds[key]) else get_origin(kinds[key])
        if kind in (dict, list) and not isinstance(value, kind):
            why = "it has options of its own" if kind is dict else "it is a list"
            raise ConfigError(f"{prefix}{key}", value, why, "give each of them, or leave it out")
        if is_dataclass(kinds[key]):
            require_schema(value, kinds[key], f"{prefix}{key}.")


_kinds = cache(get_type_hints)

ConfigStore.instance().store(name="schema", node=Config)
ConfigStore.instance().store(group="hydra/launcher", name="local_schema", node=LocalLauncherConfig)
ConfigStore.instance().store(group="hydra/launcher", name="slurm_schema", node=SlurmLauncherConfig)
