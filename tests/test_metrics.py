"""A metric is what the task declares it to be; its name alone tells only what nobody declared."""

import json

import pytest

from lrbench.metrics import Metric, declared_in, metric_of, to_plain

SCORE = Metric("accuracy", "", False, -1.0)  # the opposite of what its name tells


@pytest.mark.parametrize(
    ("higher", "names"),
    [
        (False, ("test/loss", "val/nll", "best/val/loss", "mse", "val/RMSE", "mae", "test/top5_error", "error_rate")),
        (False, ("val/perplexity", "test/box_loss", "wer")),
        (True, ("test/accuracy", "last5/val/accuracy", "val/top5_accuracy", "acc", "mean_iou", "f1", "mAP")),
        # Nothing is guessed of what contains a known word, or turns it around.
        (None, ("test/f1_gap", "accuracy_drop", "val/neg_mean_squared_error", "negative_loss", "gloss", "lossless")),
        (None, ("grad/norm", "loss/other", "test/margin")),
    ],
)
def test_the_direction_of_a_name(higher: bool | None, names: tuple[str, ...]) -> None:
    assert {name: metric_of(name, {}).higher_is_better for name in names} == dict.fromkeys(names, higher)


def test_a_declaration_outweighs_the_name() -> None:
    declared = {"accuracy": SCORE}
    assert metric_of("best/val/accuracy", declared) is metric_of("accuracy", declared) is SCORE
    assert metric_of("val/top5_accuracy", declared).higher_is_better is True


def test_a_summary_gives_back_what_was_declared() -> None:
    metrics = (Metric("loss", "nats", False, 0.0), Metric("accuracy", "%", True, 0.0, 1.0, 0.1), Metric("norm"))
    summary = json.loads(json.dumps({"metrics": to_plain(metrics)}))
    assert declared_in(summary) == {m.name: m for m in metrics}
    assert declared_in({}) == {}


def test_as_a_person_reads_it() -> None:
    assert Metric("iou", "%").text(0.5) == "50.00%"
    assert Metric("loss", "nats").text(0.5) == "0.5000"
