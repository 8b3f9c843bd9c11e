"""The typed schema of the configuration, and the way from composed config groups to Experiments.

The only module that knows Hydra and OmegaConf. It imports no torch until an Experiment is made.
"""

import os
import re
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from lrbench import CONF
from lrbench import experiment as ex
from lrbench.errors import ConfigError, did_you_mean


class Interval(Enum):
    """When a scheduler is stepped (Lightning's word): each epoch, each update, or after each evaluation."""

    epoch = "epoch"
    batch = "batch"
    metric = "metric"


class Rule(Enum):
    none = "none"
    linear = "linear"
    sqrt = "sqrt"


class Groups(Enum):
    one = "one"
    no_decay_norm_bias = "no_decay_norm_bias"


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
class WarmupConfig:
    _target_: str | None = MISSING
    args: dict[str, Any] = field(default_factory=dict)
    interval: Interval = Interval.epoch
    length: str | None = None


@dataclass
class AugmentConfig:
    crop: int = 0
    hflip: bool = False


@dataclass
class DataConfig(ComponentConfig):
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class TrackerConfig:
    _target_: str | None = MISSING
    args: dict[str, Any] = field(default_factory=dict)


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
    tracker: TrackerConfig = MISSING
    horizon: str = MISSING
    batch_size: int = MISSING
    seed: int = 0
    eval_every: str = "1ep"
    monitor: str | None = None
    clip: float | None = None
    param_groups: Groups = Groups.one
    lr_scaling: LRScalingConfig = field(default_factory=LRScalingConfig)
    threads: int = 1
    start: StartConfig = field(default_factory=StartConfig)
    device: str = "auto"
    results: str | None = None
    log_every: str = "0.1%"
    checkpoint_every: str | None = "1ep"
    keep: list[str] = field(default_factory=lambda: ["end"])
    force: bool = False
    retry: bool = False
    strict: bool = True
    out: str | None = None


