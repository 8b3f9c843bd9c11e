"""A Faster R-CNN for small images, trained from scratch on a CPU: torchvision's detector on a backbone of ours.

Source: S. Ren, K. He, R. Girshick and J. Sun, "Faster R-CNN", 2015; torchvision's heads, losses and matching. Ours is
the backbone, five convolutions that halve the image twice, and how many boxes are kept on the way.
"""

from collections.abc import Sequence

from torch import nn

from lrbench.errors import ConfigError

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


def faster_rcnn(
    shape: tuple[int, int, int], box_classes: int, width: int = 16, anchors: Sequence[int] = (12, 18, 27)
) -> nn.Module:
    """A network that is called as torchvision's detectors are: images (C, H, W), normalised, and targets to its four
    losses in training, else images to boxes of the classes 1 to box_classes - 1, with scores.

    width: channels of the first layer, doubled once. anchors: sides of the squares from which boxes are guessed, in
    pixels. Raises `ConfigError` on a bad value.
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import MultiScaleRoIAlign

    if type(width) is not int or width < 1:
        raise ConfigError("model.args.width", repr(width), "give a whole number above 0")
    whole = isinstance(anchors, Sequence) and all(type(side) is int and side > 0 for side in anchors)
    if not whole or not anchors or len({*anchors}) != len(anchors):
        cure = "give the sides of some squares in pixels, such as [12, 18, 27], each once"
        raise ConfigError("model.args.anchors", anchors, cure)
    channels, *sides = shape
    backbone = nn.Sequential(
        *_layer(channels, width, 2), *_layer(width, width), *_layer(width, 2 * width, 2),
        *_layer(2 * width, 2 * width), *_layer(2 * width, 2 * width),
    )  # fmt: skip
    backbone.out_channels = 2 * width  # type: ignore[assignment]  # which torchvision asks for
    bins, hidden = 5, 8 * width
    return FasterRCNN(
        backbone,
        min_size=min(sides),  # images as they come: these two resize to the size they have
        max_size=max(sides),
        image_mean=[0.0] * channels,  # normalised by the data
        image_std=[1.0] * channels,
        rpn_anchor_generator=AnchorGenerator((tuple(anchors),), ((1.0,),)),
        rpn_pre_nms_top_n_train=256,
        rpn_pre_nms_top_n_test=128,
        rpn_post_nms_top_n_train=64,
        rpn_post_nms_top_n_test=64,
        rpn_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(["0"], bins, 2),
        box_head=TwoMLPHead(2 * width * bins**2, hidden),
        box_predictor=FastRCNNPredictor(hidden, box_classes),
        box_batch_size_per_image=32,
    )


def _layer(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution with batch norm and ReLU."""
    return [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
