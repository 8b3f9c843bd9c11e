"""The optimizer of an experiment, over its parameter groups."""

from typing import Any

import torch
from torch import nn

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.targets import resolve

# Raised when the numbers of an optimizer built here change for the same configuration (design section 6).
NUMERICS = 1


def parameter_groups(model: nn.Module, experiment: Experiment) -> list[dict[str, Any]]:
    """The model's trainable parameters in the experiment's groups, in the order of `experiment.peaks`.

    `no_decay_norm_bias` takes weight decay off everything with fewer than two dimensions: norms and biases (the
    rule of timm's `param_groups_weight_decay`). Raises ConfigError for a group that no parameter falls into.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    members = {"all": trainable}
    if experiment.param_groups == "no_decay_norm_bias":
        members = {
            "decay": [p for p in trainable if p.ndim >= 2],
            "no_decay": [p for p in trainable if p.ndim < 2],
        }
    groups = []
    for name, lr in experiment.peaks.items():
        if not members[name]:
            raise ConfigError(f"param_groups={experiment.param_groups}: no parameter falls into the group '{name}'.")
        groups.append({"params": members[name], "lr": lr})
        if name == "no_decay":
            groups[-1]["weight_decay"] = 0.0
    return groups


def build_optimizer(model: nn.Module, experiment: Experiment) -> torch.optim.Optimizer:
    """The experiment's optimizer over the model. Its rates are set before every update; here they are the peaks."""
    target = resolve(experiment.optimizer.target, "optimizer")
    args = dict(experiment.optimizer.args)
    try:
        if "betas" in args:  # YAML has no tuples, and torch unpacks them as one
            args["betas"] = tuple(args["betas"])
        optimizer: torch.optim.Optimizer = target(
            parameter_groups(model, experiment), lr=experiment.optimizer.lr, **args
        )
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"optimizer: {experiment.optimizer.target} refuses {args}: {error}.") from error
    return optimizer