ConfigStore.instance().store(name="schema", node=Config)


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration from overrides, as the command line does."""
    running = GlobalHydra.instance().is_initialized()
    with nullcontext() if running else initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra_compose("config", list(overrides))


def experiment(*overrides: str) -> ex.Experiment:
    """The Experiment of some overrides: `experiment("scheduler=cosine", "warmup=linear5")`."""
    return experiment_from(compose(overrides))


def experiment_from(cfg: DictConfig) -> ex.Experiment:
    """Check a composed configuration and make its Experiment: every `_target_` resolved and its arguments bound,
    the data described, the times made whole, the schedule traced. Raises ConfigError."""
    from lrbench.schedules import lr_table
    from lrbench.schedules.feedback import check_feedback, hears_metric

    plain = _plain(cfg)
    _refuse_unknown(plain, Config)
    made = ex.Experiment(
        model=_component(plain["model"], "model", ("shape", "num_classes")),
        data=_data(plain["data"]),
        task=_component(plain["task"], "task"),
        optimizer=_optimizer(plain["optimizer"]),
        scheduler=_scheduler(plain["scheduler"]),
        warmup=_warmup(plain["warmup"]),
        lr_scaling=None if plain["lr_scaling"]["rule"] == "none" else ex.LRScaling(**plain["lr_scaling"]),
        start=_start(plain["start"], cfg),
        numerics=_numerics(),
        **{k: plain[k] for k in _SCALARS},
    )
    check_feedback(made, measured(made))
    if not hears_metric(made):  # what nobody listens to is not part of the run's identity
        made = replace(made, monitor=None)
    lr_table(made)
    return made


_SCALARS = (
    "horizon", "batch_size", "seed", "eval_every", "monitor", "clip", "param_groups", "threads",
)  # fmt: skip


def settings_from(cfg: DictConfig) -> ex.Settings:
    """The settings that do not change the numbers. Raises ConfigError."""
    plain = _plain(cfg)
    tracker = plain["tracker"]
    return ex.Settings(
        results=results_folder(plain["results"]),
        tracker=_component(tracker, "tracker") if tracker["_target_"] else None,
        keep=tuple(plain["keep"]),
        **{k: plain[k] for k in ("device", "log_every", "checkpoint_every", "force", "retry", "strict")},
    )


def results_folder(results: str | None = None) -> Path:
    """Where records live: the `results` option, else $LRBENCH_RESULTS, else ./results."""
    return Path(results or os.environ.get("LRBENCH_RESULTS") or "results")


def measured(experiment: ex.Experiment) -> list[str]:
    """The names of the metrics a run measures on its way (the test set is evaluated once, at the end)."""
    from lrbench.targets import resolve

    return ["train/loss", *(f"val/{m}" for m in getattr(resolve(experiment.task.target, "task"), "metrics", ()))]


def _refuse_unknown(plain: dict[str, Any], schema: type, prefix: str = "") -> None:
    """Refuse what `+key=value` adds beside the schema; only `args` are open, and bound to a signature later."""
    kinds = get_type_hints(schema)
    for key, value in plain.items():
        if key not in kinds:
            raise ConfigError(f"{prefix}{key}={value}: there is no such option.{did_you_mean(key, kinds)}")
        if is_dataclass(kinds[key]):
            _refuse_unknown(value, kinds[key], f"{prefix}{key}.")  # type: ignore[arg-type]


def _plain(cfg: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True, enum_to_str=True)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        group = key.split(".")[0]
        raise ConfigError(f"{key}: this option of {group} has no value; give it, as in {key}=...") from error
    assert isinstance(plain, dict)
    return plain


def _checked(plain: dict[str, Any], option: str, given: Sequence[str]) -> dict[str, Any]:
    """The fields every component has, its arguments bound against its signature."""
    from lrbench import targets

    path, args = plain["_target_"], plain["args"]
    targets.check_arguments(path, args, given, option)
    return {"target": path, "args": args, "numerics": targets.numerics(path, option)}


def _component(plain: dict[str, Any], option: str, given: Sequence[str] = ()) -> ex.Component:
    return ex.Component(**_checked(plain, option, given))


def _data(plain: dict[str, Any]) -> ex.Data:
    from lrbench.targets import resolve

    checked = _checked(plain, "data", ())
    info = resolve(plain["_target_"], "data")(**plain["args"]).info()
    return ex.Data(
        **checked, n_train=info.n_train, fingerprint=info.fingerprint, augment=ex.Augment(**plain["augment"])
    )


def _optimizer(plain: dict[str, Any]) -> ex.Optimizer:
    return ex.Optimizer(**_checked(plain, "optimizer", ("params", "lr")), lr=plain["lr"])


def _scheduler(plain: dict[str, Any]) -> ex.Scheduler:
    given = ["optimizer", *([plain["peak_arg"]] if plain["peak_arg"] else [])]
    rest = {k: plain[k] for k in ("interval", "own_warmup", "peak_arg")}
    return ex.Scheduler(**_checked(plain, "scheduler", given), **rest)


def _warmup(plain: dict[str, Any]) -> ex.Warmup | None:
    if plain["_target_"] is None:
        if plain["length"] is not None or plain["args"]:
            raise ConfigError(
                f"warmup.length={plain['length']}: there is no warmup to set it for; choose a level such as "
                "warmup=linear5 first."
            )
        return None
    if plain["length"] is None:
        raise ConfigError("warmup.length=null: say how long the warmup is, such as 5ep or 10%, or use warmup=none.")
    return ex.Warmup(**_checked(plain, "warmup", ("optimizer",)), interval=plain["interval"], length=plain["length"])


def _start(plain: dict[str, Any], cfg: DictConfig) -> ex.Start | None:
    """The fork's parent: composed from overrides or a recipe, or read from its record."""
    of = plain["of"]
    if of is None:
        return None
    if isinstance(of, str) and re.fullmatch(r"[0-9a-f]{4,16}", of):
        from lrbench.record import find_record

        parent = find_record(results_folder(cfg.results), of).experiment()
    else:
        with _naming("start.of", of):
            parent = experiment(*([f"recipe={of}"] if isinstance(of, str) and "=" not in of else _as_list(of)))
    return ex.Start(of=parent, at=plain["at"], carry=tuple(plain["carry"]))


def _as_list(of: Any) -> list[str]:
    return [str(o) for o in of] if isinstance(of, list) else [str(of)]


@contextmanager
def _naming(option: str, value: Any) -> Any:
    """Say where a refusal comes from, when it concerns a configuration inside another."""
    from lrbench.hydra_errors import explain

    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}={value}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{option}={value}: {explain(error, [])}") from error


def _numerics() -> dict[str, int]:
    from lrbench import engine, optim
    from lrbench.data import batches

    return {"engine": engine.NUMERICS, "batches": batches.NUMERICS, "optim": optim.NUMERICS}


def levels(group: str) -> list[str]:
    """The names of a config group's levels."""
    return sorted(p.stem for p in (CONF / group).glob("*.yaml"))


def unknown_level(group: str, level: str) -> str:
    return f"{group}={level}: there is no such level.{did_you_mean(level, levels(group))}"
