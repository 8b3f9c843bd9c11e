"""CIFAR: found, checked, read as torchvision reads it, split by the seed. The files are made up, in the real format."""

import inspect
import pickle
from pathlib import Path

import pytest
import torch
import yaml
from data_support import write_cifar

from lrbench.data import cifar
from lrbench.data.cifar import CIFAR10, CIFAR100
from lrbench.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "data"
KINDS = [CIFAR10, CIFAR100]
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """LRBENCH_DATA is an empty folder, and there is no internet."""
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path))

    def offline(self, scratch):
        raise OSError("no route to host")

    monkeypatch.setattr(CIFAR10, "_fetch", offline)
    return tmp_path


def rows_of(split):
    return [bytes(x.flatten().tolist()) for x in split.x]


@each_kind
def test_the_files_and_their_sums_are_those_that_torchvision_knows(kind):
    from torchvision import datasets

    theirs = getattr(datasets, kind.__name__)
    assert kind.folder == theirs.base_folder
    assert kind.train_files == dict(theirs.train_list)
    assert kind.test_files == dict(theirs.test_list)


@each_kind
def test_images_and_labels_are_those_that_torchvision_reads(kind, root, monkeypatch):
    from torchvision import datasets

    write_cifar(root, kind, monkeypatch)
    (root / kind.folder / "meta").write_bytes(pickle.dumps({"names": [str(i) for i in range(kind.classes)]}))
    theirs = getattr(datasets, kind.__name__)
    monkeypatch.setattr(theirs, "meta", {"filename": "meta", "key": "names", "md5": None})
    monkeypatch.setattr(theirs, "train_list", list(kind.train_files.items()))
    monkeypatch.setattr(theirs, "test_list", list(kind.test_files.items()))
    for train, files in ((True, kind.train_files), (False, kind.test_files)):
        read = theirs(str(root), train=train)
        x, y = kind(100, 50)._read(root / kind.folder, files)
        assert torch.equal(x, torch.from_numpy(read.data).permute(0, 3, 1, 2))
        assert y.tolist() == read.targets
        assert (x.dtype, y.dtype) == (torch.uint8, torch.int64)


@each_kind
@pytest.mark.parametrize("below", [True, False])
def test_files_are_found_below_lrbench_data(kind, below, root, monkeypatch):
    write_cifar(root, kind, monkeypatch)
    if not below:
        monkeypatch.setenv("LRBENCH_DATA", str(root / kind.folder))
    assert kind(10, 10)._find() == root / kind.folder
    (root / kind.folder / next(iter(kind.test_files))).unlink()
    assert kind(10, 10)._find() is None


@each_kind
def test_splits_are_disjoint_and_drawn_by_the_seed(kind, root, monkeypatch):
    write_cifar(root, kind, monkeypatch)
    made = kind(120, 80)
    info, splits, other = made.info(), made.load(0), made.load(1)
    assert [len(s.y) for s in splits] == [info.n_train, info.n_val, info.n_test] == [120, 80, 40]
    assert all(s.x.shape[1:] == info.spec["shape"] == (3, 32, 32) for s in splits)
    rows = [row for split in splits for row in rows_of(split)]
    assert len(set(rows)) == 240
    assert set(rows_of(splits.train)) != set(rows_of(other.train))
    assert torch.equal(splits.test.x, other.test.x)
    assert torch.equal(splits.train.x, made.load(0).train.x)
    pixels = splits.train.x.double() / 255
    torch.testing.assert_close(splits.train.mean.double(), pixels.mean((0, 2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(splits.train.std.double(), pixels.std((0, 2, 3), correction=0), rtol=1e-6, atol=0)


def test_neither_size_changes_the_other_split(root, monkeypatch):
    write_cifar(root, CIFAR10, monkeypatch)
    small, large = CIFAR10(50, 80).load(0), CIFAR10(120, 80).load(0)
    assert torch.equal(small.train.x, large.train.x[:50])
    assert torch.equal(small.val.x, large.val.x)


@each_kind
def test_info_reads_nothing(kind, root):
    info = kind().info()
    assert (info.n_train, info.n_val, info.n_test) == (45_000, 5000, 10_000)
    assert info.spec == {"shape": (3, 32, 32), "num_classes": kind.classes}
    assert CIFAR10().info().fingerprint != CIFAR100().info().fingerprint


@each_kind
def test_the_error_names_all_ways(kind, root):
    with pytest.raises(ConfigError) as error:
        kind().load(0)
    for words in (f"data={kind.name}", "LRBENCH_DATA", kind.folder, *kind.train_files, "internet", "no route to host"):
        assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert list(root.iterdir()) == []


def test_a_download_is_kept_for_the_next_time(root, monkeypatch):
    monkeypatch.setattr(CIFAR10, "_fetch", lambda self, scratch: write_cifar(Path(scratch), CIFAR10, monkeypatch))
    assert len(CIFAR10(10, 10).load(0).test.y) == 40
    assert CIFAR10(10, 10)._find() == root / "cifar-10-batches-py"
    assert [p.name for p in root.iterdir()] == ["cifar-10-batches-py"]


@each_kind
def test_torchvision_is_asked_for_the_right_data(kind, tmp_path, monkeypatch):
    from torchvision import datasets

    asked = []
    for name in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(datasets, name, lambda root, download, name=name: asked.append((name, root, download)))
    kind()._fetch("somewhere")
    assert asked == [(kind.__name__, "somewhere", True)]


def test_a_changed_file_is_refused_before_it_is_unpickled(root, monkeypatch):
    write_cifar(root, CIFAR10, monkeypatch)
    path = root / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes() + b".")
    unpickled, loads = [], pickle.loads
    monkeypatch.setattr(cifar.pickle, "loads", lambda raw, **how: unpickled.append(raw) or loads(raw, **how))
    with pytest.raises(ConfigError, match="MD5") as error:
        CIFAR10(100, 50).load(0)
    assert str(path) in str(error.value)
    assert len(unpickled) == 2


def test_a_file_that_cannot_be_read_is_a_config_error(root, monkeypatch):
    write_cifar(root, CIFAR10, monkeypatch)
    path = root / "cifar-10-batches-py" / "test_batch"
    path.unlink()
    with pytest.raises(ConfigError, match=r"test_batch.*replace"):
        CIFAR10(100, 50)._read(path.parent, CIFAR10.test_files)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train_size": 0}, ["data.args.train_size=0"]),
        ({"val_size": "5k"}, ["data.args.val_size='5k'"]),
        ({"train_size": 45001}, ["data.args.train_size=45001", "data.args.val_size=5000", "50000"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigError) as error:
        CIFAR10(**options)
    assert all(word in str(error.value) for word in words)


@each_kind
def test_the_config_level_states_every_option_with_its_default(kind):
    level = yaml.safe_load((CONF / f"{kind.name}.yaml").read_text())
    defaults = {name: option.default for name, option in inspect.signature(kind).parameters.items()}
    assert level["args"] == defaults
    assert level["_target_"] == f"lrbench.data.cifar.{kind.__name__}"
    assert level["augment"] == {"crop": 4, "hflip": True, "mixup": None, "cutmix": None, "erase": None}
