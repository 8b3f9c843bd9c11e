"""DETR: its published size, its transformer and positions as transformers has them, shapes, pixels, what is refused."""

import math

import pytest
import torch
from torch import nn
from transformers import DetrConfig
from transformers.models.detr.modeling_detr import (
    DetrDecoder,
    DetrEncoder,
    DetrMLPPredictionHead,
    DetrSinePositionEmbedding,
)

from lrbench.errors import ConfigError
from lrbench.models.detr import DETR, Transformer, _found, positions
from lrbench.models.set_loss import Guesses

SHAPE, CLASSES = (1, 64, 64), 11
SMALL = {"backbone": "convolutions", "dim": 16, "heads": 2, "encoder": 1, "decoder": 2, "mlp_ratio": 2.0, "queries": 5}


def small(**changed):
    torch.manual_seed(0)
    return DETR(SHAPE, CLASSES, **{**SMALL, "dropout": 0.0, **changed})


def batch(n=2, channels=1, side=64):
    images = torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))
    target = {"boxes": torch.tensor([[4.0, 6, 24, 26], [30, 8, 60, 40]]), "labels": torch.tensor([1, 10])}
    return [*images], [target] * n


def count(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# ---- As published.


@pytest.mark.slow
def test_its_size_is_the_published_one(monkeypatch):
    """41,302,368 parameters train, as a log of its authors' code for COCO says (91 classes and no object)."""
    from torchvision import models

    monkeypatch.setattr(models, "get_weight", lambda name: None)  # as with weights, and without a download
    model = DETR((3, 64, 64), 92, weights_backbone="ResNet50_Weights.IMAGENET1K_V1")
    assert count(model) == 41_302_368
    held = {name.partition(".")[0] for name, p in model.backbone.named_parameters() if not p.requires_grad}
    assert held == {"0", "4"}  # the first convolution and the first stage
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.slow
def test_without_weights_the_whole_backbone_trains():
    model = DETR((3, 64, 64), 92)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert count(model) == 41_302_368 + 3 * 64 * 7**2 + (73_728 + 2 * 69_632) + sum(map(count, norms))
    assert len(norms) == 53


def linear_pairs(theirs, ours):
    q, k, v = ours.in_proj_weight.chunk(3)
    of_q, of_k, of_v = ours.in_proj_bias.chunk(3)
    yield from ((theirs.q_proj.weight, q), (theirs.k_proj.weight, k), (theirs.v_proj.weight, v))
    yield from ((theirs.q_proj.bias, of_q), (theirs.k_proj.bias, of_k), (theirs.v_proj.bias, of_v))
    yield from zip(theirs.o_proj.parameters(), ours.out_proj.parameters(), strict=True)


def pairs(theirs, ours):
    """Theirs and ours, of an encoder's or a decoder's layer."""
    crossed = ours.cross is not None
    yield from linear_pairs(theirs.self_attn, ours.attention)
    if crossed:
        yield from linear_pairs(theirs.encoder_attn, ours.cross)
    norms = [
        theirs.self_attn_layer_norm,
        *([theirs.encoder_attn_layer_norm] if crossed else []),
        theirs.final_layer_norm,
    ]
    layers = [*zip(norms, ours.norms, strict=True), (theirs.mlp.fc1, ours.mlp[0]), (theirs.mlp.fc2, ours.mlp[3])]
    for their, my in layers:
        yield from zip(their.parameters(), my.parameters(), strict=True)


def copied(found):
    with torch.no_grad():
        for theirs, ours in found:
            theirs.copy_(ours)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_transformer_is_transformers(depth):
    """With the same weights, every one of them moved from where it begins; `depth` layers of the decoder."""
    torch.manual_seed(0)
    ours = Transformer(12, 4, 5, 2, 2, (16, 2, 32, 0.0)).double().eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    sizes = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "dropout": 0.0}
    config = DetrConfig(**sizes, decoder_layers=depth, decoder_attention_heads=2, decoder_ffn_dim=32)
    config._attn_implementation = "eager"
    encoder, decoder = DetrEncoder(config).double().eval(), DetrDecoder(config).double().eval()
    head = DetrMLPPredictionHead(16, 16, 4, 3).double()
    for theirs, mine in ((encoder.layers, ours.encoder), (decoder.layers, ours.decoder[:depth])):
        for layer, my in zip(theirs, mine, strict=True):
            copied(pairs(layer, my))
    copied(zip(decoder.layernorm.parameters(), ours.norm.parameters(), strict=True))
    copied(zip(head.parameters(), ours.boxes.parameters(), strict=True))

    features = torch.randn(3, 12, 4, 6, dtype=torch.float64)
    places = DetrSinePositionEmbedding(8, normalize=True)(features.shape, features.device, torch.float64)
    places = places.flatten(2).mT
    seen = encoder(
        inputs_embeds=ours.project(features).flatten(2).mT, spatial_position_embeddings=places
    ).last_hidden_state
    told = decoder(
        inputs_embeds=torch.zeros(3, 5, 16, dtype=torch.float64),
        encoder_hidden_states=seen,
        spatial_position_embeddings=places,
        object_queries_position_embeddings=ours.queries.expand(3, -1, -1),
    ).last_hidden_state
    logits, boxes = ours(features, every=True)
    torch.testing.assert_close(logits[depth - 1], ours.classes(told), rtol=1e-5, atol=1e-5)  # positions are single
    torch.testing.assert_close(boxes[depth - 1], head(told).sigmoid(), rtol=1e-5, atol=1e-5)


