"""Classification: the training loss is smoothed, the measured one is not."""

from math import log
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.tasks.classification import Classification

CONF = Path(__file__).parents[2] / "conf" / "task"


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return torch.randn(12, 5, generator=draws), torch.randint(5, (12,), generator=draws)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_torch_s_with_label_smoothing(batch, smoothing):
    loss = Classification(smoothing).loss(*batch)
    assert loss.shape == ()
    assert torch.equal(loss, nn.CrossEntropyLoss(label_smoothing=smoothing)(*batch))


def test_smoothing_spreads_its_share_over_all_classes(batch):
    output, target = batch
    wanted = 0.9 * nn.functional.one_hot(target, 5) + 0.1 / 5
    by_hand = -(wanted * output.log_softmax(1)).sum(1).mean()
    assert Classification(0.1).loss(output, target).item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_the_loss_can_be_differentiated(batch):
    output = batch[0].clone().requires_grad_()
    Classification(0.1).loss(output, batch[1]).backward()
    assert output.grad.abs().sum() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_what_is_measured_is_per_sample_and_without_smoothing(batch, smoothing):
    output, target = batch
    task = Classification(smoothing)
    measured = task.measure(output, target)
    assert tuple(measured) == tuple(m.name for m in task.metrics({"num_classes": 5})) == ("loss", "accuracy")
    for i in range(12):
        log_p = output[i].double().log_softmax(0)
        assert measured["loss"][i].item() == pytest.approx(-log_p[target[i]].item(), rel=1e-5)
        assert measured["accuracy"][i].item() == float(log_p.argmax() == target[i])
    assert all(value.shape == (12,) and value.dtype == torch.float32 for value in measured.values())
    assert 0 < measured["accuracy"].sum() < 12


def test_the_mean_of_the_measured_loss_is_the_loss_without_smoothing(batch):
    mean = Classification(0.1).measure(*batch)["loss"].mean()
    assert mean.item() == pytest.approx(Classification().loss(*batch).item(), rel=1e-6)


def test_logits_in_bfloat16_are_measured_in_float32(batch):
    output, target = batch[0].bfloat16(), batch[1]
    measured = Classification().measure(output, target)
    assert torch.equal(measured["loss"], Classification().measure(output.float(), target)["loss"])


@pytest.mark.parametrize("smoothing", [1.0, -0.1, float("nan"), "0.1", True])
def test_a_bad_smoothing_is_refused(smoothing):
    with pytest.raises(ConfigError, match=f"task.args.label_smoothing={smoothing!r}: give"):
        Classification(smoothing)


def test_metrics_are_declared_for_the_classes_at_hand():
    loss, accuracy = Classification().metrics({"shape": (1, 8, 8), "num_classes": 4})
    assert loss == Metric("loss", "nats", False, 0.0, None, log(4))
    assert accuracy == Metric("accuracy", "%", True, 0.0, 1.0, 0.25)


def test_data_without_classes_are_refused():
    with pytest.raises(ConfigError, match=r"needs num_classes, which the data do not give \(they give vocab_size\)"):
        Classification().metrics({"vocab_size": 3})


def test_the_config_level_states_the_default():
    level = yaml.safe_load((CONF / "classification.yaml").read_text())
    assert level == {
        "_target_": "lrbench.tasks.classification.Classification",
        "args": {"label_smoothing": Classification().label_smoothing},
    }
