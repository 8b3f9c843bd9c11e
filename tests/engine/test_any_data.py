"""The engine knows no images: a text, scenes with boxes and a stream without end, trained from end to end.

Each is a module of `tests/toys`, written as a user would write it.
"""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lrbench.config.experiments import experiment
from lrbench.data import Reading
from lrbench.data.kinds import Samples
from lrbench.errors import ConfigError
from lrbench.metrics import declared_in
from lrbench.store.record import Record
from lrbench.store.series import LOSS

TOYS = Path(__file__).parents[1] / "toys"
pytestmark = pytest.mark.usefixtures("without_picture", "importable")

DATA = ("~data.args.val_size", "~data.args.test_size")
MODEL = ("model=mlp", "~model.args.hidden", "~model.args.dropout")
OF = {
    "text": (
        "data._target_=text.Topics", *DATA, *MODEL, "model._target_=text.Recurrent", "~task.args.label_smoothing",
        "task._target_=text.NextToken", "optimizer.lr=0.5", "scheduler=cosine", "batch_size=32",
        "horizon=8ep", "eval_every=2ep", "monitor=val/perplexity",
    ),
    "detection": (
        "data._target_=detection.Scenes", *DATA, *MODEL, "model._target_=detection.Detector",
        "~task.args.label_smoothing", "task._target_=detection.Detection", "optimizer=adam", "optimizer.lr=0.01",
        "batch_size=20", "horizon=20ep", "eval_every=10ep",
    ),
    "endless": (
        "data._target_=endless.Endless", *DATA, "model=mlp", "model.args.hidden=[16]", "scheduler=onecycle",
        "batch_size=64", "horizon=6400sa", "eval_every=25%",
    ),
}  # fmt: skip
TOYS_AND_METRICS = {"text": ["perplexity"], "detection": ["precision", "recall"], "endless": ["loss", "accuracy"]}


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOYS))


def made(toy, *overrides):
    return experiment("tracker=none", *OF[toy], *overrides)


@pytest.fixture
def trained(run, tmp_path):
    """The record of a toy, whole."""

    def train(toy, *overrides, results="whole"):
        return run(made(toy, *overrides), checkpoint_every="16ba", results=tmp_path / results)

    return train


@pytest.mark.slow
@pytest.mark.parametrize("toy", OF)
def test_a_toy_is_trained_and_measured_by_its_own_metrics(toy, trained):
    record = trained(toy)
    summary = record.summary()
    assert (summary["state"], summary["audit"]) == ("finished", "as planned")
    declared = declared_in(summary)
    assert [*declared] == TOYS_AND_METRICS[toy]
    for name, metric in declared.items():
        first, *_, last = [r[f"val/{name}"] for r in record.rows() if f"val/{name}" in r]
        assert (last > first) == metric.higher_is_better, name  # it learns
        assert summary[f"val/{name}"] == last
        assert f"best/val/{name}" in summary
        assert f"test/{name}" in summary
    assert ("epochs" in summary) == (toy != "endless")
    assert record.experiment() == made(toy)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [(), ("accumulate=2",)])
@pytest.mark.parametrize("toy", OF)
def test_interrupted_and_resumed_is_the_same_to_the_bit(toy, accumulate, trained, interrupted_at, require_same_run):
    with interrupted_at(20):
        trained(toy, *accumulate, results="cut")
    require_same_run(trained(toy, *accumulate, results="cut"), trained(toy, *accumulate))


def weights(record):
    (path,) = (record.folder / "checkpoints").glob("update-*.pt")
    return torch.load(path)["model"]


def distance(one, other):
    """The largest difference of any weight, relative to the largest of its tensor."""
    ours, theirs = weights(one), weights(other)
    return max(float((ours[name] - w).abs().max() / w.abs().max()) for name, w in theirs.items())


@pytest.mark.parametrize("toy", ["text", "endless"])
def test_accumulation_is_the_full_batch(toy, trained):
    """Though the micro-batches of a text hold unequal numbers of tokens."""
    whole, cut = trained(toy), trained(toy, "accumulate=4")
    np.testing.assert_allclose(cut.series()[LOSS], whole.series()[LOSS], rtol=1e-4)
    assert 0 < distance(cut, whole) < 1e-4
    assert "ghost_normaliser" not in cut.summary()


