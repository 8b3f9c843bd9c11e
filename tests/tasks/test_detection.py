"""Detection: the loss is torchvision's own, mAP by hand and against torchmetrics, what is refused."""

import pytest
import torch

from lrbench.config.experiments import experiment
from lrbench.data import Reading
from lrbench.data.kinds import Boxed, Images
from lrbench.errors import ConfigError
from lrbench.models.detr import DETR
from lrbench.models.faster_rcnn import faster_rcnn
from lrbench.tasks import detection
from lrbench.tasks.detection import Detection

pytest.importorskip("pycocotools")

SPEC = {"shape": (1, 8, 8), "box_classes": 3}


def target(boxes, labels, **more):
    return {"boxes": torch.tensor(boxes).float().view(-1, 4), "labels": torch.tensor(labels).long(), **more}


def measured(found, true):
    """Of images, given as what a model finds on them."""
    meter = Detection().meter()
    meter.add(lambda images: images, (found, true))
    return meter.result()


def test_a_box_that_is_met_counts_up_to_its_overlap():
    """10x10 against 10x8: IoU 0.8. So the precision is 1 at 0.5 to 0.75 (6 overlaps), and at 0.8 by a hair too."""
    true = [target([[0, 0, 10, 10]], [1])]
    assert measured([target([[0, 0, 10, 8]], [1], scores=torch.tensor([0.9]))], true) == pytest.approx(
        {"map": 0.7, "map50": 1.0, "map75": 1.0}
    )
    assert measured([target([[0, 0, 10, 7]], [1], scores=torch.tensor([0.9]))], true) == pytest.approx(
        {"map": 0.5, "map50": 1.0, "map75": 0.0}  # 0.5 to 0.7
    )


def test_a_false_box_before_the_right_one_halves_the_precision():
    """Two found, the first wrong: precision 1/2 at every recall. One that is found after it costs nothing."""
    true = [target([[0, 0, 10, 10]], [1])]
    boxes = [[20, 20, 30, 30], [0, 0, 10, 10]]
    assert measured([target(boxes, [1, 1], scores=torch.tensor([0.9, 0.5]))], true)["map"] == pytest.approx(0.5)
    assert measured([target(boxes, [1, 1], scores=torch.tensor([0.5, 0.9]))], true)["map"] == pytest.approx(1.0)
    assert measured([target(boxes, [2, 2], scores=torch.tensor([0.9, 0.5]))], true)["map"] == 0  # of another class


def test_a_crowd_counts_neither_way():
    crowd = torch.tensor([False, True])
    true = [target([[0, 0, 10, 10], [20, 20, 40, 40]], [1, 1], crowd=crowd)]
    found = [target([[20, 20, 30, 30], [0, 0, 10, 10]], [1, 1], scores=torch.tensor([0.9, 0.5]))]
    assert measured(found, true)["map"] == pytest.approx(1.0)


def test_nothing_found_is_0_and_nothing_to_find_is_no_number():
    empty = target([], [], scores=torch.tensor([]))
    assert measured([empty], [target([[0, 0, 10, 10]], [1])])["map"] == 0
    assert str(measured([empty], [target([], [])])["map"]) == "nan"


def random_boxes(draws, n):
    corners = torch.rand(n, 2, generator=draws) * 40
    return torch.cat([corners, corners + 4 + torch.rand(n, 2, generator=draws) * 20], 1)


@pytest.mark.slow  # its import alone
def test_the_map_is_torchmetrics():
    torchmetrics = pytest.importorskip("torchmetrics.detection")
    theirs = torchmetrics.MeanAveragePrecision(backend="pycocotools")
    draws = torch.Generator().manual_seed(0)
    meter = Detection().meter()
    for _ in range(4):
        true, found = [], []
        for _ in range(3):
            boxes = random_boxes(draws, 4)
            labels = torch.randint(1, 4, (4,), generator=draws)
            true.append({"boxes": boxes, "labels": labels})
            moved = torch.cat([boxes + torch.randn(4, 4, generator=draws), random_boxes(draws, 3)])
            guessed = torch.cat([labels, torch.randint(1, 4, (3,), generator=draws)])
            found.append({"boxes": moved, "labels": guessed, "scores": torch.rand(7, generator=draws)})
        meter.add(lambda images: images, (found, true))
        theirs.update(found, true)
    ours, known = meter.result(), theirs.compute()
    assert 0.1 < ours["map"] < 0.9
    for name, other in (("map", "map"), ("map50", "map_50"), ("map75", "map_75")):
        assert ours[name] == pytest.approx(known[other].item(), rel=1e-5)


