"""Classification: the training loss is smoothed, the measured one is not."""

import re
from math import log
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.tasks.classification import Classification
from lrbench.tasks.returns import declared

CONF = Path(__file__).parents[2] / "conf" / "task"


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return torch.randn(12, 5, generator=draws), torch.randint(5, (12,), generator=draws)


def summed(task, output, target):
    """The task's loss of these logits."""
    return task.loss(lambda x: x, (output, target))


def measured(task, *batches):
    """What its meter makes of these logits and labels."""
    meter = task.meter()
    for batch in batches:
        meter.add(lambda x: x, batch)
    return meter.result()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_torch_s_with_label_smoothing(batch, smoothing):
    loss = summed(Classification(smoothing), *batch)
    assert loss.shape == ()
    assert torch.equal(loss, nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="sum")(*batch))


def test_smoothing_spreads_its_share_over_all_classes(batch):
    output, target = batch
    wanted = 0.9 * nn.functional.one_hot(target, 5) + 0.1 / 5
    by_hand = -(wanted * output.log_softmax(1)).sum()
    assert summed(Classification(0.1), output, target).item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_the_loss_can_be_differentiated(batch):
    output = batch[0].clone().requires_grad_()
    summed(Classification(0.1), output, batch[1]).backward()
    assert output.grad.abs().sum() > 0


def test_the_weight_is_the_samples(batch):
    assert Classification().weight(batch) == 12


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_what_is_measured_is_the_mean_over_samples_without_smoothing(batch, smoothing):
    output, target = batch
    task = Classification(smoothing)
    found = measured(task, (output[:5], target[:5]), (output[5:], target[5:]))
    assert tuple(found) == tuple(m.name for m in task.metrics({"num_classes": 5})) == ("loss", "accuracy")
    log_p = output.double().log_softmax(1)
    assert found["loss"] == pytest.approx(-log_p[range(12), target].mean().item(), rel=1e-5)
    assert found["accuracy"] == (log_p.argmax(1) == target).double().mean().item()
    assert 0 < found["accuracy"] < 1


def test_the_measured_loss_is_the_loss_without_smoothing_over_its_weight(batch):
    loss = measured(Classification(0.1), batch)["loss"]
    assert loss == pytest.approx(summed(Classification(), *batch).item() / 12, rel=1e-6)


def test_logits_in_bfloat16_are_measured_in_float32(batch):
    output, target = batch[0].bfloat16(), batch[1]
    assert measured(Classification(), (output, target)) == measured(Classification(), (output.float(), target))


@pytest.mark.parametrize("smoothing", [1.0, -0.1, float("nan"), "0.1", True, {"a": 1}])
def test_a_bad_smoothing_is_refused(smoothing):
    with pytest.raises(ConfigError, match=re.escape(f"task.args.label_smoothing={smoothing!r}: give")):
        Classification(smoothing)


def test_metrics_are_declared_for_the_classes_at_hand():
    loss, accuracy = Classification().metrics({"shape": (1, 8, 8), "num_classes": 4})
    assert loss == Metric("loss", "nats", False, 0.0, None, log(4))
    assert accuracy == Metric("accuracy", "%", True, 0.0, 1.0, 0.25)


def test_data_without_classes_are_refused():
    with pytest.raises(ConfigError, match=r"needs num_classes, which the data do not give \(they give vocab_size\)"):
        declared(Classification(), {"vocab_size": 3}, "Classification")


def test_the_config_level_states_the_default():
    level = yaml.safe_load((CONF / "classification.yaml").read_text())
    assert level == {
        "_target_": "lrbench.tasks.classification.Classification",
        "args": {"label_smoothing": Classification().label_smoothing},
    }
