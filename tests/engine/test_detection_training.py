"""Detectors on the engine: measured by their mAP, resumed to the bit, cut into parts, on two ranks, diverged."""

import numpy as np
import pytest
from data_support import write_boxed_folder

from lrbench.config.experiments import experiment
from lrbench.metrics import declared_in
from lrbench.store.record import Record
from lrbench.store.series import LOSS

pytest.importorskip("pycocotools")
pytestmark = pytest.mark.usefixtures("without_picture")


@pytest.fixture
def few(tmp_path):
    """Three epochs of a few small images."""
    root = write_boxed_folder(tmp_path / "data", 32)
    return (
        "data=coco", f"data.args.root={root}", "data.args.size=32", "data.args.val_size=4", "data.args.test_size=4",
        "scheduler=cosine", "batch_size=8", "horizon=3ep", "tracker=none",
    )  # fmt: skip


@pytest.fixture
def asked(few):
    return ("recipe=faster_rcnn_tiny", "model.args.width=4", *few)


@pytest.fixture
def trained(asked, run, tmp_path):
    def train(*more, results="whole"):
        return run(experiment(*asked, *more), results=tmp_path / results, workers=0)

    return train


def test_a_detector_is_trained_and_measured(trained):
    plateau = "scheduler=plateau", "scheduler.args.patience=1ep"  # it hears the mAP: higher is better
    summary = trained(*plateau).summary()
    assert (summary["state"], summary["audit"]) == ("finished", "as planned")
    assert [*declared_in(summary)] == ["map", "map50", "map75"]
    assert 0 <= summary["test/map"] <= summary["test/map50"] <= 1
    assert "ghost_normaliser" not in summary


def test_a_record_says_over_how_many_images_the_losses_were_means(trained):
    summary = trained("accumulate=2").summary()
    assert (summary["ghost_normaliser"], summary["ghost_batch"]) == (4, 4)  # BatchNorm's, too


def test_interrupted_and_resumed_is_the_same_to_the_bit(trained, interrupted_at, require_same_run):
    """Inside an epoch; what torchvision's samplers draw comes again."""
    with interrupted_at(5):
        trained("accumulate=2", results="cut")
    require_same_run(trained("accumulate=2", results="cut"), trained("accumulate=2"))


# ---- A DETR.

DETR = ("recipe=detr_tiny", "model.args.dim=16", "model.args.decoder=2", "model.args.queries=6", "eval_every=1ep")


@pytest.fixture
def set_trained(few, run, tmp_path):
    def train(*more, results="whole"):
        return run(experiment(*DETR, *few, *more), results=tmp_path / results, workers=0)

    return train


def test_a_detr_is_trained_in_two_groups_and_measured(set_trained):
    summary = set_trained().summary()
    assert (summary["state"], summary["audit"]) == ("finished", "as planned")
    assert summary["lr_ratio/backbone"] == pytest.approx([0.1, 0.1])
    assert summary["lr_ratio/head"] == [1, 1]
    assert 0 <= summary["test/map"] <= summary["test/map50"] <= 1


def test_an_interrupted_detr_that_is_resumed_is_the_same_to_the_bit(set_trained, interrupted_at, require_same_run):
    """Inside an epoch; what its dropout draws comes again."""
    more = ("accumulate=2", "model.args.dropout=0.2")
    with interrupted_at(5):
        set_trained(*more, results="cut")
    require_same_run(set_trained(*more, results="cut"), set_trained(*more))


@pytest.mark.parametrize("clip", ["0.1", "null"])
def test_a_detr_that_diverges_has_diverged(clip, set_trained):
    """What is no number can be matched to no box: that ends the run, as it ends any other, and is no failure."""
    record = set_trained("optimizer=sgd", "optimizer.lr=1e30", "scheduler=constant", f"clip={clip}")
    assert record.standing() == "diverged"
    bad = record.summary()["first_bad_update"]
    losses = record.series()[LOSS]
    assert len(losses) == bad + 1
    assert np.isfinite(losses[:bad]).all()


def test_workers_change_nothing(trained, asked, run, tmp_path, require_same_run):
    apart = run(experiment(*asked), results=tmp_path / "workers", workers=2)
    require_same_run(apart, trained())


@pytest.mark.slow
def test_two_ranks_are_as_many_parts_of_one_process(trained, asked, tmp_path, warm):
    """Of the first update, and nearly: BatchNorm's and the losses' means are those of the parts, but torchvision's
    samplers draw by the key of the part, or of the rank."""
    short = ("horizon=1ba", "eval_every=1ba", "warmup=none")
    alone = trained("accumulate=2", *short)
    done = warm.ranks(*asked, *short, f"results={tmp_path / 'two'}", "device=cpu", folder=tmp_path)
    assert [p.returncode for p in done] == [0, 0], done[0].err
    (folder,) = (tmp_path / "two" / "runs").iterdir()
    record = Record(folder)
    assert record.summary()["ghost_normaliser"] == 4
    np.testing.assert_allclose(record.series()[LOSS], alone.series()[LOSS], rtol=0.05)
