"""Image folders: the layout and its refusals, the splits, the fingerprint, crops and centres."""

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from cli_support import assert_refused, files, in_process
from data_support import write_image_folder
from PIL import Image

from lrbench.data import image_folder as module
from lrbench.data import listing as listing_module
from lrbench.data.augment import DRAWS, TRIES
from lrbench.data.cifar import CIFAR10
from lrbench.data.image_folder import FolderImages, ImageFolder, crop_window
from lrbench.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf" / "data"


def listed_again():
    """Folders are listed and looked at once a process; here they change."""
    for cached in (module.listing, module._first_looked, module._looked):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def listed_anew():
    listed_again()


@pytest.fixture
def root(tmp_path):
    return write_image_folder(tmp_path / "root", classes=3, train=6, val=2)


def made(root, val_size=4, size=8, resize=9, **options):
    return ImageFolder(str(root), val_size, size, resize, **options)


def paths(splits):
    return [list(split.source.paths) for split in splits]


# ---- splits -------------------------------------------------------------------------------------------------


def test_val_is_the_test_set_and_validation_is_drawn_from_train(root):
    info, splits = made(root).info(), made(root).load(0)
    train, val, test = paths(splits)
    assert (info.n_train, info.n_val, info.n_test) == (14, 4, 6) == (len(train), len(val), len(test))
    assert info.spec == {"shape": (3, 8, 8), "num_classes": 3}
    here = {f"{p}/class{c}/{i:03}.png" for p, n in (("train", 6), ("val", 2)) for c in range(3) for i in range(n)}
    assert {*train, *val, *test} == here
    assert len(train + val + test) == len(here)
    assert all(p.startswith("val/") for p in test)
    for split in splits:
        assert split.source.y.tolist() == [int(p.split("class")[1][0]) for p in split.source.paths]
        assert split.source.y.dtype == torch.int64
    assert paths(made(root).load(0)) == [train, val, test]
    assert set(paths(made(root).load(1))[1]) != set(val)


def test_images_lie_at_any_depth_and_other_files_are_passed_over(root):
    deep = root / "train" / "class1" / "deep" / "er"
    deep.mkdir(parents=True)
    os.rename(root / "train" / "class1" / "000.png", deep / "x.PNG")
    (root / "train" / "class1" / "notes.txt").write_text("no image")
    (root / "train" / "class1" / ".hidden.png").write_text("no image")
    (root / "train" / ".cache").mkdir()
    train, val, _ = paths(made(root).load(0))
    assert "train/class1/deep/er/x.PNG" in train + val
    assert len(train + val) == 18


def test_mean_and_deviation_are_imagenet_s(root):
    splits = made(root).load(0)
    assert splits.train.mean.tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert splits.train.std.tolist() == pytest.approx([0.229, 0.224, 0.225])


# ---- fingerprint --------------------------------------------------------------------------------------------


def fingerprint(root):
    listed_again()
    return made(root).info().fingerprint


def test_the_fingerprint_is_that_of_the_content_not_the_place(root, tmp_path):
    before = fingerprint(root)
    elsewhere = tmp_path / "elsewhere"
    os.rename(root, elsewhere)
    assert fingerprint(elsewhere) == before
    os.utime(elsewhere / "train" / "class0" / "000.png", (0, 0))
    assert fingerprint(elsewhere) == before


@pytest.mark.parametrize("change", ["renamed", "byte", "longer", "moved", "gone", "test"])
def test_the_fingerprint_sees_every_change_of_a_small_folder(root, change):
    before, path = fingerprint(root), root / "train" / "class1" / "003.png"
    if change == "renamed":
        path.rename(path.with_name("x.png"))
    elif change == "byte":
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    elif change == "longer":
        path.write_bytes(path.read_bytes() + b"x")
    elif change == "moved":
        path.rename(root / "train" / "class2" / "x.png")
    elif change == "gone":
        path.unlink()
    else:
        (root / "val" / "class0" / "000.png").unlink()
    assert fingerprint(root) != before


