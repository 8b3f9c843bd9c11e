"""The multi-layer perceptron."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from lrbench.errors import ConfigError
from lrbench.numbers import is_number

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


def mlp(
    shape: tuple[int, int, int], num_classes: int, hidden: Sequence[int] = (64, 64), dropout: float = 0.0
) -> nn.Module:
    """Flatten, then Linear + ReLU (+ dropout, if > 0) for every hidden layer, then Linear to the logits.

    hidden: units of each hidden layer; none gives a linear classifier. dropout: probability, in [0, 1).
    Initial weights are torch's own for Linear. Raises `ConfigError` on bad options.
    """
    if isinstance(hidden, (str, int)) or not all(type(units) is int and units > 0 for units in hidden):
        raise ConfigError("model.args.hidden", repr(hidden), "give a list of whole numbers above 0, as [64, 64]")
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ConfigError("model.args.dropout", repr(dropout), "give a probability of at least 0 and below 1")
    layers: list[nn.Module] = [nn.Flatten()]
    widths = [prod(shape), *hidden]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
