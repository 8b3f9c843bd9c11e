"""What a rule may know of a model, seen in its modules and in what its forward pass does, never in a name.

The model is built with weights that nobody draws, which takes no time and, until they are touched, no memory; then it
is called once with a batch of its data's shape, a large one on torch's meta device, where nothing is computed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from lrbench.engine.state import build_model
from lrbench.errors import ConfigError
from lrbench.experiment import Component, Data, Experiment
from lrbench.param_groups import backbone_head
from lrbench.targets import resolve

# What torch's functions are called that attention is made of.
ATTENTION = ("scaled_dot_product_attention", "multi_head_attention_forward", "flex_attention")
PRODUCTS = ("matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "einsum")
LAYERS = ("linear", "conv1d", "conv2d", "conv3d", "embedding")

DRAWS = ("uniform_", "normal_", "erfinv_", "bernoulli_", "exponential_")
LARGE = 50e6  # parameters, from which on a forward pass takes longer than importing what torch needs for meta: a second

# Arguments that load weights, those of the whole model and those of a part: a model is looked at without them.
LOADS = {"pretrained": False, "weights": None, "checkpoint": None, "checkpoint_path": ""}
LOADS_A_PART = {"weights_backbone": None}


@dataclass(frozen=True, kw_only=True)
class Traits:
    """attention: whether queries meet keys; None where that could not be seen. convolution, batch_norm: whether the
    modules have them. parameters: how many are trained. pretrained: whether weights are loaded. new: of those, how many
    are in the classifier, which is drawn anew where the classes are others."""

    attention: bool | None
    convolution: bool
    batch_norm: bool
    parameters: int
    pretrained: bool
    new: int


def traits_of(experiment: Experiment) -> Traits:
    """Look at an Experiment's model. Raises ConfigError for one that cannot be built."""
    model = _built(experiment.model, experiment.data)
    modules = list(model.modules())
    return Traits(
        attention=_attends(model, experiment.data),
        convolution=any(isinstance(m, _ConvNd) for m in modules),
        batch_norm=any(isinstance(m, _BatchNorm) for m in modules),
        parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        pretrained=_loads(experiment.model.args),
        new=_new(model),
    )


def _loads(args: Mapping[str, Any]) -> bool:
    return any(args.get(name) for name in LOADS)


def _built(model: Component, data: Data) -> nn.Module:
    """The model as it is before its weights are drawn. Raises ConfigError."""
    args = dict(model.args)
    args |= {name: empty for name, empty in {**LOADS, **LOADS_A_PART}.items() if name in args}
    if _loads(model.args) and isinstance(args.get("name"), str):  # timm's: what follows the point names the weights
        args["name"] = args["name"].partition(".")[0]
    bare = Component(target=model.target, args=args)
    with torch.random.fork_rng(devices=[]), _Blank():
        return build_model(bare, data)


def _new(model: nn.Module) -> int:
    try:
        return sum(p.numel() for p in backbone_head(model)[1].parameters)
    except ConfigError:  # no classifier to tell apart
        return 0


def _attends(model: nn.Module, data: Data) -> bool | None:
    if any(isinstance(m, nn.MultiheadAttention) for m in model.modules()):
        return True
    if sum(p.numel() for p in model.parameters()) > LARGE:
        model = model.to("meta")
    model.eval()  # nothing is drawn, and whoever counts the updates in a model of their own counts none
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    for batch in _batches(data, device):
        watch = _Watch()
        try:
            with torch.no_grad(), torch.device(device), watch:
                model(batch)
        except Exception:  # what a model is called with is between it and its task
            if watch.found:
                return True
            continue
        return watch.found
    return None


def _batches(data: Data, device: torch.device) -> Iterator[torch.Tensor]:
    """Two samples, as the data's spec tells of them: images, or tokens."""
    spec = resolve(data.target, "data")(**data.args).info().spec
    if "shape" in spec:
        yield torch.zeros(2, *spec["shape"], device=device)
    if "vocab_size" in spec:
        yield torch.zeros(2, int(spec.get("length", 8)), dtype=torch.long, device=device)


class _Blank(TorchFunctionMode):
    """Leaves tensors as they are that are to be filled with random numbers, which takes long for a large model."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]  # the latter of torch.nn.init
        return func(*args, **(kwargs or {}))


class _Watch(TorchFunctionMode):
    """Sees attention by its own function, or as a softmax between two products, with no layer between them."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self._last = ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ATTENTION or (name in PRODUCTS and self._last == "softmax of a product"):
            self.found = True
        elif name in PRODUCTS:
            self._last = "product"
        elif name == "softmax":
            self._last = "softmax of a product" if self._last == "product" else ""
        elif name in LAYERS:
            self._last = ""
        return func(*args, **(kwargs or {}))
