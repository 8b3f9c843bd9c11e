"""Residual networks of 6n + 2 layers for small images.

Source: K. He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2; there the shortcuts
that change the shape are padded identities (option A), here they are 1x1 convolutions (option B).
"""

from torch import Tensor, nn

from lrbench.errors import ConfigError

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


def resnet8(shape: tuple[int, int, int], num_classes: int, width: int = 16) -> nn.Module:
    """ResNet-8 (n = 1). width: channels of the first stage; the next two have twice and four times as many.

    Raises `ConfigError` on a bad width.
    """
    return _resnet(shape[0], num_classes, width, n=1)


def resnet20(shape: tuple[int, int, int], num_classes: int, width: int = 16) -> nn.Module:
    """ResNet-20 (n = 3), the smallest of the paper's; options as for `resnet8`."""
    return _resnet(shape[0], num_classes, width, n=3)


def resnet32(shape: tuple[int, int, int], num_classes: int, width: int = 16) -> nn.Module:
    """ResNet-32 (n = 5), otherwise as `resnet8`."""
    return _resnet(shape[0], num_classes, width, n=5)


def _resnet(channels: int, num_classes: int, width: int, n: int) -> nn.Module:
    """6n + 2 layers: a convolution, three stages of n blocks (strides 1, 2, 2), a linear classifier."""
    if type(width) is not int or width < 1:
        raise ConfigError("model.args.width", repr(width), "give a whole number above 0")
    layers: list[nn.Module] = [_conv(channels, width, size=3, stride=1), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for after, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        for block in range(n):
            layers.append(_Block(before, after, stride if block == 0 else 1))
            before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, num_classes))


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut: a 1x1 convolution where the shape changes, else identity."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            _conv(before, after, size=3, stride=stride),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            _conv(after, after, size=3, stride=1),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(_conv(before, after, size=1, stride=stride), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.shortcut(x) + self.residual(x))


def _conv(before: int, after: int, size: int, stride: int) -> nn.Conv2d:
    """A convolution without bias, as BatchNorm follows; initial weights: He et al. 2015, "Delving Deep"."""
    conv = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
