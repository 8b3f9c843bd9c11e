"""Erasing, mixup and cutmix by hand; the rectangles against torchvision; draws that belong to the sample."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, one_hot

from lrbench.data import Reading
from lrbench.data.augment import DRAWS, ERASED_AREA, ERASED_RATIO, TRIES, Augmentation, cut, outside, rectangles
from lrbench.data.kinds import Images
from lrbench.experiment import Augment
from lrbench.tasks.classification import Classification

ALL = Augment(crop=1, hflip=True, mixup=0.4, cutmix=1.0, erase=0.5)
EACH = [Augment(mixup=0.4), Augment(cutmix=1.0), Augment(mixup=0.4, cutmix=1.0), Augment(erase=0.5), ALL]


def augmentation(augment, n=2, side=4, classes=3, seed=0):
    return Augmentation(augment, n, side, side, classes, seed)


def shades(*values, side=4):
    """One image of one channel for each value."""
    return torch.stack([torch.full((1, side, side), float(v)) for v in values])


# ---- by hand ------------------------------------------------------------------------------------------------


def test_mixup_by_hand():
    """Sample 0 keeps a quarter of itself, sample 1 all but an eighth; the partner is the other one."""
    made = augmentation(Augment(mixup=1.0))
    made.start(0)
    made._kept = made._own = torch.tensor([0.25, 0.875])
    x, y = made.mixed(shades(0, 8), torch.tensor([0, 2]), torch.tensor([0, 1]), 2)
    assert torch.equal(x, shades(6, 7))
    assert y.tolist() == [[0.25, 0, 0.75], [0.125, 0, 0.875]]
    assert y.dtype == torch.float32


def test_cutmix_by_hand():
    """Sample 0 receives 2 x 3 of 16 pixels from sample 1, and its class at 6/16."""
    made = augmentation(Augment(cutmix=1.0))
    made.start(0)
    made._kept, made._own = torch.ones(2), torch.tensor([10 / 16, 1.0])
    made._pasted = torch.tensor([[1, 0, 2, 3], [0, 0, 0, 0]])
    x, y = made.mixed(shades(5, 8), torch.tensor([0, 2]), torch.tensor([0, 1]), 2)
    assert x[0, 0].tolist() == [[5, 5, 5, 5], [8, 8, 8, 5], [8, 8, 8, 5], [5, 5, 5, 5]]
    assert torch.equal(x[1:], shades(8))
    assert y.tolist() == [[0.625, 0, 0.375], [0, 0, 1]]


def test_erasing_by_hand():
    """Erased pixels become 0, the mean; labels stay."""
    made = augmentation(Augment(erase=1.0))
    made.start(0)
    made._erased = torch.tensor([[0, 1, 3, 2], [0, 0, 0, 0]])
    x, y = made.mixed(shades(5, -8), torch.tensor([0, 2]), torch.tensor([0, 1]), 2)
    assert x[0, 0].tolist() == [[5, 0, 0, 5], [5, 0, 0, 5], [5, 0, 0, 5], [5, 5, 5, 5]]
    assert torch.equal(x[1:], shades(-8))
    assert y.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("kept", "centre", "box"),
    [
        (0.75, (0.5, 0.5), [2, 2, 4, 4]),  # half of each side of 8, around pixel 4
        (0.75, (0.0, 0.0), [0, 0, 2, 2]),  # cut off at the top and the left
        (0.75, (0.99, 0.5), [5, 2, 3, 4]),  # and at the bottom
        (1.0, (0.5, 0.5), [4, 4, 0, 0]),  # nothing
        (0.0, (0.5, 0.5), [0, 0, 8, 8]),  # everything
    ],
)
def test_cutmix_s_rectangle_by_hand(kept, centre, box):
    assert cut(torch.tensor([kept]), torch.tensor([centre]), 8, 8).tolist() == [box]


def test_a_rectangle_by_hand():
    """The first try (half of the area, square) fits; its place is the middle of where it can be."""
    draws = torch.zeros(1, DRAWS)
    draws[0, 0] = draws[0, TRIES] = 0.5  # area between 0.25 and 0.75; log ratio between -1 and 1
    draws[0, -2:] = 0.5
    assert rectangles(draws, 8, 8, (0.25, 0.75), (1 / math.e, math.e)).tolist() == [[1, 1, 6, 6]]  # sqrt(32) = 5.66


def test_the_first_try_that_fits_counts_and_none_may():
    """On 4 x 16 a square of the whole area (8 x 8) is too tall; a quarter of it (4 x 4) fits."""
    draws = torch.zeros(2, DRAWS)
    draws[0, :3] = torch.tensor([0.999, 0.25 - 1e-6, 0.0])
    draws[1, :TRIES] = 0.999
    found = rectangles(draws, 4, 16, (1e-9, 1.0), (1.0, 1.0))
    assert found[0].tolist() == [0, 0, 4, 4]
    assert found[1, 2:].tolist() == [0, 0]


# ---- against others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 50)])
def test_rectangles_are_distributed_as_torchvision_s(height, width):
    """Means and deviations of place and size agree with RandomResizedCrop's own draws, within 5 standard errors."""
    from torchvision.transforms import RandomResizedCrop

    n, scale, ratio = 4000, (0.08, 0.6), (3 / 4, 4 / 3)
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(n)], dtype=float)
    ours = rectangles(torch.rand(n, DRAWS), height, width, scale, ratio).double().numpy()
    error = (ours.var(0) / n + theirs.var(0) / n) ** 0.5
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 5 * error).all()
    assert ours.std(0) == pytest.approx(theirs.std(0), rel=0.08)