def test_positions_are_transformers_and_end_at_a_full_turn():
    theirs = DetrSinePositionEmbedding(8, normalize=True)(torch.Size((1, 3, 5, 7)), "cpu", torch.float32)
    torch.testing.assert_close(positions(5, 7, 16), theirs[0].flatten(1).T, rtol=0, atol=1e-5)
    last = positions(5, 7, 16)[-1]
    assert last[[0, 1, 8, 9]].tolist() == pytest.approx([0, 1, 0, 1], abs=1e-6)  # sine and cosine of 2 pi
    assert positions(2, 1, 4).tolist() == [
        pytest.approx([0, -1, 0, 1], abs=1e-6),  # the row at pi, the column at 2 pi
        pytest.approx([0, 1, 0, 1], abs=1e-6),
    ]


def test_its_matrices_begin_as_xaviers():
    torch.manual_seed(0)
    model = small(dim=64, mlp_ratio=4.0)
    for layer in [*model.transformer.encoder, *model.transformer.decoder]:
        for weight in (p for p in layer.parameters() if p.ndim > 1):
            assert weight.std().item() == pytest.approx((2 / sum(weight.shape)) ** 0.5, rel=0.1)
    assert model.transformer.queries.std().item() == pytest.approx(1, rel=0.2)


# ---- As a detector of torchvision's is called.


def test_in_training_losses_in_evaluation_boxes():
    model, (images, targets) = small(), batch()
    losses = model.train()(images, targets)
    assert {*losses} == {"loss_class", "loss_box", "loss_giou"}
    assert all(value.shape == () and value > 0 for value in losses.values())
    found = model.eval()(images)
    assert len(found) == 2
    for image in found:
        assert {name: (*t.shape,) for name, t in image.items()} == {"boxes": (5, 4), "labels": (5,), "scores": (5,)}
        assert ((image["labels"] >= 1) & (image["labels"] < CLASSES)).all()
        assert ((image["scores"] > 0) & (image["scores"] < 1)).all()


def test_a_guess_in_pixels_is_of_its_likeliest_class_though_no_object_is_likelier():
    logits = torch.tensor([[3.0, 0.0, 1.0, 0.5], [0.0, 2.0, 0.0, 0.0]])
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.25], [0.25, 0.25, 0.5, 0.5]])
    found = _found(logits, boxes, torch.tensor([40.0, 20.0, 40.0, 20.0]))
    assert found["boxes"].tolist() == [[10, 7.5, 30, 12.5], [0, 0, 20, 10]]
    assert found["labels"].tolist() == [2, 1]
    assert found["scores"].tolist() == pytest.approx(
        [math.e / (math.e**3 + 1 + math.e + math.e**0.5), math.e**2 / (math.e**2 + 3)]
    )


