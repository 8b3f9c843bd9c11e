"""Models: parameter counts by hand, shapes, initial weights, options."""

import inspect
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from lrbench.errors import ConfigError
from lrbench.models.bert import BERT
from lrbench.models.detr import DETR
from lrbench.models.faster_rcnn import faster_rcnn
from lrbench.models.gpt import GPT
from lrbench.models.mlp import mlp
from lrbench.models.noisy_quadratic import Point
from lrbench.models.resnet import _resnet, resnet8, resnet20, resnet32
from lrbench.models.timm import by_name
from lrbench.models.torchvision import detector, segmenter
from lrbench.models.unet import UNet
from lrbench.models.vit import VisionTransformer

CONF = Path(__file__).parents[2] / "conf" / "model"


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def layers(model, kind):
    return [layer for layer in model.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [
        ((64, 64), 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10),
        ((5,), 64 * 5 + 5 + 5 * 10 + 10),
        ((), 64 * 10 + 10),
    ],
)
def test_mlp_has_the_layers_asked_for(hidden, parameters):
    model = mlp((1, 8, 8), 10, hidden)
    assert count(model) == parameters
    assert [layer.out_features for layer in layers(model, nn.Linear)] == [*hidden, 10]
    assert len(layers(model, nn.ReLU)) == len(hidden)
    assert not layers(model, nn.Dropout)


def test_mlp_computes_what_it_says():
    model = mlp((1, 2, 2), 3, hidden=[5])
    first, last = layers(model, nn.Linear)
    x = torch.randn(7, 1, 2, 2)
    expected = (x.view(7, 4) @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_dropout_follows_every_hidden_layer_and_acts_in_training_only():
    model = mlp((3, 4, 4), 10, hidden=(32, 16), dropout=0.5)
    assert [layer.p for layer in layers(model, nn.Dropout)] == [0.5, 0.5]
    assert not isinstance(list(model)[-2], nn.Linear)
    x = torch.randn(4, 3, 4, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("hidden", [64, "64", [64, 0], [6.5]])
def test_bad_hidden_layers_are_refused(hidden):
    with pytest.raises(ConfigError, match=r"model.args.hidden=.*\[64, 64\]"):
        mlp((1, 8, 8), 10, hidden)


@pytest.mark.parametrize("dropout", [1, -0.1, float("nan"), "0.1"])
def test_a_bad_dropout_is_refused(dropout):
    with pytest.raises(ConfigError, match=f"model.args.dropout={dropout!r}"):
        mlp((1, 8, 8), 10, dropout=dropout)


def resnet8_parameters(channels, w, classes):
    """By hand: 3x3 convolutions, 1x1 shortcuts, BatchNorm (2 a channel), the classifier."""
    stem = 9 * channels * w + 2 * w
    first = 9 * w * w + 2 * w + 9 * w * w + 2 * w
    second = 9 * w * 2 * w + 4 * w + 9 * 2 * w * 2 * w + 4 * w + w * 2 * w + 4 * w
    third = 9 * 2 * w * 4 * w + 8 * w + 9 * 4 * w * 4 * w + 8 * w + 2 * w * 4 * w + 8 * w
    return stem + first + second + third + 4 * w * classes + classes


@pytest.mark.parametrize(("channels", "width", "classes"), [(1, 16, 10), (3, 16, 10), (3, 8, 100), (1, 1, 2)])
def test_resnet8_has_the_parameters_counted_by_hand(channels, width, classes):
    assert count(resnet8((channels, 28, 28), classes, width)) == resnet8_parameters(channels, width, classes)


def test_resnet8_of_width_16_has_78_thousand_parameters():
    assert count(resnet8((1, 28, 28), 10)) == 77754


@pytest.mark.parametrize("n", [1, 3])
def test_a_resnet_has_6n_plus_2_weighted_layers(n):
    model = _resnet(3, 10, 16, n)
    convolutions = [conv for conv in layers(model, nn.Conv2d) if conv.kernel_size == (3, 3)]
    assert len(convolutions) + len(layers(model, nn.Linear)) == 6 * n + 2
    assert [conv.stride for conv in convolutions].count((2, 2)) == 2
    assert len(layers(model, nn.Conv2d)) - len(convolutions) == 2  # the shortcuts that change the shape
    assert all(conv.bias is None for conv in layers(model, nn.Conv2d))


def test_resnet32_is_two_blocks_a_stage_deeper():
    """Two more blocks of two 3x3 convolutions with their norms in each stage: 0.46 million, as the paper says."""
    more = sum(2 * (2 * (9 * c * c + 2 * c)) for c in (16, 32, 64))
    assert count(resnet32((3, 32, 32), 10)) == count(resnet20((3, 32, 32), 10)) + more == 466906


def test_resnet20_has_the_paper_s_size():
    # He et al. 2015, table 6: 0.27 M. Ours has two shortcuts of 1x1 convolutions beside that.
    assert count(resnet20((3, 32, 32), 10)) == 269722 + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64) == 272474
    assert count(resnet20((1, 14, 14), 10, width=4)) == count(_resnet(1, 10, 4, n=3))
    assert len([conv for conv in layers(resnet20((3, 32, 32), 10), nn.Conv2d) if conv.kernel_size == (3, 3)]) == 19


@pytest.mark.parametrize("side", [8, 14, 28])
@pytest.mark.parametrize("channels", [1, 3])
def test_resnet8_takes_small_images_and_every_weight_learns(side, channels):
    model = resnet8((channels, side, side), 10, width=4)
    output = model(torch.randn(6, channels, side, side))
    assert output.shape == (6, 10)
    output.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_the_stages_halve_the_image_and_double_the_channels():
    model, x, shapes = resnet8((1, 28, 28), 10), torch.randn(2, 1, 28, 28), []
    for layer in model:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[2:6] == [(16, 28, 28), (16, 28, 28), (32, 14, 14), (64, 7, 7)]


def test_a_block_adds_its_shortcut():
    block = resnet8((1, 8, 8), 10, width=4)[3].eval()
    x = torch.randn(2, 4, 8, 8)
    assert torch.allclose(block(x), (x + block.residual(x)).clamp(min=0))
    for parameter in block.residual.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(x), x.clamp(min=0))


