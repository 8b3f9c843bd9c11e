"""Models of timm by name: what is built for which data, what is refused, and that nothing is downloaded unasked."""

import logging
import socket
import time

import huggingface_hub.constants
import pytest
import timm
import torch
import yaml
from cli_support import assert_refused, files, in_process
from timm.models import _builder
from torch import nn

from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id, title
from lrbench.models.timm import by_name

DIGITS = (1, 8, 8)
TAGGED = "test_resnet.r160_in1k"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and no weights from an earlier download; the addresses that were asked for."""
    asked = []

    def refuse(*address, **options):
        asked.append(address)
        raise OSError("the network is unreachable")

    for function in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, function, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the hub's tries
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    logging.getLogger("timm").setLevel(logging.CRITICAL)
    yield asked
    logging.getLogger("timm").setLevel(logging.NOTSET)


# ---- what is built ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_channels_and_classes_are_those_of_the_data(offline, name, channels):
    model = by_name((channels, 8, 8), 7, name)
    assert next(m for m in model.modules() if isinstance(m, nn.Conv2d)).in_channels == channels
    assert model.get_classifier().out_features == 7
    assert model(torch.randn(4, channels, 8, 8)).shape == (4, 7)
    assert not offline  # nothing was downloaded, nor asked for


def test_an_architecture_of_fixed_size_is_made_for_the_image_s():
    model = by_name((1, 28, 14), 10, "test_vit", options={"patch_size": 7})
    assert model.patch_embed.img_size == (28, 14)
    assert model.pos_embed.shape[1] == 4 * 2 + 1


def test_the_model_is_as_timm_made_it():
    """The image that is tried leaves no trace."""
    torch.manual_seed(0)
    ours = by_name(DIGITS, 10, "test_resnet")
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", in_chans=1, num_classes=10)
    assert all(m.training for m in ours.modules())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


def test_resnet18_has_timm_s_parameters():
    # Of torchvision's 11,689,512: two of three channels of the first layer less, and 10 classes instead of 1,000.
    expected = 11_689_512 - 2 * 64 * 7 * 7 - 990 * 513
    assert sum(p.numel() for p in by_name(DIGITS, 10, "resnet18").parameters()) == expected


def test_options_reach_the_model():
    from timm.layers import DropPath

    plain = by_name(DIGITS, 10, "test_resnet")
    dropping = by_name(DIGITS, 10, "test_resnet", options={"drop_path_rate": 0.3})
    rates = [m.drop_prob for m in dropping.modules() if isinstance(m, DropPath)]
    assert max(rates) == pytest.approx(0.3)
    assert not [m for m in plain.modules() if isinstance(m, DropPath)]


# ---- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet81", {}, "model.args.name=resnet81: timm .* has no model of this name. Did you mean resnet18, "),
        ("ViT_tiny_patch16_224", {}, "Did you mean vit_tiny_patch16_224"),
        ("qqqq", {}, "no model of this name. timm.list_models"),
        ("hf-hub:timm/resnet18.a1_in1k", {}, "no model of this name"),  # it would be downloaded, weights or not
        (18, {}, "model.args.name=18: .* no model of this name"),
        (TAGGED, {}, "'r160_in1k' names pretrained weights; add model.args.pretrained=true .* bare name test_resnet"),
        ("test_resnet.x", {}, f"test_resnet.x: there are no pretrained weights of this tag; timm .* has {TAGGED}"),
        ("test_resnet", {"pretrained": "yes"}, "model.args.pretrained='yes': give true or false"),
        ("resnet18", {"pretrained": True}, "pretrained=true: say which weights .*resnet18.a1_in1k, resnet18.a2_in1k"),
        ("test_resnet", {"pretrained": True}, f"say which weights .* has {TAGGED} for it"),
        ("test_resnet", {"options": [1]}, r"model.args.options=\[1\]: give a mapping"),
        ("test_resnet", {"options": {"drop_pth": 1}}, "timm cannot make test_resnet .* keyword argument 'drop_pth'"),
        ("test_vit", {"options": {"num_heads": 7, "patch_size": 2}}, "timm cannot make test_vit .*"),
        *[("test_resnet", {"options": {o: 1}}, f"model.args.options.{o}: this comes from .*; remove it")
          for o in ("in_chans", "num_classes", "img_size", "pretrained", "pretrained_cfg", "checkpoint_path")],
        ("test_vit", {}, "its patches of 16x16 pixels do not fill an image of 8x8"),
        ("inception_v3", {}, r"inception_v3: it cannot take images of shape \(1, 8, 8\) \(.*too small\)"),
        ("test_resnet", {"options": {"global_pool": "", "num_classes": 3}}, "num_classes: this comes from the data"),
        ("test_resnet", {"options": {"features_only": True}}, "does not give one logit a class"),
    ],
)  # fmt: skip
def test_refusals(offline, name, options, words):
    with pytest.raises(ConfigError, match=words):
        by_name(DIGITS, 10, name, **options)
    assert not offline


def test_patches_that_would_cut_the_image_off():
    """timm's strided convolution drops what is left over, in silence."""
    with pytest.raises(ConfigError, match=r"patches of 16x16 pixels do not fill an image of 40x32.*patch_size"):
        by_name((1, 40, 32), 10, "test_vit")
    assert by_name((1, 40, 32), 10, "test_vit", options={"dynamic_img_pad": True})  # padded: nothing is lost
    assert by_name((1, 32, 32), 10, "pvt_v2_b0")  # patches that overlap


