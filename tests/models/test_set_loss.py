"""The set loss: matched by eye and by trying every permutation, summed in plain Python, both as transformers has it."""

import math
from itertools import permutations

import pytest
import torch
from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

from lrbench.models.set_loss import Guesses, corners, in_shares, matched, set_losses

CLASSES = 4  # the first is no object


def drawn(layers=1, images=1, queries=5, many=(3,), seed=0):
    """Random guesses, and as many true boxes of each image as `many` says."""
    draws = torch.Generator().manual_seed(seed)

    def boxes(*shape):
        centres = 0.2 + 0.6 * torch.rand(*shape, 2, generator=draws)
        return torch.cat([centres, 0.05 + 0.3 * torch.rand(*shape, 2, generator=draws)], -1)

    logits = torch.randn(layers, images, queries, CLASSES, generator=draws)
    labels = [torch.randint(1, CLASSES, (n,), generator=draws) for n in many]
    return Guesses(logits, boxes(layers, images, queries)), labels, [boxes(n) for n in many]


# ---- By eye.


def test_each_true_box_goes_to_the_guess_that_lies_on_it():
    """Three guesses in a row, true boxes on the last and the first; then the classes decide between equal places."""
    places = torch.tensor([[0.2, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2], [0.8, 0.5, 0.2, 0.2]])
    guesses = Guesses(torch.zeros(1, 1, 3, CLASSES), places[None, None])
    pairs = matched(guesses, [torch.tensor([1, 2])], [places[[2, 0]]])
    assert pairs.tolist() == [[0, 0], [0, 0], [0, 2], [1, 0]]  # layers, images, guesses, true boxes
    sure = torch.zeros(1, 1, 3, CLASSES)
    sure[0, 0, 1, 3] = sure[0, 0, 2, 1] = 5.0
    same = Guesses(sure, places[1].expand(1, 1, 3, 4))
    assert matched(same, [torch.tensor([1, 3])], [places[[1, 1]]])[2:].tolist() == [[1, 2], [1, 0]]


def test_a_guess_of_two_is_shared_out_for_the_least_sum():
    """Both true boxes lie nearest to the second guess; the one for which the first is not far gives way."""
    at = lambda *centres: torch.tensor([[x, 0.5, 0.1, 0.1] for x in centres])  # noqa: E731
    guesses = Guesses(torch.zeros(1, 1, 2, CLASSES), at(0.30, 0.50)[None, None])
    pairs = matched(guesses, [torch.tensor([1, 1])], [at(0.52, 0.45)])
    assert pairs[2:].tolist() == [[0, 1], [1, 0]]


def test_the_parts_of_a_loss_by_hand():
    """One guess of two is matched; halves that overlap by a third: IoU 1/3, hull filled; sure of class 2 by 1/2."""
    logits = torch.tensor([[math.log(1 / 4), math.log(1 / 8), math.log(1 / 2), math.log(1 / 8)], [0.0] * 4])
    boxes = torch.tensor([[0.4, 0.5, 0.4, 0.2], [0.9, 0.9, 0.1, 0.1]])
    true = torch.tensor([[0.6, 0.5, 0.4, 0.2]])
    losses = set_losses(Guesses(logits[None, None], boxes[None, None]), [torch.tensor([2])], [true])
    assert losses["loss_class"].item() == pytest.approx((math.log(2) + 0.1 * math.log(4)) / 1.1)
    assert losses["loss_box"].item() == pytest.approx(5 * 0.2)
    assert losses["loss_giou"].item() == pytest.approx(2 * (1 - 1 / 3), rel=1e-5)


def test_boxes_in_pixels_and_in_shares():
    size = torch.tensor([40.0, 20.0, 40.0, 20.0])
    pixels = torch.tensor([[10.0, 5.0, 30.0, 10.0]])
    shares = in_shares({"boxes": pixels}, size)
    assert shares.tolist() == [[0.5, 0.375, 0.5, 0.25]]
    assert (corners(shares) * size).tolist() == pixels.tolist()


# ---- In plain Python.


