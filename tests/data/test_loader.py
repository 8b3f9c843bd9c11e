"""The loader gives the batches that data in memory would give, whoever reads them and wherever it starts."""

import os
import signal
from dataclasses import dataclass

import pytest
import torch
from data_support import write_image_folder

from lrbench.data import Split, loader
from lrbench.data.batches import Batches, normalised
from lrbench.data.image_folder import ImageFolder
from lrbench.data.loader import Loader, in_order
from lrbench.engine import loop
from lrbench.engine.attempt import Interrupted
from lrbench.errors import ConfigError
from lrbench.experiment import Augment

MEAN, STD = torch.tensor([0.3, 0.5]), torch.tensor([0.2, 0.4])
NONE, ALL = Augment(), Augment(crop=1, hflip=True, mixup=0.4, cutmix=1.0, erase=0.5)


@dataclass
class InMemory:
    """A source that holds its images: what the loader makes of it must be what `Batches` makes of them."""

    split: Split
    draws: int = 3
    shape: tuple[int, int, int] = (2, 6, 5)
    broken: int = -1

    @property
    def y(self):
        return self.split.y

    def read(self, row, draws=None):
        if row == self.broken:
            raise ConfigError(f"row {row} is broken")
        assert draws is None or draws.shape == (self.draws,)
        return self.split.x[row]