def test_convolutions_start_as_he_et_al_draw_them():
    torch.manual_seed(0)
    for conv in layers(resnet8((1, 28, 28), 10, width=64), nn.Conv2d):
        fan_out = conv.out_channels * conv.kernel_size[0] ** 2
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)


@pytest.mark.parametrize("model", [mlp, resnet8, resnet20])
def test_initial_weights_follow_the_default_generator(model):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([parameter.flatten() for parameter in model((1, 8, 8), 10).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("model", [resnet8, resnet20])
@pytest.mark.parametrize("width", [0, -1, 8.0, "16", True])
def test_a_bad_width_is_refused(model, width):
    with pytest.raises(ConfigError, match=f"model.args.width={width!r}"):
        model((1, 28, 28), 10, width)


# level: the function or class it names, and where the level's options are not its defaults
LEVELS = {
    "mlp": (mlp, {}),
    "resnet8": (resnet8, {}),
    "resnet8_w8": (resnet8, {"width": 8}),
    "resnet20": (resnet20, {}),
    "resnet32": (resnet32, {}),
    "vit_micro": (VisionTransformer, {}),
    "vit_micro_postln": (VisionTransformer, {"norm": "post"}),
    "vit_micro_patch4": (VisionTransformer, {"patch": 4}),
    "timm": (by_name, {"name": "???", "options": {}}),
    "noisy_quadratic": (Point, {}),
    "unet": (UNet, {}),
    "unet_tiny": (UNet, {"width": 8, "depth": 3}),
    "torchvision_segmentation": (segmenter, {"name": "deeplabv3_mobilenet_v3_large"}),
    "faster_rcnn_tiny": (faster_rcnn, {}),
    "torchvision_detection": (detector, {"name": "fasterrcnn_mobilenet_v3_large_320_fpn", "min_size": 320}),
    "detr": (DETR, {"min_size": 320}),
    "detr_tiny": (
        DETR,
        {"backbone": "convolutions", "dim": 64, "heads": 4, "encoder": 1, "decoder": 3, "mlp_ratio": 4.0}
        | {"dropout": 0.0, "queries": 32},
    ),
    "gpt_micro": (GPT, {}),
    "gpt_micro_postln": (GPT, {"norm": "post"}),
    "gpt_mini": (GPT, {"dim": 384, "depth": 6, "heads": 6, "dropout": 0.2}),
    "gpt_d512_postln": (GPT, {"dim": 512, "depth": 6, "heads": 8, "dropout": 0.1, "norm": "post"}),
    "gpt_small": (GPT, {"dim": 768, "depth": 12, "heads": 12, "dropout": 0.1}),
    "bert_micro": (BERT, {}),
    "bert_mini": (BERT, {"dim": 256, "depth": 4, "heads": 4, "dropout": 0.1}),
    "bert_base": (BERT, {"dim": 768, "depth": 12, "heads": 12, "dropout": 0.1}),
}


@pytest.mark.parametrize("level", sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "custom"))
def test_the_config_level_states_every_option(level):
    content, (model, changed) = yaml.safe_load((CONF / f"{level}.yaml").read_text()), LEVELS[level]
    options = dict(list(inspect.signature(model).parameters.items())[2:])
    defaults = {name: option.default for name, option in options.items()} | changed
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
    assert content["args"] == plain
    assert content["_target_"] == f"{model.__module__}.{model.__name__}"
