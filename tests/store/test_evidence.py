"""Committed rows: what they hold, what is refused, and runs that are restored from them instead of trained."""

import csv
import json
import math
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.engine import train as engine
from lrbench.errors import ConfigError
from lrbench.experiment import Start
from lrbench.identity import run_id
from lrbench.store import evidence
from lrbench.store.evidence import COLUMNS, find, write_rows
from lrbench.store.record import Record, numbers_of

pytestmark = pytest.mark.usefixtures("without_picture")
PLATEAU = ("scheduler=plateau", "scheduler.args.patience=1", "scheduler.args.threshold=0.3", "horizon=8ep")


@pytest.fixture(scope="module")
def trained(make, tmp_path_factory):
    """Records of three finished runs and one that diverged, to be read only."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings
    from lrbench.plots import run

    results = tmp_path_factory.mktemp("trained")
    asked = [make(f"seed={s}") for s in range(3)] + [make("optimizer.lr=1e30", "scheduler=constant")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "picture_of", lambda record: None)
        return [train(e, Settings(results=results)) for e in asked]


@pytest.fixture
def committed(trained, run):
    """The rows of the four runs, in a results folder that holds no record."""
    path = run.results / "claims" / "warmup" / "runs.csv"
    write_rows(trained, path)
    return path


def refuse_training(*arguments):
    raise AssertionError("trained")


@pytest.fixture
def untrainable(monkeypatch):
    """Fails when anything is trained."""
    monkeypatch.setattr(engine, "attempt", refuse_training)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def edit(path, change):
    path.write_text(change(path.read_text()))


def child_of(parent, **changes):
    return replace(parent, start=Start(of=parent, at=changes.pop("at", "end")), **changes)


# ---- What is written.


def test_a_row_says_what_its_record_says(trained, committed):
    rows = rows_of(committed)
    assert tuple(rows[0]) == COLUMNS
    assert [r["run_id"] for r in rows] == sorted(r.run_id for r in trained)
    by_id = {r["run_id"]: r for r in rows}
    for record in trained:
        row, summary = by_id[record.run_id], record.summary()
        assert (row["title"], row["state"]) == (summary["title"], summary["state"])
        assert row["seed"] == str(record.experiment().seed)
        if row["state"] == "finished":
            assert float(row["test/accuracy"]) == summary["test/accuracy"]  # to the last bit
            assert float(row["test/loss"]) == summary["test/loss"]
        else:
            assert (row["test/accuracy"], row["test/loss"]) == ("", "")
        assert repr(numbers_of(row["summary"])) == repr(summary)  # by its text: NaN is not equal to itself
    assert sum(r["state"] == "diverged" for r in rows) == 1


def test_a_row_names_versions_but_no_machine(trained, committed):
    import socket

    (attempt,) = json.loads(rows_of(committed)[0]["provenance"])
    assert {"versions", "cpu", "python", "lrbench", "threads", "started"} <= attempt.keys()
    assert not {"host", "command", "slurm_job"} & attempt.keys()
    assert socket.gethostname() not in committed.read_text()
    assert str(trained[0].folder.parents[1]) not in committed.read_text()


def test_the_curve_is_rows_of_the_record(trained, committed):
    """64 updates logged one by one: 20 rows of training, the last one among them, and all 4 evaluations."""
    record = trained[0]
    row = next(r for r in rows_of(committed) if r["run_id"] == record.run_id)
    training, validation = json.loads(row["curve"])
    assert training["update"] == [3, 6, 9, 12, 16, 19, 22, 25, 28, 32, 35, 38, 41, 44, 48, 51, 54, 57, 60, 64]
    assert validation["update"] == [16, 32, 48, 64]
    assert {"lr/all", "train/loss"} <= training.keys()
    assert {"val/loss", "val/accuracy"} <= validation.keys()
    whole = record.rows()
    for kind in (training, validation):
        for values in zip(*kind.values(), strict=True):
            assert dict(zip(kind, values, strict=True)) in whole


@given(st.integers(0, 300))
def test_points_are_spread_over_the_run(n):
    rows = [{"update": u + 1} for u in range(n)]
    kept = [r["update"] for r in evidence._spaced(rows)]
    assert len(kept) == min(n, 20)
    assert kept[-1:] == ([n] if n else [])
    assert len({b - a for a, b in zip([0, *kept], kept, strict=False)} - {n // 20, n // 20 + 1}) == 0 or n < 20
    assert evidence._spaced([{"update": u} for u in kept]) == [{"update": u} for u in kept]  # a restored run's again


def test_rows_are_merged_and_the_order_does_not_matter(trained, committed, tmp_path):
    other = tmp_path / "other.csv"
    for record in reversed(trained):
        write_rows([record, record], other)
    assert other.read_bytes() == committed.read_bytes()
    assert write_rows(trained, committed) == 4
    assert other.read_bytes() == committed.read_bytes()
    assert write_rows([], tmp_path / "none.csv") == 0


def test_another_row_of_the_same_run_is_refused(trained, committed):
    edit(committed, lambda t: t.replace('""audit"":""as planned""', '""audit"":""better""', 1))
    before = committed.read_bytes()
    with pytest.raises(ConfigError, match=r"runs\.csv, line 2: holds another row of \w{16}"):
        write_rows(trained, committed)
    assert committed.read_bytes() == before


def test_a_run_that_is_not_done_is_refused(make, trained, tmp_path):
    record = Record(tmp_path / "runs" / run_id(make("seed=7")))
    record.create(make("seed=7"), {})
    with pytest.raises(ConfigError, match=f"{record.run_id}: this run is interrupted; only finished"):
        write_rows([trained[0], record], tmp_path / "runs.csv")
    assert not (tmp_path / "runs.csv").exists()


# ---- What is found.


def test_rows_are_found_anywhere_but_among_the_records(trained, committed, run):
    key = trained[0].run_id
    assert find(run.results, key).path == committed
    assert find(run.results, "0" * 16) is None
    assert find(run.results / "nowhere", key) is None
    among = run.results / "runs" / key / "runs.csv"
    among.parent.mkdir(parents=True)
    committed.rename(among)
    assert find(run.results, key) is None
    deep = run.results / "claims" / "runs" / "runs.csv"  # another folder of that name
    deep.parent.mkdir()
    among.rename(deep)
    assert find(run.results, key).path == deep


def test_a_file_is_read_once_until_it_changes(trained, committed, run, monkeypatch):
    read, real = [], evidence._rows
    monkeypatch.setattr(evidence, "_rows", lambda path: read.append(path) or real(path))
    for record in trained * 3:
        assert find(run.results, record.run_id)
    assert read == [committed]
    committed.unlink()
    write_rows(trained[:1], committed)
    assert find(run.results, trained[1].run_id) is None
    assert find(run.results, trained[0].run_id)


def test_two_files_may_say_the_same_but_not_something_else(trained, committed, run):
    key = trained[0].run_id
    again = committed.parent.with_name("batch_size") / "runs.csv"
    again.parent.mkdir()
    shutil.copy(committed, again)
    edit(again, lambda t: t.replace('""seconds"":', '""seconds"":1'))  # made again on a slower machine
    for record in trained:  # the diverged one too, whose loss is NaN
        assert find(run.results, record.run_id).path == again
    edit(again, lambda t: t.replace('""test/loss"":', '""test/loss"":1'))
    with pytest.raises(ConfigError, match=rf"line \d: says something else of {key} than .*batch_size"):
        find(run.results, key)


FOREIGN = {
    "another table": (lambda t: "run,accuracy\na,1\n", "its columns are others"),
    "empty": (lambda t: "", "its columns are others"),
    "a merge's mark": (lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1), "line 2: 1 cells, not 10"),
    "a row twice": (lambda t: t + t.splitlines(keepends=True)[1], "a second row of"),
    "cut short": (lambda t: t[: t.rindex("\n", 0, -1) + 200], r"\d cells, not 10"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_cannot_be_trusted_is_refused(committed, run, make, kind, untrainable):
    change, words = FOREIGN[kind]
    edit(committed, change)
    asked = max((make(f"seed={s}") for s in range(3)), key=run_id)  # the last of them, where the file is cut
    with pytest.raises(ConfigError, match=words) as refused:
        run(asked)
    assert str(committed) in str(refused.value)


# ---- What is restored.


def test_a_run_with_a_row_is_not_trained(make, trained, committed, run, untrainable):
    for original in trained:
        record = run(original.experiment())
        assert record.standing() == original.standing()
        assert record.damage() is None
        assert record.experiment() == original.experiment()
        assert repr(record.summary()) == repr(original.summary())
        assert record.status() == {**original.status(), "restored_from": str(committed)}
        kept = [repr(r) for r in record.rows()]
        assert kept == [repr(r) for r in original.rows() if repr(r) in kept]  # the order too
        assert not list(record.folder.glob("*.npy"))
        assert not (record.folder / "lease.json").exists()
    assert len(run.said) == 4
    assert run.said[0] == f"{trained[0].run_id}: restored from {committed}, not trained (force=true trains it)."
    assert run(make()).restored_from()  # and asked again, it is simply there
    assert len(run.said) == 4


def test_evidence_of_restored_runs_is_the_same_evidence(trained, committed, run, untrainable, tmp_path):
    restored = [run(r.experiment()) for r in trained]
    write_rows(restored, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == committed.read_bytes()


def test_force_trains_anew(make, trained, committed, run, require_same_run):
    fresh = run(make(), force=True)
    require_same_run(fresh, trained[0])
    shutil.rmtree(fresh.folder)
    assert run(make()).restored_from()
    again = run(make(), force=True)
    require_same_run(again, trained[0])
    assert again.restored_from() is None
    (aside,) = again.folder.parent.glob(f"{again.run_id}.old-*")
    assert Record(aside).restored_from() == str(committed)


def test_missing_rates_are_damage_only_of_a_record_that_had_them(trained, run):
    folder = run.results / "runs" / trained[0].run_id
    shutil.copytree(trained[0].folder, folder)
    assert Record(folder).damage() is None
    (folder / "series.npy").unlink()
    assert Record(folder).damage() == "series.npy is missing"


WRONG = {
    "another rate": (lambda c: {**c, "experiment": c["experiment"].replace('"lr":0.1', '"lr":0.2')}, "hashes to"),
    "another seed": (lambda c: {**c, "experiment": c["experiment"].replace('"seed":0', '"seed":9')}, "hashes to"),
    "no experiment": (lambda c: {**c, "experiment": "{}"}, "its experiment cannot be read"),
    "half an experiment": (lambda c: {**c, "experiment": c["experiment"][:50]}, "its experiment cannot be read"),
    "another's summary": (lambda c: {**c, "summary": c["summary"].replace(c["run_id"], "0" * 16)}, "summary is not"),
    "half a summary": (lambda c: {**c, "summary": c["summary"][:-9]}, "its summary is no JSON"),
    "another state": (lambda c: {**c, "state": "diverged"}, "its state 'diverged' is not how"),
    "not done": (
        lambda c: {**c, "state": "running", "summary": c["summary"].replace('"finished"', '"running"')},
        "its state 'running'",
    ),
    "no updates": (lambda c: {**c, "summary": c["summary"].replace('"updates":', '"upd":')}, "how many updates"),
    "no provenance": (lambda c: {**c, "provenance": ""}, "its provenance is no JSON"),
    "a ragged curve": (lambda c: {**c, "curve": '[{"update":[1,2],"lr/all":[0.1]}]'}, "its curve cannot be read"),
    "a curve without updates": (lambda c: {**c, "curve": '[{"lr/all":[0.1, 0.1]}]'}, "its curve cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_row_is_refused_with_its_place(make, trained, committed, run, kind, untrainable):
    change, words = WRONG[kind]
    rows = rows_of(committed)
    at = next(i for i, r in enumerate(rows) if r["run_id"] == trained[0].run_id)
    rows[at] = change(rows[at])
    with committed.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(ConfigError, match=rf"runs\.csv, line {at + 2}: .*{words}"):
        run(make())
    assert not (run.results / "runs").exists()


def not_finite(value):
    return value in (None, "NaN") or math.isnan(value)


def test_numbers_that_are_not_finite_come_back(make, trained, run, tmp_path):
    """As Python's NaN, or as null where a record was written in strict JSON."""
    copy = Record(tmp_path / "copy" / trained[0].run_id)
    shutil.copytree(trained[0].folder, copy.folder)
    summary = {**copy.summary(), "test/loss": math.nan, "train/loss": None}
    (copy.folder / "summary.json").write_text(json.dumps(summary))
    last = {**copy.rows()[-1], "update": 64, "val/loss": None}
    edit(copy.folder / "metrics.jsonl", lambda t: t + json.dumps(last) + "\n")
    write_rows([copy], run.results / "runs.csv")
    restored = run(make())
    assert not_finite(restored.summary()["test/loss"])
    assert not_finite(restored.summary()["train/loss"])
    assert not_finite(restored.rows()[-1]["val/loss"])