def test_every_weight_learns_but_where_all_values_are_equal():
    """The decoder begins with zeros, whose attention to themselves gives the values' bias whatever its weights (in the
    paper too): at first 0."""
    model, (images, targets) = small(), batch()
    sum(model.train()(images, targets).values()).backward()
    asleep = {name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0}
    of = "transformer.decoder.0."
    assert asleep == {f"{of}attention.in_proj_weight", f"{of}attention.out_proj.weight", f"{of}norms.0.weight"}


def test_every_layer_has_a_loss_unless_the_last_has_it_alone():
    (images, targets), every, last = batch(), small().train(), small(aux=False).train()
    shallow = small(decoder=1).train()
    kept = {n: p for n, p in every.state_dict().items() if ".decoder.1." not in n}
    shallow.load_state_dict(kept)
    sums = [sum(model(images, targets).values()).item() for model in (every, last, shallow)]
    assert sums[0] == pytest.approx(sums[1] + sums[2], rel=1e-5)


def test_images_are_resized_and_boxes_stay_where_they_are():
    """To the shorter side; the losses are in shares of the image."""
    seen = []
    model = small(min_size=32).eval()
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2:]))
    images = [torch.ones(1, 64, 96)]
    middle = Guesses(torch.zeros(1, 1, 1, 3), torch.full((1, 1, 1, 4), 0.5))
    model.transformer.forward = lambda features, every: middle
    assert model(images)[0]["boxes"].tolist() == [[24, 16, 72, 48]]
    assert [(*shape,) for shape in seen] == [(32, 48)]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_resnet_of_torchvision_takes_grey_and_coloured_images(channels):
    torch.manual_seed(0)
    model = DETR((channels, 64, 64), CLASSES, **SMALL | {"backbone": "resnet18"})
    images, targets = batch(channels=channels)
    assert all(value.isfinite() for value in model(images, targets).values())
    assert [m.num_features for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)][-1] == 512
    assert model.transformer.project.in_channels == 512


def test_a_network_that_is_not_finite_finds_nothing():
    model, (images, targets) = small(), batch()
    nn.init.constant_(model.transformer.queries, math.nan)
    assert all(math.isnan(value.item()) for value in model.train()(images, targets).values())
    assert [len(found["boxes"]) for found in model.eval()(images)] == [0, 0]


def test_the_classes_are_what_a_fine_tuned_model_replaces():
    model = small()
    assert model.get_classifier() is model.transformer.classes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dim": 18, "heads": 2}, "model.args.dim=18"),
        ({"dim": 0}, "model.args.dim=0"),
        ({"heads": 3}, "model.args.heads=3"),
        ({"encoder": 0}, "model.args.encoder=0"),
        ({"decoder": 1.5}, "model.args.decoder=1.5"),
        ({"queries": True}, "model.args.queries=True"),
        ({"mlp_ratio": 0.3}, "model.args.mlp_ratio=0.3"),
        ({"dropout": 1.0}, "model.args.dropout=1.0"),
        ({"min_size": 16}, "model.args.min_size=16"),
        ({"min_size": 64.0}, "model.args.min_size=64.0"),
        ({"aux": "yes"}, "model.args.aux='yes'"),
        ({"backbone": "resnet5"}, "model.args.backbone=resnet5: torchvision has no such ResNet.*resnet50"),
        ({"backbone": "convolution"}, "model.args.backbone=convolution: .*convolutions"),
        ({"weights_backbone": "ResNet18_Weights.IMAGENET1K_V1"}, "model.args.weights_backbone=.* has no weights"),
        ({"backbone": "resnet18", "weights_backbone": "unknown"}, "weights_backbone=unknown: they cannot be had"),
    ],
)
def test_bad_options_are_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        small(**changed)


def test_images_of_two_channels_are_none_of_torchvisions():
    with pytest.raises(ConfigError, match=r"take 3 channels, and the data have 2.*convolutions"):
        DETR((2, 64, 64), CLASSES, backbone="resnet18")