def test_the_mixing_factor_is_drawn_from_the_beta_distribution():
    from scipy.stats import beta, kstest

    made = augmentation(Augment(mixup=0.3), n=5000)
    made.start(0)
    assert kstest(made._own.double().numpy(), beta(0.3, 0.3).cdf).pvalue > 1e-3


def test_with_both_a_coin_chooses():
    """Half of the samples are blended, half receive a rectangle, and each draw is that of the change alone."""
    n = 4000
    options = ({"mixup": 4.0, "cutmix": 1.0}, {"mixup": 4.0}, {"cutmix": 1.0})
    both, mixup, cutmix = (augmentation(Augment(**o), n) for o in options)
    for made in (both, mixup, cutmix):
        made.start(3)
    blended = both._kept < 1
    assert abs(blended.double().mean() - 0.5) < 4 * 0.5 / n**0.5
    assert torch.equal(both._own[blended], mixup._own[blended])
    assert both._pasted[blended].sum() == 0
    assert torch.equal(both._pasted[~blended], cutmix._pasted[~blended])
    assert torch.equal(both._own[~blended], cutmix._own[~blended])


def test_erasing_happens_as_often_as_asked():
    made = augmentation(Augment(erase=0.25), n=4000, side=32)
    made.start(0)
    area = made._erased[:, 2] * made._erased[:, 3] / 32**2
    assert abs((area > 0).double().mean() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    some = area[area > 0]
    assert some.min() > ERASED_AREA[0] * 0.8  # rounded to whole pixels
    assert some.max() < ERASED_AREA[1] * 1.1
    ratio = (made._erased[:, 3] / made._erased[:, 2])[area > 0.1]
    assert ERASED_RATIO[0] * 0.9 < ratio.min() < 0.5
    assert 2 < ratio.max() < ERASED_RATIO[1] * 1.1


# ---- properties ---------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32), st.floats(0, 1), st.floats(0.01, 1))
def test_rectangles_lie_inside_the_image(height, width, seed, kept, low):
    draws = torch.rand(20, DRAWS, generator=torch.Generator().manual_seed(seed))
    for boxes in (
        rectangles(draws, height, width, (low, 1.0), (0.5, 2.0)),
        cut(torch.full((20,), kept), draws[:, :2], height, width),
    ):
        top, left, tall, wide = boxes.unbind(1)
        assert (boxes >= 0).all()
        assert (top + tall <= height).all()
        assert (left + wide <= width).all()
        covered = height * width - outside(boxes, height, width).sum((1, 2, 3))
        assert torch.equal(covered, (tall * wide).float())


@pytest.fixture(scope="module")
def split():
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(256, (53, 2, 6, 5), generator=draws, dtype=torch.uint8)
    return Images(x, torch.arange(53) % 7, torch.tensor([0.3, 0.5]), torch.tensor([0.2, 0.4]), 7)


def batches(split, augment, batch_size=8, seed=0):
    return split.stream(Reading(batch_size, seed, augment))


@pytest.mark.parametrize("augment", EACH)
def test_a_batch_is_the_same_in_any_order_of_calls(split, augment):
    data = batches(split, augment)
    forward = [data.batch(update) for update in range(18)]
    torch.manual_seed(99)
    np.random.seed(99)
    for update in (17, 0, 6, 5, 5, 12):
        for again in (data.batch(update), batches(split, augment).batch(update)):
            assert torch.equal(again[0], forward[update][0])
            assert torch.equal(again[1], forward[update][1])


@pytest.mark.parametrize("augment", EACH)
def test_what_is_drawn_differs_between_epochs_and_seeds(augment):
    seen = {}
    for seed in range(3):
        made = augmentation(augment, n=53, seed=seed)
        for epoch in range(3):
            made.start(epoch)
            for name, values in vars(made).items():
                if isinstance(values, torch.Tensor) and len(values.unique()) > 1:
                    seen.setdefault(name, set()).add(values.numpy().tobytes())
    assert seen
    assert {name: len(values) for name, values in seen.items()} == dict.fromkeys(seen, 9)


@pytest.mark.parametrize("augment", EACH)
def test_the_draws_do_not_depend_on_the_batch_size(split, augment):
    whole, parts = batches(split, augment, 53), batches(split, augment, 7)
    whole.batch(1), parts.batch(7)
    for name in {"_kept", "_own", "_pasted", "_erased"} & vars(whole._augmentation).keys():
        assert torch.equal(getattr(whole._augmentation, name), getattr(parts._augmentation, name))


@pytest.mark.parametrize("augment", [a for a in EACH if a.mixup or a.cutmix])
def test_a_batch_is_that_of_a_slow_reference(split, augment):
    """Each image blended or pasted on its own, in float64, from the batch that is not mixed."""
    mixed = batches(split, augment, 20)
    plain = batches(split, Augment(crop=augment.crop, hflip=augment.hflip, erase=augment.erase), 20)
    for update in (0, 3):
        (x, y), (images, labels) = mixed.batch(update), plain.batch(update)
        draws, rows = mixed._augmentation, mixed._order.rows(update)
        for i, row in enumerate(rows.tolist()):
            other, expected = images[19 - i].double(), images[i].double().clone()
            share = draws._kept[row].item()
            expected = share * expected + (1 - share) * other
            top, left, tall, wide = draws._pasted[row].tolist()
            expected[:, top : top + tall, left : left + wide] = other[:, top : top + tall, left : left + wide]
            share *= 1 - tall * wide / 30
            target = share * one_hot(labels[i], 7) + (1 - share) * one_hot(labels[19 - i], 7)
            torch.testing.assert_close(x[i].double(), expected, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(y[i].double(), target.double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("augment", [a for a in EACH if a.mixup or a.cutmix])
def test_targets_are_shares(split, augment):
    y = batches(split, augment, 53).batch(0)[1]
    assert (y.shape, y.dtype) == ((53, 7), torch.float32)
    assert (y >= 0).all()
    torch.testing.assert_close(y.sum(1), torch.ones(53))
    assert ((y > 0).sum(1) <= 2).all()
    assert ((y > 1e-3).sum(1) == 2).sum() > 30


def test_ready_floats_and_bytes_mix_alike(split, monkeypatch):
    ready = batches(split, Augment(mixup=0.4, erase=0.5))
    monkeypatch.setattr("lrbench.data.batches.FLOAT_LIMIT", 0)
    late = batches(split, Augment(mixup=0.4, erase=0.5))
    assert (ready._x.dtype, late._x.dtype) == (torch.float32, torch.uint8)
    first = ready.batch(0)
    for update in (0, 1, 6, 0):
        for ours, theirs in zip(ready.batch(update), late.batch(update), strict=True):
            assert torch.equal(ours, theirs)
    assert torch.equal(ready.batch(0)[0], first[0])  # what is kept ready is not changed in place


# ---- trained on ---------------------------------------------------------------------------------------------


def summed(task, output, target):
    """The task's loss of these logits."""
    return task.loss(lambda x: x, (output, target))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_takes_soft_targets(smoothing):
    draws = torch.Generator().manual_seed(0)
    output, y = torch.randn(12, 5, generator=draws), torch.randint(5, (12,), generator=draws)
    task = Classification(smoothing)
    torch.testing.assert_close(summed(task, output, one_hot(y, 5).float()), summed(task, output, y))
    soft = 0.7 * one_hot(y, 5) + 0.3 * one_hot(y.flip(0), 5)
    smoothed = (1 - smoothing) * soft + smoothing / 5
    expected = -(smoothed * output.log_softmax(1)).sum()
    torch.testing.assert_close(summed(task, output, soft.float()), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert summed(task, output.bfloat16(), soft.float()).dtype == torch.float32


def test_mixup_s_target_gives_mixup_s_loss():
    """lambda * loss(own) + (1 - lambda) * loss(other's), as in Zhang et al. 2018."""
    output = torch.randn(1, 3, generator=torch.Generator().manual_seed(0))
    soft = summed(Classification(), output, torch.tensor([[0.25, 0.0, 0.75]]))
    own, other = (cross_entropy(output, torch.tensor([label])) for label in (0, 2))
    torch.testing.assert_close(soft, 0.25 * own + 0.75 * other)


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("augment", EACH)
def test_the_parts_of_a_batch_are_the_whole_to_the_bit(split, augment, parts):
    """Also where the partner of a sample lies in another part."""
    whole, made = batches(split, augment, 12), batches(split, augment, 12)
    for update in (5, 0):
        cut = [made.batch(update, part, parts) for part in reversed(range(parts))][::-1]
        for ours, theirs in zip(whole.batch(update), zip(*cut, strict=True), strict=True):
            assert torch.equal(ours, torch.cat(theirs))


def test_micro_batches_are_chunks_of_the_same_mixed_batch(make):
    """The partner may lie in another chunk: losses and gradients agree."""
    from lrbench.engine.loop import advance
    from lrbench.engine.state import new_state, set_up

    found = []
    for accumulate in (1, 4):
        experiment = make("data.augment.mixup=0.4", "data.augment.cutmix=1.0", f"accumulate={accumulate}")
        setup, state = set_up(experiment, torch.device("cpu")), new_state(experiment, torch.device("cpu"))
        losses = advance(setup, state, 3).series["train/loss"]
        found.append((losses, torch.cat([p.flatten() for p in state.model.parameters()])))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("augment", EACH)
def test_a_gpu_gives_the_same_batches(split, augment):
    there = split.stream(Reading(8, 0, augment, device="cuda"))
    for update in (0, 7):
        for ours, theirs in zip(batches(split, augment).batch(update), there.batch(update), strict=True):
            torch.testing.assert_close(ours, theirs.cpu(), rtol=1e-6, atol=1e-6)
