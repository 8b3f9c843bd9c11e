"""The optimizer of an experiment, over its parameter groups."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from lrbench.blame import blame
from lrbench.errors import ConfigError, as_typed
from lrbench.experiment import Component, Experiment, Optimizer
from lrbench.param_groups import Group
from lrbench.targets import resolve

# Raised when the numbers of an optimizer built here change for the same configuration: it makes other run ids.
NUMERICS = 1


@runtime_checkable
class Averaging(Protocol):
    """An optimizer that trains one set of weights and evaluates an average of them (schedule-free methods): it is
    told by `train()` and `eval()` which of the two the model shall hold."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


def group_parameters(model: nn.Module, spec: Component | None) -> list[Group]:
    """The model's trainable parameters in the groups that `spec` makes of them; None makes one group, `all`. What it
    freezes loses its gradients here, and is in none of them.

    Raises ConfigError for a group that no parameter falls into, and for parameters in no group or in two.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [Group("all", trainable)] if spec is None else resolve(spec.target, "param_groups")(model, **spec.args)
    name = "one" if spec is None else spec.target.rpartition(".")[2]
    for group in groups:
        if not group.parameters:
            raise ConfigError("param_groups", name, f"no parameter falls into the group '{group.name}'")
    members = [id(p) for group in groups for p in group.parameters if p.requires_grad or not group.frozen]
    if sorted(members) != sorted(map(id, trainable)):
        raise ConfigError(
            "param_groups",
            name,
            f"of {len(trainable)} trainable parameters, {len(set(members))} fall into a group, "
            f"{len(members) - len(set(members))} of them into more than one",
            "each must fall into exactly one",
        )
    for group in groups:
        if group.frozen:
            for parameter in group.parameters:
                parameter.requires_grad_(False)
    trained = [group for group in groups if not group.frozen]
    if not trained:
        raise ConfigError("param_groups", name, "every group is frozen, so that nothing trains", "leave one to train")
    return trained


def parameter_groups(model: nn.Module, experiment: Experiment) -> list[dict[str, Any]]:
    """The groups as torch's optimizers take them, at their peak rates, in the order of `experiment.peaks`."""
    return [
        {
            "params": group.parameters,
            "lr": experiment.peaks[group.name],
            **({} if group.weight_decay else {"weight_decay": 0.0}),
        }
        for group in group_parameters(model, experiment.param_groups)
    ]


def build_optimizer(model: nn.Module, experiment: Experiment) -> torch.optim.Optimizer:
    """The experiment's optimizer over the model, ready to train. Its rates are set before every update; here they are
    the peaks."""
    target = resolve(experiment.optimizer.target, "optimizer")
    args = dict(experiment.optimizer.args)
    try:
        if "betas" in args:  # YAML has no tuples, and torch unpacks them as one
            args["betas"] = tuple(args["betas"])
        optimizer: torch.optim.Optimizer = target(
            parameter_groups(model, experiment), lr=experiment.optimizer.lr, **args
        )
    except (TypeError, ValueError, IndexError) as error:
        if blame(error):
            raise
        raise _refused(experiment.optimizer, target, args, error) from error
    if isinstance(optimizer, Averaging):
        optimizer.train()
    return optimizer


def _refused(spec: Optimizer, target: Callable[..., Any], args: Mapping[str, Any], error: Exception) -> ConfigError:
    """Names the argument without which the optimizer can be built, where there is just one."""
    alone = [name for name in args if _builds(target, spec.lr, {k: v for k, v in args.items() if k != name})]
    if len(alone) == 1:
        return ConfigError(f"optimizer.args.{alone[0]}", spec.args[alone[0]], f"{spec.name} refuses it ({error})")
    shown = ", ".join(f"{k}={as_typed(v)}" for k, v in args.items())
    return ConfigError("optimizer.args", "", f"{spec.name} refuses {shown} ({error})")


def _builds(target: Callable[..., Any], lr: float, args: Mapping[str, Any]) -> bool:
    try:
        target([nn.Parameter(torch.zeros(2, 2))], lr=lr, **args)
    except Exception:
        return False
    return True
