"""Plain sentences: what is understood is shown, what is not is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.advise.facts import MODELS, model_named, number_of
from lrbench.advise.sentence import understood
from lrbench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "facts", "rest"),
    [
        ("BERT fine-tuning, 3 epochs", {"model": "bert", "pretrained": True, "epochs": 3}, ()),
        ("what should I use for BERT fine-tuning, 3 epochs?", {"model": "bert", "pretrained": True, "epochs": 3}, ()),
        (
            "ViT-S from scratch on 1M images, 300 epochs",
            {"model": "vit_s", "pretrained": False, "samples": 10**6, "epochs": 300},
            (),
        ),
        (
            "ResNet-50 for 20 epochs with a published step recipe",
            {"model": "resnet50", "epochs": 20, "recipe": "steps"},
            (),
        ),
        (
            "a CNN with 25.6M parameters, batch size of 2,048, 1.28 million images",
            {"domain": "cnn", "size": 25.6e6, "batch": 2048, "samples": 1_280_000},
            (),
        ),
        ("Faster R-CNN, 512 batch size", {"model": "faster_rcnn", "batch": 512}, ()),
        ("I train a llama 70B from scratch", {"model": "llama", "size": 70e9, "pretrained": False}, ()),
        ("ResNet-50 on ImageNet", {"model": "resnet50", "samples": 1281167}, ()),
        ("GPT-2 from scratch with AdamW", {"model": "gpt2", "pretrained": False, "optimizer": "adamw"}, ()),
        ("a convolutional network: ResNet-50", {"domain": "cnn", "model": "resnet50"}, ()),
        ("vits with lion, quickly", {"model": "vit_s", "optimizer": "lion", "goal": "fast"}, ()),
        ("reproduce DeiT-S", {"goal": "reproduce", "model": "deit_s"}, ()),
        ("my unet is stuck", {"model": "unet", "training": "stuck"}, ()),
        ("resnet18 on weird medical scans", {"model": "resnet18"}, ("weird", "medical", "scans")),
        ("", {}, ()),
    ],
)
def test_understood(text: str, facts: dict[str, object], rest: tuple[str, ...]) -> None:
    found = understood(text)
    assert found.facts.told == facts
    assert found.not_understood == rest
    assert found.by.keys() == facts.keys()


def test_two_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="says model twice: resnet 50, and bert; ask for one"):
        understood("ResNet-50 or BERT")


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_understood_by_its_name(name: str) -> None:
    for text in (name, name.replace("_", "-"), name.replace("_", " ").upper(), name.replace("_", "")):
        assert model_named(text) == name
        assert understood(text).facts.model == name, text


@pytest.mark.slow
@given(st.text(max_size=60))
def test_no_sentence_breaks_it(text: str) -> None:
    try:
        found = understood(text)
    except ConfigError:
        return
    assert found.by.keys() == found.facts.told.keys()


@pytest.mark.parametrize(
    ("text", "number"),
    [("22M", 22e6), ("1.28 million", 1.28e6), ("1,024", 1024), ("7B", 7e9), ("50k", 5e4), (".5m", 5e5), ("x", None)],
)  # fmt: skip
def test_numbers(text: str, number: float | None) -> None:
    assert number_of(text) == number
