"""Networks that segment: shapes, one batch learnt by heart, and torchvision's by name."""

import pytest
import torch

from lrbench.errors import ConfigError
from lrbench.models.torchvision import segmenter
from lrbench.models.unet import UNet
from lrbench.tasks.segmentation import Segmentation


def test_a_logit_for_every_class_of_every_pixel():
    net = UNet((1, 16, 24), 5, width=4, depth=3)
    assert net(torch.zeros(2, 1, 16, 24)).shape == (2, 5, 16, 24)
    widths = [module.out_channels for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    assert widths == [4, 4, 8, 8, 16, 16, 32, 32, 16, 16, 8, 8, 4, 4, 5]


def test_every_pixel_sees_its_neighbourhood_through_the_halvings():
    torch.manual_seed(0)
    net = UNet((1, 16, 16), 2, width=4, depth=2).eval()
    x = torch.randn(1, 1, 16, 16, requires_grad=True)
    net(x)[0, 0, 8, 8].backward()
    assert (x.grad[0, 0, 2:14, 2:14] != 0).float().mean() > 0.5


def test_a_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    net, task = UNet((1, 16, 16), 3, width=8, depth=2), Segmentation()
    x = torch.randn(4, 1, 16, 16)
    mask = (x[:, 0] > 0).long() + (x[:, 0] > 1).long()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for _ in range(60):
        optimizer.zero_grad()
        (task.loss(net, (x, mask)) / task.weight((x, mask))).backward()
        optimizer.step()
    meter = task.meter()
    meter.add(net, (x, mask))
    assert meter.result()["miou"] > 0.9


@pytest.mark.parametrize(
    ("args", "words"), [({"depth": 3}, "12x12 cannot be halved 3 times"), ({"width": 0}, "model.args.width=0"),
                        ({"depth": 0}, "model.args.depth=0")],
)  # fmt: skip
def test_bad_options(args, words):
    with pytest.raises(ConfigError, match=words):
        UNet((1, 12, 12), 2, **args)


@pytest.mark.slow
def test_torchvisions_networks_take_grey_images_too():
    net = segmenter((1, 32, 32), 4, "lraspp_mobilenet_v3_large")
    assert net(torch.zeros(2, 1, 32, 32))["out"].shape == (2, 4, 32, 32)
    net = segmenter((3, 32, 32), 4, "deeplabv3_mobilenet_v3_large", aux=True)
    assert {name: y.shape for name, y in net(torch.zeros(2, 3, 32, 32)).items()} == dict.fromkeys(
        ("out", "aux"), (2, 4, 32, 32)
    )


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((3, 32, 32), {"name": "deeplab"}, r"model.args.name=deeplab: .*Known: deeplabv3"),
        ((4, 32, 32), {"name": "fcn_resnet50"}, "take 3 channels, and the data have 4"),
        ((3, 32, 32), {"name": "lraspp_mobilenet_v3_large", "aux": True}, "has no second head"),
    ],
)
def test_what_torchvision_does_not_have(shape, options, words):
    with pytest.raises(ConfigError, match=words):
        segmenter(shape, 4, **options)
