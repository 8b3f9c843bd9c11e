"""Evidence: how rows are found, what git says of them, and runs that are restored from them instead of trained."""

import math
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import put

from lrbench.errors import ConfigError
from lrbench.experiment import Start
from lrbench.experiment.identity import arm_id, run_id
from lrbench.store import committed as git_side
from lrbench.store.export import write_rows
from lrbench.store.record import Record
from lrbench.store.store import Store

pytestmark = pytest.mark.usefixtures("without_picture")
PLATEAU = ("scheduler=plateau", "scheduler.args.patience=1", "scheduler.args.threshold=0.3", "horizon=8ep")


def edit(path, change):
    path.write_text(change(path.read_text()))


def find(results, key):
    return Store(results).evidence.find(key)


def child_of(parent, **changes):
    return replace(parent, start=Start(of=parent, at=changes.pop("at", "end")), **changes)


# ---- What is found.


@pytest.mark.slow
def test_rows_are_found_anywhere_but_among_the_records(trained, committed, run):
    key = trained[0].run_id
    assert find(run.results, key).path == committed
    assert find(run.results, "0" * 16) is None
    assert find(run.results / "nowhere", key) is None
    among = run.results / "runs" / key
    among.parent.mkdir(parents=True)
    committed.parent.rename(among)
    assert find(run.results, key) is None
    deep = run.results / "claims" / "runs"  # another folder of that name
    among.rename(deep)
    assert find(run.results, key).path == deep / "runs.csv"


def test_two_files_may_say_the_same_but_not_something_else(trained, committed, run):
    key = trained[0].run_id
    again = committed.parent.with_name("batch_size") / "runs.csv"
    shutil.copytree(committed.parent, again.parent)
    slower = [record_with(trained[0], again.parent / "made", seconds=99.0)]  # made again on a slower machine
    edit(again, lambda t: "".join(line for line in t.splitlines(True) if not line.startswith(key)))
    write_rows(slower, again)
    for record in trained:  # the diverged one too, whose loss is NaN
        assert find(run.results, record.run_id).path == again
    other = record_with(trained[0], again.parent / "other", **{"test/loss": 0.5})
    edit(again, lambda t: "".join(line for line in t.splitlines(True) if not line.startswith(key)))
    write_rows([other], again)
    with pytest.raises(ConfigError, match=rf"line \d: says something else of {key} than .*batch_size") as caught:
        find(run.results, key)
    assert Store(run.results).evidence.disputed == {key: str(caught.value)}  # as `lrbench runs --committed` tells


def record_with(record, folder, **summary):
    """A copy with other numbers."""
    copy = Record(folder / record.run_id)
    shutil.copytree(record.folder, copy.folder)
    copy.add_to_summary({**record.summary(), **summary})
    return copy


def test_a_file_that_cannot_be_trusted_stops_every_question(committed, run, make, untrainable):
    edit(committed, lambda t: t[: t.rindex("\n", 0, -1) + 90])
    for seed in range(3):
        with pytest.raises(ConfigError, match=r"runs\.csv, line 5: \d cells, not"):
            run(make(f"seed={seed}"))


# ---- How much is read.


@pytest.fixture
def reads(monkeypatch):
    """How often each file of evidence was read, and what git was asked."""
    counted, whole, ask = Counter(), Path.read_bytes, git_side._git
    files = ("runs.csv", "arms.json")
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: counted.update([path.name] * (path.name in files)) or whole(path)
    )
    monkeypatch.setattr(
        git_side, "_git", lambda folder, *words, **more: counted.update([words[0]]) or ask(folder, *words, **more)
    )
    return counted


