"""Composite scenes: what is pasted where, that no split knows another's, and that masks go the way of their images."""

import numpy as np
import pytest
import torch

from lrbench.data import Reading, fashion_mnist
from lrbench.data.composites import CLASSES, PHOTOGRAPHS, Composites, _background, _paste
from lrbench.data.masks import MaskedBatches
from lrbench.errors import ConfigError
from lrbench.experiment import Augment

pytest.importorskip("skimage")
needs_items = pytest.mark.skipif(fashion_mnist._find() is None, reason="Fashion-MNIST is not here")


def test_an_item_covers_what_it_shows_and_the_photograph_shows_through_the_rest():
    x, mask = np.full((3, 3), 7, np.uint8), np.zeros((3, 3), np.uint8)
    item = np.array([[200, 3, 200], [200, 200, 200], [0, 0, 90]], np.uint8)
    _paste(x, mask, item, 5, np.random.default_rng(0))
    assert x.tolist() == [[200, 7, 200], [200, 200, 200], [7, 7, 90]]
    assert mask.tolist() == [[5, 0, 5], [5, 5, 5], [0, 0, 5]]


def test_a_background_is_the_mean_of_what_each_pixel_covers():
    """Of 2x2 pixels there is one place and one size, the whole: (1 + 2 + 3 + 5) / 4 = 2.75, rounded."""
    draws = np.random.default_rng(3)  # its first number from 1 to 2 is 2
    assert _background(np.array([[1, 2], [3, 5]], np.uint8), 1, draws).tolist() in ([[3]], [[1]], [[2]], [[5]])
    assert _background(np.full((9, 9), 11, np.uint8), 2, draws).tolist() == [[11, 11], [11, 11]]


def test_no_photograph_is_in_two_splits():
    names = [name for part in PHOTOGRAPHS.values() for name in part]
    assert len(names) == len(set(names)) == 14


@needs_items
def test_scenes_are_a_function_of_the_seed():
    data = Composites(6, 3, 3, side=32, most=2)
    first, again, other = data.load(0), data.load(0), data.load(1)
    assert torch.equal(first.train.x, again.train.x)
    assert torch.equal(first.test.mask, again.test.mask)
    assert not torch.equal(first.train.x, other.train.x)
    assert first.train.x.shape == (6, 1, 32, 32)
    assert first.val.mask.shape == (3, 32, 32)
    assert int(first.train.mask.max()) < CLASSES
    assert (first.train.mask.flatten(1).max(1).values > 0).all()  # every scene has an item
    info = data.info()
    assert (info.n_train, info.n_val, info.n_test) == (6, 3, 3)
    assert info.spec == {"shape": (1, 32, 32), "pixel_classes": 11}


def test_a_mask_is_mirrored_with_its_image():
    """Where every image is its own mask, the batch's masks are its images."""
    mask = torch.randint(256, (20, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reading = Reading(10, seed=1, augment=Augment(hflip=True))
    stream = MaskedBatches(mask[:, None], mask, torch.zeros(1), torch.ones(1), reading)
    plain = MaskedBatches(mask[:, None], mask, torch.zeros(1), torch.ones(1), Reading(10, seed=1))
    x, y = stream.batch(0)
    assert torch.equal((x[:, 0] * 255).round().long(), y)
    same = [torch.equal(a, b) for a, b in zip(y, plain.batch(0)[1], strict=True)]
    turned = [torch.equal(a, b.flip(-1)) for a, b in zip(y, plain.batch(0)[1], strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert 0 < sum(same) < 10
    parts = [stream.batch(1, part, 2)[1] for part in range(2)]
    assert torch.equal(torch.cat(parts), stream.batch(1)[1])
    assert torch.equal(torch.cat([y for _, y in stream.in_order()]), mask.long())


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        (Augment(crop=2), r"data.augment.crop=2: .*mirrored.*give data.augment.crop=0"),
        (Augment(mixup=0.2), r"data.augment.mixup=0.2: .*give data.augment.mixup=null"),
        (Augment(erase=0.5), r"data.augment.erase=0.5"),
    ],
)
def test_what_cannot_be_done_to_a_mask_is_refused(augment, words):
    mask = torch.zeros(4, 6, 6, dtype=torch.uint8)
    with pytest.raises(ConfigError, match=words):
        MaskedBatches(mask[:, None], mask, torch.zeros(1), torch.ones(1), Reading(2, 0, augment))


@pytest.mark.parametrize(
    ("args", "words"),
    [({"side": 27}, "data.args.side=27"), ({"most": 0}, "data.args.most=0"), ({"val_size": 0}, "data.args.val_size=0")],
)
def test_bad_options(args, words):
    with pytest.raises(ConfigError, match=words):
        Composites(**args)
