"""The loader gives the batches that data in memory would give, whoever reads them and wherever it starts."""

import os
import signal
from dataclasses import dataclass

import pytest
import torch
from data_support import write_image_folder
from torch.utils.data import DataLoader

from lrbench.data import Reading, loader
from lrbench.data.image_folder import ImageFolder
from lrbench.data.kinds import ImageFiles, Images
from lrbench.data.loader import Loader
from lrbench.engine import loop
from lrbench.engine.attempt import Interrupted
from lrbench.errors import ConfigError
from lrbench.experiment import Augment

MEAN, STD = torch.tensor([0.3, 0.5]), torch.tensor([0.2, 0.4])
PLAIN = Reading(8, 0)
NONE, ALL = Augment(), Augment(crop=1, hflip=True, mixup=0.4, cutmix=1.0, erase=0.5)


@dataclass
class InMemory:
    """A source that holds its images: what the loader makes of it must be what `Batches` makes of them."""

    split: Images
    draws: int = 3
    shape: tuple[int, int, int] = (2, 6, 5)
    broken: int = -1
    reads: int = 0

    @property
    def y(self):
        return self.split.y

    def read(self, row, draws=None):
        if row == self.broken:
            raise ConfigError("data.args.root", row, "this is broken")
        self.reads += 1
        assert draws is None or draws.shape == (self.draws,)
        return self.split.x[row]


@pytest.fixture(autouse=True)
def readers(monkeypatch):
    """What reads images ends with its test: left to the collector of cycles, torch waits 5 seconds for each process,
    whose queue has been collected before it is told to end."""
    begun, begin = [], DataLoader.__iter__
    monkeypatch.setattr(DataLoader, "__iter__", lambda self: begun.append(begin(self)) or begun[-1])
    yield
    for reading in begun:
        if hasattr(reading, "_shutdown_workers"):
            reading._shutdown_workers()


