"""Object detection: boxes of classes, by a model that is called as torchvision's detectors are."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.errors import ConfigError
from lrbench.metrics import Metric
from lrbench.tasks import Model

# Part of the identity of every run that uses this module. Raise it with any change that alters a number.
NUMERICS = 1

Batch = tuple[Sequence[Tensor], Sequence[Mapping[str, Tensor]]]  # images, each (C, H, W); their targets (`data.kinds`)


class Detection:
    """The sum of the losses that the model gives, as torchvision's reference script has it; COCO's mAP.

    In training the model takes a list of images and a list of targets (`boxes`, (k, 4), left, top, right, bottom in
    pixels, and `labels`, (k,) from 1) to a mapping of losses, each a mean of its own over this batch: hence
    `ghost_normaliser`. In evaluation, images to a list of mappings of `boxes`, `labels` and `scores`, (k,).
    """

    ghost_normaliser = True

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """COCO's average precision: the mean over the classes, and for `map` over the overlaps (IoU) from 0.5 to 0.95;
        `map50` and `map75` at one. Raises `ConfigError` where pycocotools, which measures it, is not installed."""
        if spec["box_classes"] < 2:
            raise ConfigError("task", "detection", "the data have no class of a box", "give data with boxes")
        if find_spec("pycocotools") is None:
            why = "its mAP is measured by pycocotools, which is not installed"
            raise ConfigError("task", "detection", why, "run `pip install 'lr-schedule-bench[detection]'`")
        names = ("map", "map50", "map75")
        return tuple(Metric(name, "%", higher_is_better=True, low=0.0, high=1.0, chance=0.0) for name in names)

    def loss(self, model: Model, batch: Batch) -> Tensor:
        """The sum of the model's losses times the images: a scalar. What is a crowd is not trained on."""
        images, targets = batch
        known = ("boxes", "labels")
        wanted = [{name: t[name][~t["crowd"]] if "crowd" in t else t[name] for name in known} for t in targets]
        losses: Mapping[str, Tensor] = model(list(images), wanted)
        return sum(losses.values()) * len(wanted)  # type: ignore[return-value]

    def weight(self, batch: Batch) -> int:
        """The images."""
        return len(batch[1])

    def meter(self) -> "Precision":
        return Precision()


class Precision:
    """Boxes found and true ones, of all images, for pycocotools. Of an image and a class the 100 boxes of the highest
    scores count, and a box that is found on a crowd counts neither way, as COCO has it."""

    def __init__(self) -> None:
        self._n = 0
        self._true: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, model: Model, batch: Batch) -> None:
        images, targets = batch
        for found, target in zip(model(list(images)), targets, strict=True):
            self._n += 1
            self._true += _boxes(self._n, target, "iscrowd", target.get("crowd"))
            self._found += _boxes(self._n, found, "score", found["scores"])

    def result(self) -> dict[str, float]:
        """NaN where no image has a box."""
        precision = _precision(self._n, self._true, self._found)
        return {"map": _mean(precision), "map50": _mean(precision[0]), "map75": _mean(precision[5])}


def _boxes(image: int, held: Mapping[str, Tensor], name: str, values: Tensor | None) -> list[dict[str, Any]]:
    """The boxes of an image as COCO writes them, left, top, width, height, each with a value of this name (or 0)."""
    corners, labels = held["boxes"].detach().double().cpu(), held["labels"].cpu()
    boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    values = torch.zeros(len(boxes)) if values is None else values.detach().double().cpu()
    return [
        {"image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3], name: value}
        for box, label, value in zip(boxes.tolist(), labels.tolist(), values.tolist(), strict=True)
    ]


def _mean(precision: NDArray[np.float64]) -> float:
    """Over the classes that occur: the others are -1."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")


def _precision(n: int, true: list[dict[str, Any]], found: list[dict[str, Any]]) -> NDArray[np.float64]:
    """pycocotools' precision by overlap (10: 0.5, 0.55, ... 0.95), recall (101) and class, -1 where a class has no box.
    It prints what it does."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    classes = sorted({t["category_id"] for t in true}) or [0]
    with redirect_stdout(StringIO()):
        truth, guess = COCO(), COCO()
        for coco, boxes in ((truth, true), (guess, found)):
            coco.dataset = {
                "images": [{"id": i} for i in range(1, n + 1)],
                "annotations": [box | {"id": i} for i, box in enumerate(boxes, 1)],
                "categories": [{"id": label} for label in classes],
            }
            coco.createIndex()
        measured = COCOeval(truth, guess, "bbox")
        measured.params.areaRng, measured.params.areaRngLbl = [[0, 1e10]], ["all"]
        measured.params.maxDets = [100]
        measured.evaluate()
        measured.accumulate()
    precision: NDArray[np.float64] = measured.eval["precision"][:, :, :, 0, 0]
    return precision
