"""Weights as plain files: of the end, and the best ones, whatever happened to the run on its way."""

import json
import random

import pytest
import torch
from test_resume import Killed, at_batch

import lrbench
from lrbench.engine import weights
from lrbench.engine.weights import best_of, kept_best
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.store.record import Record

pytestmark = pytest.mark.usefixtures("without_picture")
# Its validation loss is lowest on the way: at this rate it comes and goes.
RESTLESS = ("scheduler=constant", "optimizer.lr=0.8", "eval_every=8ba")


def best_row(record: Record, monitor: str = "val/loss") -> dict[str, float]:
    """The oracle: written otherwise than the product does it."""
    rows = [row for row in record.rows() if monitor in row]
    sign = -1 if monitor == "val/accuracy" else 1
    return sorted(rows, key=lambda row: (sign * row[monitor], row["update"]))[0]


def bits(path) -> list[torch.Tensor]:
    return [*torch.load(path, weights_only=True).values()]


def same(first, second) -> bool:
    return all(map(torch.equal, bits(first), bits(second)))


def test_the_last_weights_are_those_of_the_last_checkpoint(make, run):
    record = run(make())
    checkpoint = torch.load(record.checkpoint("update-00000064"), weights_only=True)["model"]
    plain = torch.load(record.weights(), weights_only=True)
    assert lrbench.model_of(record.folder).load_state_dict(plain).missing_keys == []
    assert plain.keys() == checkpoint.keys()
    assert all(torch.equal(plain[name], checkpoint[name]) for name in plain)


def test_without_the_end_kept_there_are_no_weights(make, run):
    assert not run(make(), keep=()).weights().parent.exists()


@pytest.mark.parametrize("monitor", ["val/loss", "val/accuracy"])
def test_the_best_weights_are_those_of_the_best_evaluation(make, run, monitor):
    record = run(make(*RESTLESS), keep=("best", "end"), best_by=monitor)
    best = best_row(record, monitor)
    told = {"monitor": monitor, "update": best["update"], "value": best[monitor]}
    assert best["update"] < 64
    assert json.loads(record.weights("best").with_suffix(".json").read_text()) == told
    assert record.summary()[f"best/{monitor}_update"] == best["update"]
    at = run(make(*RESTLESS), keep=(f"{int(best['update'])}ba", "end"), force=True)
    kept = torch.load(at.checkpoint(f"update-{int(best['update']):08d}"), weights_only=True)["model"]
    ours = torch.load(Record(next(at.folder.parent.glob("*.old-*"))).weights("best"), weights_only=True)
    assert all(torch.equal(kept[name], ours[name]) for name in kept)


def test_of_equals_the_first_is_the_best():
    rows = [{"update": u, "val/accuracy": a} for u, a in ((8, 0.5), (16, 0.7), (24, 0.7), (32, float("nan")))]
    assert best_of(rows, "val/accuracy", "max") == ("val/accuracy", 16, 0.7)
    assert best_of(rows[:1], "val/accuracy", "min") == ("val/accuracy", 8, 0.5)
    assert best_of([{"update": 1.0, "train/loss": 2.0}], "val/accuracy", "max") is None


def test_torn_anywhere_the_best_weights_are_the_same_bits(make, run, tmp_path, monkeypatch, require_same_run):
    experiment, asked = make(*RESTLESS), {"keep": ("best", "end"), "checkpoint_every": "7ba"}
    whole = run(experiment, results=tmp_path / "whole", **asked)
    chance = random.Random(3)

    def tear(*_):
        if chance.random() < 0.06:
            raise Killed

    write = weights.write_json

    def torn_write(*content):  # between the weights and what is said of them
        tear()
        write(*content)

    for _ in range(200):
        with monkeypatch.context() as patch:
            at_batch(patch, tear)
            patch.setattr(weights, "write_json", torn_write)
            try:
                record = run(experiment, **asked)
                break
            except Killed:
                pass
    assert len(record.attempts()) > 2
    require_same_run(record, whole)
    assert kept_best(record) == kept_best(whole)


@pytest.mark.slow
def test_asked_for_too_late_they_are_trained_again(make, run, tmp_path, monkeypatch):
    """When the run was stopped after its best evaluation, and when it was done."""
    experiment = make(*RESTLESS)
    whole = run(experiment, results=tmp_path / "whole", keep=("best", "end"))
    best = kept_best(whole)

    def tear(update):
        if update == best.update + 1:
            raise Killed

    with monkeypatch.context() as patch:
        at_batch(patch, tear)
        with pytest.raises(Killed):
            run(experiment, checkpoint_every=f"{best.update}ba")
    for record in (run(experiment, keep=("best", "end")), run(experiment, keep=("best",), force=True)):
        assert kept_best(record) == best
        assert same(record.weights("best"), whole.weights("best"))
    done = run(experiment, results=tmp_path / "done")
    assert kept_best(done) is None
    before = done.summary()
    assert kept_best(run(experiment, results=tmp_path / "done", keep=("best",))) == best
    assert same(done.weights("best"), whole.weights("best"))
    assert done.summary() == before
    assert sum("for the weights with the best val/loss" in said for said in run.said) == 2


def test_by_another_monitor_they_are_others(make, run):
    experiment = make(*RESTLESS)
    run(experiment, keep=("best", "end"))
    record = run(experiment, keep=("best", "end"), best_by="val/accuracy")
    assert kept_best(record).monitor == "val/accuracy"
    assert kept_best(record).update == best_row(record, "val/accuracy")["update"]


@pytest.mark.parametrize("monitor", ["train/loss", "val/f1", None])
def test_a_monitor_that_is_not_evaluated(make, run, monitor):
    experiment = make()
    with pytest.raises(ConfigError, match=r"keep=\[best\] goes by the monitor.*choose one of val/loss, val/accuracy"):
        run(experiment, keep=("best",), best_by=monitor)
    assert not (run.results / "runs" / run_id(experiment)).exists()
