"""The optimizer: its parameter groups, its rates, what it refuses."""

from dataclasses import replace

import pytest
import torch
from timm.optim import param_groups_weight_decay
from torch import nn

from lrbench.errors import ConfigError
from lrbench.experiment import LRScaling, Optimizer
from lrbench.models.mlp import mlp
from lrbench.models.resnet import resnet8
from lrbench.models.vit import VisionTransformer
from lrbench.optim import build_optimizer, parameter_groups


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (resnet8((1, 8, 8), 10, width=4), ()),
        (mlp((1, 8, 8), 10), ()),
        (VisionTransformer((1, 8, 8), 10), ("pos_embed",)),
    ],
)
def test_decay_is_taken_off_what_timm_takes_it_off(make, model, named):
    ours = parameter_groups(model, make("param_groups=no_decay_norm_bias"))
    undecayed, decayed = param_groups_weight_decay(model, weight_decay=0.05, no_weight_decay_list=named)
    assert (undecayed["weight_decay"], decayed["weight_decay"]) == (0.0, 0.05)
    assert [id(p) for p in ours[0]["params"]] == [id(p) for p in decayed["params"]]
    assert [id(p) for p in ours[1]["params"]] == [id(p) for p in undecayed["params"]]
    assert "weight_decay" not in ours[0]
    assert ours[1]["weight_decay"] == 0.0


def test_norms_and_biases_are_undecayed_in_the_optimizer(make):
    experiment = make("param_groups=no_decay_norm_bias", "optimizer=adamw", "model=resnet8")
    model = resnet8((1, 8, 8), 10, width=4)
    decay, no_decay = build_optimizer(model, experiment).param_groups
    assert (decay["weight_decay"], no_decay["weight_decay"]) == (0.05, 0.0)
    norms = [p for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()]
    (linear,) = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert {id(p) for p in no_decay["params"]} == {id(p) for p in [*norms, linear.bias]}
    total = sum(p.numel() for group in (decay, no_decay) for p in group["params"])
    assert total == sum(p.numel() for p in model.parameters())


def test_undecayed_weights_do_not_shrink(make):
    """With a gradient of 0, SGD with decay only shrinks: the weights by 1 - lr * decay, the biases not at all."""
    experiment = replace(
        make("param_groups=no_decay_norm_bias"),
        optimizer=Optimizer(target="torch.optim.SGD", lr=0.5, args={"weight_decay": 0.1}),
    )
    model = mlp((1, 8, 8), 10, [4])
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = build_optimizer(model, experiment)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for was, now in zip(before, model.parameters(), strict=True):
        assert torch.allclose(now, was * (0.95 if was.ndim == 2 else 1.0), rtol=1e-6, atol=0)


def test_one_group_holds_all_that_is_trained(make):
    model = mlp((1, 8, 8), 10, [4])
    model[1].weight.requires_grad_(False)
    (group,) = parameter_groups(model, make())
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters() if p.requires_grad]
    frozen = build_optimizer(model, make("param_groups=no_decay_norm_bias"))
    assert sum(len(g["params"]) for g in frozen.param_groups) == 3


def test_the_rates_are_the_peaks(make):
    experiment = replace(make("param_groups=no_decay_norm_bias"), lr_scaling=LRScaling(rule="linear", base_batch=32))
    optimizer = build_optimizer(mlp((1, 8, 8), 10), experiment)
    assert [g["lr"] for g in optimizer.param_groups] == list(experiment.peaks.values()) == [0.2, 0.2]


class OnlyWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2, bias=False)


class OnlyBiases(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3))


@pytest.mark.parametrize(("model", "group"), [(OnlyWeights(), "no_decay"), (OnlyBiases(), "decay")])
def test_a_group_that_nothing_falls_into_is_refused(make, model, group):
    with pytest.raises(ConfigError, match=f"param_groups=no_decay_norm_bias: no parameter falls .* '{group}'"):
        parameter_groups(model, make("param_groups=no_decay_norm_bias"))


def test_a_model_with_nothing_to_train_is_refused(make):
    model = mlp((1, 8, 8), 10, [4]).requires_grad_(False)
    with pytest.raises(ConfigError, match="param_groups=one: no parameter falls into the group 'all'"):
        build_optimizer(model, make())


def test_betas_are_a_tuple_as_torch_has_them(make):
    experiment = make("optimizer=adamw", "optimizer.args.betas=[0.8,0.95]")
    (group,) = build_optimizer(mlp((1, 8, 8), 10), experiment).param_groups
    assert group["betas"] == (0.8, 0.95)
    assert isinstance(group["betas"], tuple)
    assert (group["eps"], group["weight_decay"]) == (1e-8, 0.05)


@pytest.mark.parametrize(
    ("target", "args", "reason"),
    [
        ("torch.optim.SGD", {"momentum": -1.0}, "Invalid momentum value"),
        ("torch.optim.SGD", {"nesterov": True}, "Nesterov momentum requires"),
        ("torch.optim.AdamW", {"betas": [0.9, 1.5]}, "Invalid beta parameter"),
        ("torch.optim.AdamW", {"betas": [0.9]}, "tuple index out of range"),
        ("torch.optim.AdamW", {"betas": 0.9}, "not iterable"),
        ("torch.optim.AdamW", {"weight_decay": "none"}, "not supported between"),
        ("torch.optim.SGD", {"momentun": 0.9}, "unexpected keyword argument"),
    ],
)
def test_arguments_that_torch_refuses_are_refused_in_our_words(make, target, args, reason):
    experiment = replace(make(), optimizer=Optimizer(target=target, lr=0.1, args=args))
    with pytest.raises(ConfigError, match=rf"optimizer\.args\.{[*args][-1]}=.*refuses it \(.*{reason}"):
        build_optimizer(mlp((1, 8, 8), 10), experiment)


def test_two_arguments_that_are_both_wrong_are_shown_together(make):
    args = {"momentum": -1.0, "weight_decay": -1.0}
    experiment = replace(make(), optimizer=Optimizer(target="torch.optim.SGD", lr=0.1, args=args))
    with pytest.raises(ConfigError, match=r"optimizer\.args: SGD refuses momentum=-1\.0, weight_decay=-1\.0 \(Invalid"):
        build_optimizer(mlp((1, 8, 8), 10), experiment)


@pytest.mark.parametrize("args", ["optimizer.args.betas=null", "optimizer.args.betas=0.9"])
def test_betas_that_are_none_are_no_fault_of_the_schedule(make, args):
    with pytest.raises(ConfigError, match=rf"{args}: AdamW has no momentum of this; give betas as \[0\.9, 0\.999\]"):
        make("optimizer=adamw", args)


@pytest.mark.parametrize("lr", [0.0, -0.1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(lr):
    with pytest.raises(ConfigError, match=r"optimizer.lr=.*a number above 0"):
        Optimizer(target="torch.optim.SGD", lr=lr)


@pytest.mark.parametrize("argument", ["lr=0.2", "params=1", "momentun=1"])
def test_arguments_that_cannot_be_given_are_refused_when_composed(make, argument):
    with pytest.raises(ConfigError, match=r"optimizer.args.\w+: (lrbench gives this|SGD has no argument)"):
        make(f"+optimizer.args.{argument}")
