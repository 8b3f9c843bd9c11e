"""Images with boxes: composite scenes, mirroring, batches, and files in COCO's format, whole and in every way wrong."""

import json

import numpy as np
import pytest
import torch
from data_support import write_boxed_folder
from PIL import Image

from lrbench.data import Reading, coco, fashion_mnist
from lrbench.data.coco import Coco
from lrbench.data.composites import CompositeBoxes, Composites, Scenes, _boxed
from lrbench.data.instances import instances
from lrbench.data.kinds import Boxed, Images
from lrbench.errors import ConfigError
from lrbench.experiment import Augment

needs_items = pytest.mark.skipif(fashion_mnist._find() is None, reason="Fashion-MNIST is not here")


@pytest.fixture(autouse=True)
def unread():
    for cached in (instances, coco._known, coco._looked):
        cached.cache_clear()


# ---- Composite scenes.


def test_a_box_is_around_what_is_seen():
    """Of three items the second shows 1 of 8 pixels, and has no box; the first is half covered, the third whole."""
    shown = np.zeros((1, 5, 6), np.uint8)
    shown[0, 0:2, 1:4] = 1
    shown[0, 4, 5] = 2
    shown[0, 3:5, 0:2] = 3
    scenes = Scenes(shown * 0, shown, np.array([[0, 7, 4, 9]], np.uint8), np.array([[0, 12, 8, 4]]))
    made = _boxed(scenes, torch.zeros(1), torch.ones(1))
    assert made.boxes.tolist() == [[1, 0, 4, 2], [0, 3, 2, 5]]
    assert made.labels.tolist() == [7, 9]
    assert made.begins.tolist() == [0, 2]


@needs_items
def test_scenes_with_boxes_are_the_scenes_with_masks():
    pytest.importorskip("skimage")
    boxed, masked = CompositeBoxes(8, 3, 3, side=40, most=3).load(0), Composites(8, 3, 3, side=40, most=3).load(0)
    assert CompositeBoxes(8, 3, 3).info().spec == {"shape": (1, 48, 48), "box_classes": 11}
    counts = []
    for part, other in zip(boxed, masked, strict=True):
        assert torch.equal(part.images.x, other.x)
        for i, mask in enumerate(other.mask):
            first, last = part.begins[i : i + 2].tolist()
            counts.append(last - first)
            for (left, top, right, bottom), label in zip(part.boxes[first:last].int().tolist(),
                                                         part.labels[first:last].tolist(), strict=True):  # fmt: skip
                inside = mask[top:bottom, left:right] == label
                assert inside.any(0)[[0, -1]].all()  # the box touches the item on every side
                assert inside.any(1)[[0, -1]].all()
    assert min(counts) >= 1
    assert len({*counts}) > 1


# ---- Batches.


def boxed(n=8):
    """Of image i the i-th column is bright, with a box around it; the last has no box."""
    x = torch.zeros(n, 1, 4, n, dtype=torch.uint8)
    for i in range(n):
        x[i, 0, :, i] = 255
    boxes = torch.tensor([[i, 0, i + 1, 4] for i in range(n - 1)]).float()
    begins = torch.tensor([*range(n), n - 1])
    images = Images(x, torch.arange(n), torch.zeros(1), torch.ones(1), 0)
    return Boxed(images, boxes, torch.arange(1, n), torch.zeros(n - 1, dtype=torch.bool), begins)


def test_boxes_go_the_way_of_their_images():
    stream = boxed().stream(Reading(8, seed=1, augment=Augment(hflip=True)))
    assert stream.per_epoch == 1
    moved = 0
    for epoch in range(3):
        x, targets = stream.batch(epoch)
        for image, t in zip(x, targets, strict=True):
            for (left, _, right, _), label in zip(t["boxes"].tolist(), t["labels"].tolist(), strict=True):
                assert image[0, 0].nonzero().tolist() == [[int(left)]]
                assert right == left + 1
                moved += left != label - 1
    assert 3 < moved < 18  # of 21 boxes


def test_the_parts_of_a_batch_are_the_batch():
    stream = boxed().stream(Reading(4, seed=1, augment=Augment(hflip=True)))
    x, targets = stream.batch(3)
    halves = [stream.batch(3, part, 2) for part in range(2)]
    assert torch.equal(torch.cat([half for half, _ in halves]), x)
    for one, other in zip([t for _, its in halves for t in its], targets, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("boxes", "labels", "crowd"))
    again, same = stream.batch(3)
    again.zero_(), same[0]["boxes"].zero_()  # a copy
    assert torch.equal(stream.batch(3)[0], x)
    assert torch.equal(stream.batch(3)[1][0]["boxes"], targets[0]["boxes"])
    assert [len(t["boxes"]) for _, its in stream.in_order() for t in its] == [1] * 7 + [0]


def test_what_cannot_be_done_to_a_box_is_refused():
    with pytest.raises(ConfigError, match=r"data.augment.crop=2: images with boxes are mirrored"):
        boxed().stream(Reading(4, 0, Augment(crop=2)))


