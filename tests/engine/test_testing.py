"""The test set: evaluated once, on the final weights, when somebody asks; no part of a run's identity."""

from dataclasses import replace

import pytest

from lrbench.engine import evaluation, testing
from lrbench.errors import ConfigError
from lrbench.experiment import Start
from lrbench.store.record import Record


@pytest.fixture
def evaluated(monkeypatch):
    """The splits that were evaluated, by name, in their order."""
    names, real = [], evaluation.evaluate

    def noted(setup, state, split, prefix):
        names.append(prefix)
        return real(setup, state, split, prefix)

    for module in (evaluation, testing, __import__("lrbench.engine.attempt", fromlist=["evaluate"])):
        monkeypatch.setattr(module, "evaluate", noted)
    return names


def numbers(record: Record) -> dict:
    return {k: v for k, v in record.summary().items() if "second" not in k}


def test_a_run_that_is_not_asked_does_not_touch_it(make, run, evaluated):
    record = run(make(), test=False)
    assert evaluated == ["val"] * 4
    assert record.standing() == "finished"
    assert not record.tested()
    assert run(make(), test=False).folder == record.folder
    assert evaluated == ["val"] * 4


@pytest.mark.parametrize("kept", [True, False])
def test_asked_later_it_is_that_of_the_final_weights(make, run, evaluated, kept, tmp_path):
    asked = run(make(), results=tmp_path / "at once")
    record = run(make(), test=False)
    if not kept:
        record.checkpoint("update-00000064").unlink()
    record.mirrored.write_text("{}")
    evaluated.clear()
    again = run(make())
    assert evaluated == (["test"] if kept else ["val"] * 4 + ["test"])  # else trained again first, by the same steps
    assert numbers(again) == numbers(asked)
    assert not again.mirrored.exists()  # to be mirrored anew
    evaluated.clear()
    assert numbers(run(make())) == numbers(asked)
    assert evaluated == []


def test_it_is_asked_of_no_parent_and_of_no_run_that_diverged(make, run, evaluated):
    parent = make("horizon=1ep")
    record = run(replace(make("horizon=1ep"), start=Start(of=parent, at="end")))
    assert evaluated == ["val", "val", "test"]
    assert record.tested()
    diverged = make("optimizer.lr=1e30")
    assert not run(diverged).tested()
    assert run(diverged).standing() == "diverged"
    assert evaluated.count("test") == 1


def test_the_final_weights_are_kept_where_it_waits(make, run):
    record = run(make(), test=False, keep=("1ep",))
    assert sorted(p.name for p in record.checkpoint().parent.iterdir()) == ["update-00000016.pt", "update-00000064.pt"]


def test_a_restored_run_that_comes_to_other_weights_is_not_tested(make, run, tmp_path):
    """Its rows hold no weights, so it is trained again, and what comes of it must be what the row says."""
    from lrbench.store.export import write_rows

    write_rows([run(make(), test=False)], tmp_path / "elsewhere" / "claims" / "runs.csv")
    restored = run(make(), test=False, results=tmp_path / "elsewhere")
    assert restored.restored_from()
    assert run(make(), results=tmp_path / "elsewhere").tested()
    other = tmp_path / "other"
    write_rows([run(make("seed=1"), test=False)], other / "claims" / "runs.csv")
    record = run(make("seed=1"), test=False, results=other)
    record.add_to_summary({**record.summary(), "val/loss": 9.0})
    with pytest.raises(ConfigError, match=r"its evidence has val/loss 9, .*these are other weights; force=true"):
        run(make("seed=1"), results=other)
    assert not record.tested()
