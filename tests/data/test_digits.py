"""The embedded digits: the right numbers, disjoint splits drawn from the seed, and a file that is checked."""

import gzip
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lrbench.data import DataInfo, draw_order, mean_and_std
from lrbench.data import digits as module
from lrbench.data.digits import SHA256, Digits
from lrbench.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.fixture(scope="module")
def splits():
    return Digits().load(0)


def rows_of(splits):
    """Every scan with its label as a tuple, in one list a split. No two are equal (tested below)."""
    return [[(*x.flatten().tolist(), int(y)) for x, y in zip(*split[:2], strict=True)] for split in splits]


def test_info_agrees_with_what_is_loaded(splits):
    info = Digits().info()
    assert info == DataInfo(1077, 360, 360, {"shape": (1, 8, 8), "num_classes": 10}, SHA256)
    assert [len(split.y) for split in splits] == [info.n_train, info.n_val, info.n_test]
    for x, y, *_ in splits:
        assert (x.dtype, y.dtype, x.shape[1:]) == (torch.uint8, torch.int64, info.spec["shape"])
        assert len(x) == len(y)
        assert x.is_contiguous()


def test_the_scans_are_those_of_scikit_learn(splits):
    package = pytest.importorskip("sklearn.datasets")
    images, labels = package.load_digits(return_X_y=True)
    theirs = sorted((*map(int, 15 * x), int(y)) for x, y in zip(images, labels, strict=True))
    assert sorted(row for rows in rows_of(splits) for row in rows) == theirs


def test_the_splits_are_disjoint_and_use_every_scan_once(splits):
    rows = [row for part in rows_of(splits) for row in part]
    assert len(rows) == len(set(rows)) == 1797


def test_the_seed_draws_the_split(splits):
    again, other = Digits().load(0), Digits().load(1)
    for a, b, c in zip(splits, again, other, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
        assert not torch.equal(a.x, c.x)
    shared = set(rows_of(splits)[2]) & set(rows_of(other)[2])
    assert 40 < len(shared) < 110  # 360 * 360 / 1797 = 72 by chance: redrawn, not only shuffled


def test_the_split_does_not_depend_on_the_default_generator(splits):
    torch.manual_seed(123)
    assert torch.equal(Digits().load(0).test.x, splits.test.x)


def test_the_sizes_are_those_asked_for():
    sizes = Digits(val_size=100, test_size=700)
    assert [len(split.y) for split in sizes.load(3)[:3]] == [997, 100, 700]
    assert sizes.info().n_train == 997


def test_the_pixels_give_the_values_of_the_file_back(splits):
    for x, *_ in splits:
        assert x.max() == 240
        assert (x % 15 == 0).all()


def test_the_classes_are_nearly_balanced(splits):
    counts = sum(split.y.bincount(minlength=10) for split in splits)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (splits.train.y.bincount() - 107.7).abs().max() < 30  # 3 sd of a draw


def test_mean_and_deviation_are_those_of_the_training_split(splits):
    pixels = splits.train.x.double() / 255
    assert splits.train.mean.item() == pytest.approx(pixels.mean().item(), rel=1e-6)
    assert splits.train.std.item() == pytest.approx(pixels.std(correction=0).item(), rel=1e-6)
    assert splits.train.mean.dtype == splits.train.std.dtype == torch.float32


def test_mean_and_deviation_are_taken_by_channel_and_a_constant_one_can_be_divided_by():
    x = torch.stack([torch.full((5, 4, 4), 51), torch.arange(80).view(5, 4, 4)], dim=1).to(torch.uint8)
    mean, std = mean_and_std(x)
    assert mean.tolist() == pytest.approx([0.2, 39.5 / 255])
    assert std.tolist() == pytest.approx([1.0, ((80**2 - 1) / 12) ** 0.5 / 255])


def test_draw_order_is_a_permutation_of_the_seed():
    assert draw_order(50, 1).sort().values.tolist() == list(range(50))
    assert torch.equal(draw_order(50, 1), draw_order(50, 1))
    assert not torch.equal(draw_order(50, 1), draw_order(50, 2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"val_size": 0}, ["data.args.val_size=0", "1 to 1795"]),
        ({"test_size": 36.0}, ["data.args.test_size=36.0", "whole number"]),
        ({"test_size": True}, ["data.args.test_size=True"]),
        ({"val_size": 1800}, ["data.args.val_size=1800"]),
        ({"val_size": 900, "test_size": 897}, ["data.args.val_size=900", "data.args.test_size=897", "1797"]),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigError) as error:
        Digits(**options)
    assert all(word in str(error.value) for word in words)


def test_one_training_image_is_enough():
    assert Digits(val_size=900, test_size=896).info().n_train == 1


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    text = bytearray(gzip.decompress(module._path().read_bytes()))
    text[0] ^= 1  # the first pixel, 0, becomes 1
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(gzip.compress(text))
    monkeypatch.setattr(module, "_path", lambda: path)
    with pytest.raises(ConfigError, match="sha256") as error:
        Digits().load(0)
    assert str(path) in str(error.value)


CORRUPT = [b"not gzip", gzip.compress(b"cut short", mtime=0)[:-9], b"\x1f\x8b\x08" + bytes(30)]


@pytest.mark.parametrize("content", [None, *CORRUPT])
def test_an_unreadable_file_is_a_config_error(content, tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(module, "_path", lambda: path)
    with pytest.raises(ConfigError, match="reinstall"):
        Digits().load(0)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install scikit-learn"):
        Digits().load(0)


@pytest.mark.slow
def test_info_needs_no_torch_and_loading_no_scikit_learn():
    program = (
        "import sys; from lrbench.data.digits import Digits; Digits().info()\n"
        "assert 'torch' not in sys.modules\n"
        "Digits().load(0)\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0


def test_the_config_level_states_every_option_with_its_default():
    level = yaml.safe_load((CONF / "digits.yaml").read_text())
    defaults = {name: option.default for name, option in inspect.signature(Digits).parameters.items()}
    assert level["args"] == defaults
    assert level["augment"] == {"crop": 0, "hflip": False, "mixup": None, "cutmix": None, "erase": None}
