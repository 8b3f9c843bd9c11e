"""U-Net: a class for every pixel of small images.

Source: O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.
There the convolutions are not padded and the way up learns its upsampling; here, as is usual since, they are padded,
normalised (batch norm), and the way up is bilinear.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from lrbench.errors import ConfigError

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


class UNet(nn.Module):
    """Images (n, C, H, W) to logits (n, pixel_classes, H, W).

    width: channels at full size, doubled with every halving. depth: halvings; 2^depth divides height and width. Raises
    `ConfigError` on a bad value.
    """

    def __init__(self, shape: tuple[int, int, int], pixel_classes: int, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        if type(width) is not int or width < 1:
            raise ConfigError("model.args.width", repr(width), "give a whole number above 0")
        if type(depth) is not int or depth < 1:
            raise ConfigError("model.args.depth", repr(depth), "give a whole number above 0")
        if any(side % 2**depth for side in shape[1:]):
            why = f"images of {shape[1]}x{shape[2]} cannot be halved {depth} times"
            raise ConfigError("model.args.depth", depth, why, "give fewer, or images of another size")
        widths = [width * 2**level for level in range(depth + 1)]
        ways_down = zip([shape[0], *widths], widths, strict=False)
        self.down = nn.ModuleList([_twice(before, after) for before, after in ways_down])
        self.up = nn.ModuleList([_twice(3 * after, after) for after in reversed(widths[:-1])])
        self.head = nn.Conv2d(width, pixel_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        passed = []
        for i, block in enumerate(self.down):
            x = block(max_pool2d(x, 2) if i else x)
            passed.append(x)
        for block, beside in zip(self.up, reversed(passed[:-1]), strict=True):
            x = interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([beside, x], 1))
        logits: Tensor = self.head(x)
        return logits


def _twice(before: int, after: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