def two_images(crowd=False):
    torch.manual_seed(0)
    images = torch.randn(2, 1, 32, 32)
    targets = [target([[2, 3, 14, 17], [12, 10, 30, 24]], [1, 2]), target([[5, 5, 21, 19]], [2])]
    if crowd:
        targets[0]["crowd"] = torch.tensor([False, True])
    return images, targets


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("crowd", [False, True])
def test_loss_and_gradients_are_those_of_torchvisions_own_sum(crowd):
    """As its reference script has it: sum(loss_dict.values()), and a crowd left out."""
    torch.manual_seed(0)
    model = faster_rcnn((1, 32, 32), 3, width=4).train()
    images, targets = two_images(crowd)
    task = Detection()
    torch.manual_seed(5)  # what its samplers draw from
    loss = task.loss(model, (images, targets)) / task.weight((images, targets))
    ours = gradients(model, loss)
    if crowd:
        targets[0] = target([[2, 3, 14, 17]], [1])
    torch.manual_seed(5)
    losses = model(list(images), targets)
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    theirs = sum(losses.values())
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-6)
    for one, other in zip(ours, gradients(model, theirs), strict=True):
        torch.testing.assert_close(one, other)


def test_images_without_a_box_have_a_loss_too():
    torch.manual_seed(0)
    model = faster_rcnn((1, 32, 32), 3, width=4).train()
    loss = Detection().loss(model, (torch.randn(2, 1, 32, 32), [target([], []), target([], [])]))
    loss.backward()
    assert loss.item() > 0


def test_data_without_boxes_are_refused_and_boxes_are_not_taken_for_labels():
    with pytest.raises(ConfigError, match="it needs box_classes, which the data do not give"):
        experiment("task=detection")
    with pytest.raises(ConfigError, match="needs num_classes, which data=CompositeBoxes does not give"):
        experiment("data=composite_boxes", "task=detection", "model=resnet8")


def test_without_pycocotools_the_way_to_get_it_is_told(monkeypatch):
    monkeypatch.setattr(detection, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'lr-schedule-bench\[detection\]'"):
        Detection().metrics(SPEC)


def scenes(n=12):
    """Grey noise with a bright square each, of one of two sizes, which are its class."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(60, (n, 1, 32, 32), generator=draws, dtype=torch.uint8)
    boxes = []
    for i in range(n):
        left, top = torch.randint(15, (2,), generator=draws).tolist()
        side = 10 + 6 * (i % 2)
        x[i, 0, top : top + side, left : left + side] = 250
        boxes.append([left, top, left + side, top + side])
    images = Images(x, torch.arange(n), torch.zeros(1), torch.ones(1), 0)
    crowd, begins = torch.zeros(n, dtype=torch.bool), torch.arange(n + 1)
    return Boxed(images, torch.tensor(boxes).float(), torch.arange(n) % 2 + 1, crowd, begins)


def small_detr():
    small = {"dim": 32, "heads": 4, "encoder": 1, "decoder": 2, "mlp_ratio": 4.0, "dropout": 0.0, "queries": 4}
    return DETR((1, 32, 32), 3, "convolutions", **small)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "optimizer"),
    [
        (lambda: faster_rcnn((1, 32, 32), 3, width=16), lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
        (small_detr, lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=1e-4)),
    ],
    ids=["faster_rcnn", "detr"],
)
def test_a_batch_is_learnt_by_heart(made, optimizer):
    torch.manual_seed(0)
    model, task = made().train(), Detection()
    batch = scenes().stream(Reading(12, 0)).batch(0)
    optimizer = optimizer(model.parameters())
    for _ in range(150):
        optimizer.zero_grad()
        (task.loss(model, batch) / task.weight(batch)).backward()
        optimizer.step()
    meter = task.meter()
    with torch.no_grad():
        meter.add(model.eval(), batch)
    assert meter.result()["map50"] > 0.9
