"""The typed schema of the configuration: what may be set, and of what type. A misspelt key anywhere is refused.

Open only are the `args` beside a `_target_`; they are bound to its signature when the Experiment is made.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

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
    lr: float = MISSING  # the peak rate under every scheduler


@dataclass
class SchedulerConfig(ComponentConfig):
    interval: Interval = MISSING
    own_warmup: bool = False  # it warms up by itself: any other warmup is refused
    peak_arg: str | None = None  # an argument that receives the group's peak rate


@dataclass
class OptionalConfig:
    """A group with a level that does nothing, whose `_target_` is null."""

    _target_: str | None = MISSING
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class WarmupConfig(OptionalConfig):
    interval: Interval = Interval.epoch
    length: str | None = None


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


@dataclass
class StartConfig:
    of: Any = None  # a run id, a recipe's name, or a list of overrides; null begins from scratch
    at: str = "end"  # 30ep, 500ba, end or plateau
    carry: list[str] = field(default_factory=lambda: ["model", "optimizer"])


@dataclass
class Config:
    model: ComponentConfig = MISSING
    data: DataConfig = MISSING
    task: ComponentConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    scheduler: SchedulerConfig = MISSING
    warmup: WarmupConfig = MISSING
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
    device: str = "auto"
    results: str | None = None
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1ep"
    keep: list[str] = field(default_factory=lambda: ["end"])
    workers: int = 2
    force: bool = False
    retry: bool = False
    strict: bool = True
    out: str | None = None


@dataclass
class LocalLauncherConfig:
    _target_: str = MISSING
    workers: int | None = None


@dataclass
class SlurmLauncherConfig(Slurm):
    _target_: str = MISSING


ConfigStore.instance().store(name="schema", node=Config)
ConfigStore.instance().store(group="hydra/launcher", name="local_schema", node=LocalLauncherConfig)
ConfigStore.instance().store(group="hydra/launcher", name="slurm_schema", node=SlurmLauncherConfig)
