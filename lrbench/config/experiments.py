"""From composed config groups to Experiments: every `_target_` resolved, every argument bound, the schedule traced.

It imports no torch until an Experiment is made.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, replace
from functools import cache
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_type_hints

from omegaconf import DictConfig

from lrbench import experiment as ex
from lrbench.config.compose import compose, resolved
from lrbench.config.hydra_errors import explain
from lrbench.config.schema import Config, StartConfig
from lrbench.errors import ConfigError, did_you_mean
from lrbench.metrics import Metric, metric_of, mode_of
from lrbench.store.record import results_folder
from lrbench.store.store import Store

if TYPE_CHECKING:
    from lrbench.data import DataInfo


def experiment(*overrides: str) -> ex.Experiment:
    """The Experiment of some overrides: `experiment("scheduler=cosine", "warmup=linear5")`."""
    return experiment_from(compose(overrides))


# Grouping, model and data: each group's share of the peak, and those without weight decay.
Grouped = tuple[tuple[ex.Component, ...], tuple[dict[str, float], tuple[str, ...] | None]]


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
    _refuse_unknown(plain, Config)
    data, info = _data(plain["data"])
    model = _model(plain["model"], data, info.spec)
    made = ex.Experiment(
        model=model,
        data=data,
        task=_component(plain["task"], "task"),
        optimizer=_optimizer(plain["optimizer"]),
        scheduler=_scheduler(plain["scheduler"]),
        warmup=_warmup(plain["warmup"]),
        weight_decay=_weight_decay(plain["weight_decay"]),
        param_groups=_param_groups(plain["param_groups"], model, data, [] if grouped is None else grouped),
        lr_scaling=None if plain["lr_scaling"]["rule"] == "none" else ex.LRScaling(**plain["lr_scaling"]),
        start=_start(plain["start"], plain["results"], plain["seed"]),
        numerics=of_the_loop(),
        # Neutral values are None, so that a run without these keeps the identity it had before they existed.
        accumulate=plain["accumulate"] if plain["accumulate"] != 1 else None,
        ranks=rank_count() if rank_count() != 1 else None,
        amp=plain["amp"] if plain["amp"] != "none" else None,
        channels_last=plain["channels_last"] or None,
        compile=plain["compile"] or None,
        **{k: plain[k] for k in _SCALARS},
    )
    metrics = measured(made)
    if made.monitor not in (None, "val/loss", *metrics):  # the default may stand where nobody listens
        raise ConfigError("monitor", made.monitor, "never measured in this run", f"choose one of {', '.join(metrics)}")
    if made.monitor in metrics and (declared := mode_of(metrics[made.monitor])) != made.schedule.mode:
        made = replace(made, monitor_mode=declared)
    check_feedback(made.schedule, [*metrics])
    if not hears_metric(made.schedule):  # what nobody listens to is not part of the run's identity
        made = replace(made, monitor=None, monitor_mode=None)
    check(made.schedule)
    return made


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


_SETTINGS = ("device", "log_every", "checkpoint_every", "workers", "test", "force", "retry", "strict")


def settings_from(cfg: DictConfig | Mapping[str, Any]) -> ex.Settings:
    """The settings that do not change the numbers. Raises ConfigError."""
    plain = resolved(cfg)
    tracker = plain["tracker"]
    return ex.Settings(
        results=results_folder(plain["results"]),
        tracker=_component(tracker, "tracker") if tracker["_target_"] else None,
        keep=tuple(plain["keep"]),
        **{k: plain[k] for k in _SETTINGS},
    )


def measured(experiment: ex.Experiment) -> dict[str, Metric]:
    """The metrics a run measures on its way, as its task declares them (the test set is evaluated once, at the end)."""
    from lrbench.targets import resolve
    from lrbench.tasks.returns import declared

    data, task = experiment.data, experiment.task
    spec = resolve(data.target, "data")(**data.args).info().spec
    try:
        metrics = declared(resolve(task.target, "task")(**task.args), spec, task.target)
    except KeyError as error:
        why = f"it needs {error.args[0]}, which {data.name} does not give (it gives {', '.join(spec) or 'nothing'})"
        cure = "choose data for this task, or the task of these"
        raise ConfigError("task._target_", task.target, why, cure) from error
    return {"train/loss": metric_of("loss", metrics), **{f"val/{name}": m for name, m in metrics.items()}}


def _refuse_unknown(plain: dict[str, Any], schema: type, prefix: str = "") -> None:
    """Refuse what `+key=value` adds beside the schema; only `args` are open, and bound to a signature later."""
    kinds = _kinds(schema)
    for key, value in plain.items():
        if key not in kinds:
            raise ConfigError(f"{prefix}{key}", value, f"there is no such option.{did_you_mean(key, kinds)}")
        if is_dataclass(kinds[key]):
            _refuse_unknown(value, kinds[key], f"{prefix}{key}.")


_kinds = cache(get_type_hints)


def _checked(plain: dict[str, Any], option: str, given: Sequence[str]) -> dict[str, Any]:
    """The fields every component has, its arguments bound against its signature."""
    from lrbench import targets

    path, args = plain["_target_"], plain["args"]
    targets.check_arguments(path, args, given, option)
    return {"target": path, "args": args, "numerics": targets.numerics(path, option)}


def _component(plain: dict[str, Any], option: str, given: Sequence[str] = ()) -> ex.Component:
    return ex.Component(**_checked(plain, option, given))


def _data(plain: dict[str, Any]) -> tuple[ex.Data, "DataInfo"]:
    from lrbench.targets import resolve

    checked = _checked(plain, "data", ())
    info = resolve(plain["_target_"], "data")(**plain["args"]).info()
    known = {"n_train": info.n_train, "tokens": info.tokens, "fingerprint": info.fingerprint}
    return ex.Data(**checked, **known, augment=ex.Augment(**plain["augment"])), info


def _model(plain: dict[str, Any], data: ex.Data, spec: Mapping[str, Any]) -> ex.Component:
    """The model, for which the data's spec gives the parameters that have a name in it."""
    from lrbench.targets import named_parameters

    path, name = plain["_target_"], plain["_target_"].rpartition(".")[2]
    for needed, parameter in named_parameters(path, "model").items():
        if parameter.default is Parameter.empty and needed not in {*spec, *plain["args"]}:
            raise ConfigError(
                "model._target_",
                path,
                f"{name} needs {needed}, which data={data.target.rpartition('.')[2]} does not give (it gives "
                f"{', '.join(spec) or 'nothing'})",
                f"choose a model for these data or data for this model, or add '+model.args.{needed}=...'",
            )
    return _component(plain, "model", tuple(spec))