@pytest.mark.slow
def test_the_command_refuses_before_anything_is_written(tmp_path, monkeypatch, capsys):
    lrbench = in_process(tmp_path, monkeypatch, capsys)
    said = lrbench("-m", "tracker=none", "horizon=2ep", "model=timm", "model.args.name=test_resnet,resnet81")
    assert_refused(said, "model.args.name=resnet81", "Did you mean resnet18")
    assert not files(tmp_path)


# ---- pretrained weights -----------------------------------------------------------------------------------------


def test_weights_that_cannot_be_had(offline):
    with pytest.raises(ConfigError, match=f"the weights of {TAGGED} cannot be had .* Run once .* HF_HOME.* or begin"):
        by_name(DIGITS, 10, TAGGED, pretrained=True)
    assert offline


def test_bad_options_beside_pretrained_weights_are_what_is_refused(offline):
    with pytest.raises(ConfigError, match=r"timm cannot make test_resnet .*'drop_pth'"):
        by_name(DIGITS, 10, TAGGED, pretrained=True, options={"drop_pth": 1})


def test_pretrained_weights_are_loaded_with_a_new_classifier(monkeypatch):
    """timm's own loading, from a file as the hub would give it."""
    torch.manual_seed(1)
    file = timm.create_model("test_resnet").state_dict()
    asked = []
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", lambda hub, *a, **k: asked.append(hub) or dict(file))
    torch.manual_seed(0)
    model = by_name(DIGITS, 10, TAGGED, pretrained=True)
    assert asked == [f"timm/{TAGGED}"]
    state = model.state_dict()
    torch.testing.assert_close(state["conv1.0.weight"], file["conv1.0.weight"].sum(1, keepdim=True))
    assert torch.equal(state["layer4.0.conv1.weight"], file["layer4.0.conv1.weight"])
    assert model.get_classifier().out_features == 10


# ---- its place in a run -----------------------------------------------------------------------------------------


def test_the_name_with_its_tag_is_part_of_the_identity():
    asked = ("tracker=none", "model=timm", "model.args.pretrained=true")
    one, other = (experiment(*asked, f"model.args.name=resnet18.{tag}") for tag in ("a1_in1k", "a2_in1k"))
    assert run_id(one) != run_id(other)
    assert "resnet18.a1_in1k Digits" in title(one)


def test_the_name_must_be_given():
    with pytest.raises(ConfigError, match=r"model\.args\.name: this option of model has no value"):
        experiment("model=timm")


def test_a_run_names_timm_s_version(make, run, without_picture):
    record = run(make("model=timm", "model.args.name=test_resnet", "horizon=2ba", "eval_every=2ba"))
    assert record.standing() == "finished"
    (attempt,) = yaml.safe_load((record.folder / "provenance.json").read_text())
    assert attempt["versions"]["timm"] == timm.__version__
    assert "torchvision" in attempt["versions"]