def plain_giou(a, b):
    (al, at, ar, ab), (bl, bt, br, bb) = ((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in (a, b))
    both = max(0.0, min(ar, br) - max(al, bl)) * max(0.0, min(ab, bb) - max(at, bt))
    either = (ar - al) * (ab - at) + (br - bl) * (bb - bt) - both
    hull = (max(ar, br) - min(al, bl)) * (max(ab, bb) - min(at, bt))
    return both / either - (hull - either) / hull


def plain_cost(logits, box, label, true):
    share = math.exp(logits[label]) / sum(map(math.exp, logits))
    return 5 * sum(abs(x - y) for x, y in zip(box, true, strict=True)) - share - 2 * plain_giou(box, true)


@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_costs_less(seed):
    guesses, (labels,), (true,) = drawn(queries=6, many=(4,), seed=seed)
    logits, boxes = guesses.logits[0, 0].tolist(), guesses.boxes[0, 0].tolist()

    def cost(chosen):
        each = zip(chosen, labels.tolist(), true.tolist(), strict=True)
        return sum(plain_cost(logits[guess], boxes[guess], label, box) for guess, label, box in each)

    _, _, guess, which = matched(guesses, [labels], [true]).tolist()
    assert sorted(which) == [0, 1, 2, 3]
    ours = [guess[which.index(k)] for k in range(4)]
    best = min(permutations(range(6), 4), key=cost)
    assert ours == [*best]


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_over_layers_and_images_in_plain_python(seed):
    guesses, labels, boxes = drawn(layers=2, images=3, many=(2, 0, 4), seed=seed)
    entropy = weights = 0.0
    distance = overlap = 0.0
    for layer in range(2):
        of_layer = weight_of_layer = 0.0
        for image in range(3):
            its, true = labels[image].tolist(), boxes[image].tolist()
            logits, found = guesses.logits[layer, image].tolist(), guesses.boxes[layer, image].tolist()
            chosen = min(
                permutations(range(5), len(its)),
                key=lambda c: sum(plain_cost(logits[g], found[g], its[k], true[k]) for k, g in enumerate(c)),
            )
            for guess in range(5):
                label = its[chosen.index(guess)] if guess in chosen else 0
                weight = 1.0 if label else 0.1
                of_layer -= weight * (logits[guess][label] - math.log(sum(map(math.exp, logits[guess]))))
                weight_of_layer += weight
            for k, guess in enumerate(chosen):
                distance += sum(abs(x - y) for x, y in zip(found[guess], true[k], strict=True))
                overlap += 1 - plain_giou(found[guess], true[k])
        entropy += of_layer / weight_of_layer
        weights += weight_of_layer
    losses = set_losses(guesses, labels, boxes)
    assert losses["loss_class"].item() == pytest.approx(entropy, rel=1e-5)
    assert losses["loss_box"].item() == pytest.approx(5 * distance / 6, rel=1e-5)
    assert losses["loss_giou"].item() == pytest.approx(2 * overlap / 6, rel=1e-5)


# ---- transformers' own.


@pytest.mark.parametrize("seed", range(5))
def test_matching_losses_and_gradients_are_transformers(seed):
    """Whose last class is no object, and whose labels run from 0. Layer by layer."""
    guesses, labels, boxes = drawn(layers=2, images=4, queries=9, many=(3, 1, 0, 7), seed=seed)
    logits, found = (of.clone().requires_grad_() for of in guesses)
    matcher = HungarianMatcher(1, 5, 2)
    criterion = ImageLoss(matcher, CLASSES - 1, 0.1, ["labels", "boxes"])
    targets = [{"class_labels": its - 1, "boxes": true} for its, true in zip(labels, boxes, strict=True)]
    pairs, total = matched(guesses, labels, boxes), 0
    for layer in range(2):
        outputs = {"logits": logits[layer].roll(-1, -1), "pred_boxes": found[layer]}
        before, theirs = 0, []
        for image, (rows, columns) in enumerate(matcher(outputs, targets)):
            theirs += [(image, g, before + k) for g, k in zip(rows.tolist(), columns.tolist(), strict=True)]
            before += len(labels[image])
        ours = pairs[1:, pairs[0] == layer].T.tolist()
        assert sorted(map(tuple, ours)) == sorted(theirs)
        each = criterion(outputs, targets)
        total = total + each["loss_ce"] + 5 * each["loss_bbox"] + 2 * each["loss_giou"]
    total.backward()
    mine = Guesses(*(of.clone().requires_grad_() for of in guesses))
    loss = sum(set_losses(mine, labels, boxes).values())
    loss.backward()
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)
    torch.testing.assert_close(mine.logits.grad, logits.grad)
    torch.testing.assert_close(mine.boxes.grad, found.grad, rtol=1e-4, atol=1e-6)


# ---- Edges.


def test_the_order_of_the_true_boxes_does_not_matter():
    guesses, (labels,), (boxes,) = drawn(queries=8, many=(6,))
    turned = torch.tensor([3, 0, 5, 1, 4, 2])
    one, other = set_losses(guesses, [labels], [boxes]), set_losses(guesses, [labels[turned]], [boxes[turned]])
    for name in one:
        torch.testing.assert_close(one[name], other[name])


def test_without_a_true_box_everything_is_no_object():
    guesses, *_ = drawn(images=2)
    empty = [torch.zeros(0, dtype=torch.long)] * 2, [torch.zeros(0, 4)] * 2
    losses = set_losses(Guesses(*(of.requires_grad_() for of in guesses)), *empty)
    assert (losses["loss_box"].item(), losses["loss_giou"].item()) == (0, 0)
    expected = -guesses.logits.log_softmax(-1)[..., 0].mean()
    torch.testing.assert_close(losses["loss_class"], expected)
    sum(losses.values()).backward()


def test_more_true_boxes_than_guesses_leave_the_worst_out():
    guesses, labels, boxes = drawn(queries=3, many=(5,))
    _, _, guess, true = matched(guesses, labels, boxes).tolist()
    assert sorted(guess) == [0, 1, 2]
    assert len({*true}) == 3
    assert all(map(math.isfinite, (v.item() for v in set_losses(guesses, labels, boxes).values())))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["logits", "boxes"])
@pytest.mark.parametrize("image", [0, 2])  # the other has no true box
def test_what_is_not_finite_is_a_loss_that_is_no_number(bad, where, image):
    """One number of one guess, which need not be matched, where scipy would refuse the cost. It can be derived."""
    guesses, labels, boxes = drawn(layers=2, images=3, many=(2, 1, 0))
    getattr(guesses, where)[1, image, 4, 2] = bad
    losses = set_losses(Guesses(*(of.requires_grad_() for of in guesses)), labels, boxes)
    assert all(math.isnan(value.item()) for value in losses.values())
    sum(losses.values()).backward()


def test_half_precision_is_matched_and_measured_as_single():
    guesses, labels, boxes = drawn(layers=2, images=2, many=(3, 2))
    half = Guesses(*(of.bfloat16() for of in guesses))
    losses = set_losses(half, labels, boxes)
    assert {value.dtype for value in losses.values()} == {torch.float32}
    same = set_losses(Guesses(*(of.float() for of in half)), labels, boxes)
    assert {n: v.item() for n, v in losses.items()} == {n: v.item() for n, v in same.items()}