def test_of_a_large_folder_every_so_many_th_image_is_read(root, monkeypatch):
    """What the docstring says it cannot see, it does not; size and name it always sees."""
    images = sorted(p for part in ("train", "val") for p in (root / part).rglob("*.png"))
    total = sum(p.stat().st_size for p in images)
    monkeypatch.setattr(listing_module, "SAMPLED", -(-total // 3))  # every third image
    monkeypatch.setattr(module, "look_at", lambda *given: [])
    before = fingerprint(root)
    seen = []
    for path in images:
        raw = path.read_bytes()
        path.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])
        seen.append(fingerprint(root) != before)
        path.write_bytes(raw)
    assert seen == [i % 3 == 0 for i in range(24)]


# ---- images -------------------------------------------------------------------------------------------------


def gradient(tmp_path, height, width):
    """A folder whose images are all the same: red grows downwards, green to the right."""
    root = write_image_folder(tmp_path / "root", train=2, val=1)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(height)[:, None] * 4, np.arange(width)[None] * 4
    for path in root.rglob("*.png"):
        Image.fromarray(pixels).save(path)
    return root


def test_evaluation_cuts_out_the_centre_of_the_resized_image(tmp_path):
    """By hand: 24 x 40, shorter side 24 stays, the middle 16 x 16 begins at row 4 and column 12."""
    splits = made(gradient(tmp_path, 24, 40), 1, size=16, resize=24).load(0)
    image = splits.val.source.read(0)
    assert (image.shape, image.dtype) == ((3, 16, 16), torch.uint8)
    assert image[0, :, 0].tolist() == [4 * i for i in range(4, 20)]
    assert image[1, 0].tolist() == [4 * i for i in range(12, 28)]


def test_a_training_image_is_the_window_that_was_drawn(tmp_path):
    """A window of the size of the image that is wanted is only cut out."""
    splits = made(gradient(tmp_path, 32, 32), 1, size=16, resize=16, scale=[0.25, 0.25], ratio=[1.0, 1.0]).load(0)
    draws = torch.zeros(DRAWS)
    draws[-2:] = torch.tensor([0.5, 0.999])  # of 17 places in each direction
    image = splits.train.source.read(0, draws)
    assert image[0, :, 0].tolist() == [4 * i for i in range(8, 24)]
    assert image[1, 0].tolist() == [4 * i for i in range(16, 32)]


@pytest.mark.parametrize(
    ("height", "width", "window"),
    [(10, 100, (0, 43, 10, 13)), (100, 10, (43, 0, 13, 10)), (10, 12, (0, 0, 10, 12))],
)
def test_where_no_try_fits_the_largest_window_in_the_centre(height, width, window, monkeypatch):
    """13 = round(10 * 4/3); torchvision's get_params does the same."""
    from torchvision.transforms import RandomResizedCrop

    ratio = (3 / 4, 4 / 3)
    too_large = torch.zeros(DRAWS)
    too_large[:TRIES] = 0.999
    assert crop_window(too_large, height, width, (1.0, 100.0), ratio) == window
    image = torch.zeros(3, height, width)
    assert RandomResizedCrop.get_params(image, [99.0, 100.0], list(ratio)) == window


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_image_becomes_rgb(root, mode):
    for path in (root / "train").rglob("*.png"):
        image = Image.open(path).convert("RGB").convert(mode)
        path.unlink()
        image.save(path.with_suffix(".tif" if mode == "CMYK" else ".png"))
    splits = made(root).load(0)
    assert splits.train.source.read(0).shape == (3, 8, 8)
    assert splits.train.source.read(0, torch.full((DRAWS,), 0.5)).shape == (3, 8, 8)


# ---- refused ------------------------------------------------------------------------------------------------


def without(part):
    return lambda root: os.rename(root / part, root / f"{part}2")


