"""Files of evidence: what a row and its arm hold, how small they are, and what is refused."""

import csv
import json
import math
import shutil
import socket
from dataclasses import replace

import pytest

from lrbench.errors import ConfigError
from lrbench.experiment import Start
from lrbench.experiment.identity import arm_id, run_id, to_plain
from lrbench.store.arms import with_seed, without_seed
from lrbench.store.curves import grid_of
from lrbench.store.export import write_rows
from lrbench.store.record import Record
from lrbench.store.rows import FIXED, read_rows

pytestmark = pytest.mark.usefixtures("without_picture")


def cells_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def shared_of(path):
    return json.loads(path.with_name("arms.json").read_text())


def edit(path, change):
    path.write_text(change(path.read_text()))


# ---- What is written.


def test_a_row_says_what_its_record_says(trained, committed):
    rows = {row.run_id: row for row in read_rows(committed)}
    assert list(rows) == sorted(r.run_id for r in trained)
    for record in trained:
        row, summary = rows[record.run_id], record.summary()
        assert row.experiment == record.experiment()
        assert sorted(map(repr, row.summary().items())) == sorted(map(repr, summary.items()))  # NaN is not itself
    assert sum(row.cells["state"] == "diverged" for row in rows.values()) == 1


def test_the_columns_are_numbers_by_name(trained, committed):
    """So that whoever reads a diff, or pandas, needs no program of ours."""
    rows = cells_of(committed)
    columns = list(rows[0])
    assert tuple(columns[: len(FIXED)]) == FIXED
    assert columns[len(FIXED) : len(FIXED) + 2] == ["test/accuracy", "test/loss"]
    assert columns[-4:] == [f"curve {name}" for name in ("val/accuracy", "val/loss", "train/loss", "grad/norm")]
    by_id = {r["run_id"]: r for r in rows}
    for record in trained[:3]:
        assert float(by_id[record.run_id]["test/accuracy"]) == record.summary()["test/accuracy"]  # to the last bit
    assert by_id[trained[3].run_id]["test/accuracy"] == ""  # it diverged


@pytest.mark.slow
def test_a_row_of_the_default_recipe_is_under_a_thousand_bytes(run, make):
    """30 epochs of digits, one group, 3 curves; and two more seeds add nothing to what they share."""
    from lrbench.config.experiments import experiment

    asked = [experiment("tracker=none", "model=mlp", f"seed={seed}") for seed in range(3)]
    assert asked[0].horizon == "30ep"
    path = run.results / "runs.csv"
    records = [run(e, results=run.results.with_name("trained")) for e in asked]
    write_rows(records, path)
    lines = path.read_text().splitlines()[1:]
    assert len(lines) == 3
    assert max(len(line.encode()) for line in lines) + 1 <= 1000
    assert {part: len(entries) for part, entries in shared_of(path).items() if part != "format"} == {
        "arms": 1, "provenance": 1, "rates": 1,
    }  # fmt: skip


def test_arms_hold_each_experiment_once_and_without_its_seed(trained, committed):
    shared = shared_of(committed)
    assert shared["arms"].keys() == {arm_id(r.experiment()) for r in trained}
    assert len(shared["arms"]) == 2  # three seeds share one
    for arm in shared["arms"].values():
        assert "seed" not in arm["experiment"]
        assert arm["metrics"] == trained[0].summary()["metrics"]
    assert "experiment" not in committed.read_text()
    lines = committed.with_name("arms.json").read_text().splitlines()
    assert len(lines) == 2 + 3 * 2 + sum(len(shared[part]) for part in ("arms", "provenance", "rates"))  # a line each


def test_evidence_names_versions_but_no_machine(trained, committed):
    (environment,) = shared_of(committed)["provenance"].values()
    assert {"versions", "cpu", "python", "lrbench", "threads"} <= environment.keys()
    assert not {"host", "command", "slurm_job"} & environment.keys()
    (attempt,) = next(row for row in read_rows(committed) if row.run_id == trained[0].run_id).attempts()
    assert attempt.items() <= trained[0].attempts()[0].items()
    assert {"started", "from_update"} <= attempt.keys()
    for path in (committed, committed.with_name("arms.json")):
        assert socket.gethostname() not in path.read_text()
        assert str(trained[0].folder.parents[1]) not in path.read_text()


def test_the_curves_of_an_arm_stand_at_the_same_updates(trained, committed):
    """64 updates: 20 stretches, and all 4 evaluations, rounded from the record's."""
    grid = grid_of(trained[0].experiment().clock)
    assert grid == {
        "train": [4, 7, 10, 13, 16, 20, 23, 26, 29, 32, 36, 39, 42, 45, 48, 52, 55, 58, 61, 64],
        "val": [16, 32, 48, 64],
    }  # fmt: skip
    for row in read_rows(committed)[:3]:
        record = Record(trained[0].folder.with_name(row.run_id))
        assert row.arm["updates"] == grid
        for name, curve in row.curves().items():
            assert set(curve) <= set(grid["val" if name.startswith("val/") else "train"])
        if row.cells["state"] == "finished":
            measured = {r["update"]: r["val/loss"] for r in record.rows() if "val/loss" in r}
            assert row.curves()["val/loss"] == {u: float(f"{v:.4g}") for u, v in measured.items()}


