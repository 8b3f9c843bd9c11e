"""Fashion-MNIST: where it is found, what is checked, how it is split and shrunk."""

import gzip
import inspect
from pathlib import Path

import pytest
import torch
import yaml

from lrbench.data import fashion_mnist as module
from lrbench.data.fashion_mnist import DEBIAN, SHA256, FashionMNIST, shrink
from lrbench.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "data"
FOUND = module._find()
needs_data = pytest.mark.skipif(
    FOUND is None, reason="Fashion-MNIST is neither in LRBENCH_DATA nor installed (dataset-fashion-mnist)"
)


@pytest.fixture(scope="module")
def small():
    return FashionMNIST(resolution=7, train_size=4000, val_size=1000).load(0)


def rows_of(split):
    return [bytes(x.flatten().tolist()) for x in split.x]


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No Debian package, no cache, no internet; LRBENCH_DATA is an empty folder."""
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(module, "DEBIAN", tmp_path / "debian")

    def offline(root):
        raise OSError("no route to host")

    monkeypatch.setattr(module, "_fetch", offline)
    return tmp_path


# Found


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("below", ["fashion-mnist", "FashionMNIST/raw", ""])
@pytest.mark.parametrize("zipped", [True, False])
def test_files_are_found_below_lrbench_data_plain_or_zipped(below, zipped, nowhere):
    folder = nowhere / below
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHA256:
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(bytes(module._read(FOUND, name)), 0))
        else:
            (folder / name).write_bytes(module._read(FOUND, name))
    assert module._find() == folder
    assert len(FashionMNIST(28, 10, 10).load(0).train.y) == 10


def touch_all(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHA256:
        (folder / name).touch()


def test_lrbench_data_comes_before_debian_and_incomplete_folders_are_passed_over(nowhere):
    touch_all(module.DEBIAN)
    assert module._find() == module.DEBIAN
    touch_all(nowhere / "FashionMNIST" / "raw")
    assert module._find() == nowhere / "FashionMNIST" / "raw"
    touch_all(nowhere / "fashion-mnist")
    assert module._find() == nowhere / "fashion-mnist"
    (nowhere / "fashion-mnist" / next(iter(SHA256))).unlink()
    assert module._find() == nowhere / "FashionMNIST" / "raw"


@pytest.mark.parametrize("unset", [True, False])
def test_without_lrbench_data_debian_comes_before_the_cache(unset, nowhere, monkeypatch):
    if unset:
        monkeypatch.delenv("LRBENCH_DATA")
    else:
        monkeypatch.setenv("LRBENCH_DATA", "")
    monkeypatch.setenv("HOME", str(nowhere / "home"))
    cache = nowhere / "home" / ".cache" / "lrbench" / "FashionMNIST" / "raw"
    assert module._find() is None
    touch_all(cache)
    assert module._find() == cache
    touch_all(module.DEBIAN)
    assert module._find() == module.DEBIAN


def test_the_error_names_all_three_ways(nowhere):
    with pytest.raises(ConfigError) as error:
        FashionMNIST().load(0)
    text = str(error.value)
    for words in ("LRBENCH_DATA", "apt-get install dataset-fashion-mnist", "internet", "no route to host"):
        assert words in text
    assert "\n" not in text
    assert list(nowhere.iterdir()) == []  # nothing half-downloaded is left


@pytest.mark.parametrize("failure", [ImportError("no torchvision"), RuntimeError("Error downloading")])
def test_other_failures_of_the_download_are_config_errors_too(failure, nowhere, monkeypatch):
    def fail(root):
        (Path(root) / "FashionMNIST").mkdir()
        raise failure

    monkeypatch.setattr(module, "_fetch", fail)
    with pytest.raises(ConfigError, match=str(failure)):
        FashionMNIST().load(0)
    assert list(nowhere.iterdir()) == []


@pytest.mark.slow
@needs_data
def test_a_download_is_kept_for_the_next_time(nowhere, monkeypatch):
    def fetch(root):
        raw = Path(root) / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name in SHA256:
            (raw / name).write_bytes(module._read(FOUND, name))

    monkeypatch.setattr(module, "_fetch", fetch)
    assert len(FashionMNIST(28, 10, 10).load(0).test.y) == 10_000
    assert module._find() == nowhere / "FashionMNIST" / "raw"


# Checked


@needs_data
@pytest.mark.parametrize("name", SHA256)
def test_a_changed_file_is_refused(name, tmp_path):
    raw = module._read(FOUND, name)
    raw[-1] ^= 1
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ConfigError, match="sha256") as error:
        module._read(tmp_path, name)
    assert str(tmp_path / name) in str(error.value)


CORRUPT = [b"not gzip", gzip.compress(b"cut short", mtime=0)[:-9], b"\x1f\x8b\x08" + bytes(30)]


@pytest.mark.parametrize("content", CORRUPT)
def test_an_unreadable_file_is_a_config_error(content, tmp_path):
    name = next(iter(SHA256))
    (tmp_path / f"{name}.gz").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot read"):
        module._read(tmp_path, name)


def test_a_file_that_vanished_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="missing"):
        module._read(tmp_path, next(iter(SHA256)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolution": 29}, ["data.args.resolution=29", "1 to 28"]),
        ({"resolution": 0}, ["data.args.resolution=0"]),
        ({"resolution": 14.0}, ["data.args.resolution=14.0"]),
        ({"train_size": 0}, ["data.args.train_size=0"]),
        ({"val_size": "5k"}, ["data.args.val_size='5k'"]),
        ({"classes": "01"}, ["data.args.classes", "no list of labels"]),
        ({"classes": [3]}, ["classes=[3]", "too few"]),
        ({"classes": [3, 3]}, ["a class is named twice"]),
        ({"classes": [3, 10]}, ["10 is no label"]),
        ({"classes": [True, 3]}, ["True is no label"]),
        ({"classes": [0, 1]}, ["train_size=55000", "1 to 11999"]),
        ({"classes": [0, 1], "train_size": 8000}, ["12000 images of 2 classes"]),
        ({"train_size": 55001}, ["data.args.train_size=55001", "data.args.val_size=5000", "60000"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigError) as error:
        FashionMNIST(**options)
    assert all(word in str(error.value) for word in words)


# Split


@needs_data
def test_info_agrees_with_what_is_loaded(small):
    info = FashionMNIST(resolution=7, train_size=4000, val_size=1000).info()
    assert (info.n_train, info.n_val, info.n_test) == (4000, 1000, 10_000)
    assert [len(split.y) for split in small[:3]] == [4000, 1000, 10_000]
    for x, y in (split[:2] for split in small[:3]):
        assert (x.dtype, y.dtype, x.shape[1:]) == (torch.uint8, torch.int64, info.spec["shape"])
        assert len(x) == len(y)
        assert x.is_contiguous()


def test_info_reads_nothing(nowhere):
    info = FashionMNIST().info()
    assert (info.n_train, info.n_val, info.n_test) == (55_000, 5000, 10_000)
    assert info.spec == {"shape": (1, 28, 28), "num_classes": 10}


@pytest.mark.slow
@needs_data
def test_the_full_split_is_disjoint_and_uses_every_image():
    x = module._images(FOUND, "train", 60_000)
    splits = FashionMNIST().load(3)
    parts = [rows_of(splits.train), rows_of(splits.val)]
    assert [len(part) for part in parts] == [55000, 5000]
    assert sorted(parts[0] + parts[1]) == sorted(bytes(row) for row in x.view(60_000, -1).numpy())
    assert not set(parts[0]) & set(parts[1])
    labels = torch.cat([splits.train.y, splits.val.y])
    assert labels.bincount().tolist() == [6000] * 10
    assert splits.test.y.bincount().tolist() == [1000] * 10


@needs_data
def test_some_classes_are_those_of_the_whole():
    """By their pixels: as many of each in the test set, labels by their place in the list, none in two splits."""
    label_of = {
        row: label
        for part, n in (("train", 60_000), ("t10k", 10_000))
        for row, label in zip(map(bytes, module._images(FOUND, part, n).view(n, -1).numpy()),
                              module._labels(FOUND, part).tolist(), strict=True)
    }  # fmt: skip
    splits = FashionMNIST(28, 900, 500, classes=[7, 2, 9]).load(4)
    assert [len(s.y) for s in splits] == [900, 500, 3000]
    assert splits.test.y.bincount().tolist() == [1000] * 3
    for split in splits:
        assert split.num_classes == 3
        assert [label_of[row] for row in rows_of(split)] == [[7, 2, 9][y] for y in split.y.tolist()]
    assert not set(rows_of(splits.train)) & set(rows_of(splits.val))
    bigger = FashionMNIST(28, 17_000, 1000, classes=[7, 2, 9]).load(4)
    assert bigger.train.y[:900].tolist() == splits.train.y.tolist()
    info = FashionMNIST(28, 900, 500, classes=[7, 2, 9]).info()
    assert (info.n_train, info.n_val, info.n_test, info.spec["num_classes"]) == (900, 500, 3000, 3)


@needs_data
def test_images_keep_their_labels():
    x, y = module._images(FOUND, "train", 60_000), module._labels(FOUND, "train")
    label_of = dict(zip((bytes(row) for row in x.view(60_000, -1).numpy()), y.tolist(), strict=True))
    splits = FashionMNIST(28, 300, 300).load(5)
    for split in (splits.train, splits.val):
        assert [label_of[row] for row in rows_of(split)] == split.y.tolist()


@needs_data
def test_the_seed_draws_training_and_validation_but_not_test(small):
    data = FashionMNIST(resolution=7, train_size=4000, val_size=1000)
    again, other = data.load(0), data.load(1)
    assert torch.equal(small.train.x, again.train.x)
    assert torch.equal(small.val.y, again.val.y)
    assert not torch.equal(small.train.y, other.train.y)
    assert not torch.equal(small.val.y, other.val.y)
    assert torch.equal(small.test.x, other.test.x)
    assert torch.equal(small.test.y, other.test.y)


@needs_data
def test_a_smaller_training_set_is_part_of_a_larger_one_and_validation_stays(small):
    fewer = FashionMNIST(resolution=7, train_size=500, val_size=1000).load(0)
    assert torch.equal(fewer.train.x, small.train.x[:500])
    assert torch.equal(fewer.val.x, small.val.x)


@needs_data
def test_a_small_draw_is_nearly_balanced(small):
    assert (small.train.y.bincount(minlength=10) - 400).abs().max() < 4 * (4000 * 0.09) ** 0.5


@needs_data
def test_mean_and_deviation_are_those_of_the_training_split(small):
    pixels = small.train.x.double() / 255
    assert small.train.mean.item() == pytest.approx(pixels.mean().item(), rel=1e-6)
    assert small.train.std.item() == pytest.approx(pixels.std(correction=0).item(), rel=1e-6)


# Shrunk


@pytest.mark.parametrize("resolution", [1, 2, 4, 7, 14])
def test_shrinking_by_a_whole_factor_is_the_mean_rounded_half_up(resolution):
    x = torch.randint(256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    factor = 28 // resolution
    sums = x.long().view(40, 1, resolution, factor, resolution, factor).sum((3, 5))
    assert torch.equal(shrink(x, resolution).long(), (2 * sums + factor**2) // (2 * factor**2))
    mean = torch.nn.functional.interpolate(x.double(), size=resolution, mode="area")
    assert (shrink(x, resolution) - mean).abs().max() <= 0.5 + 1e-9


@pytest.mark.parametrize("resolution", [3, 8, 20, 27])
def test_shrinking_by_another_factor_counts_cut_pixels_by_their_share(resolution):
    x = torch.randint(256, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    fine = x.long().repeat_interleave(resolution, -1).repeat_interleave(resolution, -2)
    sums = fine.view(3, 1, resolution, 28, resolution, 28).sum((3, 5))
    assert torch.equal(shrink(x, resolution).long(), (2 * sums + 784) // (2 * 784))


def test_a_half_is_rounded_up_and_extremes_stay():
    assert shrink(torch.tensor([[[[0, 1], [1, 0]]]], dtype=torch.uint8), 1).item() == 1
    assert shrink(torch.full((1, 1, 28, 28), 255, dtype=torch.uint8), 9).unique().tolist() == [255]
    assert shrink(torch.zeros(1, 1, 28, 28, dtype=torch.uint8), 9).unique().tolist() == [0]


def test_full_resolution_is_left_as_it_is():
    x = torch.arange(784).remainder(256).to(torch.uint8).view(1, 1, 28, 28)
    assert torch.equal(shrink(x, 28), x)


def test_many_images_are_shrunk_as_each_alone():
    x = torch.arange(12_000 * 16).remainder(251).to(torch.uint8).view(12_000, 1, 4, 4)
    small = shrink(x, 2)
    for i in (0, 4999, 5000, 11_999):
        assert torch.equal(small[i : i + 1], shrink(x[i : i + 1], 2))


def test_the_config_level_states_every_option_with_its_default():
    level = yaml.safe_load((CONF / "fashion_mnist.yaml").read_text())
    defaults = {name: option.default for name, option in inspect.signature(FashionMNIST).parameters.items()}
    assert level["args"] == defaults
    assert level["augment"] == {"crop": 2, "hflip": True, "mixup": None, "cutmix": None, "erase": None}


def test_debian_is_where_the_package_puts_it():
    assert Path("/usr/share/datasets/fashion-mnist") == DEBIAN
