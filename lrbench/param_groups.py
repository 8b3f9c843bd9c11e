"""How a model's parameters are grouped, each group with a rate and a weight decay of its own.

A grouping is a function `target(model, **args) -> list[Group]`, named by the `_target_` of a level of
`conf/param_groups`; yours works the same way. Every trainable parameter falls into exactly one group.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import nn

from lrbench.errors import ConfigError
from lrbench.numbers import is_number

# Raised when a grouping here changes for the same arguments.
NUMERICS = 1


@runtime_checkable
class Classifying(Protocol):
    """A model that names its head, as timm's do."""

    def get_classifier(self) -> nn.Module: ...


@runtime_checkable
class Sparing(Protocol):
    """A model that names parameters without weight decay, as timm's do."""

    def no_weight_decay(self) -> Collection[str]: ...


class Group(NamedTuple):
    """Parameters that share a rate: `lr_scale` times the peak. Without `weight_decay` they have none."""

    name: str
    parameters: list[nn.Parameter]
    lr_scale: float = 1.0
    weight_decay: bool = True
    frozen: bool = False  # never trained: out of the optimizer, and without gradients


def no_decay_norm_bias(model: nn.Module) -> list[Group]:
    """Weight decay is taken off what has fewer than two dimensions, norms and biases, and off what the model names
    itself, such as positions (timm's rule)."""
    spared = _spared(model)
    free = {id(p) for name, p in model.named_parameters() if p.ndim < 2 or name in spared}
    return [
        Group("decay", _trainable(model, lambda p: id(p) not in free)),
        Group("no_decay", _trainable(model, lambda p: id(p) in free), weight_decay=False),
    ]


def backbone_head(
    model: nn.Module, backbone: float = 0.1, head: float = 1.0, head_names: str | None = None
) -> list[Group]:
    """A pretrained backbone and a new head, at `backbone` and `head` times the peak.

    head_names: a regular expression that the names of the head's parameters match from their beginning; null takes
    the classifier (timm's `get_classifier()`, else the model's last Linear). Raises ConfigError.
    """
    for option, scale in (("backbone", backbone), ("head", head)):
        _require_share(option, scale)
    in_head = {id(p) for p in _head(model, head_names, "head_names")}
    return [
        Group("backbone", _trainable(model, lambda p: id(p) not in in_head), backbone),
        Group("head", _trainable(model, lambda p: id(p) in in_head), head),
    ]


def frozen(model: nn.Module, frozen_names: str | None = None) -> list[Group]:
    """A part that is never trained, and one group of the rest, at the peak.

    Frozen means what it does in torchvision and timm (`timm.utils.freeze`): no gradients, not in the optimizer, and its
    BatchNorm keeps its running statistics. frozen_names: a regular expression that the names of frozen parameters match
    from their beginning; null freezes all but the classifier (a linear probe). Raises ConfigError.
    """
    if frozen_names is None:
        head = {id(p) for p in _head(model, None, "frozen_names")}
        held = {id(p) for p in model.parameters()} - head
    else:
        held = {id(p) for p in matching(model, frozen_names, "param_groups.args.frozen_names")}
    return [
        Group("frozen", [p for p in model.parameters() if id(p) in held], frozen=True),
        Group("trained", _trainable(model, lambda p: id(p) not in held)),
    ]


def layer_decay(model: nn.Module, decay: float = 0.75) -> list[Group]:
    """Layer k of the L above the input has decay^(L - k) times the peak; norms and biases have no weight decay.

    The layers are timm's (`param_groups_layer_decay`, after Bao et al. 2022, BEiT): the model needs timm's
    `group_matcher()`. Raises ConfigError for a model whose layers cannot be told apart.
    """
    from timm.optim import param_groups_layer_decay  # timm takes a second to import

    if not is_number(decay) or not 0 < decay < 1:
        raise ConfigError("param_groups.args.decay", decay, "give a factor between 0 and 1, such as 0.75")
    if not hasattr(model, "group_matcher"):
        raise ConfigError(
            "param_groups",
            "layer_decay",
            f"{type(model).__name__} does not say which layers it has (timm's group_matcher())",
            "take a model of timm or model=vit_micro",
        )
    made = param_groups_layer_decay(model, weight_decay=1.0, no_weight_decay_list=_spared(model), layer_decay=decay)
    layers = sorted({g["lr_scale"] for g in made})
    groups = []
    for group in sorted(made, key=lambda g: (g["lr_scale"], -g["weight_decay"])):
        decayed = group["weight_decay"] > 0
        name = f"layer_{layers.index(group['lr_scale'])}{'' if decayed else '_no_decay'}"
        groups.append(Group(name, group["params"], group["lr_scale"], decayed))
    return groups


def _trainable(model: nn.Module, member: Callable[[nn.Parameter], bool]) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad and member(p)]


def _spared(model: nn.Module) -> Collection[str]:
    """The names of parameters that the model itself wants without weight decay."""
    return model.no_weight_decay() if isinstance(model, Sparing) else ()


def _require_share(option: str, scale: float) -> None:
    if not is_number(scale) or not 0 < scale < float("inf"):
        raise ConfigError(f"param_groups.args.{option}", scale, "give a share of the peak rate above 0, such as 0.1")


def _head(model: nn.Module, names: str | None, argument: str) -> list[nn.Parameter]:
    """The head's parameters: those whose names match, else the classifier's."""
    option = f"param_groups.args.{argument}"
    if names is not None:
        return matching(model, names, option)
    modules = classifier(model)
    if not modules:
        why = f"{type(model).__name__} has no classifier to tell from its backbone"
        raise ConfigError(option, None, why, "give a regular expression of parameter names")
    return [p for module in modules for p in module.parameters()]


def matching(model: nn.Module, names: str, option: str) -> list[nn.Parameter]:
    """The parameters whose names match from their beginning. Raises ConfigError for what is no regular expression."""
    if not isinstance(names, str):
        raise ConfigError(option, names, "give a regular expression of parameter names")
    try:
        return [p for name, p in model.named_parameters() if re.match(names, name)]
    except re.error as error:
        raise ConfigError(option, names, f"no regular expression ({error})") from error


def classifier(model: nn.Module) -> Sequence[nn.Module]:
    """What gives the logits: timm's `get_classifier()` (two modules, of a distilled model), what predicts the classes
    and the boxes of torchvision's Faster R-CNN, else the last Linear."""
    if isinstance(model, Classifying):
        given = model.get_classifier()
        return list(given) if isinstance(given, tuple) else [given]
    predictors = [m for name, m in model.named_modules() if name.endswith("roi_heads.box_predictor")]
    return predictors or [m for m in model.modules() if isinstance(m, nn.Linear)][-1:]
