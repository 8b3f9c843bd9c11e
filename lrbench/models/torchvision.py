"""torchvision's networks for segmentation and detection, by name.

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
    size = {"min_size": min_size, "max_size": -(-min_size * max(shape[1:]) // min(shape[1:]))}
    normalised = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}  # by the data
    network = _built(name, weights_backbone, num_classes=box_classes, **size, **normalised)
    return network if shape[0] == 3 else _ThriceEach(network)


def _require(name: str, known: Sequence[str], kind: str, shape: tuple[int, int, int], instead: str) -> None:
    """Raise ConfigError for a name that torchvision does not know, and for images that it does not take."""
    if name not in known:
        why = f"torchvision has no such {kind}.{did_you_mean(str(name), known)}"
        raise ConfigError("model.args.name", name, why)
    if shape[0] not in (1, 3):
        why = f"torchvision's networks take 3 channels, and the data have {shape[0]}"
        raise ConfigError("model.args.name", name, why, f"choose {instead}, or other images")


def _built(name: str, weights_backbone: str | None, **options: Any) -> nn.Module:
    """Raises ConfigError for weights that cannot be had."""
    from torchvision import models

    try:
        weights = models.get_weight(weights_backbone) if weights_backbone else None
        network: nn.Module = models.get_model(name, weights=None, weights_backbone=weights, **options)
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
