"""The loss of detectors that give a set of boxes: each true box is matched to one guess, and the others are no object.

Its numbers are those of `detr`: a change raises NUMERICS there.

Source: N. Carion et al., "End-to-End Object Detection with Transformers", 2020, section 3.1 and appendix A.2, A.4; the
assignment by H. W. Kuhn's Hungarian method (scipy's), the overlap by H. Rezatofighi et al., 2019 (torchvision's GIoU).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

NONE = 0  # the class of no object: the background's, from which the labels of boxes keep away
OF_NONE = 0.1  # its weight in the cross-entropy
CLASS, BOX, GIOU = 1.0, 5.0, 2.0  # what each part weighs, in the matching and in the loss


class Guesses(NamedTuple):
    """Of every layer (l) and image (b), q guesses: `logits`, (l, b, q, classes), of which the first is no object;
    `boxes`, (l, b, q, 4), centre, width and height in shares of the image's sides."""

    logits: Tensor
    boxes: Tensor


def set_losses(guesses: Guesses, labels: Sequence[Tensor], boxes: Sequence[Tensor]) -> dict[str, Tensor]:
    """Classes, distances (L1) and overlaps (1 - GIoU), each weighed, and summed over the layers, which are matched one
    by one: `loss_class`, a mean over the guesses of the batch by their classes' weights, `loss_box` and `loss_giou`, by
    its number of true boxes.

    labels, boxes: of each image, (k,) from 1 and (k, 4) as those of `Guesses`. Where more boxes are true than guesses
    are made, the worst matched are left out. Guesses that are not finite cannot be matched: the losses are then NaN.
    """
    from torchvision.ops import generalized_box_iou_loss

    guesses = Guesses(guesses.logits.float(), guesses.boxes.float())  # under autocast they are of half precision
    if not all(of.isfinite().all() for of in guesses):
        lost = (guesses.logits.sum() + guesses.boxes.sum()) * torch.nan
        return {"loss_class": lost, "loss_box": lost, "loss_giou": lost}
    layer, image, guess, true = matched(guesses, labels, boxes)
    classes = torch.full_like(guesses.logits[..., 0], NONE, dtype=torch.long)
    classes[layer, image, guess] = torch.cat([*labels])[true]
    weights = torch.ones_like(guesses.logits[0, 0, 0])
    weights[NONE] = OF_NONE
    # Every layer has as many guesses of each weight: the mean over all, times the layers, is the sum of their means.
    of_classes = cross_entropy(guesses.logits.flatten(0, 2), classes.flatten(), weights) * len(guesses.logits)
    found, wanted = guesses.boxes[layer, image, guess], torch.cat([*boxes])[true]
    many = max(sum(map(len, labels)), 1)
    overlaps = generalized_box_iou_loss(corners(found), corners(wanted), reduction="sum")
    return {
        "loss_class": CLASS * of_classes,
        "loss_box": BOX * (found - wanted).abs().sum() / many,
        "loss_giou": GIOU * overlaps / many,
    }


def matched(guesses: Guesses, labels: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
    """The pairs of least cost, of every layer and image for itself: (4, m), layer, image, guess, and the true box by
    its place among those of the whole batch. The guesses are finite."""
    from scipy.optimize import linear_sum_assignment

    layers, _, each, _ = guesses.boxes.shape
    found, before = [], 0
    for image, (its, true) in enumerate(zip(labels, boxes, strict=True)):
        costs = _costs(guesses, image, its, true).cpu().numpy().reshape(layers, each, len(its))
        for layer, cost in enumerate(costs):
            rows, columns = linear_sum_assignment(cost)
            found.append(np.stack(np.broadcast_arrays(layer, image, rows, columns + before)))
        before += len(its)
    return torch.from_numpy(np.concatenate(found, 1)).to(guesses.boxes.device)


def _costs(guesses: Guesses, image: int, labels: Tensor, boxes: Tensor) -> Tensor:
    """Of an image: what it costs to match each guess to each true box, (l * q, k)."""
    from torchvision.ops import generalized_box_iou

    with torch.no_grad():
        guessed = guesses.boxes[:, image].flatten(0, 1)
        share = guesses.logits[:, image].flatten(0, 1).softmax(-1)[:, labels]
        apart = torch.cdist(guessed, boxes, p=1)
        return BOX * apart - CLASS * share - GIOU * generalized_box_iou(corners(guessed), corners(boxes))


def corners(boxes: Tensor) -> Tensor:
    """(..., 4): centre, width and height to left, top, right and bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def in_shares(target: Mapping[str, Tensor], size: Tensor) -> Tensor:
    """A target's boxes, (k, 4) left, top, right and bottom in pixels, as centre, width and height in shares of the
    image's width and height, twice (4,)."""
    low, high = (target["boxes"] / size).split(2, -1)
    return torch.cat([(low + high) / 2, high - low], -1)
