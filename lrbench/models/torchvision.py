"""torchvision's networks for segmentation and detection, and its ResNets as backbones, by name.

What torchvision draws and computes changes with its version, which stands in the record's provenance beside torch's.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from lrbench.errors import ConfigError, did_you_mean

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


def segmenter(
    shape: tuple[int, int, int], pixel_classes: int, name: str, weights_backbone: str | None = None, aux: bool = False
) -> nn.Module:
    """The segmentation network that torchvision has under this name, such as `deeplabv3_resnet50` (Chen et al. 2017) or
    `lraspp_mobilenet_v3_large` (Howard et al. 2019): images (n, 1 or 3, H, W) to a mapping whose `out` is logits (n,
    pixel_classes, H, W).

    weights_backbone: torchvision's name of the weights to begin from, such as ResNet50_Weights.IMAGENET1K_V1 (a
    download). aux: a second head, as the reference script has it, whose loss counts too. Grey images are given
    three times. Raises `ConfigError` for names that there are not, and for other numbers of channels.
    """
    from torchvision import models

    _require(name, models.list_models(models.segmentation), "network for segmentation", shape, "model=unet")
    options: dict[str, Any] = {} if name.startswith("lraspp") else {"aux_loss": aux}
    if aux and not options:
        raise ConfigError("model.args.aux", aux, f"{name} has no second head", "give model.args.aux=false")
    network = _built(name, weights_backbone, num_classes=pixel_classes, **options)
    return network if shape[0] == 3 else nn.Sequential(_Thrice(), network)


def detector(
    shape: tuple[int, int, int], box_classes: int, name: str, weights_backbone: str | None = None, min_size: int = 800
) -> nn.Module:
    """The Faster R-CNN that torchvision has under this name, such as `fasterrcnn_resnet50_fpn` (Ren et al. 2015, Lin et
    al. 2017): images (1 or 3, H, W), normalised, and targets to losses, else images to boxes, as torchvision has it.

    weights_backbone: as of `segmenter`. min_size: the shorter side that the network resizes its images to, in pixels.
    Raises `ConfigError` for names that there are not, and for other numbers of channels.
    """
    from torchvision import models

    known = models.list_models(models.detection, include="fasterrcnn*")
    _require(name, known, "Faster R-CNN", shape, "model=faster_rcnn_tiny")
    if type(min_size) is not int or not 32 <= min_size <= 4096:
        raise ConfigError("model.args.min_size", repr(min_size), "give a whole number from 32 to 4096")
    size: dict[str, Any] = {"min_size": min_size, "max_size": -(-min_size * max(shape[1:]) // min(shape[1:]))}
    normalised: dict[str, Any] = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}  # by the data
    network = _built(name, weights_backbone, num_classes=box_classes, **size, **normalised)
    return network if shape[0] == 3 else _ThriceEach(network)


def features(channels: int, name: str, weights: str | None, instead: str) -> tuple[nn.Module, int]:
    """The ResNet that torchvision has under this name (He et al. 2015) without its pooling and classifier: images (n, 1
    or 3, H, W) to (n, c, H / 32, W / 32), and c. Its numbers are those of `detr`: a change raises NUMERICS there.

    With weights, as torchvision's own detectors have it, the norms stay as they are and the first convolution and stage
    are not trained. instead: another backbone, to be named in a refusal. Raises `ConfigError` for names that there are
    not, and for other numbers of channels.
    """
    from torchvision import models
    from torchvision.ops import FrozenBatchNorm2d

    known = models.list_models(models, include=["resnet*", "resnext*", "wide_resnet*"])
    _require(name, [*known, instead], "ResNet", (channels,), instead, "model.args.backbone")
    norm = FrozenBatchNorm2d if weights else nn.BatchNorm2d
    network = _built(name, weights, "weights", norm_layer=norm)
    *layers, _, classifier = network.children()  # the pooling goes too
    assert isinstance(classifier, nn.Linear)
    if weights:
        for layer in layers[:5]:  # convolution, norm, ReLU, pooling, the first stage
            layer.requires_grad_(False)
    return nn.Sequential(*([] if channels == 3 else [_Thrice()]), *layers), classifier.in_features


def _require(
    name: str, known: Sequence[str], kind: str, shape: Sequence[int], instead: str, option: str = "model.args.name"
) -> None:
    """Raise ConfigError for a name that torchvision does not know, and for images that it does not take."""
    if name not in known:
        why = f"torchvision has no such {kind}.{did_you_mean(str(name), known)}"
        raise ConfigError(option, name, why)
    if shape[0] not in (1, 3):
        why = f"torchvision's networks take 3 channels, and the data have {shape[0]}"
        raise ConfigError(option, name, why, f"choose {instead}, or other images")


def _built(name: str, weights_backbone: str | None, at: str = "weights_backbone", **options: Any) -> nn.Module:
    """at: the argument of torchvision's that takes the weights. Raises ConfigError for weights that cannot be had."""
    from torchvision import models

    try:
        weights = models.get_weight(weights_backbone) if weights_backbone else None
        network: nn.Module = models.get_model(name, **{"weights": None, at: weights}, **options)
    except (ValueError, OSError) as error:
        why, cure = f"they cannot be had ({error})", "give a name such as ResNet50_Weights.IMAGENET1K_V1, or null"
        raise ConfigError("model.args.weights_backbone", weights_backbone, why, cure) from error
    return network


class _Thrice(nn.Module):
    """A grey image in three channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)


class _ThriceEach(nn.Module):
    """A detector that is given grey images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Sequence[Tensor], targets: Any = None) -> Any:
        return self.network([x.expand(3, -1, -1) for x in images], targets)
