"""From composed config groups to Experiments: every `_target_` resolved, every argument bound, the schedule traced.

It imports no torch until an Experiment is made.
"""

import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lrbench import experiment as ex
from lrbench.config.components import (
    Grouped,
    component_from,
    data_from,
    model_from,
    optimizer_from,
    own_metrics_from,
    param_groups_from,
    scheduler_from,
    warmup_from,
    weight_decay_from,
)
from lrbench.config.compose import compose, resolved
from lrbench.config.hydra_errors import composing, explain
from lrbench.config.schema import EarlyStopConfig, StartConfig, require_schema
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment.identity import to_plain
from lrbench.metrics import Metric, mode_of
from lrbench.store.files import Damaged
from lrbench.store.folder import results_folder
from lrbench.store.record import Record
from lrbench.store.store import Store


def experiment(*overrides: str, config_dir: str | Path | None = None) -> ex.Experiment:
    """The Experiment of some overrides: `experiment("scheduler=cosine", "warmup=linear5")`. config_dir: a folder with
    levels of your own, as `--config-dir`. Raises ConfigError."""
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError("config_dir", config_dir, "there is no such folder")
    search = [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]
    with composing(overrides):
        return experiment_from(compose([*search, *overrides]))


def experiment_from(cfg: DictConfig | Mapping[str, Any], grouped: list[Grouped] | None = None) -> ex.Experiment:
    """Check a composed configuration (or a resolved one, as plain data) and make its Experiment: every `_target_`
    resolved and its arguments bound, the data described, the times made whole, the schedule traced.

    Every number is taken at 15 significant digits, which is what a person can write: 0.1 + 0.2 is 0.3, and the value
    trained is the value hashed.

    grouped: what was found of models whose parameters are grouped, for the next ones: building one takes a while.
    Raises ConfigError."""
    from lrbench.engine.numerics import of_the_loop
    from lrbench.engine.ranks import rank_count
    from lrbench.schedules import check
    from lrbench.schedules.feedback import check_feedback, hears_metric

    plain = _typed(resolved(cfg))
    require_schema(plain)
    data, info = data_from(plain["data"])
    model = model_from(plain["model"], data, info.spec)
    given = {**plain, "ranks": rank_count()}
    left: dict[str, Any] = {k: given[k] if given[k] != neutral else None for k, neutral in ex.NEUTRAL.items()}
    made = ex.Experiment(
        model=model,
        data=data,
        task=component_from(plain["task"], "task"),
        optimizer=optimizer_from(plain["optimizer"]),
        scheduler=scheduler_from(plain["scheduler"]),
        warmup=warmup_from(plain["warmup"]),
        weight_decay=weight_decay_from(plain["weight_decay"]),
        param_groups=param_groups_from(plain["param_groups"], model, data, [] if grouped is None else grouped),
        lr_scaling=None if plain["lr_scaling"]["rule"] == "none" else ex.LRScaling(**plain["lr_scaling"]),
        start=_start(plain),
        own_metrics=own_metrics_from(plain["own_metrics"]),
        numerics=of_the_loop(),
        amp=plain["amp"] if plain["amp"] != "none" else None,
        **left,
        **{k: plain[k] for k in _SCALARS},
    )
    metrics = measured(made)
    if made.monitor not in (None, "val/loss", *metrics):  # the default may stand where nobody listens
        raise ConfigError("monitor", made.monitor, "never measured in this run", f"choose one of {', '.join(metrics)}")
    if made.monitor in metrics and (declared := mode_of(metrics[made.monitor])) != made.schedule.mode:
        made = replace(made, monitor_mode=declared)
    check_feedback(made.schedule, [*metrics])
    if plain["early_stop"] != asdict(EarlyStopConfig()):
        made = replace(made, early_stop=_early_stop(plain["early_stop"], made.monitor, metrics))
    if not hears_metric(made.schedule):  # what nobody listens to is not part of the run's identity
        made = replace(made, monitor=None, monitor_mode=None)
    check(made.schedule)
    return made


