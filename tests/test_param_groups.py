"""Parameter groups: who is in which, at which share of the peak, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import timm
from timm.optim import param_groups_layer_decay
from torch import nn

from lrbench.config import experiments as config
from lrbench.errors import ConfigError
from lrbench.experiment import Component
from lrbench.models.detr import DETR
from lrbench.models.faster_rcnn import faster_rcnn
from lrbench.models.mlp import mlp
from lrbench.models.resnet import resnet8
from lrbench.optim import build_optimizer, group_parameters
from lrbench.param_groups import Group, backbone_head, layer_decay
from lrbench.schedules import lr_table

VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 10}


def names(model, group):
    ours = {id(p): name for name, p in model.named_parameters()}
    return {ours[id(p)] for p in group.parameters}


def vit():
    return timm.create_model("vit_tiny_patch16_224", **VIT)


@pytest.mark.parametrize(
    ("model", "head"),
    [
        (mlp((1, 8, 8), 10), {"5.weight", "5.bias"}),
        (resnet8((1, 8, 8), 10, width=4), {"8.weight", "8.bias"}),
        (vit(), {"head.weight", "head.bias"}),
    ],
)
def test_the_head_is_the_classifier(model, head):
    backbone, top = backbone_head(model, backbone=0.1)
    assert names(model, top) == head
    assert names(model, backbone) == {n for n, _ in model.named_parameters()} - head
    assert (backbone.lr_scale, top.lr_scale) == (0.1, 1.0)


def test_the_head_of_a_distilled_model_is_two_classifiers():
    model = timm.create_model("deit_tiny_distilled_patch16_224", **VIT)
    assert names(model, backbone_head(model)[1]) == {
        f"{h}.{p}" for h in ("head", "head_dist") for p in ("weight", "bias")
    }


def test_the_head_of_a_detector_tells_classes_and_boxes():
    model = faster_rcnn((1, 64, 64), 4, width=4)
    of = "roi_heads.box_predictor"
    assert names(model, backbone_head(model)[1]) == {
        f"{of}.{h}.{p}" for h in ("cls_score", "bbox_pred") for p in ("weight", "bias")
    }


def test_a_detr_is_a_backbone_and_a_transformer_and_its_classes_are_the_classifier():
    model = DETR((1, 64, 64), 4, "convolutions", dim=8, heads=2, encoder=1, decoder=1)
    backbone, rest = backbone_head(model, head_names="transformer")
    assert names(model, backbone) == {n for n, _ in model.named_parameters() if n.startswith("backbone.")}
    assert names(model, rest) == {n for n, _ in model.named_parameters() if n.startswith("transformer.")}
    assert names(model, backbone_head(model)[1]) == {"transformer.classes.weight", "transformer.classes.bias"}


@pytest.mark.parametrize("frozen_names", [None, r"[0-7]\."])
def test_what_is_frozen_is_in_no_group(frozen_names):
    model = resnet8((1, 8, 8), 10, width=4)
    (group,) = group_parameters(
        model, Component(target="lrbench.param_groups.frozen", args={"frozen_names": frozen_names})
    )
    assert (group.name, names(model, group)) == ("trained", {"8.weight", "8.bias"})
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {"8.weight", "8.bias"}


def test_the_head_by_name():
    model = mlp((1, 8, 8), 10)
    assert names(model, backbone_head(model, head_names=r"[35]\.")[1]) == {"3.weight", "3.bias", "5.weight", "5.bias"}


def test_frozen_parameters_are_in_no_group():
    model = mlp((1, 8, 8), 10)
    model[1].requires_grad_(False)
    backbone, _ = backbone_head(model)
    assert names(model, backbone) == {"3.weight", "3.bias"}


def test_layers_have_timms_scales():
    model = vit()
    ours = layer_decay(model, 0.5)
    theirs = param_groups_layer_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.5)
    assert {frozenset(names(model, g)): g.lr_scale for g in ours} == {
        frozenset(names(model, Group("", g["params"]))): g["lr_scale"] for g in theirs
    }
    # 3 blocks between the embedding and the head: layers 0 to 4, the head at the peak
    assert {g.name: g.lr_scale for g in ours if g.weight_decay} == {f"layer_{k}": 0.5 ** (4 - k) for k in range(5)}
    spared = {n for g in ours if not g.weight_decay for n in names(model, g)}
    assert {"pos_embed", "cls_token", "head.bias", "blocks.0.norm1.weight"} <= spared
    assert "blocks.0.attn.qkv.weight" not in spared


def test_the_rates_of_the_groups_reach_optimizer_and_table():
    made = config.experiment(
        "model=mlp", "horizon=4ep", "param_groups=backbone_head", "scheduler=cosine", "optimizer.lr=0.2",
        "lr_scaling.rule=linear", "lr_scaling.base_batch=32", "scheduler.args.eta_min={backbone: 1e-3, head: 0.1x}",
    )  # fmt: skip
    assert made.peaks == {"backbone": pytest.approx(0.04), "head": 0.4}  # the batch is twice the base
    table = lr_table(made)
    # per epoch: eta_min + (peak - eta_min) (1 + cos(pi t / 4)) / 2; the floors are 1e-3 and a tenth of 0.4
    shape = (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    np.testing.assert_allclose(table.lr[::16, 0], 1e-3 + (0.04 - 1e-3) * shape, rtol=1e-12)
    np.testing.assert_allclose(table.lr[::16, 1], 0.04 + 0.36 * shape, rtol=1e-12)
    optimizer = build_optimizer(mlp((1, 8, 8), 10), made)
    assert [g["lr"] for g in optimizer.param_groups] == list(made.peaks.values())


@pytest.mark.slow
def test_the_record_tells_the_ratio_of_the_rates(run):
    small = ("tracker=none", "model=mlp", "horizon=2ep", "warmup=none", "scheduler=cosine")
    plain = run(config.experiment(*small, "param_groups=backbone_head")).summary()
    assert plain["lr_ratio/backbone"] == pytest.approx([0.1, 0.1], rel=1e-12)
    assert plain["lr_ratio/head"] == [1.0, 1.0]
    # a floor above the backbone's peak of 0.01: its rate does not fall, the head's does, so the ratio moves
    floor = run(config.experiment(*small, "param_groups=backbone_head", "scheduler.args.eta_min=0.01")).summary()
    low, high = floor["lr_ratio/backbone"]
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.01 / (0.01 + 0.09 * 0.5))
    assert not any(k.startswith("lr_ratio") for k in run(config.experiment(*small)).summary())


class NoLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)


def twice(model):
    parameters = list(model.parameters())
    return [Group("a", parameters), Group("b", parameters[:1])]


def asleep(model):
    return [Group("a", list(model.parameters()), frozen=True)]


def half(model):
    return [Group("a", list(model.parameters())[:1])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("param_groups=backbone_head", "param_groups.args.head_names=x"), "no parameter falls into the group 'head'"),
        (("param_groups=backbone_head", "param_groups.args.head_names='.*'"), "falls into the group 'backbone'"),
        (("param_groups=backbone_head", "param_groups.args.head_names='['"), r"head_names=\[: no regular expression"),
        (("param_groups=backbone_head", "param_groups.args.backbone=0"), "backbone=0: give a share of the peak"),
        (("param_groups=backbone_head", "param_groups.args.backbone=[1]"), r"backbone=\[1\]: give a share of the peak"),
        (("param_groups=layer_decay", "param_groups.args.decay={a:1}"), "give a factor between 0 and 1"),
        (("param_groups=backbone_head", "param_groups.args.head=-1"), "head=-1: give a share of the peak"),
        (("param_groups=frozen", "param_groups.args.frozen_names=x"), "no parameter falls into the group 'frozen'"),
        (("param_groups=frozen", "param_groups.args.frozen_names='.*'"), "falls into the group 'trained'"),
        (("param_groups=frozen", "param_groups.args.frozen_names='['"), r"frozen_names=\[: no regular expression"),
        ((f"param_groups._target_={__name__}.asleep",), "every group is frozen, so that nothing trains"),
        (("param_groups=layer_decay",), "Sequential does not say which layers it has"),
        (("param_groups=layer_decay", "param_groups.args.decay=1"), "decay=1: give a factor between 0 and 1"),
        (("param_groups=one", "+param_groups.args.x=1"), "param_groups.args"),
        ((f"param_groups._target_={__name__}.twice",), "fall into a group, 1 of them into more than one"),
        ((f"param_groups._target_={__name__}.half",), "of 6 trainable parameters, 1 fall into a group"),
        (("param_groups=backbone_head", "scheduler.args.eta_min={backbon: 0.1}"), "Did you mean 'backbone'"),
    ],
)
def test_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        config.experiment("model=mlp", *overrides)


def test_a_model_without_a_classifier_is_refused():
    with pytest.raises(ConfigError, match="NoLinear has no classifier"):
        group_parameters(NoLinear(), replace(config.experiment("param_groups=backbone_head").param_groups))
