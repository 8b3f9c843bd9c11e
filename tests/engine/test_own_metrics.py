"""Metrics of one's own, measured beside the task's."""

import pytest
import torch

from lrbench.errors import ConfigError
from lrbench.experiment.identity import from_plain, run_id, to_plain
from lrbench.metrics import Metric

pytestmark = pytest.mark.usefixtures("without_picture")


class TopK:
    """The share of samples whose class is among the k likeliest."""

    def __init__(self, k: int = 3, name: str = "top") -> None:
        self.k, self.name = k, name

    def metrics(self, spec):
        return (Metric(f"{self.name}{self.k}", "%", True, 0.0, 1.0, self.k / spec["num_classes"]),)

    def meter(self):
        return TopKMeter(self)


class TopKMeter:
    def __init__(self, of: TopK) -> None:
        self.of, self.right = of, []

    def add(self, model, batch):
        x, y = batch
        likeliest = model(x).topk(self.of.k, 1).indices
        self.right += (likeliest == y[:, None]).any(1).tolist()

    def result(self):
        return {f"{self.of.name}{self.of.k}": sum(self.right) / len(self.right)}


class Meterless:
    def metrics(self, spec):
        return (Metric("x"),)


class Mistaken(TopK):
    def meter(self):
        return TopKMeter(TopK(5))


class OfTexts(TopK):
    def metrics(self, spec):
        return (Metric("bits", chance=spec["vocab_size"]),)


def own(*names: str) -> str:
    return f"own_metrics=[{','.join(f'{__name__}.{name}' for name in names)}]"


def test_they_stand_beside_the_tasks_and_change_nothing(make, run, tmp_path):
    args = f"own_metrics=[{{_target_: {__name__}.TopK, args: {{k: 1}}}},{__name__}.TopK]"
    plain, more = make(), make(args)
    assert run_id(plain) != run_id(more)
    assert from_plain(to_plain(more)) == more
    without, record = run(plain), run(more)
    summary = record.summary()
    assert summary["test/top1"] == summary["test/accuracy"]  # the likeliest is what accuracy counts
    assert summary["test/top3"] > summary["test/top1"]
    assert summary["metrics"]["top3"]["chance"] == pytest.approx(0.3)
    told = {k: v for k, v in without.summary().items() if "second" not in k and k not in ("run_id", "arm", "metrics")}
    assert told == {k: summary[k] for k in told}
    ours, theirs = (torch.load(r.weights(), weights_only=True) for r in (without, record))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_one_may_be_the_monitor(make, run):
    experiment = make(own("TopK"), "monitor=val/top3", "scheduler=plateau", "scheduler.args.patience=1")
    assert experiment.schedule.mode == "max"
    assert run(experiment).summary()["audit"] == "as planned"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("own_metrics=[f1]", r"own_metrics\[0\]=f1: no metric is known by a name alone"),
        ("own_metrics=[{args: {k: 1}}]", r"own_metrics\[0\]=.*this is no metric"),
        (own("TopK", "Nowhere"), r"own_metrics\[1\]._target_=.*Nowhere: cannot be imported"),
        (
            f"own_metrics=[{{_target_: {__name__}.TopK, args: {{kk: 1}}}}]",
            "TopK has no argument 'kk'. Did you mean 'k'",
        ),
        (own("Meterless"), "it has no method meter; a metric of your own has metrics, meter"),
        (own("TopK", "TopK"), r"own_metrics\[1\].*top3 is measured already"),
        (own("OfTexts"), "it needs vocab_size, which the data do not give .*choose data for this metric"),
    ],
)
def test_what_is_no_metric_is_refused(make, override, said):
    with pytest.raises(ConfigError, match=said):
        make(override)


def test_a_meter_that_gives_something_else_is_named(make, run):
    with pytest.raises(ConfigError, match=r"own_metrics\[0\].*Mistaken: its meter gives top5, and it declares top3"):
        run(make(own("Mistaken")))