@pytest.mark.slow
def test_a_plan_reads_each_file_once_and_asks_git_once(make, trained, committed, run, reads):
    """300 files and 40 jobs: not one read a job, whatever is kept of how many files."""
    from lrbench.experiment import Settings
    from lrbench.sweep.entry import Entry
    from lrbench.sweep.plan import make_plan

    for i in range(299):
        shutil.copytree(committed.parent, committed.parent.with_name(f"claim{i}"))
    settings = Settings(results=run.results)
    asked = [r.experiment() for r in trained] + [make(f"seed={s}") for s in range(10, 46)]
    plan = make_plan([Entry(f"run {i}", e, settings) for i, e in enumerate(asked)])
    assert not reads
    assert Counter(plan.standings.values()) == {"uncommitted": 4, "new": 36}
    assert list(plan.remarks()) == []
    assert reads == {"runs.csv": 300, "arms.json": 300, "ls-tree": 1}


def test_without_files_git_is_not_asked(run, reads):
    assert find(run.results, "0" * 16) is None
    assert not reads


def test_a_process_that_trains_many_reads_them_once(make, committed, run, reads):
    """As a worker does, which hands its store to each run."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings

    store = Store(run.results)
    for seed in range(3):
        train(make(f"seed={seed}"), Settings(results=run.results), store=store)
    assert reads == {"runs.csv": 1, "arms.json": 1, "ls-tree": 1}


# ---- What git says.


def git(folder, *words):
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(committed, run):
    """A work tree around the results folder, with the rows committed."""
    root = run.results.parent
    git(root, "init", "-q")
    git(root, "add", "results")
    git(root, "commit", "-qm", "rows")
    return root


def states(results):
    """How each run's row counts, by run id; and which do not."""
    evidence = Store(results).evidence
    return {r.run_id: r.committed for r in evidence.rows()}, set(evidence.modified)


def test_rows_are_committed_or_not(trained, committed, run, repository, make):
    keys = {r.run_id for r in trained}
    assert states(run.results) == (dict.fromkeys(keys, True), set())
    more = run(make("seed=5", "horizon=1ep"), results=repository / "elsewhere")
    write_rows([more], committed)  # beside what is committed, which stands as it was
    assert states(run.results) == ({**dict.fromkeys(keys, True), more.run_id: False}, set())
    git(repository, "add", "results")
    assert states(run.results)[0][more.run_id] is False  # staged is not committed
    git(repository, "commit", "-qm", "one more")
    assert states(run.results)[0][more.run_id] is True
    git(repository, "mv", "results/claims/warmup", "results/claims/moved")
    assert states(run.results) == (dict.fromkeys({*keys, more.run_id}, True), set())


def test_a_row_that_was_modified_does_not_count(trained, committed, run, repository, make):
    key = trained[0].run_id
    better = record_with(trained[0], repository / "better", **{"test/accuracy": 0.999})
    edit(committed, lambda t: "".join(line for line in t.splitlines(True) if not line.startswith(key)))
    write_rows([better], committed)
    counted, modified = states(run.results)
    assert modified == {key}
    assert counted == dict.fromkeys({r.run_id for r in trained} - {key}, True)
    (said,) = Store(run.results).evidence.modified.values()
    assert said.startswith(f"{committed}: the row of {key} is not as it was committed, so it does not count")
    committed.parent.rename(committed.parent.with_name("hidden"))  # nor in another file
    assert states(run.results)[1] == {key}
    record = run(make())
    assert record.restored_from() is None
    assert record.summary()["test/accuracy"] == trained[0].summary()["test/accuracy"]
    assert run.said[0] == f"{said.replace('warmup', 'hidden')}."


def test_a_modified_row_is_told_of_where_another_file_has_the_run_too(trained, committed, run, repository, make):
    """It is restored from the row that counts, and the plan and the run tell of the other."""
    from lrbench.experiment import Settings
    from lrbench.sweep.entry import Entry
    from lrbench.sweep.plan import make_plan

    twin = committed.parent.with_name("twin")
    shutil.copytree(committed.parent, twin)
    git(repository, "add", "results")
    git(repository, "commit", "-qm", "the same rows twice")
    edit(committed, lambda t: t.replace("as planned", "well", 1))
    (said,) = Store(run.results).evidence.modified.values()
    changed = next(r for r in trained if r.run_id in said)
    plan = make_plan([Entry("it", changed.experiment(), Settings(results=run.results))])
    assert plan.headline() == "1 run: 1 in committed evidence, to be restored"
    assert list(plan.remarks()) == [f"evidence {said}"]
    assert run(changed.experiment()).restored_from() == str(twin / "runs.csv")
    assert run.said[0] == f"{said}."