# ---- Files.


def test_a_folder_in_cocos_format(tmp_path):
    """40x30 pixels in a square of 20: boxes are halved, the lowest 5 rows are filled; ids with gaps become 1 and 2."""
    data = Coco(str(write_boxed_folder(tmp_path, 20)), val_size=4, test_size=4, size=32)
    info = data.info()
    assert (info.n_train, info.n_val, info.n_test) == (12, 4, 4)
    assert info.spec == {"shape": (3, 32, 32), "box_classes": 3}
    splits = data.load(0)
    written = {i["file_name"]: i["id"] for i in json.loads((tmp_path / "instances.json").read_text())["images"]}
    assert sorted(path.name for split in splits for path in split.images.source._paths) == sorted(written)
    stream = splits.train.stream(Reading(12, 0, workers=0))
    x, targets = stream.batch(0)
    assert x.shape == (12, 3, 32, 32)
    assert x[:, :, 24:].abs().max() < 0.02  # the mean colour is about 0
    for image, t in zip(x, targets, strict=True):
        for box, label in zip(t["boxes"].round().int().tolist(), t["labels"].tolist(), strict=True):
            left, top, right, bottom = box
            inside = image[label - 1, top + 1 : bottom - 1, left + 1 : right - 1].mean()
            assert inside > image[label - 1, :24].mean() + 0.5
    assert len({len(t["boxes"]) for t in targets}) == 2  # an image of nothing is there too


def test_a_test_set_of_its_own(tmp_path):
    for name in ("one", "two"):
        write_boxed_folder(tmp_path / name, 12)

    def made(**more):
        args = {"images": "one/images", "annotations": "one/instances.json", "test_images": "two/images",
                "test_annotations": "two/instances.json", "val_size": 3, "test_size": None}  # fmt: skip
        return Coco(str(tmp_path), **{**args, **more})

    info = made().info()
    assert (info.n_train, info.n_val, info.n_test) == (9, 3, 12)
    with pytest.raises(ConfigError, match=r"test_size=3: data.args.test_annotations names a test set.*test_size=null"):
        made(test_size=3)
    with pytest.raises(ConfigError, match=r"test_images=.*give both, or neither"):
        made(test_annotations=None, test_size=3)
    with pytest.raises(ConfigError, match=r"000.png is in train too \(of 12\); give images that are not trained on"):
        made(test_images="one/images").info()
    write_boxed_folder(tmp_path / "two", 12, categories=[{"id": 7, "name": "red"}, {"id": 11, "name": "blue"}])
    instances.cache_clear()
    with pytest.raises(ConfigError, match=r"its categories are not those of .*one/instances.json"):
        made().info()


