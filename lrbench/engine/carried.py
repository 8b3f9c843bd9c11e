"""Which of a parent's weights a fork takes over, and which of its own begin anew."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.engine.state import build_model
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Start
from lrbench.experiment.identity import run_id
from lrbench.optim import group_parameters
from lrbench.param_groups import classifier, matching
from lrbench.targets import resolve

SHOWN = 4  # keys that a refusal names; the others are counted

Weights = Mapping[str, Tensor]
InHead = Callable[[str], bool]


def carried(model: nn.Module, theirs: Weights, start: Start) -> dict[str, Tensor]:
    """What the fork's model begins with: the parent's weights and buffers, and under `start.new_head` the model's own
    head, as it was drawn. Raises ConfigError for weights that do not fit, and names them."""
    own, in_head = model.state_dict(), _head_of(model, start)
    taken = {key: value for key, value in theirs.items() if not in_head(key)}
    if wrong := _misfits({k: v for k, v in own.items() if not in_head(k)}, taken):
        raise ConfigError("start.of", run_id(start.of), _told(wrong), _cure(wrong, model, start))
    return {**taken, **{key: value for key, value in own.items() if in_head(key)}}


def require_fit(experiment: Experiment, start: Start) -> None:
    """Refuse weights that will not fit, before the parent is trained. Raises ConfigError."""
    parent = start.of
    moments = "optimizer" in start.carry and experiment.param_groups != parent.param_groups
    alike = experiment.model == parent.model and _spec(experiment) == _spec(parent)
    if alike and not start.new_head and not moments:
        return
    with torch.random.fork_rng(devices=[]):
        ours, theirs = (build_model(e.model, e.data) for e in (experiment, parent))
    carried(ours, theirs.state_dict(), start)
    if moments and _grouped(ours, experiment) != _grouped(theirs, parent):
        why = "the parent's optimizer groups other parameters, so that its moments would be given to other weights"
        raise ConfigError("start.carry", [*start.carry], why, "give start.carry=[model], or both the same param_groups")


def _grouped(model: nn.Module, experiment: Experiment) -> list[list[str]]:
    """The names of the parameters that the optimizer has, by group."""
    names = {id(p): name for name, p in model.named_parameters()}
    return [[names[id(p)] for p in g.parameters] for g in group_parameters(model, experiment.param_groups)]


def _spec(experiment: Experiment) -> Mapping[str, object]:
    return dict(resolve(experiment.data.target, "data")(**experiment.data.args).info().spec)


def _head_of(model: nn.Module, start: Start) -> InHead:
    """Whether a key of the state belongs to the head that begins anew; to none does any, where it is carried."""
    if not start.new_head:
        return lambda key: False
    if start.head_names is not None:
        matching(model, start.head_names, "start.head_names")
        pattern = re.compile(start.head_names)
        in_head: InHead = lambda key: bool(pattern.match(key))  # noqa: E731
    else:
        names = tuple(f"{name}." for name, m in model.named_modules() if any(m is c for c in classifier(model)))
        in_head = lambda key: key.startswith(names)  # noqa: E731
    _require_a_head(model, in_head, start)
    return in_head


def _require_a_head(model: nn.Module, in_head: InHead, start: Start) -> None:
    """Raises ConfigError where nothing is the head or everything, and where it shares weights with the rest."""
    option, given = ("start.new_head", True) if start.head_names is None else ("start.head_names", start.head_names)
    cure = "name its parameters by start.head_names=REGEX: print([n for n, _ in model.named_parameters()])"
    named = dict(model.named_parameters(remove_duplicate=False))
    head = {id(p) for key, p in named.items() if in_head(key)}
    if not head:
        why = "has no classifier to tell from its backbone" if start.head_names is None else "has no parameter so named"
        raise ConfigError(option, given, f"{type(model).__name__} {why}", cure)
    rest = {key: id(p) for key, p in named.items() if not in_head(key)}
    if not rest:
        raise ConfigError(option, given, "every parameter is in the head, so that nothing would be carried", cure)
    if shared := [key for key, p in rest.items() if p in head]:
        why = f"the head shares its weights with {shared[0]}, which is carried"
        may_untie = "tied" in start.of.model.args
        cure = "give model.args.tied=false, in the parent too" if may_untie else "carry all of it: start.new_head=false"
        raise ConfigError(option, given, why, cure)


def _misfits(own: Weights, theirs: Weights) -> dict[str, str]:
    """What is wrong with each key, in the model's order."""
    wrong = {}
    for key, value in own.items():
        if key not in theirs:
            wrong[key] = f"{key} is not in the parent"
        elif _size(theirs[key]) != _size(value):
            wrong[key] = f"{key} is {_size(theirs[key])} in the parent and {_size(value)} here"
    return wrong | {key: f"{key} is in the parent alone" for key in theirs if key not in own}


def _size(value: Any) -> str:
    """Of a tensor; what else a module keeps in its state (torch's `get_extra_state`) has none."""
    return (" x ".join(map(str, value.shape)) or "a number") if isinstance(value, Tensor) else "no tensor"


def _told(wrong: Mapping[str, str]) -> str:
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return f"its state does not fit this experiment ({'; '.join([*wrong.values()][:SHOWN])}{more})"


def _cure(wrong: Mapping[str, str], model: nn.Module, start: Start) -> str:
    heads = tuple(f"{name}." for name, m in model.named_modules() if any(m is c for c in classifier(model)))
    if heads and not start.new_head and all(key.startswith(heads) for key in wrong):
        return "add start.new_head=true start.carry=[model]: the classifier then begins anew"
    return """give parent and fork the same model, as in 'start.of=["recipe=NAME","model=NAME"]'"""