def test_the_loss_is_the_mean_over_all_tokens_of_an_update_however_they_are_cut(trained):
    """By hand, at the first update: the tokens of the two halves differ in number."""
    from text import NextToken, Topics

    from lrbench.engine.state import new_state

    asked = made("text", "accumulate=2", "horizon=2ba", "eval_every=2ba")
    stream = Topics().load(0).train.stream(Reading(32, 0))
    task, model = NextToken(), new_state(asked, torch.device("cpu")).model
    halves = [stream.batch(0, part, 2) for part in (0, 1)]
    tokens = [int(task.weight(half)) for half in halves]
    assert tokens[0] != tokens[1]
    mean = sum(float(task.loss(model, half).detach()) for half in halves) / sum(tokens)
    record = trained("text", "accumulate=2", "horizon=2ba", "eval_every=2ba")
    assert record.series()[LOSS][0] == pytest.approx(mean, rel=1e-6)


@pytest.mark.slow
def test_a_record_says_over_how_much_a_loss_with_several_normalisers_took_its_means(trained):
    assert trained("detection", "accumulate=4").summary()["ghost_normaliser"] == 5
    assert "ghost_normaliser" not in trained("detection", results="alone").summary()


@pytest.mark.slow
def test_a_schedule_hears_any_declared_metric(trained):
    plateau = ("scheduler=plateau", "scheduler.args.patience=0", "scheduler.args.threshold=0.5")
    record = trained("text", *plateau, "eval_every=10ba")
    assert record.summary()["audit"] == "as planned"
    assert len(set(record.rates()[:, 0])) > 1
    with pytest.raises(ConfigError, match=r"monitor=val/loss: never measured.* train/loss, val/perplexity"):
        made("text", *plateau, "monitor=val/loss")


# ---- What does not go together is refused before anything is trained.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toy", "overrides", "words"),
    [
        ("text", ("model._target_=lrbench.models.resnet.resnet8",),
         r"resnet8 needs shape, which data=Topics does not give \(it gives vocab_size, length\)"),
        ("text", ("task._target_=lrbench.tasks.classification.Classification",), r"needs num_classes, which the data"),
        ("endless", ("horizon=3ep",), r"horizon=3ep: these data have no end, so there are no epochs; count updates"),
        ("endless", ("eval_every=1ep",), r"eval_every=1ep: these data have no end"),
        ("endless", ("warmup=linear5", "warmup.length=10ba"), r"warmup.interval=epoch: .*use warmup.interval=batch"),
        ("endless", ("scheduler=cosine", "scheduler.interval=epoch"), r"scheduler.interval=epoch: there are no epochs"),
        ("endless", ("horizon=100tok",), r"horizon=100tok: these data have no fixed number of tokens a sample"),
        ("text", ("+model.args.vocab_size=3",), r"model.args.vocab_size: lrbench gives this argument of Recurrent"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(toy, overrides, words):
    with pytest.raises(ConfigError, match=words):
        made(toy, *overrides)


def test_a_text_is_not_augmented(run):
    with pytest.raises(ConfigError, match=r"data.augment: only images are augmented"):
        run(made("text", "data.augment.hflip=true"))


def test_a_meter_that_gives_something_else_than_declared_ends_the_run(trained, monkeypatch):
    import text

    monkeypatch.setattr(text.Perplexity, "result", lambda self: {"loss": 1.0})
    with pytest.raises(ConfigError, match=r"text.NextToken: its meter gives loss, and it declares perplexity"):
        trained("text")


def test_samples_and_tokens_are_updates():
    assert made("text", "horizon=6400sa").clock.updates == 200
    assert made("text", "horizon=7680tok", "eval_every=10ba").clock.updates == 10  # 32 samples of 24 tokens


def test_tensors_in_memory_are_any_tree():
    tree = {"a": torch.arange(10), "b": [torch.arange(20).view(10, 2), (torch.arange(10) * 3,)]}
    stream = Samples(tree).stream(Reading(4, 0))
    whole = stream.batch(3)
    assert (whole["b"][1][0] == 3 * whole["a"]).all()
    assert (whole["b"][0] == 2 * whole["a"][:, None] + torch.tensor([0, 1])).all()
    parts = [stream.batch(3, part, 2)["a"] for part in (0, 1)]
    assert torch.equal(torch.cat(parts), whole["a"])
    assert stream.per_epoch == 2
    (everything,) = stream.in_order()
    assert torch.equal(everything["b"][0], tree["b"][0])
    with pytest.raises(ValueError, match="one row a sample"):
        Samples((torch.zeros(3), torch.zeros(4))).stream(Reading(1, 0))


# ---- On two ranks.


@pytest.mark.slow
@pytest.mark.parametrize("toy", OF)
def test_two_ranks_are_one_process(toy, trained, tmp_path, warm):
    """Though the halves of a text's batch hold unequal numbers of tokens: within 1e-6 for one update."""
    short = ("horizon=2ba", "eval_every=2ba") if toy == "text" else ()
    together = ("accumulate=2",) if toy == "detection" else ()  # two normalisers: as in as many micro-batches
    alone = trained(toy, *short, *together)
    flags = ["tracker=none", f"results={tmp_path / 'two'}", "device=cpu", "checkpoint_every=16ba"]
    env = {**os.environ, "PYTHONPATH": str(TOYS)}
    done = warm.ranks(*flags, *OF[toy], *short, folder=tmp_path, env=env)
    assert [p.returncode for p in done] == [0, 0], done[0].err
    (folder,) = [p for p in (tmp_path / "two" / "runs").iterdir() if p.is_dir()]
    record = Record(folder)
    assert record.experiment().ranks == 2
    np.testing.assert_allclose(record.series()[LOSS], alone.series()[LOSS], rtol=1e-6 if short else 1e-4)
    assert distance(record, alone) < (1e-6 if short else 1e-4)
    assert record.summary().get("ghost_normaliser") == (10 if toy == "detection" else None)
    for name, value in alone.summary().items():
        if name.startswith("test/"):
            assert math.isclose(record.summary()[name], value, rel_tol=1e-3)


@pytest.mark.parametrize("weight", ["0", "float('nan')", "-1"])
def test_a_batch_that_weighs_nothing_is_told_and_is_no_divergence(trained, monkeypatch, weight):
    from lrbench.tasks.classification import Classification

    monkeypatch.setattr(Classification, "weight", lambda self, batch: eval(weight))
    with pytest.raises(ConfigError, match=r"task\._target_=.*the weight of update 0 is .*count something"):
        trained("endless")


# ---- A task that returns nonsense: one error that names it and says what it should return.


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("None", "its loss is None"),
        ("[model(batch[0]).sum()]", "its loss is of type list"),
        ("model(batch[0]).sum(1)", r"its loss is a tensor of shape \(64,\)"),
        ("model(batch[0]).sum().detach()", "its loss is a tensor that needs no gradient"),
        ("model(batch[0]).sum().item()", "its loss is of type float"),
    ],
)
def test_a_loss_that_is_none(trained, monkeypatch, loss, words):
    from lrbench.tasks.classification import Classification

    monkeypatch.setattr(Classification, "loss", lambda self, model, batch: eval(loss, {}, locals()))
    with pytest.raises(ConfigError, match=rf"task\._target_=.*Classification: {words}; return the sum over the batch"):
        trained("endless")


