"""Images with masks in VOC's layout, made here: sizes, the ignored border, and what is wrong with a folder."""

import numpy as np
import pytest
import torch
from data_support import write_masked_folder
from PIL import Image

from lrbench.data.voc import Voc, _names, _read
from lrbench.errors import ConfigError


@pytest.fixture(autouse=True)
def unread():
    _names.cache_clear()
    _read.cache_clear()


@pytest.fixture
def voc(tmp_path):
    return write_masked_folder(tmp_path)


def put(root, image, mask):
    Image.fromarray(image).save(root / "JPEGImages" / "d.jpg", quality=100)
    Image.fromarray(mask).save(root / "SegmentationClass" / "d.png")


def test_the_centre_of_every_image_and_its_mask(voc):
    data = Voc(str(voc), val_size=1, size=16, pixel_classes=4)
    info = data.info()
    assert (info.n_train, info.n_val, info.n_test) == (2, 1, 1)
    assert info.spec == {"shape": (3, 16, 16), "pixel_classes": 4}
    splits = data.load(0)
    assert splits.test.x.float().mean().round() == 160
    assert splits.test.mask[0, 0].tolist() == [0] * 7 + [255] + [3] * 8  # columns 4 to 19 of 24
    together = torch.cat([splits.train.mask, splits.val.mask])[:, 0, -1]
    assert sorted(together.tolist()) == [0, 1, 2]


def test_a_larger_image_is_resized_by_its_shorter_side(voc):
    put(voc, np.full((32, 64, 3), 9, np.uint8), np.full((32, 64), 2, np.uint8))
    mask = Voc(str(voc), 1, 16, 4).load(0).test.mask
    assert mask.shape == (1, 16, 16)
    assert (mask == 2).all()


def test_what_is_wrong_with_a_folder_is_said(voc, tmp_path):
    with pytest.raises(
        ConfigError, match=r"data.args.pixel_classes=3: .*d.png has a pixel of class 3, and there are 3"
    ):
        Voc(str(voc), 1, 16, pixel_classes=3).load(0)
    with pytest.raises(ConfigError, match=r"data.args.val_size=3: train.txt names 3 images"):
        Voc(str(voc), 3).info()
    put(voc, np.zeros((16, 20, 3), np.uint8), np.zeros((16, 24), np.uint8))
    with pytest.raises(ConfigError, match=r"d.jpg: it has 20x16 pixels, and its mask 24x16"):
        Voc(str(voc), 1, 16).load(0)
    (voc / "SegmentationClass" / "d.png").unlink()
    _names.cache_clear()
    with pytest.raises(ConfigError, match=r"d.png is missing, which val.txt names"):
        Voc(str(voc), 1, 16).info()
    with pytest.raises(ConfigError, match=r"JPEGImages, SegmentationClass and ImageSets.*VOCSegmentation"):
        Voc(str(tmp_path / "JPEGImages"), 1, 16).info()


def test_a_mask_in_colours_names_no_class(voc):
    Image.new("RGB", (24, 16)).save(voc / "SegmentationClass" / "d.png")
    with pytest.raises(ConfigError, match=r"d.png: its mode is RGB, which names no class"):
        Voc(str(voc), 1, 16).load(0)
    (voc / "JPEGImages" / "d.jpg").write_bytes(b"no image")
    _read.cache_clear()
    with pytest.raises(ConfigError, match=r"cannot read .*d.jpg and its mask"):
        Voc(str(voc), 1, 16).load(0)
