"""Batches are a pure function of (seed, update); augmentation belongs to the sample."""

import pytest
import torch

from lrbench.data import Reading, batches
from lrbench.data.batches import normaliser
from lrbench.data.kinds import Images
from lrbench.errors import ConfigError
from lrbench.experiment import Augment

MEAN, STD = torch.tensor([0.3, 0.5]), torch.tensor([0.2, 0.4])
NONE, BOTH = Augment(), Augment(crop=2, hflip=True)


@pytest.fixture(scope="module")
def split():
    """53 random images of two channels, 6 x 5; the label is the number of the row."""
    x = torch.randint(1, 256, (53, 2, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Images(x, torch.arange(53), MEAN, STD, 53)


def make(split, batch_size=8, seed=0, augment=NONE):
    return split.stream(Reading(batch_size, seed, augment))


def by_sample(data, epoch):
    """The images of an epoch, by label."""
    found = {}
    for update in range(epoch * data.per_epoch, (epoch + 1) * data.per_epoch):
        found.update({int(label): image for image, label in zip(*data.batch(update), strict=True)})
    return found


def raw(x):
    """Normalised images back as uint8."""
    values = (x.double() * STD.view(-1, 1, 1) + MEAN.view(-1, 1, 1)) * 255
    assert (values - values.round()).abs().max() < 1e-3
    return values.round().to(torch.uint8)


@pytest.mark.parametrize("augment", [NONE, BOTH])
def test_shapes_and_types(split, augment):
    data = make(split, augment=augment)
    x, y = data.batch(0)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((8, 2, 6, 5), torch.float32, (8,), torch.int64)
    assert data.per_epoch == 6


@pytest.mark.parametrize("augment", [NONE, BOTH])
@pytest.mark.parametrize(("batch_size", "left_out"), [(8, 5), (53, 0), (27, 26), (1, 0)])
def test_an_epoch_visits_every_sample_once_but_for_the_tail(split, augment, batch_size, left_out):
    data = make(split, batch_size, augment=augment)
    for epoch in (0, 3):
        updates = range(epoch * data.per_epoch, (epoch + 1) * data.per_epoch)
        seen = torch.cat([data.batch(update)[1] for update in updates]).tolist()
        assert len(seen) == len(set(seen)) == 53 - left_out


def test_the_tail_left_out_differs_between_epochs(split):
    data = make(split)
    assert len({frozenset(by_sample(data, epoch)) for epoch in range(5)}) == 5


def test_orders_differ_between_epochs_and_seeds(split):
    orders = {tuple(make(split, 53, seed).batch(epoch)[1].tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_the_order_does_not_depend_on_the_batch_size_or_the_augmentation(split):
    whole = make(split, 53).batch(2)[1]
    data = make(split, 8, augment=BOTH)
    assert torch.equal(torch.cat([data.batch(update)[1] for update in range(12, 18)]), whole[:48])


@pytest.mark.parametrize("augment", [NONE, BOTH, Augment(crop=1), Augment(hflip=True)])
def test_a_batch_is_the_same_in_any_order_of_calls(split, augment):
    data = make(split, augment=augment)
    forward = [data.batch(update) for update in range(18)]
    torch.manual_seed(99)  # the default generator has no say
    for update in (17, 0, 6, 5, 5, 12):
        for again in (data.batch(update), make(split, augment=augment).batch(update)):
            assert torch.equal(again[0], forward[update][0])
            assert torch.equal(again[1], forward[update][1])


@pytest.mark.parametrize("augment", [NONE, BOTH])
def test_the_caller_may_change_a_batch(split, augment):
    data = make(split, augment=augment)
    first = data.batch(0)[0].clone()
    x, y = data.batch(0)
    x.zero_()
    y.zero_()
    assert torch.equal(data.batch(0)[0], first)
    assert data.batch(0)[1].unique().numel() == 8


def test_without_augmentation_images_are_only_normalised(split):
    x, y = make(split, 53).batch(1)
    expected = (split.x[y].double() / 255 - MEAN.view(-1, 1, 1)) / STD.view(-1, 1, 1)
    assert torch.allclose(x.double(), expected, atol=1e-6)


def test_floats_made_ready_and_bytes_converted_in_each_batch_are_the_same(split, monkeypatch):
    ready = make(split)
    monkeypatch.setattr(batches, "FLOAT_LIMIT", 53 * 60 * 4 - 1)
    late = make(split)
    assert (ready._x.dtype, late._x.dtype) == (torch.float32, torch.uint8)
    for update in range(8):
        assert torch.equal(ready.batch(update)[0], late.batch(update)[0])
    monkeypatch.setattr(batches, "FLOAT_LIMIT", 53 * 60 * 4)
    assert make(split)._x.dtype == torch.float32


def one_by_one(image, crop, corner, mirrored):
    """Pad, cut and mirror one raw image with plain indexing."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * crop, width + 2 * crop, dtype=torch.uint8)
    padded[:, crop : crop + height, crop : crop + width] = image
    top, left = corner
    window = padded[:, top : top + height, left : left + width]
    return torch.stack([window[..., width - 1 - j] for j in range(width)], -1) if mirrored else window


@pytest.mark.parametrize("augment", [BOTH, Augment(crop=1), Augment(crop=4), Augment(hflip=True)])
def test_augmentation_is_that_of_a_slow_reference(split, augment):
    data = make(split, 53, augment=augment)
    for epoch in range(3):
        x, y = data.batch(epoch)
        for image, row in zip(raw(x), y.tolist(), strict=True):
            corner = data._augmentation._corners[row].tolist() if augment.crop else (0, 0)
            mirrored = augment.hflip and bool(data._augmentation._mirrored[row])
            assert torch.equal(image, one_by_one(split.x[row], augment.crop, corner, mirrored))


def test_the_augmentation_of_a_sample_does_not_depend_on_its_batch(split):
    whole, parts = by_sample(make(split, 53, augment=BOTH), 1), by_sample(make(split, 7, augment=BOTH), 1)
    assert len(parts) == 49
    assert all(torch.equal(image, whole[row]) for row, image in parts.items())


@pytest.mark.parametrize(("augment", "alike"), [(BOTH, 10), (Augment(crop=2), 12), (Augment(hflip=True), 40)])
def test_the_augmentation_of_a_sample_differs_between_epochs_and_seeds(split, augment, alike):
    images = [by_sample(make(split, 53, seed, augment), epoch) for seed in (0, 1) for epoch in (0, 1)]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert sum(torch.equal(one[row], other[row]) for row in range(53)) < alike


def test_switching_mirroring_on_leaves_the_crops_as_they_are(split):
    cropped, both = (by_sample(make(split, 53, augment=augment), 0) for augment in (Augment(crop=2), BOTH))
    mirrored = [row for row in range(53) if not torch.equal(cropped[row], both[row])]
    assert all(torch.equal(cropped[row].flip(-1), both[row]) for row in mirrored)
    assert 15 < len(mirrored) < 38


def test_crops_and_mirroring_are_drawn_evenly():
    n = 20_000
    x, y = torch.ones(n, 1, 3, 3, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)
    data = Images(x, y, torch.zeros(1), torch.ones(1), 1).stream(Reading(n, 0, BOTH))
    data.batch(0)
    places = (data._augmentation._corners[:, 0] * 5 + data._augmentation._corners[:, 1]).bincount(minlength=25)
    assert len(places) == 25
    assert (places - n / 25).abs().max() < 4.5 * (n / 25) ** 0.5
    assert abs(data._augmentation._mirrored.float().mean().item() - 0.5) < 4 * 0.5 / n**0.5


def test_padding_is_black_before_normalisation(split):
    x, _ = make(split, 53, augment=Augment(crop=4)).batch(0)
    assert (raw(x) == 0).any()  # the raw images hold no 0
    assert torch.allclose(x.amin((0, 2, 3)), -MEAN / STD)


def test_evaluation_sees_every_sample_once_in_order(split, monkeypatch):
    for chunk, sizes in ((20, [20, 20, 13]), (53, [53]), (1000, [53])):
        monkeypatch.setattr(batches, "CHUNK", chunk)
        parts = list(make(split).in_order())
        assert [len(y) for _, y in parts] == sizes
        assert torch.equal(torch.cat([y for _, y in parts]), split.y)
        assert torch.equal(torch.cat([x for x, _ in parts]), normaliser(MEAN, STD, Reading(1, 0))(split.x))


def test_evaluation_and_training_normalise_alike(split):
    x, y = make(split, 53).batch(0)
    assert torch.equal(x, normaliser(MEAN, STD, Reading(1, 0))(split.x)[y])


def test_the_data_are_left_as_they_were(split):
    before = split.x.clone()
    data = make(split, augment=BOTH)
    data.batch(0)
    list(data.in_order())
    assert torch.equal(split.x, before)


def test_a_batch_that_the_split_cannot_fill_is_refused(split):
    with pytest.raises(ConfigError, match=r"batch_size=54: .* 53"):
        make(split, 54).batch(0)


def test_a_crop_that_could_miss_the_image_is_refused(split):
    make(split, augment=Augment(crop=4))
    for crop in (5, 1.5):
        with pytest.raises(ConfigError, match=f"data.augment.crop={crop}: .*0 to 4"):
            make(split, augment=Augment(crop=crop))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("augment", [NONE, BOTH])
def test_a_gpu_gives_the_same_batches(split, augment):
    there = split.stream(Reading(8, 0, augment, device="cuda"))
    for update in (0, 7):
        x, y = there.batch(update)
        assert x.is_cuda
        assert y.is_cuda
        assert torch.equal(x.cpu(), make(split, augment=augment).batch(update)[0])
        assert torch.equal(y.cpu(), make(split, augment=augment).batch(update)[1])
