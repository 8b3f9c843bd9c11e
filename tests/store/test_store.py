"""Where things lie in a results folder, and a run as one value."""

import json
from pathlib import Path

import pytest
from made_records import put

from lrbench.errors import ConfigError
from lrbench.experiment.identity import arm_id, run_id
from lrbench.store.lease import Lease
from lrbench.store.record import Record
from lrbench.store.run import Run, Unread, read, read_whole
from lrbench.store.store import Store, store_of


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def test_records_are_found_by_the_beginning_of_their_id(make, store):
    record = put(store.results, make())
    key = record.run_id
    assert store.record(key) == record
    assert store.find(key[:5]) == record
    assert store.find(str(record.folder)).folder == record.folder.resolve()
    other = record.folder.with_name(key[:6] + "0" * 10)
    other.mkdir()
    assert store.find(key) == record
    with pytest.raises(ConfigError, match=f"{key[:5]}: several records begin so"):
        store.find(key[:5])
    with pytest.raises(ConfigError, match=r"no record under .* begins so"):
        store.find("nothing")
    record.set_aside("old")
    assert store.find(key[:5]).folder == other  # what was set aside is not found by its id
    assert store.records() == [Record(other)]
    assert store_of(other) == store


def test_sweeps_by_name_by_beginning_and_by_folder(store, tmp_path):
    def sweep(name, at):
        folder = store.sweeps_folder / name
        folder.mkdir(parents=True)
        (folder / "sweep.json").write_text("{}")
        import os

        os.utime(folder / "sweep.json", (at, at))
        return folder

    assert store.sweeps() == []
    with pytest.raises(ConfigError, match=r"tour: no sweep begins so under .*, where there is none; `lrbench status`"):
        store.sweep("tour")
    late, early, other = sweep("tour", 2), sweep("tour-2", 1), sweep("grid", 3)
    assert store.sweeps() == [early, late, other]  # the latest last
    assert store.sweep("tour") == late  # the whole name goes first
    assert store.sweep("g") == other
    assert store.sweeps("to") == [early, late]
    with pytest.raises(ConfigError, match=r"to: several sweeps begin so under .* \(tour-2, tour\)"):
        store.sweep("to")
    with pytest.raises(ConfigError, match=r"x: no sweep begins so under .* \(tour-2, tour, grid\)"):
        store.sweep("x")
    assert Store(tmp_path / "elsewhere").sweep(str(late)) == late.resolve()


def test_nothing_else_writes_down_where_things_lie():
    """A literal beside `Store` would be a second place that knows."""
    root = Path(__file__).parents[2] / "lrbench"
    for path in root.rglob("*.py"):
        text = path.read_text()
        if path.name != "store.py" or path.parent.name != "store":
            for folder in ("runs", "sweeps", "reports"):
                assert f'/ "{folder}"' not in text, path


# ---- A run.


def test_a_run_by_its_small_files(make, store):
    made = put(store.results, make(), test__accuracy=0.9, seconds=2.0)
    run = read(made)
    assert isinstance(run, Run)
    assert (run.run_id, run.standing, run.seed, run.arm) == (made.run_id, "finished", 0, arm_id(make()))
    assert run.summary["test/accuracy"] == 0.9
    assert run.row is None
    assert (run.attempts, run.curves, run.rates, run.overrides()) == ([], {}, {}, None)


@pytest.mark.parametrize("state", ["running", "interrupted", "failed", "diverged"])
def test_how_a_run_stands(make, store, state):
    record = put(store.results, make(), state)
    assert read(record).standing == record.standing()
    assert read_whole(record).standing == record.standing()


def test_a_run_that_cannot_be_read(make, store):
    nothing = Store.record(store, "0" * 16)
    assert read(nothing) == Unread("0" * 16, "new")
    record = put(store.results, make())
    (record.folder / "provenance.json").write_text("{")
    assert read_whole(record).why.startswith("provenance.json cannot be read")
    (record.folder / "provenance.json").unlink()
    (record.folder / "metrics.jsonl").write_text("{\n")
    assert isinstance(read(record), Run)  # its small files are whole
    assert read_whole(record) == Unread(record.run_id, "corrupt", record.look().why)
    (record.folder / "summary.json").write_text("{")
    assert read(record) == Unread(record.run_id, "corrupt", record.look().why)
    lease = Lease(record.folder)
    lease.take()
    assert read(record).standing == "running"
    lease.release()


def test_all_runs_of_a_store(make, store):
    records = [put(store.results, make(f"seed={s}")) for s in range(3)]
    (records[1].folder / "status.json").write_text("{")
    by_id = {r.run_id: r.standing for r in store.runs()}
    assert by_id == {records[0].run_id: "finished", records[1].run_id: "corrupt", records[2].run_id: "finished"}


def test_a_report_reads_each_experiment_once(make, store, monkeypatch):
    """Four runs of two arms: four readings, by the loader; and with filters no more, once they are indexed."""
    from lrbench.report.compare import compare
    from lrbench.report.selection import runs_of

    asked = [make(f"seed={s}", f"optimizer.lr={lr}") for s in (0, 1) for lr in (0.1, 0.2)]
    for made in asked:
        put(store.results, made, test__accuracy=0.9)
    store.index.rows()
    store.index.keep()
    loaded, load = [], Record.experiment
    monkeypatch.setattr(Record, "experiment", lambda record: loaded.append(record.run_id) or load(record))
    for where in ([], ["optimizer.lr=0.1,0.2"]):
        c = compare(runs_of(store, [], where))
        assert len(c.arms) == 2
        assert sorted(loaded) == sorted(map(run_id, asked))
        loaded.clear()
    json.dumps(c.to_plain(), allow_nan=False)
