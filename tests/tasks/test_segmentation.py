"""Segmentation: loss and weight by hand, the mean IoU against torchmetrics, torchvision's two heads, runs."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.tasks.segmentation import Segmentation

SPEC = {"shape": (1, 8, 8), "pixel_classes": 3}


def batch(seed=0, n=4):
    draws = torch.Generator().manual_seed(seed)
    mask = torch.randint(3, (n, 8, 8), generator=draws)
    mask[torch.rand(n, 8, 8, generator=draws) < 0.2] = 255
    return torch.randn(n, 3, 8, 8, generator=draws), mask


def test_loss_and_weight_leave_out_the_pixels_without_a_class():
    """Logits of 0 cost log 3 a pixel; of two pixels one has no class."""
    mask = torch.tensor([[[1, 255]]])
    task = Segmentation()
    assert task.loss(lambda x: x, (torch.zeros(1, 3, 1, 2), mask)).item() == pytest.approx(math.log(3))
    assert int(task.weight((None, mask))) == 1


def test_a_second_head_counts_by_its_weight():
    x, mask = batch()
    both = Segmentation(0.5).loss(lambda x: {"out": x, "aux": -x}, (x, mask))
    one, other = (cross_entropy(sign * x, mask, ignore_index=255, reduction="sum") for sign in (1, -1))
    assert both.item() == pytest.approx((one + other / 2).item(), rel=1e-6)
    assert Segmentation().loss(lambda x: {"out": x}, (x, mask)).item() == pytest.approx(one.item(), rel=1e-6)


def test_the_mean_iou_by_hand():
    """Truth 0 0 1 1, said 0 1 1 1: IoU 1/2 and 2/3; class 2 occurs in neither and does not count."""
    said = torch.nn.functional.one_hot(torch.tensor([[[0, 1, 1, 1]]]), 3).permute(0, 3, 1, 2).float()
    meter = Segmentation().meter()
    meter.add(lambda x: x, (said, torch.tensor([[[0, 0, 1, 1]]])))
    found = meter.result()
    assert found["miou"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["pixel_accuracy"] == pytest.approx(3 / 4)


def test_the_mean_iou_is_torchmetrics():
    jaccard = pytest.importorskip("torchmetrics.classification").MulticlassJaccardIndex(3, ignore_index=255)
    meter = Segmentation().meter()
    for seed in range(3):
        x, mask = batch(seed)
        meter.add(lambda x: {"out": x}, (x, mask))
        jaccard.update(x, mask)
    found = meter.result()
    assert found["miou"] == pytest.approx(jaccard.compute().item(), rel=1e-6)
    pixels = [(x, mask) for x, mask in map(batch, range(3))]
    total = sum(cross_entropy(x, mask, ignore_index=255, reduction="sum").item() for x, mask in pixels)
    assert found["loss"] == pytest.approx(total / sum(int((mask != 255).sum()) for _, mask in pixels), rel=1e-6)


def test_data_without_masks_are_refused_and_labels_are_not_taken_for_masks():
    with pytest.raises(ConfigError, match="it needs pixel_classes, which the data do not give"):
        experiment("task=segmentation")
    with pytest.raises(ConfigError, match="needs num_classes, which data=Composites does not give"):
        experiment("data=composites", "task=segmentation")


def test_what_one_class_everywhere_reaches_is_chance():
    metrics = {m.name: m for m in Segmentation().metrics(SPEC)}
    assert metrics["miou"].chance == pytest.approx(1 / 3)
    assert metrics["loss"].chance == pytest.approx(math.log(3))


def test_bad_options():
    with pytest.raises(ConfigError, match=r"task.args.aux_weight=\[1\]: give a number"):
        Segmentation(aux_weight=[1])
    with pytest.raises(ConfigError, match=r"task.args.aux_weight=2"):
        Segmentation(2)