@pytest.fixture(scope="module")
def split():
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(256, (53, 2, 6, 5), generator=draws, dtype=torch.uint8)
    return Images(x, torch.arange(53) % 7, MEAN, STD, 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = write_image_folder(tmp_path_factory.mktemp("images") / "root", train=20)
    return ImageFolder(str(root), 6, size=8, resize=9)


def stream(split, reading=PLAIN, **fields):
    return ImageFiles(InMemory(split, **fields), MEAN, STD, 7).stream(reading)


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augment", [NONE, ALL])
def test_batches_are_those_of_data_in_memory(split, augment, workers):
    reading = Reading(8, 3, augment, workers=workers)
    ours, theirs = stream(split, reading), split.stream(reading)
    assert ours.per_epoch == theirs.per_epoch
    for update in range(14):  # over two ends of an epoch
        assert same(ours.batch(update), theirs.batch(update))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augment", [NONE, ALL])
def test_the_parts_of_a_rank_are_those_of_the_whole(split, augment, workers):
    """Read ahead or not, in micro-batches or alone."""
    ours = stream(split, Reading(8, 3, augment, workers=workers, mine=range(2, 4), parts=4))
    theirs = split.stream(Reading(8, 3, augment))
    asked = [(u, p, 4) for u in range(8) for p in (2, 3)] + [(3, 0, 1), (4, 0, 1), (4, 1, 2), (5, 1, 2), (4, 3, 4)]
    for update, part, parts in asked:
        whole = theirs.batch(update)
        assert same(ours.batch(update, part, parts), [t.chunk(parts)[part] for t in whole])


@pytest.mark.parametrize(("augment", "reads"), [(NONE, 4), (Augment(crop=1, hflip=True, erase=0.5), 4), (ALL, 8)])
def test_a_rank_reads_its_own_images_alone_and_their_partners_where_they_are_mixed(split, augment, reads):
    for rank in range(2):
        made = stream(split, Reading(8, 0, augment, mine=range(rank, rank + 1), parts=2))
        for update in range(5):
            made.batch(update, rank, 2)
        assert made._source.reads == 5 * reads


def test_nothing_is_read_twice_for_a_batch_asked_for_again(split):
    made = stream(split, Reading(8, 0, mine=range(2), parts=2))
    for update in (0, 0, 1, 1):
        for part in range(2):
            made.batch(update, part, 2)
    assert made._source.reads == 16


def from_folder(folder, workers, seed=0, augment=ALL):
    splits = folder.load(seed)
    return splits.train.stream(Reading(4, seed, augment, workers=workers))


@pytest.mark.slow
def test_the_number_of_workers_changes_no_bit_of_real_images(folder):
    alone, helped = from_folder(folder, 0), from_folder(folder, 2)
    for update in range(18):  # 8 an epoch
        assert same(alone.batch(update), helped.batch(update))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_resumed_inside_an_epoch_sees_the_same_batches(folder, workers):
    whole = from_folder(folder, workers)
    seen = [whole.batch(update) for update in range(18)]
    torch.manual_seed(99)
    for begun in (3, 11):
        resumed = from_folder(folder, workers)
        for update in range(begun, 18):
            assert same(resumed.batch(update), seen[update])


def test_batches_come_in_any_order_and_the_last_one_again(folder):
    made, fresh = from_folder(folder, 0), from_folder(folder, 0)
    forward = [fresh.batch(update) for update in range(18)]
    for update in (17, 0, 6, 5, 5, 12, 13, 13, 0):
        assert same(made.batch(update), forward[update])


def test_the_update_asked_for_again_is_not_read_again(split, monkeypatch):
    """What the fp16 scaler skips is tried again: the workers must not start anew for it."""
    started = []
    monkeypatch.setattr(loader, "read", lambda *given, read=loader.read: started.append(1) or read(*given))
    made = stream(split)
    for update in (0, 0, 1, 1, 2):
        made.batch(update)
    assert len(started) == 1
    made.batch(0)
    assert len(started) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_the_caller_may_change_a_batch(split, workers):
    made = stream(split, Reading(8, 0, workers=workers))
    first = made.batch(0)[0].clone()
    made.batch(0)[0].zero_()
    assert torch.equal(made.batch(0)[0], first)


def drawn(split, seed, epoch, batch_size=8):
    """What is drawn for reading each row of 53 in an epoch."""
    made, n = stream(split, Reading(batch_size, seed)), 53 // batch_size
    keys = ((update, 0, 1) for update in range(epoch * n, (epoch + 1) * n))
    batches = list(loader.requests(keys, made._source, False, Reading(batch_size, seed)))
    return {int(row): tuple(d) for rows, draws in batches for row, d in zip(rows, draws, strict=True)}


def test_what_is_drawn_for_reading_belongs_to_seed_epoch_and_row(split):
    found = [drawn(split, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for i, one in enumerate(found):
        assert len(set(one.values())) == len(one) == 48
        for other in found[i + 1 :]:
            assert not any(one[row] == other[row] for row in one.keys() & other.keys())
    other = drawn(split, 1, 1, batch_size=7)
    assert all(other[row] == draws for row, draws in found[3].items() if row in other)


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_is_drawn_from_the_default_generator(folder, workers):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    from_folder(folder, workers).batch(0)
    list(folder.load(0).val.stream(Reading(4, 0, workers=workers)).in_order())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_every_sample_once_in_order(split, workers):
    made = loader.Loader(InMemory(split), MEAN, STD, 7, Reading(8, 0, workers=workers), chunk=20)
    ours = list(made.in_order())
    assert [len(y) for _, y in ours] == [20, 20, 13]
    (theirs,) = split.stream(Reading(8, 0)).in_order()
    assert same([torch.cat(parts) for parts in zip(*ours, strict=True)], theirs)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_one_paragraph(split, workers):
    made = stream(split, Reading(8, 0, workers=workers), broken=30)
    with pytest.raises(ConfigError) as error:
        list(map(made.batch, range(14)))
    assert str(error.value) == "data.args.root=30: this is broken."
    with pytest.raises(ConfigError):
        list(made.in_order())


def test_a_batch_that_the_split_cannot_fill_is_refused(split):
    with pytest.raises(ConfigError, match=r"batch_size=54: .* 53"):
        stream(split, Reading(54, 0)).batch(0)


def test_ctrl_c_reaches_every_process_and_the_workers_go_on(split):
    """A terminal signals the whole group; here the workers alone are sent it, as the run handles its own."""
    import multiprocessing

    made = stream(split, Reading(8, 0, workers=2))
    made.batch(0)
    helpers = multiprocessing.active_children()
    assert len(helpers) >= 2
    for helper in helpers:
        os.kill(helper.pid, signal.SIGINT)
    for update in range(1, 14):
        made.batch(update)


@pytest.fixture
def asked(folder):
    """A run of 2 epochs, 4 updates each."""
    from lrbench.config.experiments import experiment

    return experiment(
        "tracker=none", "data=image_folder", f"data.args.root={folder.root}", "data.args.val_size=6",
        "data.args.size=8", "data.args.resize=9", "data.augment.cutmix=1.0", "model=mlp", "model.args.hidden=[8]",
        "batch_size=8", "horizon=2ep",
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_with_workers_is_that_without(asked, run, tmp_path, require_same_run, without_picture):
    """Whole runs, with evaluation, to the same record."""
    require_same_run(*(run(asked, workers=n, results=tmp_path / str(n)) for n in (0, 2)))


@pytest.mark.slow
def test_a_run_stopped_inside_an_epoch_goes_on_to_the_same_record(
    asked, run, tmp_path, monkeypatch, require_same_run, without_picture
):
    whole = run(asked, workers=0, results=tmp_path / "whole")
    batch = Loader.batch

    def signalled(self, update, *parts):
        if update == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch(self, update, *parts)

    monkeypatch.setattr(loop, "PATIENCE", 0.0)  # a block is two updates
    with monkeypatch.context() as patch:
        patch.setattr(Loader, "batch", signalled)
        with pytest.raises(Interrupted, match="stopped at update 6 of 8"):
            run(asked, workers=2)
    require_same_run(run(asked, workers=2), whole)
