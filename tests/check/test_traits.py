"""What is seen of a model, whatever it is called."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lrbench.check.traits import Traits, traits_of
from lrbench.config.experiments import experiment
from lrbench.experiment import Component, Experiment

HERE = f"{__name__}."


class Mixing(nn.Module):
    """Images as rows of tokens; `mix` says how they meet."""

    def __init__(self, shape: tuple[int, int, int], num_classes: int, mix: str) -> None:
        super().__init__()
        self.mix: Callable[[Tensor], Tensor] = {
            "fused": lambda x: nn.functional.scaled_dot_product_attention(x, x, x),
            "by hand": lambda x: torch.softmax(x @ x.mT / 4, dim=-1) @ x,
            "einsum": lambda x: torch.einsum("nij,njk->nik", torch.einsum("nik,njk->nij", x, x).softmax(-1), x),
            "gate": lambda x: self.gate(x).softmax(-1) * x,
            "product": lambda x: (x @ x.mT) @ x,
            "softmax": lambda x: x.softmax(-1),
        }[mix]
        self.gate, self.head = nn.Linear(shape[2], shape[2]), nn.Linear(shape[1] * shape[2], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(x.mean(1)).flatten(1)).softmax(-1)


class Unlike(nn.Module):
    """Called with something that is no batch of images."""

    def __init__(self, attends: bool) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2) if attends else nn.Linear(8, 8)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.layer(x, mask)


def of(target: str, **args: object) -> Traits:
    base = experiment("model=mlp")
    return traits_of(replace(base, model=Component(target=HERE + target, args=args)))


@pytest.mark.parametrize(
    ("mix", "attends"),
    [("fused", True), ("by hand", True), ("einsum", True), ("gate", False), ("product", False), ("softmax", False)],
)
def test_attention_is_seen_by_what_the_forward_pass_does(mix: str, attends: bool) -> None:
    assert of("Mixing", mix=mix).attention is attends


def test_or_by_a_module_of_torch_where_it_cannot_be_called() -> None:
    assert of("Unlike", attends=True).attention is True
    assert of("Unlike", attends=False).attention is None


class Large(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.wide, self.head = nn.Linear(64, 10**7), nn.Linear(10**7, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.wide(x.flatten(1)))


@pytest.mark.slow
def test_a_large_model_takes_no_memory() -> None:
    assert of("Large") == Traits(
        attention=False,
        convolution=False,
        batch_norm=False,
        parameters=75 * 10**7 + 10,
        pretrained=False,
        new=10 * 10**7 + 10,
    )


def made(*overrides: str) -> Experiment:
    return experiment(*overrides)


PATCHES = "+model.args.options.patch_size=4"
TIMM = ("model=timm", "model.args.name=test_vit", PATCHES)
NOTHING = {"attention": False, "convolution": False, "batch_norm": False, "pretrained": False}


@pytest.mark.parametrize(
    ("overrides", "seen"),
    [
        (("model=mlp",), {"parameters": 8970, "new": 650}),
        (("model=resnet8_w8",), {"convolution": True, "batch_norm": True, "new": 330}),
        (("model=vit_micro",), {"attention": True, "new": 330}),
        (TIMM, {"attention": True, "convolution": True}),
    ],
)
def test_of_the_levels(overrides: tuple[str, ...], seen: dict[str, Any]) -> None:
    traits = vars(traits_of(made(*overrides)))
    assert {**NOTHING, **seen}.items() <= traits.items()


def test_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    traits_of(made("model=vit_micro"))
    assert torch.equal(before, torch.get_rng_state())


def test_pretrained_weights_are_not_loaded() -> None:
    """Only an argument says so; without a network they could not be had."""
    base = made("model=timm", "model.args.name=test_resnet")
    args = {"name": "resnet18.a1_in1k", "pretrained": True, "options": {}}
    traits = traits_of(replace(base, model=replace(base.model, args=args)))
    assert traits.pretrained
    assert traits.new == 5130
    assert traits.batch_norm


@pytest.mark.slow
def test_no_weights_of_a_backbone_are_loaded_to_look_at_a_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", lambda *_, **__: pytest.fail("it was downloaded"))
    looked = made("recipe=faster_rcnn", "model.args.weights_backbone=MobileNet_V3_Large_Weights.IMAGENET1K_V1")
    assert traits_of(looked).convolution
