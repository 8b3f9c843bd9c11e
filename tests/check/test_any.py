"""The linter has an answer to every composition."""

import pytest
from check_support import grouped, level, made
from pairwise import pairwise

from lrbench import CONF
from lrbench.check.finding import SEVERITIES
from lrbench.check.linter import IDS, Linter
from lrbench.errors import ConfigError
from lrbench.experiment import Component, Optimizer

PICKED = {
    "scheduler": None,
    "warmup": ("none", "linear2", "linear_10pct", "constant5"),
    "optimizer": ("sgd", "sgd_plain", "adamw", "rmsprop"),
    "model": ("mlp", "resnet8_w8", "vit_micro"),
    "param_groups": ("one", "no_decay_norm_bias", "backbone_head", "layer_decay"),
}


def levels(group: str) -> list[str]:
    left_out = {"custom", "timm", "noisy_quadratic", "schedulefree_adamw"}  # open, of other data, an extra
    of_other_data = ("gpt_", "bert_", "unet", "torchvision_", "faster_rcnn", "detr") if group == "model" else ()
    found = {p.stem for p in (CONF / group).glob("*.yaml")} - left_out
    return sorted(name for name in found if not name.startswith(of_other_data))


def check_all(cases: list[tuple[str, ...]]) -> None:
    linter, checked = Linter(), 0
    for scheduler, warm, optimizer, model, groups in cases:
        try:
            parts = {
                "optimizer": Optimizer(**level("optimizer", optimizer)),
                "model": Component(**level("model", model)),
                "param_groups": grouped(model, groups),
            }
            findings = linter(made(scheduler, warm, **parts))
        except ConfigError:
            continue
        checked += 1
        grades = [SEVERITIES.index(f.severity) for f in findings]
        assert grades == sorted(grades)
        assert {f.rule for f in findings} <= {*IDS}
        assert all(f.says.endswith(".") for f in findings)
    assert checked > len(cases) / 3


def test_every_pair_of_a_few_levels() -> None:
    check_all(pairwise(*(few or levels(group) for group, few in PICKED.items())))


@pytest.mark.slow
def test_every_pair_of_all_levels() -> None:
    check_all(pairwise(*(levels(group) for group in PICKED)))
