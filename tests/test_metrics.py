"""Which way a metric is better."""

import pytest

from lrbench.metrics import lower_is_better


@pytest.mark.parametrize(
    ("lower", "names"),
    [
        (True, ("test/loss", "val/nll", "best/val/loss", "mse", "val/RMSE", "mae", "test/top5_error", "error_rate")),
        (True, ("val/perplexity", "test/box_loss", "wer")),
        (False, ("test/accuracy", "last5/val/accuracy", "val/top5_accuracy", "acc", "mean_iou", "f1", "mAP")),
        # Nothing is guessed of what contains a known word, or turns it around.
        (None, ("test/f1_gap", "accuracy_drop", "val/neg_mean_squared_error", "negative_loss", "gloss", "lossless")),
        (None, ("grad/norm", "loss/other", "test/margin")),
    ],
)
def test_the_direction_of_a_name(lower: bool | None, names: tuple[str, ...]) -> None:
    assert {name: lower_is_better(name) for name in names} == dict.fromkeys(names, lower)
