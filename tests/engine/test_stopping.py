"""Early stopping: when it ends a run, and that a resumed run ends where it would have ended."""

import pytest
from test_resume import Killed, at_batch, attempts

from lrbench.engine.stopping import Stopping
from lrbench.errors import ConfigError
from lrbench.experiment import EarlyStop
from lrbench.experiment.identity import from_plain, run_id, to_plain

pytestmark = pytest.mark.usefixtures("without_picture")
RESTLESS = ("scheduler=constant", "optimizer.lr=0.8", "eval_every=4ba", "early_stop.patience=8ba")


@pytest.mark.parametrize(
    ("mode", "least", "heard", "over"),
    [
        ("min", 0.0, [3, 2, 1], False),
        ("min", 0.0, [3, 2, 2], False),  # one that is no better, of two
        ("min", 0.0, [3, 2, 2, 2], True),
        ("min", 0.0, [3, 2, 4, 1.9], False),
        ("min", 0.5, [3, 2.6, 2.51], True),  # too little at a time is nothing
        ("min", 0.5, [3, 2.6, 2.4], False),  # and adds up: it is measured from the last that counted
        ("max", 0.0, [3, 2, 1], True),
        ("max", 0.0, [1, 2, 3], False),
        ("max", 0.0, [1], False),
        ("max", 0.0, [], False),
    ],
)
def test_when_patience_of_two_is_over(mode, least, heard, over):
    rule = EarlyStop(patience="2ep", monitor="val/loss", mode=mode, min_delta=least)
    assert Stopping(rule, 2, heard).over is over


def test_a_run_ends_where_its_evaluations_say(make, run):
    record = run(make(*RESTLESS))
    values = [row["val/loss"] for row in record.rows() if "val/loss" in row]
    assert len(values) < 16
    assert values[-3] <= min(values[-2:])
    assert all(min(values[: i - 1]) > min(values[i - 1 : i + 1]) for i in range(2, len(values) - 1))
    end, summary = 4 * len(values), record.summary()
    assert record.status() == {"state": "finished", "update": end, "updates": 64, "error": None}
    assert (summary["updates"], summary["stopped_early"], summary["audit"]) == (end, True, "as planned")
    assert len(record.series()) == end
    assert record.checkpoint(f"update-{end:08d}").exists()
    assert "test/accuracy" in summary


def test_a_test_set_that_is_asked_for_later_is_that_of_the_last_weights(make, run, tmp_path):
    now = run(make(*RESTLESS), results=tmp_path / "now").summary()
    run(make(*RESTLESS), test=False)
    assert run(make(*RESTLESS)).summary()["test/loss"] == now["test/loss"]


def test_torn_anywhere_it_ends_at_the_same_update(make, run, tmp_path, monkeypatch, require_same_run):
    experiment = make(*RESTLESS)
    whole = run(experiment, results=tmp_path / "whole")
    for at in (9, 14, whole.summary()["updates"] - 1):

        def tear(update, at=at):
            if update == at:
                raise Killed

        with monkeypatch.context() as patch:
            at_batch(patch, tear)
            with pytest.raises(Killed):
                run(experiment, checkpoint_every="3ba")
    record = run(experiment, checkpoint_every="3ba")
    assert len(attempts(record)) == 4
    require_same_run(record, whole)


def test_killed_between_its_last_checkpoint_and_its_end(make, run, tmp_path, monkeypatch, require_same_run):
    from lrbench.engine import attempt

    experiment = make(*RESTLESS)
    whole = run(experiment, results=tmp_path / "whole", checkpoint_every="4ba")

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "_finish", killed)
        with pytest.raises(Killed):
            run(experiment, checkpoint_every="4ba")
    require_same_run(run(experiment, checkpoint_every="4ba"), whole)


def test_the_audit_knows_where_it_had_to_end(make, run, monkeypatch):
    """It goes by the record's evaluations, not by what the run thought of them."""
    from lrbench.engine.attempt import RunFailed

    monkeypatch.setattr(Stopping, "over", property(lambda self: len(self.heard) == 3 and self.heard is not None))
    with monkeypatch.context() as patch:
        patch.setattr("lrbench.engine.outcome.last_update", lambda *_: 64)
        with pytest.raises(RunFailed, match="12 updates were made and 64 planned"):
            run(make(*RESTLESS))


@pytest.mark.slow
def test_it_is_part_of_the_experiment_in_whatever_words(make):
    plain, early = make("eval_every=4ba"), make("eval_every=4ba", "early_stop.patience=16ba")
    assert run_id(plain) != run_id(early) == run_id(make("eval_every=4ba", "early_stop.patience=1ep"))
    assert run_id(early) != run_id(make("eval_every=4ba", "early_stop.patience=1ep", "early_stop.min_delta=0.1"))
    assert run_id(early) != run_id(make("eval_every=4ba", "early_stop.patience=1ep", "monitor=val/accuracy"))
    assert from_plain(to_plain(early)) == early
    assert early.early_stop.mode == "min"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("early_stop.min_delta=0.1",), "early_stop.min_delta=0.1: there is no patience"),
        (("early_stop.patience=5ba",), "evaluated every 16; give 16ba"),
        (("early_stop.patience=20ba",), "give 16ba or 32ba"),
        (("early_stop.patience=3ep",), r"reach the end of the run \(64\)"),
        (("early_stop.patience=two",), "no length of time"),
        (("early_stop.patience=1ep", "early_stop.min_delta=-1"), "give a number of at least 0"),
        (("early_stop.patience=1ep", "monitor=train/loss"), "not evaluated on the way; choose one of val/loss"),
        (("early_stop.patience=1ep", "monitor=null"), "monitor=null: early_stop.patience=1ep goes by the monitor"),
        (('start.of=["early_stop.patience=1ep"]', "start.at=1ep"), "the parent may stop early"),
    ],
)
def test_what_cannot_be_meant(make, overrides, said):
    with pytest.raises(ConfigError, match=said):
        make(*overrides)