@pytest.mark.parametrize(
    ("weight", "words"),
    [("None", "None"), ("'64'", "of type str"), ("torch.ones(64)", r"a tensor of shape \(64,\)")],
)
def test_a_weight_that_is_no_number(trained, monkeypatch, weight, words):
    from lrbench.tasks.classification import Classification

    monkeypatch.setattr(Classification, "weight", lambda self, batch: eval(weight))
    with pytest.raises(ConfigError, match=rf"its weight is {words}; return what the loss was summed over"):
        trained("endless")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("{'loss': '0.5', 'accuracy': 0.5}", "its meter's loss is of type str; return a number"),
        ("{'loss': 0.5, 'accuracy': torch.zeros(3)}", r"its meter's accuracy is a tensor of shape \(3,\)"),
        ("None", "the result of its meter is None; return a mapping"),
    ],
)
def test_a_meter_that_gives_no_numbers(trained, monkeypatch, result, words):
    from lrbench.tasks.classification import Means

    monkeypatch.setattr(Means, "result", lambda self: eval(result))
    with pytest.raises(ConfigError, match=words):
        trained("endless")


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("(Metric('loss'), Metric('loss'))", "declares loss twice"),
        ("(Metric('val/loss'),)", "names a metric 'val/loss'; give a name without a slash"),
        ("(Metric(''),)", "names a metric ''"),
        ("('loss',)", "of its metrics, number 1 is of type str"),
        ("Metric('loss')", "its metrics are of type Metric; return a tuple of Metric"),
        ("None", "its metrics are None"),
    ],
)
def test_a_declaration_that_is_none(monkeypatch, metrics, words):
    from lrbench.metrics import Metric
    from lrbench.tasks.classification import Classification

    monkeypatch.setattr(Classification, "metrics", lambda self, spec: eval(metrics, {"Metric": Metric}))
    with pytest.raises(ConfigError, match=rf"task\._target_=.*Classification: .*{words}"):
        made("endless")


def test_what_is_no_task():
    with pytest.raises(ConfigError, match=r"task\._target_=builtins.list: it has no method metrics; a task has"):
        made("endless", "task._target_=builtins.list", "~task.args.label_smoothing")