@pytest.fixture(scope="module")
def split():
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(256, (53, 2, 6, 5), generator=draws, dtype=torch.uint8)
    return Split(x, torch.arange(53) % 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = write_image_folder(tmp_path_factory.mktemp("images") / "root", train=20)
    return ImageFolder(str(root), 6, size=8, resize=9)


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augment", [NONE, ALL])
def test_batches_are_those_of_data_in_memory(split, augment, workers):
    how = (MEAN, STD, 8, 3, augment, "cpu", 7)
    ours, theirs = Loader(InMemory(split), *how, workers), Batches(split, *how)
    assert (ours.per_epoch, ours.batch_size) == (theirs.per_epoch, theirs.batch_size)
    for update in range(14):  # over two ends of an epoch
        assert same(ours(update), theirs(update))


def from_folder(folder, workers, seed=0, augment=ALL):
    splits = folder.load(seed)
    return Loader(splits.train, splits.mean, splits.std, 4, seed, augment, "cpu", 2, workers)


def test_the_number_of_workers_changes_no_bit_of_real_images(folder):
    alone, helped = from_folder(folder, 0), from_folder(folder, 2)
    for update in range(18):  # 8 an epoch
        assert same(alone(update), helped(update))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_resumed_inside_an_epoch_sees_the_same_batches(folder, workers):
    whole = from_folder(folder, workers)
    seen = [whole(update) for update in range(18)]
    torch.manual_seed(99)
    for begun in (3, 11):
        resumed = from_folder(folder, workers)
        for update in range(begun, 18):
            assert same(resumed(update), seen[update])


def test_batches_come_in_any_order_and_the_last_one_again(folder):
    made, fresh = from_folder(folder, 0), from_folder(folder, 0)
    forward = [fresh(update) for update in range(18)]
    for update in (17, 0, 6, 5, 5, 12, 13, 13, 0):
        assert same(made(update), forward[update])


def test_the_update_asked_for_again_is_not_read_again(split, monkeypatch):
    """What the fp16 scaler skips is tried again: the workers must not start anew for it."""
    started = []
    monkeypatch.setattr(loader, "read", lambda *given, read=loader.read: started.append(1) or read(*given))
    made = Loader(InMemory(split), MEAN, STD, 8, 0)
    for update in (0, 0, 1, 1, 2):
        made(update)
    assert len(started) == 1
    made(0)
    assert len(started) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_the_caller_may_change_a_batch(split, workers):
    made = Loader(InMemory(split), MEAN, STD, 8, 0, workers=workers)
    first = made(0)[0].clone()
    made(0)[0].zero_()
    assert torch.equal(made(0)[0], first)


def drawn(seed, epoch, batch_size=8):
    """What is drawn for reading each row of 53 in an epoch."""
    asked = loader.requests(53, 3, batch_size, seed, epoch * (53 // batch_size))
    batches = [next(asked) for _ in range(53 // batch_size)]
    return {int(row): tuple(d) for rows, draws in batches for row, d in zip(rows, draws, strict=True)}


def test_what_is_drawn_for_reading_belongs_to_seed_epoch_and_row():
    found = [drawn(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for i, one in enumerate(found):
        assert len(set(one.values())) == len(one) == 48
        for other in found[i + 1 :]:
            assert not any(one[row] == other[row] for row in one.keys() & other.keys())
    other = drawn(1, 1, batch_size=7)
    assert all(other[row] == draws for row, draws in found[3].items() if row in other)


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_drawn_from_the_default_generator(folder, workers):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    from_folder(folder, workers)(0)
    splits = folder.load(0)
    list(in_order(splits.val, splits.mean, splits.std, "cpu", workers))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_every_sample_once_in_order(split, workers, monkeypatch):
    monkeypatch.setattr(loader, "CHUNK", 20)
    ours = list(in_order(InMemory(split), MEAN, STD, "cpu", workers))
    assert [len(y) for _, y in ours] == [20, 20, 13]
    (theirs,) = normalised(split, MEAN, STD)
    assert same([torch.cat(parts) for parts in zip(*ours, strict=True)], theirs)
    assert same(next(in_order(split, MEAN, STD)), theirs)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_one_paragraph(split, workers):
    made = Loader(InMemory(split, broken=30), MEAN, STD, 8, 0, workers=workers)
    with pytest.raises(ConfigError) as error:
        list(map(made, range(14)))
    assert str(error.value) == "row 30 is broken"
    with pytest.raises(ConfigError):
        list(in_order(InMemory(split, broken=30), MEAN, STD, "cpu", workers))


@pytest.mark.parametrize("batch_size", [54, 0])
def test_a_batch_that_the_split_cannot_fill_is_refused(split, batch_size):
    with pytest.raises(ConfigError, match=f"batch_size={batch_size}.* 53"):
        Loader(InMemory(split), MEAN, STD, batch_size, 0)


def test_ctrl_c_reaches_every_process_and_the_workers_go_on(split):
    """A terminal signals the whole group; here the workers alone are sent it, as the run handles its own."""
    import multiprocessing

    made = Loader(InMemory(split), MEAN, STD, 8, 0, workers=2)
    made(0)
    helpers = multiprocessing.active_children()
    assert len(helpers) >= 2
    for helper in helpers:
        os.kill(helper.pid, signal.SIGINT)
    for update in range(1, 14):
        made(update)


@pytest.fixture
def asked(folder):
    """A run of 2 epochs, 4 updates each."""
    from lrbench.config.experiments import experiment

    return experiment(
        "tracker=none", "data=image_folder", f"data.args.root={folder.root}", "data.args.val_size=6",
        "data.args.size=8", "data.args.resize=9", "data.augment.cutmix=1.0", "model=mlp", "model.args.hidden=[8]",
        "batch_size=8", "horizon=2ep",
    )  # fmt: skip


def test_a_run_with_workers_is_that_without(asked, run, tmp_path, require_same_run, without_picture):
    """Whole runs, with evaluation, to the same record."""
    require_same_run(*(run(asked, workers=n, results=tmp_path / str(n)) for n in (0, 2)))


def test_a_run_stopped_inside_an_epoch_goes_on_to_the_same_record(
    asked, run, tmp_path, monkeypatch, require_same_run, without_picture
):
    whole = run(asked, workers=0, results=tmp_path / "whole")
    batch = Loader.__call__

    def signalled(self, update):
        if update == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch(self, update)

    monkeypatch.setattr(loop, "PATIENCE", 0.0)  # a block is two updates
    with monkeypatch.context() as patch:
        patch.setattr(Loader, "__call__", signalled)
        with pytest.raises(Interrupted, match="stopped at update 6 of 8"):
            run(asked, workers=2)
    require_same_run(run(asked, workers=2), whole)