def test_files_are_merged_and_the_order_does_not_matter(trained, committed, tmp_path):
    other = tmp_path / "other" / "runs.csv"
    for record in reversed(trained):
        write_rows([record, record], other)
    for name in ("runs.csv", "arms.json"):
        assert other.with_name(name).read_bytes() == committed.with_name(name).read_bytes()
    assert write_rows(trained, committed) == 4
    assert other.read_bytes() == committed.read_bytes()
    assert write_rows([], tmp_path / "none" / "runs.csv") == 0


def test_what_no_row_names_is_dropped_from_the_arms(trained, committed):
    edit(committed, lambda t: "".join(line for line in t.splitlines(True) if trained[3].run_id not in line))
    assert write_rows(trained[:1], committed) == 3
    assert shared_of(committed)["arms"].keys() == {arm_id(trained[0].experiment())}


def test_another_row_of_the_same_run_is_refused(trained, committed):
    edit(committed, lambda t: t.replace("as planned", "better", 1))
    before = committed.read_bytes()
    with pytest.raises(ConfigError, match=r"runs\.csv, line 2: holds another row of \w{16}"):
        write_rows(trained, committed)
    assert committed.read_bytes() == before


def test_a_row_grows_when_the_test_set_is_asked_for_later(trained, tmp_path):
    """It keeps what it said; a record that says less, or something else, does not replace it."""
    whole = trained[0]
    summary = {k: v for k, v in whole.summary().items() if not k.startswith("test/")}
    early = Record(tmp_path / "early" / whole.run_id)
    shutil.copytree(whole.folder, early.folder)
    early.add_to_summary(summary)
    path = tmp_path / "claims" / "runs.csv"
    write_rows([early], path)
    (before,) = read_rows(path)
    assert write_rows([whole], path) == 1
    (after,) = read_rows(path)
    assert after.keeps(before)
    assert after.agrees(before)
    assert not before.keeps(after)
    assert after.summary()["test/loss"] == whole.summary()["test/loss"]
    with pytest.raises(ConfigError, match="holds another row"):
        write_rows([early], path)


def test_a_run_that_is_not_done_and_a_name_that_is_not_found_are_refused(make, trained, tmp_path):
    record = Record(tmp_path / "runs" / run_id(make("seed=7")))
    record.create(make("seed=7"), {})
    with pytest.raises(ConfigError, match=f"{record.run_id}: this run is interrupted; only finished"):
        write_rows([trained[0], record], tmp_path / "runs.csv")
    with pytest.raises(ConfigError, match=r"best\.csv: evidence is found by its name, runs\.csv; give .*runs\.csv\."):
        write_rows(trained, tmp_path / "best.csv")
    assert not list(tmp_path.glob("*.csv"))


def test_the_seed_is_put_back_where_it_was(make):
    """In a fork's parent only where the two shared it; two generations down too."""
    parent = make("seed=3")
    forks = [replace(parent, start=Start(of=replace(parent, seed=s), at="end"), horizon="1ep") for s in (3, 4)]
    deep = replace(forks[0], start=Start(of=forks[0], at="end"))
    for made in (parent, *forks, deep):
        plain = to_plain(made)
        assert with_seed(without_seed(plain), 3) == plain
        shared = with_seed(without_seed(plain), 9)
        assert shared["seed"] == 9
        if made.start is not None:
            assert shared["start"]["of"]["seed"] == (9 if made.start.of.seed == 3 else 4)
    assert with_seed(without_seed(to_plain(deep)), 9)["start"]["of"]["start"]["of"]["seed"] == 9


# ---- What is refused.

FOREIGN = {
    "another table": (lambda t: "run,accuracy\na,1\n", "its columns are others"),
    "empty": (lambda t: "", "its columns are others"),
    "an older one": (lambda t: "run_id,title,state,seed,experiment,summary\n", "written by an lrbench of before"),
    "a merge's mark": (lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1), r"line 2: 1 cells, not \d+"),
    "a row twice": (lambda t: t + t.splitlines(keepends=True)[1], "a second row of"),
    "cut short": (lambda t: t[: t.rindex("\n", 0, -1) + 90], r"\d cells, not \d+"),
    "another arm": (
        lambda t: t.replace(t.splitlines()[1][16:34], f",{'0' * 16},", 1),
        "has no arms '0000000000000000'",
    ),
    "no id": (lambda t: t.replace(t.splitlines()[1][:16], "", 1).replace(t.splitlines()[2][:16], "", 1), "a second"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_cannot_be_trusted_is_refused(committed, kind):
    change, words = FOREIGN[kind]
    edit(committed, change)
    with pytest.raises(ConfigError, match=words) as refused:
        read_rows(committed)
    assert str(committed) in str(refused.value)


ARMS = {
    "missing": (None, r"arms\.json: it is missing"),
    "torn": (lambda t: t[:-9], r"arms\.json: it cannot be read"),
    "a merge's mark": (lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1), r"arms\.json: it cannot be read"),
    "of the future": (lambda t: t.replace('"format": 2', '"format": 3'), "its format is 3 and this lrbench reads 2"),
    "without arms": (lambda t: t.replace('"arms"', '"legs"'), r"cannot be read \(KeyError: 'arms'\)"),
    "without an arm": (lambda t: '{"format": 2, "arms": {}, "provenance": {}, "rates": {}}', "has no arms"),
}