def flat(root):
    """ImageNet's validation images as they come."""
    for path in list((root / "val").rglob("*.png")):
        path.rename(root / "val" / f"{path.parent.name}{path.name}")
    for folder in [p for p in (root / "val").iterdir() if p.is_dir()]:
        folder.rmdir()


def flat_train(root):
    for folder in (root / "train").iterdir():
        folder.rename(root / folder.name)


def empty(root):
    for path in (root / "train" / "class1").iterdir():
        path.unlink()


def unreadable(root):
    (root / "val" / "class1" / "000.png").write_text("no image")


def dangling(root):
    (root / "train" / "class1" / "x.png").symlink_to(root / "nowhere")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (without("train"), ["data.args.root=", "no folder", "train", "CLASS/IMAGE"]),
        (without("val"), ["data.args.root=", "no folder", "val", "CLASS/IMAGE"]),
        (flat_train, ["holds no folders", "CLASS/IMAGE"]),
        (flat, ["same classes", "class0 only in train", "class2 only in train"]),
        (lambda root: (root / "val" / "class7").mkdir(), ["same classes", "class7 only in val"]),
        (lambda root: (root / "val" / "class1").rename(root / "val" / "b"), ["class1 only in train", "b only in val"]),
        (empty, [f"train{os.sep}class1", "holds no image", ".png"]),
        (unreadable, [f"val{os.sep}class1{os.sep}000.png", "cannot be read as an image"]),
        (dangling, ["data.args.root=", "x.png", "No such file"]),
    ],
)  # fmt: skip
def test_another_layout_is_refused_in_one_paragraph(root, break_it, words):
    break_it(root)
    for asked in (lambda: made(root).info(), lambda: made(root).load(0)):
        with pytest.raises(ConfigError) as error:
            asked()
        text = str(error.value)
        assert all(word in text for word in words), text
        assert str(root) in text
        assert "\n" not in text
        assert len(text) < 600


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("image_folder", ["data.args.root=", "same classes"]),
        ("cifar10", ["data=cifar10", "LRBENCH_DATA", "internet"]),
        ("cifar100", ["data=cifar100", "LRBENCH_DATA", "internet"]),
    ],
)
def test_on_the_command_line_nothing_is_written(data, words, root, tmp_path, monkeypatch, capsys):
    flat(root)
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(CIFAR10, "_fetch", lambda self, scratch: (tmp_path / "nowhere").read_bytes())
    (tmp_path / "here").mkdir()
    lrbench = in_process(tmp_path / "here", monkeypatch, capsys)
    options = (f"data.args.root={root}", "data.args.val_size=4") if data == "image_folder" else ()
    assert_refused(lrbench(f"data={data}", "tracker=none", *options), *words)
    assert files(tmp_path / "here") == []


def test_many_classes_that_differ_are_counted(root):
    for i in range(20):
        (root / "train" / f"x{i}").mkdir()
    with pytest.raises(ConfigError, match="and 17 more"):
        made(root).info()