def schedule_of(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """What of a composed configuration is its schedule, checked, by the names that a SchedulePlan has for it. Neither
    data nor a model is looked at. Raises ConfigError."""
    plain = _typed(resolved(cfg))
    require_schema(plain)
    return {
        "optimizer": optimizer_from(plain["optimizer"]),
        "scheduler": scheduler_from(plain["scheduler"]),
        "warmup": warmup_from(plain["warmup"]),
        "weight_decay": weight_decay_from(plain["weight_decay"]),
        "monitor": plain["monitor"],
    }


def _typed(value: Any) -> Any:
    """Plain data with its numbers at 15 significant digits: as many as every float has in both directions."""
    if isinstance(value, Mapping):
        return {k: _typed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(v) for v in value]
    return float(f"{value:.15g}") if isinstance(value, float) else value


_SCALARS = (
    "horizon", "batch_size", "seed", "eval_every", "monitor", "clip", "threads",
)  # fmt: skip


_SETTINGS = ("device", "log_every", "checkpoint_every", "workers", "test", "force", "retry", "audit", "strict")


def settings_from(cfg: DictConfig | Mapping[str, Any]) -> ex.Settings:
    """The settings that do not change the numbers. Raises ConfigError."""
    plain = resolved(cfg)
    tracker = plain["tracker"]
    return ex.Settings(
        results=results_folder(plain["results"]),
        tracker=component_from(tracker, "tracker") if tracker["_target_"] else None,
        keep=tuple(plain["keep"]),
        best_by=plain["monitor"],
        accepts=_accepted(plain["accepts"]),
        **{k: plain[k] for k in _SETTINGS},
    )


def _accepted(accepts: Any) -> Mapping[str, str]:
    """Raises ConfigError for what is no rule, and for one without a reason."""
    if not accepts:
        return {}
    from lrbench.check.linter import IDS

    if not isinstance(accepts, Mapping):
        raise ConfigError("accepts", accepts, "give the ids of findings, each with its reason", "as {ID: REASON}")
    for rule, reason in accepts.items():
        if rule not in IDS:
            raise ConfigError(f"accepts.{rule}", reason, f"there is no such rule.{did_you_mean(rule, IDS)}")
        if not (isinstance(reason, str) and reason.strip()):
            raise ConfigError(f"accepts.{rule}", reason, "say why the finding is meant")
    return accepts


def measured(experiment: ex.Experiment) -> dict[str, Metric]:
    """The metrics a run measures on its way (the test set is evaluated once, at the end). Raises ConfigError."""
    from lrbench.engine.measuring import measured_by

    return measured_by(experiment)


def _early_stop(plain: Mapping[str, Any], monitor: str | None, metrics: Mapping[str, Metric]) -> ex.EarlyStop:
    """Raises ConfigError for a monitor that nobody evaluates, or of which nobody knows which way it is better."""
    if plain["patience"] is None:
        why = "there is no patience, so nothing ends early"
        raise ConfigError(
            "early_stop.min_delta", plain["min_delta"], why, "add early_stop.patience=5ep, or leave it out"
        )
    from lrbench.engine.measuring import mode_of_monitor

    mode = mode_of_monitor(monitor, metrics, f"early_stop.patience={plain['patience']}")
    return ex.EarlyStop(monitor=str(monitor), mode=mode, **plain)


def _start(config: dict[str, Any]) -> ex.Start | None:
    """The fork's parent: composed from overrides or a recipe, with the fork's own seed unless they name another; or
    read from its record."""
    plain, seed = config["start"], config["seed"]
    of = plain["of"]
    if of is None:
        if plain != asdict(StartConfig()):
            raise ConfigError("start.of", None, "there is nothing to begin from", "give a run, a recipe or overrides")
        return None
    if isinstance(of, str) and re.fullmatch(r"[0-9a-f]{4,16}", of):
        parent = _parent(Store(results_folder(config["results"])).find(of), of, config)
    else:
        overrides = [f"recipe={of}"] if isinstance(of, str) and "=" not in of else _as_list(of)
        with _naming("start.of", of):
            parent = experiment_from(compose([f"seed={seed}", *overrides]))
    head = {"new_head": plain["new_head"] or None, "head_names": plain["head_names"]}
    return ex.Start(of=parent, at=plain["at"], carry=tuple(plain["carry"]), **head)


def _parent(record: Record, of: str, config: dict[str, Any]) -> ex.Experiment:
    """The Experiment of a record. Raises ConfigError for one that is damaged, and for code that only it names."""
    from lrbench.trust import require_known, targets_in

    if why := record.examine():
        raise ConfigError("start.of", of, f"its record is damaged: {why}", "give its overrides, start.of=[...]")
    try:
        parent, *_ = record.read()
    except Damaged as damage:
        raise ConfigError("start.of", of, str(damage), "give its overrides, start.of=[...]") from damage
    require_known(to_plain(parent), targets_in(config), "start.of", of)
    return parent


def _as_list(of: Any) -> list[str]:
    return [str(o) for o in of] if isinstance(of, list) else [str(of)]


@contextmanager
def _naming(option: str, value: Any) -> Any:
    """Say where a refusal comes from, when it concerns a configuration inside another."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(option, value, str(error)) from error
    except Exception as error:
        raise ConfigError(option, value, str(explain(error, []))) from error