@pytest.mark.parametrize("kind", ARMS)
def test_arms_that_do_not_fit_are_refused(committed, kind):
    change, words = ARMS[kind]
    path = committed.with_name("arms.json")
    path.unlink() if change is None else edit(path, change)
    with pytest.raises(ConfigError, match=words):
        read_rows(committed)


CHANGED = {
    "another rate": ('"lr":0.1', '"lr":0.2', "hashes to"),
    "a seed in the arm": ('"batch_size"', '"seed":9,"batch_size"', "hashes to"),
    "no experiment": ('"horizon"', '"horizons"', "its experiment cannot be read"),
    "another processor": ('"cpu":"', '"cpu":"No ', "the provenance '.*' in arms.json beside it was changed"),
    "other rates": ('"lr/all":[[0,', '"lr/all":[[1,', "the rates '.*' in arms.json beside it was changed"),
    "no updates": ('"updates"', '"downdates"', "its curve cannot be read"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_arms_that_were_changed_are_refused_with_the_row(make, committed, run, kind, untrainable):
    before, after, words = CHANGED[kind]
    path = committed.with_name("arms.json")
    assert before in path.read_text()
    edit(path, lambda t: t.replace(before, after))
    with pytest.raises(ConfigError, match=rf"runs\.csv, line \d: .*{words}"):
        run(make())
    assert not (run.results / "runs").exists()


WRONG = {
    "another seed": ({"seed": "9"}, "hashes to"),
    "no seed": ({"seed": ""}, "its experiment cannot be read"),
    "half a number": ({"test/loss": "0.1e"}, "its numbers cannot be read"),
    "another state": ({"state": "running"}, "its state 'running'"),
    "no updates": ({"updates": ""}, "how many updates"),
    "no attempts": ({"attempts": ""}, "its attempts cannot be read"),
    "unknown provenance": ({"attempts": '[["00000000",0,"now"]]'}, "has no provenance '00000000'"),
    "unknown rates": ({"rates": "00000000"}, "has no rates '00000000'"),
    "too long a curve": ({"curve val/loss": "1 2 3 4 5"}, r"its curve cannot be read \(5 values at 4 updates\)"),
    "words for a curve": ({"curve val/loss": "1 two"}, "its curve cannot be read"),
    "no finite curve": ({"curve val/loss": "1 nan"}, "its curve cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_row_is_refused_with_its_place(make, trained, committed, run, kind, untrainable):
    change, words = WRONG[kind]
    rows = cells_of(committed)
    at = next(i for i, r in enumerate(rows) if r["run_id"] == trained[0].run_id)
    rows[at] |= change
    with committed.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(ConfigError, match=rf"runs\.csv, line {at + 2}: .*{words}"):
        run(make())
    assert not (run.results / "runs").exists()


# ---- Numbers that are not plain.


def test_numbers_that_are_not_finite_come_back(make, trained, run, tmp_path):
    copy = Record(tmp_path / "copy" / trained[0].run_id)
    shutil.copytree(trained[0].folder, copy.folder)
    summary = {**copy.summary(), "test/loss": math.nan, "train/loss": None, "lr_ratio/a": [0.1, 1.0]}
    (copy.folder / "summary.json").write_text(json.dumps(summary))
    last = {**copy.rows()[-1], "update": 64, "val/loss": None}
    edit(copy.folder / "metrics.jsonl", lambda t: "".join(t.splitlines(True)[:-1]) + json.dumps(last) + "\n")
    copy.adopt()  # sealed as it lies there now
    write_rows([copy], run.results / "runs.csv")
    restored = run(make()).summary()
    assert math.isnan(restored["test/loss"])
    assert math.isnan(restored["train/loss"])
    assert restored["lr_ratio/a"] == [0.1, 1.0]
    assert 64 not in read_rows(run.results / "runs.csv")[0].curves()["val/loss"]


def test_many_groups_are_read_again(make, trained, run, tmp_path):
    """1,500 parameter groups with a ratio each: a line longer than what Python's csv reads by default."""
    copy = Record(tmp_path / "copy" / trained[0].run_id)
    shutil.copytree(trained[0].folder, copy.folder)
    summary = {**copy.summary(), "note": "x" * 200_000, **{f"lr_ratio/{i}": [0.5, 1.0] for i in range(1500)}}
    (copy.folder / "summary.json").write_text(json.dumps(summary))
    copy.adopt()  # sealed as it lies there now
    write_rows([copy], run.results / "runs.csv")
    assert run(make()).summary()["lr_ratio/1499"] == [0.5, 1.0]
