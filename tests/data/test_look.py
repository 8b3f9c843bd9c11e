"""The look at a folder of images before the first update: what it finds, what it tells, what it passes over."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_support import write_image_folder
from PIL import Image

from lrbench.config.experiments import experiment
from lrbench.data import image_folder, look
from lrbench.data.image_folder import ImageFolder
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id


@pytest.fixture(autouse=True)
def listed_anew() -> None:
    for cached in (image_folder.listing, image_folder._first_looked, image_folder._looked):
        cached.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "root", classes=3, train=6, val=2)


def made(root: Path, **options: object) -> ImageFolder:
    return ImageFolder(str(root), 4, 8, 9, **options)


def told(root: Path, capsys: pytest.CaptureFixture[str], **options: object) -> str:
    """What is said of a folder as it is loaded; once a process."""
    capsys.readouterr()
    made(root, **options).load(0)
    made(root, **options).load(1)
    return capsys.readouterr().err


def deep(path: Path) -> None:
    Image.fromarray(np.full((9, 9), 30000, np.uint16)).save(path)


# ---- found before the first update ----------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["train", "val"])
def test_the_fifth_image_of_a_class_is_looked_at_too_and_all_are_counted(root: Path, part: str) -> None:
    for name in ("class0", "class2"):
        deep(root / part / name / "777.png")
    made(root).info()  # of each class the first is seen
    with pytest.raises(ConfigError) as error:
        made(root).load(0)
    first = root / part / "class0" / "777.png"
    assert str(error.value).startswith(
        f"data=image_folder: {first} has pixels of more than 8 bits (Pillow's mode I;16)"
    )
    assert "(1 more of 26 images are refused)" in str(error.value)
    assert made(root, white=65535).load(0)


def test_a_training_image_is_looked_at_whole_only_if_asked(root: Path) -> None:
    path = root / "train" / "class1" / "003.png"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255  # header and end are sound
    path.write_bytes(raw)
    made(root).load(0)
    with pytest.raises(ConfigError, match=r"train/class1/003\.png cannot be read as an image"):
        made(root, verify=True).load(0)


def test_how_far_it_is_is_said_now_and_then(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "EVERY", -1.0)
    assert "data     24 of 24 images looked at\n" in told(root, capsys)


# ---- copies ---------------------------------------------------------------------------------------------------


def test_a_folder_without_copies_is_silent(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(root, capsys) == ""


def test_copies_are_told_once_with_their_number_and_an_example(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: b.png and c.png repeat class0/000 of train, one in another class; one lies in the test set."""
    shutil.copy(root / "train" / "class0" / "000.png", root / "train" / "class0" / "b.png")
    shutil.copy(root / "train" / "class0" / "000.png", root / "train" / "class1" / "c.png")
    shutil.copy(root / "train" / "class2" / "001.png", root / "val" / "class2" / "d.png")
    assert told(root, capsys).splitlines() == [
        f"data     {root}: 1 image of the test set in train too, byte for byte (val/class2/d.png is "
        "train/class2/001.png)",
        f"data     {root}: 2 images of train that repeat others byte for byte (train/class0/b.png is "
        "train/class0/000.png): what is held out of them for validation may be trained on",
        f"data     {root}: 1 image in a second class, byte for byte (train/class1/c.png is train/class0/000.png)",
    ]


def test_links_to_an_image_are_copies_of_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "val" / "class0" / "z.png").symlink_to(root / "train" / "class0" / "003.png")
    assert "1 image of the test set in train too" in told(root, capsys)


def test_files_with_equal_ends_and_another_middle_are_no_copies(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, value in enumerate((1, 2)):
        image = np.zeros((100, 100, 3), np.uint8)
        image[50, 50] = value
        Image.fromarray(image).save(root / "train" / "class0" / f"big{i}.bmp")
    assert told(root, capsys) == ""


# ---- what is passed over --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [".ipynb_checkpoints/x.png", "deep/.hidden/x.png", "._x.png", "__MACOSX/x.png", "deep/@eaDir/x.png/thumb.jpg"],
)
def test_what_programs_leave_behind_is_no_image(root: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = made(root).info()
    path = root / "train" / "class0" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "train" / "class0" / "000.png", path)
    (root / "train" / "class0" / "Thumbs.db").write_text("thumbs")
    (root / "train" / "__MACOSX").mkdir()
    image_folder.listing.cache_clear()
    assert made(root).info() == before
    assert told(root, capsys) == ""


def test_other_files_are_told_by_their_endings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train/class0/a.gif", "train/class1/deep/b.GIF", "val/class0/c.heic", "train/stray.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    (said,) = told(root, capsys).splitlines()
    assert "4 files that are taken for no image (2 of .gif, 1 of .png, 1 of .heic; train/class0/a.gif)" in said
    assert ".jpg, .jpeg, .png" in said


def test_upper_case_endings_are_images(root: Path) -> None:
    (root / "train" / "class0" / "000.png").rename(root / "train" / "class0" / "000.PNG")
    assert made(root).info().n_train == 14


def test_a_link_that_leads_round_is_refused(root: Path) -> None:
    (root / "train" / "class1" / "again").symlink_to(root / "train" / "class1")
    with pytest.raises(ConfigError, match=r"class1/again is a link to a folder that is read already; remove the link"):
        made(root).info()


def test_what_is_no_file_is_refused_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "train" / "class1" / "pipe.png")
    with pytest.raises(ConfigError, match=r"pipe\.png is no file that can be read"):
        made(root).info()


# ---- one class; options; identity -----------------------------------------------------------------------------


def asked(root: Path, *overrides: str):
    return experiment("data=image_folder", f"data.args.root={root}", "data.args.val_size=4", "model=mlp",
                      "batch_size=4", "horizon=1ep", *overrides)  # fmt: skip


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    alone = write_image_folder(tmp_path / "alone", classes=1, train=9, val=2)
    with pytest.raises(ConfigError, match=r"the data have one class, so there is nothing to tell apart"):
        asked(alone)


@pytest.mark.slow
def test_options_that_change_no_pixel_change_no_identity(root: Path) -> None:
    plain = asked(root)
    assert {*plain.data.args} == {"root", "val_size", "size", "resize", "scale", "ratio"}  # as before they existed
    for same in ("data.args.verify=true", "data.args.upright=false", "data.args.white=null"):
        assert run_id(asked(root, same)) == run_id(plain)
    others = ("data.args.upright=true", "data.args.white=65535", "data.args.background=[0,0,0]")
    assert len({run_id(plain), *(run_id(asked(root, other)) for other in others)}) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"white": 0}, "data.args.white=0"),
        ({"white": float("nan")}, "data.args.white=nan"),
        ({"white": True}, "data.args.white=true"),
        ({"white": "auto"}, "data.args.white=auto"),
        ({"background": [0, 0]}, "data.args.background=[0, 0]"),
        ({"background": [0, 0, 256]}, "255"),
        ({"background": "white"}, "data.args.background=white"),
        ({"upright": 1}, "data.args.upright=1"),
        ({"verify": "yes"}, "data.args.verify=yes"),
    ],
)
def test_options_that_do_not_fit_are_refused(root: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        made(root, **options)
    assert words in str(error.value)
