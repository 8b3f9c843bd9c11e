"""How a run ends: finished, diverged or failed; what its summary says; and that a question is asked once."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine import attempt, evaluation, legs, loop
from lrbench.experiment import Component, Experiment
from lrbench.experiment.identity import run_id
from lrbench.metrics import Metric, declared_in
from lrbench.models.mlp import mlp
from lrbench.store.record import Record
from lrbench.tasks.classification import Classification, Means

pytestmark = pytest.mark.usefixtures("without_picture")


class Breaking(nn.Module):
    """A perceptron whose n-th training pass, or evaluation pass, gives NaN or raises. Counted over all attempts."""

    mended, trained, evaluated = False, 0, 0

    def __init__(self, shape, num_classes, update=None, evaluation=None, how="nan"):
        super().__init__()
        self.body, self.update, self.evaluation, self.how = mlp(shape, num_classes, [16]), update, evaluation, how

    def forward(self, x):
        if Breaking.mended:
            return self.body(x)
        if self.training:
            Breaking.trained += 1
        else:
            Breaking.evaluated += 1
        broken = Breaking.trained - 1 == self.update if self.training else Breaking.evaluated == self.evaluation
        if broken and self.how == "raise":
            raise RuntimeError("the device caught fire")
        return self.body(x) * (math.nan if broken else 1.0)


@pytest.fixture
def breaking(make):
    """An experiment whose model breaks as told."""
    Breaking.mended, Breaking.trained, Breaking.evaluated = False, 0, 0

    def broken(*overrides, **how):
        return replace(make(*overrides), model=Component(target=f"{__name__}.Breaking", args=how))

    return broken


@pytest.fixture
def advances(monkeypatch):
    """The updates at which the engine began to compute."""
    calls, real = [], loop.advance

    def counted(setup, state, until):
        calls.append(state.update)
        return real(setup, state, until)

    monkeypatch.setattr(legs, "advance", counted)
    return calls


# ---- Diverged.


@pytest.mark.parametrize("at", [0, 15, 16, 21, 63])
def test_the_first_bad_update_is_named_and_the_record_ends_there(breaking, run, at):
    record = run(breaking(update=at))
    assert record.standing() == "diverged"
    summary = record.summary()
    assert summary["first_bad_update"] == at
    assert summary["updates"] == record.status()["update"] == at + 1
    assert record.rates().shape == (at + 1, 1)
    losses = record.series()["train/loss"]
    assert np.isfinite(losses[:-1]).all()
    assert math.isnan(losses[-1])
    assert np.load(record.folder / "series.npy").shape == (at + 1,)  # its header too
    assert max(r["update"] for r in record.rows()) == at + 1
    assert [r["update"] for r in record.rows() if "val/loss" in r] == [u for u in (16, 32, 48) if u <= at]
    assert not any(k.startswith("test/") for k in summary)  # nothing to measure
    assert not list((record.folder / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_rate_far_too_high_diverges_and_is_not_trained_again(make, run, advances):
    experiment = make("optimizer.lr=1e6", "scheduler=constant")
    record = run(experiment)
    assert record.standing() == "diverged"
    bad = record.summary()["first_bad_update"]
    finite = np.isfinite(record.series()["train/loss"])
    assert finite[:bad].all()
    assert not finite[bad]
    assert len(finite) == bad + 1
    seen = len(advances)
    assert run(experiment).standing() == "diverged"
    assert run(experiment, retry=True).standing() == "diverged"  # it is a result, no failure
    assert len(advances) == seen


def test_where_a_run_diverged_does_not_depend_on_the_clock(make, run, tmp_path, monkeypatch, require_same_run):
    experiment = make("optimizer.lr=1e6")
    first = run(experiment)
    monkeypatch.setattr(loop, "PATIENCE", 0.0)
    second = run(experiment, results=tmp_path / "second")
    require_same_run(first, second)
    assert first.status() == second.status()


def test_an_evaluation_that_is_not_finite_ends_the_run(breaking, run):
    record = run(breaking(evaluation=2))
    assert record.standing() == "diverged"
    assert record.summary()["first_bad_update"] == 31
    assert record.summary()["updates"] == len(record.series()) == 32
    assert np.isfinite(record.series()["train/loss"]).all()
    last = record.rows()[-1]
    assert last["update"] == 32
    assert math.isnan(last["val/loss"])
    for name in ("metrics.jsonl", "summary.json"):  # strict JSON: any reader can read it
        text = (record.folder / name).read_text()
        assert "NaN" not in text
        assert "null" in text


def test_a_gradient_that_is_not_finite_ends_the_run(make, run):
    experiment = replace(make("clip=1.0"), task=Component(target=f"{__name__}.InfiniteGradient"))
    record = run(experiment)
    assert record.summary()["first_bad_update"] == 0
    loss, norm = record.series()[["train/loss", "grad/norm"]][0]
    assert math.isfinite(loss)
    assert not math.isfinite(norm)


class InfiniteGradient:
    """The loss is 0 and its gradient infinite: the root of 0."""

    def metrics(self, spec):
        return Classification().metrics(spec)

    def loss(self, model, batch):
        return (model(batch[0]) * 0).pow(2).sum().sqrt()

    def weight(self, batch):
        return 1

    def meter(self):
        return Means()


def test_a_diverged_run_says_so_and_how_the_command_ends(make, run, capsys):
    from lrbench.commands.train import _one
    from lrbench.experiment import Settings

    settings = Settings(results=run.results)
    assert _one(make("optimizer.lr=1e6"), settings) == 1
    assert "diverged" in capsys.readouterr().out
    assert _one(make(), settings) == 0
    assert "finished" in capsys.readouterr().out
    assert _one(make(), settings) == 0
    assert "is finished already" in capsys.readouterr().err


def test_a_diverged_run_has_its_picture(make, tmp_path, monkeypatch):
    monkeypatch.undo()
    from lrbench.engine.train import train
    from lrbench.experiment import Settings
    from lrbench.plots.run import picture_of

    record = train(make("optimizer.lr=1e6"), Settings(results=tmp_path, log_every="end"))
    assert record.standing() == "diverged"
    assert picture_of(record) == record.picture


# ---- Clipping.


def test_clipping_bounds_the_gradient_and_logs_what_it_was(make, run, monkeypatch):
    norms = []

    def note(optimizer, *_):
        grads = [p.grad.double() for g in optimizer.param_groups for p in g["params"]]
        norms.append(math.sqrt(sum((g * g).sum().item() for g in grads)))

    from lrbench.engine import state

    build = state.build_optimizer

    def noting(model, experiment):
        optimizer = build(model, experiment)
        optimizer.register_step_pre_hook(note)
        return optimizer

    monkeypatch.setattr(state, "build_optimizer", noting)
    record = run(make("clip=0.6"))
    logged = record.series()["grad/norm"]
    assert len(norms) == len(logged) == 64
    np.testing.assert_allclose(norms, np.minimum(logged, 0.6), rtol=1e-5)
    assert (logged > 0.6).any()
    assert (logged < 0.6).any()
    assert [r["grad/norm"] for r in record.rows() if "train/loss" in r] == logged.tolist()
    norms.clear()
    free = run(make())  # every 16th update is measured where none is clipped
    assert np.flatnonzero(np.isfinite(free.series()["grad/norm"])).tolist() == [0, 16, 32, 48]
    assert [int(r["update"]) for r in free.rows() if "grad/norm" in r] == [1, 17, 33, 49]
    assert [norms[i] for i in (0, 16, 32, 48)] == pytest.approx(free.series()["grad/norm"][::16].tolist(), rel=1e-5)


# ---- The summary.


def test_the_summary_follows_from_the_rows(make, run):
    record = run(make("scheduler=onecycle", "horizon=7ep", "seed=5"), log_every="10ba")
    rows, summary = record.rows(), record.summary()
    evaluations = [r for r in rows if "val/loss" in r]
    assert len(evaluations) == 7
    assert summary["state"] == "finished"
    assert summary["run_id"] == record.run_id == run_id(record.experiment())
    assert summary["updates"] == 112
    assert summary["epochs"] == 7.0
    assert summary["audit"] == "as planned"
    assert summary["train/loss"] == [r["train/loss"] for r in rows if "train/loss" in r][-1]
    for name, best in (("val/loss", min), ("val/accuracy", max)):
        values = [r[name] for r in evaluations]
        assert summary[name] == values[-1]
        assert summary[f"best/{name}"] == best(values)
        assert summary[f"best/{name}_update"] == evaluations[values.index(best(values))]["update"]
        assert summary[f"last5/{name}"] == pytest.approx(sum(values[-5:]) / 5, rel=1e-12)
    assert summary["seconds"] > 0
    took = 112 * 64 / summary["samples_per_second"]
    assert took == pytest.approx(summary["seconds"], abs=6e-4)  # which is rounded to a millisecond


def test_the_best_of_a_metric_is_by_its_declared_direction_and_without_one_there_is_none(make, run, monkeypatch):
    def more(self):
        found = real(self)
        return {**found, "error": 1 - found["accuracy"], "margin": 2.5}

    real = Means.result
    monkeypatch.setattr(Means, "result", more)
    theirs = Classification.metrics
    mine = (Metric("error", "%", higher_is_better=False), Metric("margin"), Metric("accuracy", higher_is_better=False))
    monkeypatch.setattr(Classification, "metrics", lambda self, spec: (theirs(self, spec)[0], *mine))
    record = run(make("optimizer.lr=2", "seed=1"))  # a rate at which accuracies go up and down
    rows, summary = [r for r in record.rows() if "val/loss" in r], record.summary()
    errors = [r["val/error"] for r in rows]
    assert min(errors) < max(errors)
    assert summary["best/val/error"] == min(errors)
    assert summary["best/val/accuracy"] == min(r["val/accuracy"] for r in rows)  # as declared, whatever its name says
    assert declared_in(summary)["error"] == mine[0]
    assert not any(k.startswith("best/val/margin") for k in summary)
    assert summary["last5/val/margin"] == 2.5


def test_a_horizon_inside_an_epoch_ends_with_an_evaluation(make, run):
    record = run(make("horizon=40ba"))
    assert [r["update"] for r in record.rows() if "val/loss" in r] == [16, 32, 40]
    assert record.summary()["epochs"] == 2.5


def test_the_test_set_is_measured_once_on_the_final_weights(make, run, monkeypatch):
    measured = []
    real = evaluation.evaluate

    def noted(setup, state, split, prefix):
        which = {id(setup.splits.val): "val", id(setup.splits.test): "test"}[id(split)]
        assert which == prefix
        measured.append((state.update, which))
        weights.append({k: v.clone() for k, v in state.model.state_dict().items()})
        return real(setup, state, split, prefix)

    weights = []
    monkeypatch.setattr(evaluation, "evaluate", noted)
    monkeypatch.setattr(attempt, "evaluate", noted)
    record = run(make())
    assert measured == [(16, "val"), (32, "val"), (48, "val"), (64, "val"), (64, "test")]
    kept = torch.load(record.checkpoint("update-00000064"))["model"]
    assert all(torch.equal(kept[k], v) for k, v in weights[-1].items())
    assert not any(k.startswith("test/") for row in record.rows() for k in row)
    assert {k for k in record.summary() if "test/" in k} == {"test/loss", "test/accuracy"}
    run(make())
    assert len(measured) == 5


def test_the_measured_numbers_are_those_of_the_model(make, run):
    from lrbench.data import Reading
    from lrbench.data.digits import Digits

    record = run(make("seed=2"))
    splits = Digits().load(2)
    model = mlp((1, 8, 8), 10, [16])
    model.load_state_dict(torch.load(record.checkpoint("update-00000064"))["model"])
    for prefix, split in (("val", splits.val), ("test", splits.test)):
        ((x, y),) = split.stream(Reading(64, 2)).in_order()
        output = model(x)
        accuracy = (output.argmax(1) == y).double().mean().item()
        assert record.summary()[f"{prefix}/accuracy"] == pytest.approx(accuracy, abs=1e-12)
        loss = nn.functional.cross_entropy(output.double(), y).item()
        assert record.summary()[f"{prefix}/loss"] == pytest.approx(loss, rel=1e-5)


# ---- Asked again.


def test_the_same_question_is_trained_once(make, run, advances, tmp_path):
    first = run(make())
    seen, before = len(advances), {p: p.stat().st_mtime_ns for p in first.folder.rglob("*")}
    assert seen >= 4
    again = run(make(), checkpoint_every="3ba", log_every="2ba", keep=("1ep",))
    assert again == first
    assert len(advances) == seen
    assert before == {p: p.stat().st_mtime_ns for p in first.folder.rglob("*")}  # not a byte is touched
    assert run(make("seed=1")) != first
    assert run(make(), results=tmp_path / "elsewhere").folder != first.folder
    assert len(advances) > seen


def test_force_trains_again_and_keeps_the_old_record(make, run, advances, require_same_run):
    first = run(make())
    (first.folder / "note.txt").write_text("mine")
    content = {p.name: p.read_bytes() for p in first.folder.rglob("*") if p.is_file() and p.name != "lease.lock"}
    seen = len(advances)
    again = run(make(), force=True)
    assert len(advances) == 2 * seen
    (old,) = [p for p in first.folder.parent.iterdir() if p.is_dir() and p != again.folder]
    assert old.name.startswith(f"{first.run_id}.old-")
    assert {p.name: p.read_bytes() for p in old.rglob("*") if p.is_file() and p.name != "lease.lock"} == content
    assert not (again.folder / "note.txt").exists()
    require_same_run(again, Record(old))
    assert any(old.name in text for text in run.said)
    run(make(), force=True)
    assert len([p for p in first.folder.parent.iterdir() if p.is_dir()]) == 3


def test_a_failed_run_keeps_its_message_and_waits_to_be_retried(breaking, run, advances, require_same_run):
    experiment: Experiment = breaking(update=37, how="raise")
    with pytest.raises(RuntimeError, match="the device caught fire"):
        run(experiment)
    record = Record(run.results / "runs" / run_id(experiment))
    assert record.standing() == "failed"
    assert record.status() == {
        "state": "failed", "update": 32, "updates": 64, "error": "RuntimeError: the device caught fire"
    }  # fmt: skip
    assert [r["update"] for r in record.rows() if "val/loss" in r] == [16, 32]  # what there was is there
    assert record.traceback.read_text().startswith("Traceback (most recent call last):\n")
    assert record.traceback.read_text().endswith("RuntimeError: the device caught fire\n")
    assert not (record.folder / "lease.json").exists()
    seen = len(advances)
    assert run(experiment) == record
    assert len(advances) == seen
    Breaking.mended = True
    assert run(experiment, retry=True).standing() == "finished"
    assert advances[seen:] == [32, 48]
    whole = run(experiment, results=run.results / "whole")
    require_same_run(record, whole)


def test_a_retried_run_may_fail_again(breaking, run):
    experiment = breaking(evaluation=1, how="raise")
    with pytest.raises(RuntimeError):
        run(experiment)
    Breaking.evaluated = 0
    with pytest.raises(RuntimeError):
        run(experiment, retry=True)
    assert Record(run.results / "runs" / run_id(experiment)).status()["update"] == 0


def test_a_failed_run_is_told_how_to_go_on(breaking, run, capsys):
    from lrbench.commands.train import _one
    from lrbench.experiment import Settings

    experiment = breaking(update=3, how="raise")
    with pytest.raises(RuntimeError):
        run(experiment)
    assert _one(experiment, Settings(results=run.results)) == 1
    said = capsys.readouterr().out
    assert "failed at update 0 of 64: RuntimeError: the device caught fire" in said
    assert "retry=true" in said
    assert "force=true" in said


def test_what_is_shown_grows_with_the_run(make, run):
    run(make())
    updates = [view.update for view in run.shown]
    assert updates == sorted(updates)
    assert updates[-1] == 64
    assert "train/loss" in run.shown[0].latest


def test_the_provenance_is_that_of_this_process(make, run):
    record = run(make("horizon=1ep"))
    (origin,) = json.loads((record.folder / "provenance.json").read_text())
    assert origin["threads"] == 1
    assert origin["device"] == "cpu"
    assert origin["host"]