def test_a_row_that_gained_numbers_is_not_modified(trained, committed, run, repository):
    """The test set was asked for after the row was committed: it counts, and is not committed yet."""
    key = trained[0].run_id
    rows = [line for line in committed.read_text().splitlines(True) if not line.startswith(key)]
    committed.write_text("".join(rows))
    write_rows([record_with(trained[0], repository / "more", **{"test/f1": 0.9})], committed)
    assert states(run.results) == ({r.run_id: r.run_id != key for r in trained}, set())
    assert find(run.results, key).summary()["test/f1"] == 0.9


def test_an_arm_that_was_modified_takes_its_rows_along(trained, committed, run, repository):
    """What is declared of a metric decides what counts as a success."""
    edit(committed.with_name("arms.json"), lambda t: t.replace('"chance":0.1', '"chance":0.0'))
    assert states(run.results) == ({}, {r.run_id for r in trained})


def test_a_plan_labels_rows_and_tells_of_modified_ones(trained, committed, run, repository, make):
    from lrbench.experiment import Settings
    from lrbench.sweep.entry import Entry
    from lrbench.sweep.plan import make_plan

    more = run(make("seed=5", "horizon=1ep"), results=repository / "elsewhere")
    edit(committed, lambda t: t.replace("as planned", "well", 1))
    write_rows([more], committed)
    (changed,) = Store(run.results).evidence.modified
    settings = Settings(results=run.results)
    asked = [r.experiment() for r in (*trained, more)]
    plan = make_plan([Entry(f"run {i}", e, settings) for i, e in enumerate(asked)])
    assert plan.headline() == (
        "5 runs: 3 in committed evidence, to be restored, 1 in evidence not committed yet, to be restored, 1 new"
    )
    (remark,) = plan.remarks()
    assert remark.startswith(f"evidence {committed}: the row of {changed} is not as it was committed")
    assert plan.standings[changed] == "new"


def test_another_line_end_is_no_other_row(trained, committed, run, repository):
    """As where git turns line ends on checkout: the content differs, the rows do not."""
    edit_bytes = committed.read_bytes().replace(b"\n", b"\r\n")
    committed.write_bytes(edit_bytes)
    assert states(run.results) == ({r.run_id: True for r in trained}, set())


def test_without_git_or_a_commit_nothing_is_committed(trained, committed, run, repository, monkeypatch):
    keys = {r.run_id for r in trained}
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert states(run.results) == (dict.fromkeys(keys, False), set())
    shutil.rmtree(repository / ".git")
    git(repository, "init", "-q")
    assert states(run.results) == (dict.fromkeys(keys, False), set())
    shutil.rmtree(repository / ".git")
    assert states(run.results) == (dict.fromkeys(keys, False), set())


def test_a_committed_row_goes_before_another_of_the_same_run(trained, committed, run, repository):
    first = committed.parent.with_name("a") / "runs.csv"
    write_rows(trained, first)
    assert find(run.results, trained[0].run_id).path == committed
    assert states(run.results)[0] == {r.run_id: True for r in trained}


# ---- What is restored.


