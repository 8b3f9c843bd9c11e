"""A detector on the engine: measured by its mAP, resumed to the bit, cut into parts, on two ranks."""

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
def asked(tmp_path):
    root = write_boxed_folder(tmp_path / "data", 32)
    return (
        "recipe=faster_rcnn_tiny", "data=coco", f"data.args.root={root}", "data.args.size=32", "data.args.val_size=4",
        "data.args.test_size=4", "model.args.width=4", "scheduler=cosine", "batch_size=8", "horizon=3ep",
        "tracker=none",
    )  # fmt: skip


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
