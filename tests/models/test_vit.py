"""The vision transformer against torch's encoder layer and timm's model; its weights, options, timm's helpers."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from lrbench.engine.loop import advance
from lrbench.engine.state import new_state, set_up
from lrbench.errors import ConfigError
from lrbench.models.transformer import Block
from lrbench.models.vit import VisionTransformer

DIGITS = (1, 8, 8)
CPU = torch.device("cpu")


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def noisy(module):
    """The module with every parameter, zeros and ones of biases and norms too, moved away from its initial value."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


# ---- what it computes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pre_norm", [True, False])
def test_a_block_is_torch_s_encoder_layer(pre_norm):
    torch.manual_seed(0)
    ours = noisy(Block(12, heads=3, hidden=20, dropout=0.0, pre_norm=pre_norm)).double()
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=pre_norm, dtype=torch.float64
    )
    names = {
        "attention.qkv.weight": "self_attn.in_proj_weight", "attention.qkv.bias": "self_attn.in_proj_bias",
        "attention.project.weight": "self_attn.out_proj.weight", "attention.project.bias": "self_attn.out_proj.bias",
        "mlp.0.weight": "linear1.weight", "mlp.0.bias": "linear1.bias",
        "mlp.3.weight": "linear2.weight", "mlp.3.bias": "linear2.bias",
    }  # fmt: skip
    theirs.load_state_dict({names.get(name, name): value for name, value in ours.state_dict().items()})
    x = torch.randn(5, 7, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_the_pre_norm_model_is_timm_s_without_a_class_token():
    torch.manual_seed(0)
    ours = noisy(VisionTransformer((3, 6, 8), 5, patch=2, dim=12, depth=2, heads=3, mlp_ratio=2.0)).double()
    theirs = TimmTransformer(
        img_size=(6, 8), patch_size=2, in_chans=3, num_classes=5, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2.0,
        class_token=False, global_pool="avg", final_norm=True, fc_norm=False, norm_layer=nn.LayerNorm,
    ).double()  # fmt: skip
    state = ours.state_dict()
    names = {"attention.qkv": "attn.qkv", "attention.project": "attn.proj", "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2"}
    renamed = {}
    for name, value in state.items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name.replace("patch_embed", "patch_embed.proj")] = value
    renamed["patch_embed.proj.weight"] = state["patch_embed.weight"].view(12, 3, 2, 2)
    theirs.load_state_dict(renamed)
    x = torch.randn(4, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_post_norm_tokens_leave_every_block_normalised():
    for norm, normalised in (("post", True), ("pre", False)):
        model, seen = VisionTransformer(DIGITS, 10, norm=norm), []
        for block in model.blocks:
            block.register_forward_hook(lambda module, given, out, seen=seen: seen.append(out))
        model(torch.randn(4, *DIGITS))
        assert len(seen) == 6
        for x in seen:
            unit = torch.allclose(x.var(-1, correction=0), torch.ones(()), atol=1e-2)
            assert (unit and torch.allclose(x.mean(-1), torch.zeros(()), atol=1e-5)) == normalised


def test_positions_alone_tell_where_a_patch_is():
    model = VisionTransformer(DIGITS, 10)
    x = torch.randn(3, *DIGITS)
    swapped = torch.cat([x[..., 4:], x[..., :4]], dim=-1)  # whole patches change their places
    assert not torch.allclose(model(x), model(swapped), atol=1e-3)
    nn.init.zeros_(model.pos_embed)
    assert torch.allclose(model(x), model(swapped), atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_every_weight_learns(norm):
    model = VisionTransformer((3, 14, 14), 10, norm=norm)
    model(torch.randn(6, 3, 14, 14)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_dropout_acts_where_it_is_said_to_and_in_training_only():
    model = VisionTransformer(DIGITS, 10, depth=2, dropout=0.25)
    drops = {name for name, m in model.named_modules() if isinstance(m, nn.Dropout) and m.p == 0.25}
    assert drops == {"drop"} | {f"blocks.{i}.{d}" for i in range(2) for d in ("attention.drop", "mlp.2", "mlp.4")}
    x = torch.randn(4, *DIGITS)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


# ---- its parameters ---------------------------------------------------------------------------------------------


def parameters(tokens, inputs, d, depth, hidden, classes, norm):
    """By hand: weights and biases of the linear layers, two LayerNorms a block, and one at the end of pre-norm."""
    attention = d * 3 * d + 3 * d + d * d + d
    mlp = d * hidden + hidden + hidden * d + d
    block = attention + mlp + 2 * 2 * d
    return inputs * d + d + tokens * d + depth * block + (2 * d if norm == "pre" else 0) + d * classes + classes


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        (DIGITS, {}, 77290),
        (DIGITS, {"norm": "post"}, 77226),
        ((1, 14, 14), {}, 78346),
        ((1, 28, 28), {"patch": 4}, 78730),
        (DIGITS, {"patch": 4, "dim": 8, "depth": 1, "heads": 2, "mlp_ratio": 2.5}, 942),
    ],
)
def test_the_parameters_counted_by_hand(shape, options, expected):
    chosen = {"patch": 2, "dim": 32, "depth": 6, "mlp_ratio": 4, "norm": "pre", **options}
    patch, dim = chosen["patch"], chosen["dim"]
    tokens, hidden = shape[1] * shape[2] // patch**2, int(chosen["mlp_ratio"] * dim)
    model = VisionTransformer(shape, 10, **options)
    assert count(model) == expected
    assert expected == parameters(tokens, shape[0] * patch**2, dim, chosen["depth"], hidden, 10, chosen["norm"])
    assert model(torch.randn(2, *shape)).shape == (2, 10)


def test_initial_weights_are_those_of_glorot_and_bengio():
    torch.manual_seed(0)
    model = VisionTransformer(DIGITS, 10, dim=64)
    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    assert len(linear) == 4 * 6 + 2
    for name, layer in linear.items():
        assert not layer.bias.any()
        for weight in layer.weight.detach().chunk(
            3 if "qkv" in name else 1
        ):  # queries, keys and values are three layers
            bound = (6 / sum(weight.shape)) ** 0.5
            assert 0.9 * bound < weight.abs().max() <= bound
            assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert model.pos_embed.detach().std() == pytest.approx(0.02, rel=0.1)


def test_initial_weights_follow_the_default_generator():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([parameter.flatten() for parameter in VisionTransformer(DIGITS, 10).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


# ---- options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *[({name: value}, f"model.args.{name}={value!r}: give a whole number above 0")
          for name in ("patch", "dim", "depth", "heads") for value in (0, -1, 2.0, "2", True)],
        ({"patch": 3}, "model.args.patch=3: .*3x3 pixels do not fill an image of 8x8; give a side that divides both"),
        ({"patch": 16}, "model.args.patch=16: .* do not fill"),
        ({"heads": 5}, "model.args.heads=5: dim=32 .* give a divisor"),
        *[({"mlp_ratio": r}, "model.args.mlp_ratio=.* as 4")
          for r in (0, -1.0, 0.3, "4", True, float("nan"), float("inf"))],
        *[({"dropout": p}, f"model.args.dropout={p!r}: give a probability") for p in (1, -0.1, float("nan"), "0.1")],
        ({"norm": "Pre"}, "model.args.norm='Pre': give pre .* or post"),
        ({"norm": None}, "model.args.norm=None"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        VisionTransformer(DIGITS, 10, **options)


def test_an_image_need_not_be_square():
    assert VisionTransformer((1, 4, 8), 10)(torch.randn(2, 1, 4, 8)).shape == (2, 10)
    with pytest.raises(ConfigError, match="image of 4x7"):
        VisionTransformer((1, 4, 7), 10)


# ---- timm's helpers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_timm_s_layer_wise_rates_fall_with_depth(norm):
    model = VisionTransformer(DIGITS, 10, depth=3, norm=norm)
    groups = param_groups_layer_decay(
        model, weight_decay=0.05, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.5
    )
    scale = {id(p): g["lr_scale"] for g in groups for p in g["params"]}
    decay = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        block = {"head": 3, "norm": 2, "pos_embed": -1, "patch_embed": -1}.get(name.split(".")[0])
        expected = 0.5 ** (3 - (int(name.split(".")[1]) if block is None else block))
        assert scale.pop(id(parameter)) == expected, name
        assert (decay[id(parameter)] > 0) == (name.endswith("weight") and parameter.ndim == 2), name
    assert not scale


def test_timm_s_weight_decay_leaves_the_positions_out():
    model = VisionTransformer(DIGITS, 10)
    off, on = param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
    assert (off["weight_decay"], on["weight_decay"]) == (0.0, 0.05)
    assert any(p is model.pos_embed for p in off["params"])
    assert len(on["params"]) == 4 * 6 + 2


def test_the_classifier_is_the_last_layer():
    model = VisionTransformer(DIGITS, 7)
    assert model.get_classifier() is model.head
    assert model.get_classifier().out_features == 7


# ---- its place in a run -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("level", ["vit_micro", "vit_micro_postln"])
def test_micro_batches_change_nothing(make, level):
    """Without BatchNorm and dropout, an update is the same however its batch is cut into parts."""
    losses = []
    for parts in (1, 4):
        asked = make(f"model={level}", "optimizer=adamw", "horizon=5ba", "eval_every=5ba", f"accumulate={parts}")
        setup, state = set_up(asked, CPU), new_state(asked, CPU)
        losses.append(torch.cat([torch.from_numpy(advance(setup, state, u).series["train/loss"]) for u in range(1, 6)]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=0)
    assert losses[0].unique().numel() == 5