def test_a_run_with_a_row_is_not_trained(make, trained, committed, run, untrainable):
    for original in trained:
        record = run(original.experiment())
        assert record.standing() == original.standing()
        assert not record.look().why
        assert record.experiment() == original.experiment()
        assert sorted(map(repr, record.summary().items())) == sorted(map(repr, original.summary().items()))
        assert record.status() == {**original.status(), "restored_from": str(committed)}
        measured = {r["update"]: r["val/loss"] for r in original.rows() if "val/loss" in r}
        kept = {r["update"]: r["val/loss"] for r in record.rows() if "val/loss" in r}
        assert kept == {u: float(f"{v:.4g}") for u, v in measured.items() if math.isfinite(v)}
        assert [r["update"] for r in record.rows()] == sorted(r["update"] for r in record.rows())
        assert not list(record.folder.glob("*.npy"))
        assert not (record.folder / "lease.json").exists()
    assert len(run.said) == 4
    assert run.said[0] == f"{trained[0].run_id}: restored from {committed}, not trained (force=true trains it)."
    assert run(make()).restored_from()  # and asked again, it is simply there
    assert len(run.said) == 4


def test_evidence_of_restored_runs_is_the_same_evidence(trained, committed, run, untrainable, tmp_path):
    restored = [run(r.experiment()) for r in trained]
    write_rows(restored, tmp_path / "runs.csv")
    for name in ("runs.csv", "arms.json"):
        assert (tmp_path / name).read_bytes() == committed.with_name(name).read_bytes()


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
    assert not Record(folder).look().why
    (folder / "series.npy").unlink()
    assert Record(folder).look().why == "series.npy is missing"


# ---- Forks.


def test_a_fork_from_restored_evidence_begins_with_the_same_weights(make, trained, committed, run, tmp_path):
    child = child_of(make(), at="2ep", horizon="1ep")
    whole = run(child, results=tmp_path / "whole")
    record = run(child)
    assert Record(record.folder.with_name(run_id(make()))).restored_from()
    assert record.series().tobytes() == whole.series().tobytes()


def test_a_forks_row_brings_its_parents(make, run, tmp_path, request):
    parent = make("seed=5", "horizon=1ep")
    child = child_of(parent, horizon="1ep")
    grandchild = child_of(child, horizon="2ep")
    record = run(grandchild, results=tmp_path / "whole")
    request.getfixturevalue("untrainable")
    path = run.results / "runs.csv"
    assert write_rows([record], path) == 3
    assert run(grandchild).restored_from() == str(path)
    assert sorted(p.name for p in (run.results / "runs").iterdir()) == sorted(map(run_id, (parent, child, grandchild)))


def test_forks_of_one_parent_and_of_their_own_are_restored_each_as_it_was(make, run):
    """All with the same arm: a parent of seed 0 for every fork, or each fork with a parent of its own seed."""
    asked = [
        replace(make(f"seed={s}"), start=Start(of=make(f"seed={p}"), at="end"))
        for s, p in ((0, 0), (1, 1), (1, 0), (2, 0))
    ]
    records = [put(run.results.with_name("whole"), fork, test__loss=0.5, seconds=1.0) for fork in asked]
    assert len({arm_id(fork) for fork in asked}) == 1
    write_rows(records, run.results / "runs.csv")
    for fork in asked:
        row = find(run.results, run_id(fork))
        row.check()
        assert row.experiment == fork
        assert row.summary() == Record(records[0].folder.with_name(row.run_id)).summary()


@pytest.mark.slow
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


def test_a_sweeps_plan_counts_committed_runs_and_has_its_cost_by_their_rows(trained, committed, run, make):
    from lrbench.experiment import Settings
    from lrbench.sweep.entry import Entry
    from lrbench.sweep.plan import make_plan

    settings = Settings(results=run.results)
    asked = [r.experiment() for r in trained] + [make("seed=9")]
    plan = make_plan([Entry(f"run {i}", e, settings) for i, e in enumerate(asked)])
    assert plan.headline() == "5 runs: 4 in evidence not committed yet, to be restored, 1 new"
    assert len(plan.to_do) == 5
    assert plan.cost.seconds > 0  # what the rows say of the same kind of run; of what is restored nothing
    assert plan.cost[1:] == (1, 0, ())
    assert make_plan([Entry("one", asked[0], settings)]).cost_line(2) == ""