IMAGE = {"id": 0, "file_name": "000.png", "width": 40, "height": 30}
BOX = {"id": 5, "image_id": 0, "category_id": 7, "bbox": [1, 1, 5, 5]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"annotations": [{**BOX, "bbox": [30, 1, 12, 5]}]},
         r"annotation 5 of 000.png is \[30, 1, 12, 5\], and leaves the image, which has 40x30 pixels; a bbox is"),
        ({"annotations": [{**BOX, "bbox": [-2, 1, 12, 5]}]}, "leaves the image"),
        ({"annotations": [{**BOX, "bbox": [1, 29, 5, 8]}]}, "leaves the image"),
        ({"annotations": [{**BOX, "bbox": [1, 1, 5]}]}, r"is \[1, 1, 5\]; give bbox as \[left, top, width, height\]"),
        ({"annotations": [{**BOX, "bbox": [1, 1, -5, 5]}]}, "give bbox as"),
        ({"annotations": [{**BOX, "bbox": [1, 1, "5", 5]}]}, "give bbox as"),
        ({"annotations": [{**BOX, "bbox": [1, 1, float("nan"), 5]}]}, "give bbox as"),
        ({"annotations": [{k: v for k, v in BOX.items() if k != "bbox"}]}, "give bbox as"),
        ({"annotations": [{**BOX, "bbox": [1, 1, 0, 5]}]}, "it has no area; mend it, or give data.args.drop_flat=true"),
        ({"annotations": [{**BOX, "bbox": [0.1, 0.1, 0.5, 0.5]}]}, "they are in shares of the image"),
        ({"annotations": [{**BOX, "category_id": 8}]},
         r"annotation 5 has category_id 8, and there is no such category; .*lists \(7, 11\)"),
        ({"annotations": [{**BOX, "category_id": "7"}]}, "category_id '7', and there is no such category"),
        ({"annotations": [{**BOX, "image_id": 99}]}, "has image_id 99, and there is no such image"),
        ({"annotations": [{**BOX, "iscrowd": 2}]}, "has iscrowd 2"),
        ({"annotations": []}, "none of the .* images of the train split has a box"),
        ({"annotations": None}, "it has no list of objects named annotations; give COCO's format"),
        ({"images": []}, "its list images is empty"),
        ({"categories": []}, "its list categories is empty"),
        ({"categories": [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]}, "two of its categories have one id"),
        ({"categories": [{"id": 7}]}, "give every category a whole number as its id, and a name"),
        ({"images": [IMAGE, IMAGE]}, "two images have the id 0"),
        ({"images": [IMAGE, {**IMAGE, "id": 1}]}, "000.png is listed twice"),
        ({"images": [{**IMAGE, "width": 0}]}, "the width and height of 000.png are 0 and 30"),
        ({"images": [{**IMAGE, "file_name": "/000.png"}]}, "a file_name below the folder of images"),
        ({"images": [{**IMAGE, "file_name": r"sub\000.png"}]}, "write it with /"),
        ({"images": [{**IMAGE, "file_name": "C:/000.png"}]}, "write it with /"),
        ({"images": [IMAGE, {**IMAGE, "id": 1, "file_name": "./000.png"}]}, "000.png is listed twice"),
        ({"annotations": [{**BOX, "bbox": [10**400, 1, 12, 5]}]}, "give bbox as"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_annotations_is_said(tmp_path, changed, words):
    root = write_boxed_folder(tmp_path, 6, **changed)
    with pytest.raises(ConfigError, match=rf"data.args.annotations=.*instances.json: .*{words}"):
        Coco(str(root), val_size=1, test_size=1).load(0)


def test_a_box_that_rounding_leaves_outside_is_cut(tmp_path):
    root = write_boxed_folder(tmp_path, 6, annotations=[{**BOX, "bbox": [-0.4, 20, 40.6, 10.2]}])
    found = instances(root / "instances.json", False).images[0].boxes
    assert [box.corners for box in found] == [(0, 20, pytest.approx(40), 30)]


def test_flat_boxes_are_left_out_where_that_is_asked(tmp_path):
    root = write_boxed_folder(tmp_path, 6, annotations=[BOX, {**BOX, "bbox": [1, 1, 5, 0]}])
    assert len(instances(root / "instances.json", True).images[0].boxes) == 1


def loaded(root, **options):
    return Coco(str(root), **{"val_size": 4, "test_size": 4, **options}).load(0)


def test_what_is_wrong_with_the_files_is_said(tmp_path):
    root = write_boxed_folder(tmp_path, 20)
    with pytest.raises(ConfigError, match=r"data.args.annotations=.*boxes.json: it cannot be read.*below data.args.ro"):
        loaded(root, annotations="boxes.json")
    with pytest.raises(ConfigError, match=r"data.args.images=.*elsewhere: 20 of 20 images that instances.json names"):
        loaded(root, images="elsewhere")
    with pytest.raises(ConfigError, match=r"data.args.val_size=12: .* names 20 images, and 24 are held out"):
        loaded(root, val_size=12, test_size=12)
    Image.new("RGB", (30, 40)).save(root / "images" / "003.png")
    with pytest.raises(ConfigError, match=r"data=coco: .*003.png has 30x40 pixels, and its annotations are of 40x30"):
        loaded(root)
    coco._looked.cache_clear()
    (root / "images" / "003.png").write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"data=coco: .*003.png cannot be read as an image"):
        loaded(root)
    coco._known.cache_clear()
    (root / "images" / "003.png").unlink()
    with pytest.raises(ConfigError, match=r"1 of 20 images that instances.json names are not there, the first 003.png"):
        loaded(root)
    (root / "instances.json").write_text("{")
    instances.cache_clear()
    with pytest.raises(ConfigError, match=r"instances.json: it is no JSON"):
        loaded(root)


def test_a_photograph_that_is_stored_turned_is_asked_about(tmp_path):
    root = write_boxed_folder(tmp_path, 20)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (30, 40)).save(root / "images" / "003.png", exif=turned)
    with pytest.raises(ConfigError, match=r"data=coco: .*003.png is stored turned.*data.args.upright=true turns it"):
        loaded(root)
    loaded(root, upright=True)  # 40x30 once it is turned
    with pytest.raises(ConfigError, match="has 30x40 pixels"):
        loaded(root, upright=False)


def test_another_content_is_another_fingerprint(tmp_path):
    def known():
        instances.cache_clear(), coco._known.cache_clear()
        return Coco(str(tmp_path), val_size=1, test_size=1).info().fingerprint

    write_boxed_folder(tmp_path, 6)
    before = known()
    assert known() == before
    write_boxed_folder(tmp_path, 6, annotations=[BOX])
    assert known() != before


@pytest.mark.parametrize(
    ("args", "words"),
    [({"size": 31}, "data.args.size=31"), ({"val_size": 0}, "val_size=0"), ({"test_size": None}, "test_size=0"),
     ({"drop_flat": 1}, "drop_flat=1: give true or false"), ({"white": -1}, "white=-1"),
     ({"images": "/else/where"}, "data.args.images=/else/where: it is looked for below data.args.root"),
     ({"annotations": "/a.json"}, "data.args.annotations=/a.json: it is looked for below data.args.root")],
)  # fmt: skip
def test_bad_options(args, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        Coco(str(tmp_path), **args)