def test_a_very_long_cell_is_read_again(make, trained, run, tmp_path):
    """1,500 parameter groups: the curve is longer than what Python's csv reads by default."""
    copy = Record(tmp_path / "copy" / trained[0].run_id)
    shutil.copytree(trained[0].folder, copy.folder)
    rows = [json.dumps({**r, **{f"lr/{i}": 0.1 for i in range(1500)}}) + "\n" for r in copy.rows()]
    (copy.folder / "metrics.jsonl").write_text("".join(rows))
    write_rows([copy], run.results / "runs.csv")
    assert run(make()).rows()[-1]["lr/1499"] == 0.1


# ---- Forks.


def test_a_fork_from_restored_evidence_begins_with_the_same_weights(make, trained, committed, run, tmp_path):
    child = child_of(make(), at="2ep", horizon="1ep")
    whole = run(child, results=tmp_path / "whole")
    record = run(child)
    assert Record(record.folder.with_name(run_id(make()))).restored_from()
    assert record.series().tobytes() == whole.series().tobytes()


def test_a_forks_row_brings_its_parents(make, run, tmp_path, monkeypatch):
    parent = make("seed=5", "horizon=1ep")
    child = child_of(parent, horizon="1ep")
    grandchild = child_of(child, horizon="2ep")
    record = run(grandchild, results=tmp_path / "whole")
    monkeypatch.setattr(engine, "attempt", refuse_training)
    path = run.results / "runs.csv"
    assert write_rows([record], path) == 3
    assert run(grandchild).restored_from() == str(path)
    assert sorted(p.name for p in (run.results / "runs").iterdir()) == sorted(map(run_id, (parent, child, grandchild)))