def _optimizer(plain: dict[str, Any]) -> ex.Optimizer:
    return ex.Optimizer(**_checked(plain, "optimizer", ("params", "lr")), lr=plain["lr"])


def _scheduler(plain: dict[str, Any]) -> ex.Scheduler:
    given = ["optimizer", *([plain["peak_arg"]] if plain["peak_arg"] else [])]
    rest = {k: plain[k] for k in ("interval", "own_warmup", "peak_arg", "floor_arg", "mode_arg", "only_falls", "still")}
    return ex.Scheduler(**_checked(plain, "scheduler", given), **rest)


def _warmup(plain: dict[str, Any]) -> ex.Warmup | None:
    if plain["_target_"] is None:
        for option in ("length", "join"):
            if plain[option] is not None or plain["args"]:
                why = "there is no warmup to set it for"
                raise ConfigError(f"warmup.{option}", plain[option], why, "choose a level such as warmup=linear5 first")
        return None
    if plain["length"] is None:
        raise ConfigError("warmup.length", None, "say how long the warmup is, such as 5ep or 10%, or use warmup=none")
    rest = {k: plain[k] for k in ("interval", "length", "join")}
    return ex.Warmup(**_checked(plain, "warmup", ("optimizer",)), **rest)


def _weight_decay(plain: dict[str, Any]) -> ex.WeightDecay | None:
    if plain["_target_"] is None:
        if plain["args"]:
            cure = "choose another level, such as weight_decay=cosine"
            raise ConfigError("weight_decay.args", plain["args"], "a constant takes no arguments", cure)
        return None
    return ex.WeightDecay(**_checked(plain, "weight_decay", ("optimizer",)), interval=plain["interval"])


def _param_groups(
    plain: dict[str, Any], model: ex.Component, data: ex.Data, grouped: list[Grouped]
) -> ex.ParamGroups | None:
    """The grouping, with the groups that it makes of this model: only a model tells which layers it has."""
    if plain["_target_"] is None:
        if plain["args"]:
            raise ConfigError(
                "param_groups.args", plain["args"], "one group takes no arguments", "choose another level"
            )
        return None
    spec = _component(plain, "param_groups", ("model",))
    asked = (spec, model, data)
    found = next((found for key, found in grouped if key == asked), None)
    if found is None:
        from lrbench.engine.state import build_model
        from lrbench.optim import group_parameters

        groups = group_parameters(build_model(model, data), spec)
        spared = tuple(g.name for g in groups if not g.weight_decay)
        found = {g.name: g.lr_scale for g in groups}, spared or None
        grouped.append((asked, found))
    scales, no_decay = found
    return ex.ParamGroups(**vars(spec), lr_scales=scales, no_decay=no_decay)


def _start(plain: dict[str, Any], results: str | None, seed: int) -> ex.Start | None:
    """The fork's parent: composed from overrides or a recipe, with the fork's own seed unless they name another; or
    read from its record."""
    of = plain["of"]
    if of is None:
        if plain != asdict(StartConfig()):
            raise ConfigError("start.of", None, "there is nothing to begin from", "give a run, a recipe or overrides")
        return None
    if isinstance(of, str) and re.fullmatch(r"[0-9a-f]{4,16}", of):
        parent = Store(results_folder(results)).find(of).experiment()
    else:
        overrides = [f"recipe={of}"] if isinstance(of, str) and "=" not in of else _as_list(of)
        with _naming("start.of", of):
            parent = experiment(f"seed={seed}", *overrides)
    return ex.Start(of=parent, at=plain["at"], carry=tuple(plain["carry"]))


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
