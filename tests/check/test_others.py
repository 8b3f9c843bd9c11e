"""Rules that no option of lrbench's own levels leads to: pretrained weights, and a metric below zero."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from check_support import made

from lrbench.check.linter import Linter
from lrbench.experiment import Component, Experiment, ParamGroups
from lrbench.metrics import Metric
from lrbench.tasks.classification import Classification

RESNET = Component(
    target="lrbench.models.timm.by_name", args={"name": "resnet18.a1_in1k", "pretrained": True, "options": {}}
)
BACKBONE_HEAD = ParamGroups(target="lrbench.param_groups.backbone_head", lr_scales={"backbone": 0.1, "head": 1.0})


class Dice(Classification):
    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        return *super().metrics(spec), Metric("dice", higher_is_better=False, low=-1.0, high=0.0)


def rules(experiment: Experiment) -> list[str]:
    return [f.rule for f in Linter()(experiment)]


def test_pretrained_and_new_layers_at_one_rate() -> None:
    fine_tuned = made("cosine", model=RESNET)
    (found,) = Linter()(fine_tuned)
    assert (found.rule, found.severity) == ("check.pretrained-and-new-at-one-rate", "note")
    assert "11,170,240 pretrained parameters and a classifier of 5,130 train at one rate, 0.1" in found.says
    assert rules(replace(fine_tuned, param_groups=BACKBONE_HEAD)) == []


def test_what_is_pretrained_needs_no_warmup_and_may_stay_constant() -> None:
    said = rules(made("constant", model=RESNET, batch_size=1024))
    assert said == ["check.pretrained-and-new-at-one-rate"]


@pytest.mark.parametrize(("mode", "speaks"), [("rel", True), ("abs", False)])
def test_a_relative_threshold_below_zero(mode: str, speaks: bool) -> None:
    base = made("plateau", task=Component(target=f"{__name__}.Dice"), monitor="val/dice", monitor_mode="min")
    args = {**base.scheduler.args, "threshold_mode": mode}
    waiting = replace(base, scheduler=replace(base.scheduler, args=args))
    assert ("check.rel-threshold-negative-metric" in rules(waiting)) == speaks
    assert "check.rel-threshold-negative-metric" not in rules(replace(waiting, monitor="val/loss"))