def test_a_damaged_image_is_refused_when_it_is_read(root):
    path = root / "train" / "class0" / "005.png"
    splits = made(root).load(0)
    path.write_bytes(path.read_bytes()[:60])  # after the look: a disk that fails, say
    (split,) = [s for s in splits[:2] if "train/class0/005.png" in s.source.paths]
    with pytest.raises(ConfigError, match=r"005\.png cannot be read as an image .*repair or remove") as error:
        split.source.read(split.source.paths.index("train/class0/005.png"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("suffix", "dtype", "high", "mode"),
    [("png", np.uint16, 65535, "I"), ("tif", np.uint16, 65535, "I"), ("tif", np.float32, 1.0, "F")],
)
def test_pixels_of_more_than_8_bits_are_refused_not_clipped(root, suffix, dtype, high, mode):
    pixels = np.linspace(0, high, 64).reshape(8, 8).astype(dtype)
    path = root / "train" / "class1" / f"999.{suffix}"
    Image.fromarray(pixels).save(path)
    with pytest.raises(ConfigError, match=rf"999\.{suffix} has pixels of more than 8 bits .*mode {mode}") as error:
        FolderImages(made(root), [(f"train/class1/999.{suffix}", 1)]).read(0)
    assert "\n" not in str(error.value)
    for other in path.parent.glob("0*"):
        other.unlink()
    listed_again()
    with pytest.raises(ConfigError, match="more than 8 bits"):  # of each class, the first header is looked at
        made(root).info()


def test_a_damaged_test_image_is_found_before_anything_is_trained(root):
    path = root / "val" / "class2" / "001.png"
    path.write_bytes(path.read_bytes()[:60])
    info = made(root).info()  # its header is sound
    with pytest.raises(ConfigError, match=r"val/class2/001\.png cannot be read as an image .*repair or remove"):
        made(root).load(0)
    assert info.n_test == 6


def test_hidden_files_and_folders_are_no_images(root):
    before = made(root).info()
    for copy in (".ipynb_checkpoints/000-copy.png", ".000.png", "deeper/.hidden/000.png"):
        path = root / "train" / "class0" / copy
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((root / "train" / "class0" / "000.png").read_bytes())
    listed_again()
    assert made(root).info() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"val_size": 0}, ["data.args.val_size=0"]),
        ({"size": 0}, ["data.args.size=0"]),
        ({"size": 10}, ["data.args.resize=9", "10"]),
        ({"scale": [0.5]}, ["data.args.scale=[0.5]"]),
        ({"scale": [0.5, 1.5]}, ["data.args.scale=[0.5, 1.5]", "share"]),
        ({"scale": [0, 1.0]}, ["data.args.scale=[0, 1.0]"]),
        ({"scale": "ab"}, ["data.args.scale=ab"]),
        ({"ratio": [2.0, 1.0]}, ["data.args.ratio=[2.0, 1.0]", "width / height"]),
        ({"ratio": [1.0, float("inf")]}, ["data.args.ratio=[1.0, inf]"]),
        ({"ratio": 1.0}, ["data.args.ratio=1.0"]),
    ],
)
def test_options_that_do_not_fit_are_refused(root, options, words):
    with pytest.raises(ConfigError) as error:
        made(root, **options)
    assert all(word in str(error.value) for word in words)


def test_too_many_images_held_out_are_refused(root):
    assert made(root, 17).info().n_train == 1
    with pytest.raises(ConfigError, match=r"data\.args\.val_size=18: .*18 images"):
        made(root, 18).info()


def test_changed_content_is_refused_before_training(root):
    """A queued job carries its Experiment; the folder may have changed since."""
    from lrbench.config.experiments import experiment
    from lrbench.engine.state import set_up

    asked = experiment(
        "data=image_folder",
        f"data.args.root={root}",
        "data.args.val_size=4",
        "model=mlp",
        "batch_size=4",
        "horizon=1ep",
    )
    set_up(asked, torch.device("cpu"))
    (root / "train" / "class0" / "000.png").unlink()
    listed_again()
    with pytest.raises(ConfigError, match="fingerprints differ"):
        set_up(asked, torch.device("cpu"))


def test_the_config_level_states_every_option_with_its_default():
    level = yaml.safe_load((CONF / "image_folder.yaml").read_text())
    parameters = inspect.signature(ImageFolder).parameters
    required = {name for name, option in parameters.items() if option.default is inspect.Parameter.empty}
    assert required == {name for name, value in level["args"].items() if value == "???"} == {"root", "val_size"}
    assert [*level["args"]] == [*parameters]
    assert {k: v for k, v in level["args"].items() if k not in required} == {
        name: list(option.default) if isinstance(option.default, tuple) else option.default
        for name, option in parameters.items()
        if name not in required
    }