def test_a_plateau_cannot_be_found_in_restored_evidence(make, run, tmp_path):
    parent = make(*PLATEAU)
    write_rows([run(parent, results=tmp_path / "whole")], run.results / "runs.csv")
    child = child_of(parent, at="plateau", horizon="1ep")
    with pytest.raises(
        ConfigError, match=r"start\.at=plateau: the parent \w+ was restored from .*runs\.csv.*force=tru"
    ):
        run(child)
    run(parent, force=True)
    assert run(child).standing() == "finished"


# ---- Two processes.


def test_two_processes_that_ask_at_once_both_get_it(make, committed, run, server):
    experiments = [make(f"seed={s}") for s in range(3)]
    processes = [server.start(e, run.results) for e in experiments * 4]
    assert {p.wait() for p in processes} == {"end finished"}
    for experiment in experiments:
        assert Record(run.results / "runs" / run_id(experiment)).restored_from() == str(committed)


def test_a_sweeps_plan_counts_committed_runs_and_no_cost_for_them(trained, committed, run, make):
    from lrbench.experiment import Settings
    from lrbench.sweep.entry import Entry
    from lrbench.sweep.plan import make_plan

    settings = Settings(results=run.results)
    asked = [r.experiment() for r in trained] + [make("seed=9")]
    plan = make_plan([Entry(f"run {i}", e, settings) for i, e in enumerate(asked)])
    assert plan.headline() == "5 runs: 4 in committed evidence, to be restored, 1 new"
    assert len(plan.to_do) == 5
    assert plan.cost == (0, 0, 1, ())
    assert make_plan([Entry("one", asked[0], settings)]).cost_line(2) == ""
