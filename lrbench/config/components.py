"""The parts of an Experiment, each from what its group composed: its `_target_` resolved, its arguments bound. All of
them raise ConfigError."""

from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from lrbench import experiment as ex
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from lrbench.data import DataInfo

AUTO = "auto"  # of optimizer.lr: what a range test finds


# Grouping, model and data: each group's share of the peak, and those without weight decay.
Grouped = tuple[tuple[ex.Component, ...], tuple[dict[str, float], tuple[str, ...] | None]]


def _checked(plain: dict[str, Any], option: str, given: Sequence[str]) -> dict[str, Any]:
    """The fields every component has, its arguments bound against its signature."""
    from lrbench import targets

    path, args = plain["_target_"], plain["args"]
    targets.check_arguments(path, args, given, option)
    return {"target": path, "args": args, "numerics": targets.numerics(path, option)}


def component_from(plain: dict[str, Any], option: str, given: Sequence[str] = ()) -> ex.Component:
    return ex.Component(**_checked(plain, option, given))


def own_metrics_from(given: Sequence[Any]) -> tuple[ex.Component, ...] | None:
    """Each a dotted path, or what a level has: `{_target_: PATH, args: {...}}`. None for none."""
    found = []
    for i, each in enumerate(given):
        plain, option = {"_target_": each} if isinstance(each, str) else each, f"own_metrics[{i}]"
        if not (isinstance(plain, Mapping) and {"_target_"} <= plain.keys() <= {"_target_", "args"}):
            cure = "give the dotted path of a class, as own_metrics=[my_module.F1], or {_target_: PATH, args: {...}}"
            raise ConfigError(option, each, "this is no metric", cure)
        if "." not in str(plain["_target_"]):
            cure = "write a class with metrics(spec) and meter() (lrbench.tasks says how), and give its dotted path"
            raise ConfigError(option, plain["_target_"], "no metric is known by a name alone", cure)
        found.append(component_from({"_target_": plain["_target_"], "args": plain.get("args") or {}}, option))
    return tuple(found) or None


def data_from(plain: dict[str, Any]) -> tuple[ex.Data, "DataInfo"]:
    from lrbench.targets import named_parameters, resolve

    checked = _checked(plain, "data", ())
    _require_methods(plain["_target_"], "data", ("info", "load"))
    target = resolve(plain["_target_"], "data")
    info = target(**plain["args"]).info()
    later = {name: named_parameters(plain["_target_"], "data")[name].default for name in getattr(target, "later", ())}
    checked["args"] = {k: v for k, v in plain["args"].items() if k not in later or v is not later[k]}
    known = {"n_train": info.n_train, "tokens": info.tokens, "fingerprint": info.fingerprint}
    return ex.Data(**checked, **known, augment=ex.Augment(**plain["augment"])), info


def _require_methods(path: str, option: str, methods: Sequence[str]) -> None:
    """Raises ConfigError for a class that lacks one; of a function only what it makes can tell."""
    from lrbench.targets import resolve

    target = resolve(path, option)
    lacking = [name for name in methods if isinstance(target, type) and not callable(getattr(target, name, None))]
    if lacking:
        cure = f"a class for {option} has {', '.join(methods)}: see the head of conf/{option}/custom.yaml"
        raise ConfigError(f"{option}._target_", path, f"it has no method {lacking[0]}", cure)


def model_from(plain: dict[str, Any], data: ex.Data, spec: Mapping[str, Any]) -> ex.Component:
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
    return component_from(plain, "model", tuple(spec))


def optimizer_from(plain: dict[str, Any]) -> ex.Optimizer:
    from lrbench.targets import first_parameter, takes

    path = plain["_target_"]
    first = first_parameter(path, "optimizer") or "params"  # whatever it is called: it is given by place
    if not takes(path, "lr", "optimizer"):
        cure = "give its constructor a parameter lr, the rate of groups that have none of their own"
        raise ConfigError("optimizer._target_", path, f"{path.rpartition('.')[2]} takes no lr", cure)
    return ex.Optimizer(**_checked(plain, "optimizer", (first, "lr")), lr=_rate(plain["lr"]))


def _rate(given: Any) -> float:
    """A number, as every other one that the schema types. Raises ConfigError, also for `auto`: whoever makes the
    Experiment of a person's command puts the number there before (`lrbench.config.auto`)."""
    if given == AUTO:
        why = "what a range test finds stands for it in lrbench train, sweeps and compare, and nowhere else"
        raise ConfigError("optimizer.lr", AUTO, why, "ask `lrbench find-lr` with the other options, give its number")
    try:
        if isinstance(given, bool):
            raise ValueError
        return float(given)
    except (TypeError, ValueError) as error:
        shown = repr(given) if isinstance(given, str) and " " in given else given
        why = "this option needs a value" if given is None else "this is no number"
        raise ConfigError("optimizer.lr", shown, why, "give one, such as 0.1 or 1e-3, or auto") from error


def scheduler_from(plain: dict[str, Any]) -> ex.Scheduler:
    from lrbench.targets import optimizer_parameter

    given = [optimizer_parameter(plain["_target_"], "scheduler"), *([plain["peak_arg"]] if plain["peak_arg"] else [])]
    rest = {k: v for k, v in plain.items() if k not in ("_target_", "args")}
    return ex.Scheduler(**_with_nested(_checked(plain, "scheduler", given)), **rest)


def _with_nested(checked: dict[str, Any]) -> dict[str, Any]:
    """The same fields, where an argument is itself something to be built (SequentialLR's `schedulers`): its arguments
    bound to its signature, its source part of what identifies the numbers."""
    from lrbench.targets import MARKS, check_arguments, nested, numerics_with, optimizer_parameter

    for option, inner in nested(checked["args"], "scheduler.args"):
        path, args = inner["_target_"], {k: v for k, v in inner.items() if k not in MARKS}
        given = (optimizer_parameter(path, option),)
        check_arguments(path, args, given, option, "", complete=not inner.get("_partial_"))
    return {**checked, "numerics": numerics_with(checked["target"], checked["args"], "scheduler")}


def warmup_from(plain: dict[str, Any]) -> ex.Warmup | None:
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


def weight_decay_from(plain: dict[str, Any]) -> ex.WeightDecay | None:
    if plain["_target_"] is None:
        if plain["args"]:
            cure = "choose another level, such as weight_decay=cosine"
            raise ConfigError("weight_decay.args", plain["args"], "a constant takes no arguments", cure)
        return None
    return ex.WeightDecay(**_checked(plain, "weight_decay", ("optimizer",)), interval=plain["interval"])


def param_groups_from(
    plain: dict[str, Any], model: ex.Component, data: ex.Data, grouped: list[Grouped]
) -> ex.ParamGroups | None:
    """The grouping, with the groups that it makes of this model: only a model tells which layers it has."""
    if plain["_target_"] is None:
        if plain["args"]:
            raise ConfigError(
                "param_groups.args", plain["args"], "one group takes no arguments", "choose another level"
            )
        return None
    spec = component_from(plain, "param_groups", ("model",))
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
