"""`store.runs` and its index: a store made by hand, filters against plain Python, the index against a rebuild."""

import json
import math
import operator
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import put, put_many, write_series

from lrbench.errors import ConfigError
from lrbench.experiment import Start
from lrbench.experiment.identity import arm_id, run_id
from lrbench.store import index, runs
from lrbench.store.lease import Lease
from lrbench.store.record import Record
from lrbench.store.store import Store

COSINE = ("scheduler=cosine", "warmup=linear5", "warmup.length=1ep")


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def five_runs(make, results):
    """Two seeds of a cosine, a OneCycle, one that diverged, one under way whose process is gone."""
    return {
        "cosine 0": put(results, make(*COSINE), test__accuracy=0.98, test__loss=0.07, seconds=12.5),
        "cosine 1": put(results, make(*COSINE, "seed=1"), test__accuracy=0.96, test__loss=0.11, seconds=12.0),
        "onecycle": put(results, make("scheduler=onecycle", "optimizer.lr=0.4"), test__accuracy=0.99, test__loss=0.05),
        "diverged": put(results, make("optimizer.lr=8.0", "clip=1.0"), "diverged", train__loss=math.nan),
        "running": put(results, make("optimizer.lr=0.2", "optimizer=adamw"), "running"),
    }


@pytest.fixture
def store(make, results):
    return five_runs(make, results)


@pytest.fixture(scope="module")
def kept(make, tmp_path_factory):
    """A results folder with the five runs, and these, made once for the tests that only read."""
    results = tmp_path_factory.mktemp("kept") / "results"
    return results, five_runs(make, results)


def names(store, chosen):
    ids = {record.run_id: name for name, record in store.items()}
    return {ids[row["run_id"]] for row in chosen}


# ---- The store, checked by hand.


@pytest.mark.slow
def test_a_row_a_run(kept):
    results, store = kept
    frame = runs.frame(results).set_index("run_id")
    assert sorted(frame.index) == sorted(r.run_id for r in store.values())
    assert isinstance(frame, pd.DataFrame)
    first = frame.loc[store["cosine 0"].run_id]
    assert first["title"] == "mlp Digits SGD lr 0.1 CosineAnnealingLR warmup 1ep 4ep seed 0"
    assert (first["state"], first["seed"], first["optimizer.lr"]) == ("finished", 0, 0.1)
    assert (first["scheduler"], first["scheduler.target"].rpartition(".")[0]) == (
        "CosineAnnealingLR", "torch.optim.lr_scheduler"
    )  # fmt: skip
    assert (first["model"], first["model.args.hidden"]) == ("mlp", "[16]")
    assert (first["test/accuracy"], first["test/loss"], first["seconds"]) == (0.98, 0.07, 12.5)
    assert (first["update"], first["updates"], first["epochs"]) == (64, 64, 4.0)
    assert (first["accumulate"], first["ranks"], first["compile"]) == (1, 1, False)
    second = frame.loc[store["cosine 1"].run_id]
    assert first["arm"] == second["arm"] == arm_id(store["cosine 0"].experiment()) == store["cosine 0"].run_id
    stopped = frame.loc[store["running"].run_id]
    assert (stopped["state"], stopped["update"], stopped["updates"]) == ("interrupted", 3, 64)
    assert math.isnan(stopped["test/accuracy"])
    assert frame["scheduler"].nunique() == 2


ASKED = {
    "scheduler=CosineAnnealingLR": {"cosine 0", "cosine 1", "diverged", "running"},
    "scheduler=cosineannealinglr warmup!=none": {"cosine 0", "cosine 1"},
    "scheduler=cosine": {"cosine 0", "cosine 1", "diverged", "running"},
    "scheduler=onecycle": {"onecycle"},
    "scheduler!=onecycle": {"cosine 0", "cosine 1", "diverged", "running"},
    "scheduler=OneCycleLR,cosine_floor1e-5": {"onecycle"},
    "optimizer=sgd,lion warmup=none": {"onecycle", "diverged"},
    "warmup=linear1": {"cosine 0", "cosine 1"},  # however it was typed
    "warmup=linear5": set(),
    "param_groups=one model=mlp": {"cosine 0", "cosine 1", "onecycle", "diverged", "running"},
    "param_groups=backbone_head": set(),
    "scheduler.target=torch.optim.lr_scheduler.OneCycleLR": {"onecycle"},
    "scheduler._target_=torch.optim.lr_scheduler.OneCycleLR": {"onecycle"},
    "warmup=none": {"onecycle", "diverged", "running"},
    "warmup.length=1ep": {"cosine 0", "cosine 1"},
    "warmup.length!=1ep": {"onecycle", "diverged", "running"},
    "seed=0,1 state=finished": {"cosine 0", "cosine 1", "onecycle"},
    "seed=1": {"cosine 1"},
    "seed!=0": {"cosine 1"},
    "seed!=0,1": set(),
    "optimizer.lr>0.1": {"onecycle", "diverged", "running"},
    "optimizer.lr>=0.1 optimizer.lr<1e0": {"cosine 0", "cosine 1", "onecycle", "running"},
    "optimizer.lr==4e-1": {"onecycle"},
    "test/accuracy>=0.98": {"cosine 0", "onecycle"},
    "test/accuracy<0.98": {"cosine 1"},
    "test/accuracy=none": {"diverged", "running"},
    "train/loss=nan": {"cosine 0", "cosine 1", "onecycle", "diverged", "running"},
    "state=diverged,interrupted": {"diverged", "running"},
    "clip=1": {"diverged"},
    "clip=none": {"cosine 0", "cosine 1", "onecycle", "running"},
    "optimizer=adamw": {"running"},
    "model.args.hidden=[16]": {"cosine 0", "cosine 1", "onecycle", "diverged", "running"},
    "model.args.hidden=[16,16]": set(),
    "accumulate=1 compile=false": {"cosine 0", "cosine 1", "onecycle", "diverged", "running"},
    "amp=none": {"cosine 0", "cosine 1", "onecycle", "diverged", "running"},
    "scheduler.interval=batch": {"onecycle"},
}


@pytest.mark.parametrize("asked", ASKED)
def test_filters_of_the_store(kept, asked):
    results, store = kept
    everything = runs.read(Store(results))
    assert names(store, runs.choose(everything, asked.split())) == ASKED[asked]
    assert len(runs.frame(results, where=asked.split())) == len(ASKED[asked])


def test_ids_are_known_by_their_beginning(make, store, results):
    parent = store["cosine 0"]
    child = put(results, replace(make(), start=Start(of=parent.experiment(), at="end")), test__accuracy=0.9)
    everything = runs.read(Store(results))
    for asked in (f"run_id={child.run_id[:6]}", f"start.of={parent.run_id[:8]}", "start.at=end"):
        assert [r["run_id"] for r in runs.choose(everything, [asked])] == [child.run_id]
    assert len(runs.choose(everything, [f"arm={parent.run_id[:8]}"])) == 2
    assert runs.choose(everything, ["state=finish"]) == []  # but nothing else


@pytest.mark.slow
def test_a_level_is_told_by_what_tells_it_from_its_like(make, results):
    """An argument that levels of one class share is free; one in which they differ is not."""
    asked = {
        "plain": make("horizon=30ep"),
        "own floor": make("horizon=30ep", "scheduler.args.eta_min=0.01x"),
        "floor": make("horizon=30ep", "scheduler.args.eta_min=0.1x"),  # what cosine_floor_10pct makes
        "batch": make("horizon=30ep", "scheduler.interval=batch"),
        "gamma": make("horizon=30ep", "scheduler=step", "scheduler.args.gamma=0.5"),
        "rate": make("horizon=30ep", "optimizer.lr=0.2"),
        "decay": make("horizon=30ep", "optimizer.args.weight_decay=0.01"),  # which tells sgd from sgd_plain
        "nesterov": make("horizon=30ep", "optimizer=sgd_nesterov"),
    }
    store = {name: put(results, e) for name, e in asked.items()}
    everything = runs.read(Store(results))

    def found(*where):
        return names(store, runs.choose(everything, where))

    assert found("scheduler=cosine", "optimizer=sgd") == {"plain", "batch", "rate"}
    assert found("optimizer=SGD", "optimizer!=sgd,sgd_nesterov") == {"decay"}
    assert found("scheduler=cosine_floor_10pct") == {"floor"}
    assert found("scheduler=CosineAnnealingLR", "scheduler!=cosine,cosine_floor_10pct") == {"own floor"}
    assert found("scheduler=step") == {"gamma"}
    assert found("optimizer=sgd_nesterov") == {"nesterov"}


def test_a_level_that_no_run_has_and_a_word_that_is_none(kept):
    results, _store = kept
    everything = runs.read(Store(results))
    assert runs.unmatched(["scheduler=cosine_floor1e-5"], everything) == (
        "no run has scheduler=cosine_floor1e-5 (cosine_floor1e-5 is CosineAnnealingLR with eta_min=1e-05): there are "
        "CosineAnnealingLR, OneCycleLR"
    )
    assert runs.choose(everything, ["scheduler=StepLR"]) == []  # a level's class
    with pytest.raises(
        ConfigError, match=r"^scheduler=cosin: this is no level of scheduler, .*Did you mean 'cosine'\?"
    ):
        runs.choose(everything, ["scheduler=onecycle,cosin"])
    with pytest.raises(ConfigError, match=r"^model=resnet9: this is no level of model, .*Did you mean 'resnet8'\?"):
        runs.choose(everything, ["model!=resnet9"])


def test_frame_with_columns(kept):
    results, _store = kept
    frame = runs.frame(results, ["state=finished"], ["seed", "optimizer.lr", "scheduler", "clip"])
    assert list(frame.columns) == ["seed", "optimizer.lr", "scheduler", "clip"]
    assert frame.values.tolist() == [
        [0, 0.1, "CosineAnnealingLR", None],
        [1, 0.1, "CosineAnnealingLR", None],
        [0, 0.4, "OneCycleLR", None],
    ]


def test_the_order(kept):
    results, _store = kept
    everything = runs.read(Store(results))
    up, down = (runs.ordered(everything, "test/accuracy", d) for d in (False, True))
    assert [r.get("test/accuracy") for r in up] == [0.96, 0.98, 0.99, None, None]
    assert [r.get("test/accuracy") for r in down] == [0.99, 0.98, 0.96, None, None]


@pytest.mark.slow
def test_not_finite_numbers_in_any_spelling(make, results):
    for seed, value in enumerate([math.nan, None, "NaN", math.inf, "Infinity", "-Infinity", 0.5]):
        put(results, make(f"seed={seed}"), test__loss=value)
    everything = runs.read(Store(results))
    assert [r["seed"] for r in runs.choose(everything, ["test/loss=none"])] == [0, 1, 2]
    assert [r["seed"] for r in runs.choose(everything, ["test/loss>1"])] == [3, 4]
    assert [r["seed"] for r in runs.choose(everything, ["test/loss<1"])] == [5, 6]
    assert runs.frame(results)["test/loss"].isna().sum() == 3


REFUSED = {
    "test/acuracy>0.9": "test/acuracy: no run has .*Did you mean 'test/accuracy'",
    "test/f1>0.9": "test/f1: no run has an option or a metric of this name",
    "optimiser.lr=0.1": "Did you mean 'optimizer.lr'",
    "lr=0.1": "Did you mean 'optimizer.lr'",
    "accuracy=0.1": "Did you mean 'test/accuracy'",
    "optimizer.lr": "optimizer.lr: a filter is KEY=VALUE.*quote it",
    "optimizer.lr=": "a filter is KEY=VALUE",
    "=0.1": "a filter is KEY=VALUE",
    "seed=<3": "a filter is KEY=VALUE",
    "seed=0,,1": "a value is missing beside the comma",
    "optimizer.lr>high": "> compares numbers, and 'high' is none",
    "seed>0,1": "> compares numbers, and '0,1' is none",
    "horizon>10": "> compares numbers, and horizon of the runs is none .such as 4ep",
    "model.args.hidden=[16": "cannot be read as a list",
}


@pytest.mark.parametrize("asked", REFUSED)
def test_what_is_refused(kept, asked):
    results, _store = kept
    with pytest.raises(ConfigError, match=REFUSED[asked]):
        runs.frame(results, where=[asked])


def test_a_column_that_no_run_has_is_refused(kept):
    results, _store = kept
    with pytest.raises(ConfigError, match="test/f1: no run has"):
        runs.frame(results, columns=["seed", "test/f1"])


def test_where_no_run_is_finished_that_is_why_it_has_no_such_metric(make, results):
    put(results, make(), "failed")
    with pytest.raises(ConfigError, match=r"test/f1: no run has .* of this name, and none is finished"):
        runs.frame(results, columns=["test/f1"])


def test_a_folder_without_records_is_refused(results):
    with pytest.raises(ConfigError, match="there are no records here"):
        runs.frame(results)
    (results / "runs").mkdir(parents=True)
    with pytest.raises(ConfigError, match="there are no records here"):
        runs.frame(results)
    assert list((results / "runs").iterdir()) == []


# ---- Filters against plain Python.

WORDS = ("Cosine", "cosine", "Step", "30ep", "10%", "@30ep", "none of it")
VALUES = st.one_of(
    st.none(), st.just(math.nan), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS),
    st.sampled_from([0, 1, 0.1, 2**53, 2**53 + 1]),
)  # fmt: skip


def spelled(value) -> str:
    return "none" if value is None or value != value else value if isinstance(value, str) else repr(value)


def kind(value) -> str:
    if value is None or value != value:
        return "none"
    return {bool: "flag", str: "text"}.get(type(value), "number")


def equal(value, asked) -> bool:
    if kind(value) != kind(asked):
        return False
    if kind(value) == "text":
        return value.casefold() == asked.casefold()
    return kind(value) == "none" or value == asked


@given(st.lists(VALUES, min_size=1, max_size=8), st.lists(VALUES, min_size=1, max_size=3), st.booleans())
def test_equality(values, asked, negated):
    rows = [{"run_id": str(i), "x": v} for i, v in enumerate(values)]
    text = f"x{'!=' if negated else '='}{','.join(map(spelled, asked))}"
    expected = [str(i) for i, v in enumerate(values) if any(equal(v, a) for a in asked) != negated]
    assert [r["run_id"] for r in runs.choose(rows, [text])] == expected


@given(
    st.lists(VALUES, min_size=1, max_size=8),
    st.sampled_from([("<", operator.lt), ("<=", operator.le), (">", operator.gt), (">=", operator.ge)]),
    st.integers() | st.floats(allow_nan=False),
)
def test_order(values, sign, asked):
    rows = [{"run_id": str(i), "x": v} for i, v in enumerate([*values, 0])]
    expected = [r["run_id"] for r in rows if kind(r["x"]) == "number" and sign[1](r["x"], asked)]
    assert [r["run_id"] for r in runs.choose(rows, [f"x{sign[0]}{asked!r}"])] == expected


@given(st.lists(VALUES, min_size=1))
def test_sorting_keeps_every_run_and_puts_the_missing_last(values):
    rows = [{"i": i, "x": v} for i, v in enumerate(values)]
    for descending in (False, True):
        found = runs.ordered(rows, "x", descending)
        assert sorted(r["i"] for r in found) == list(range(len(values)))
        kinds = [kind(r["x"]) == "none" for r in found]
        assert kinds == sorted(kinds)
        numbers = [r["x"] for r in found if kind(r["x"]) in ("number", "flag")]
        assert numbers == sorted(numbers, reverse=descending)


# ---- What a table shows by itself.


def test_a_table_shows_what_tells_the_runs_apart(kept):
    results, _store = kept
    everything = runs.read(Store(results))
    ends = ["test/accuracy", "test/loss", "seconds"]
    assert runs.telling(runs.choose(everything, ["warmup!=none"])) == [
        "run_id", "state", "scheduler", "optimizer.lr", "seed", *ends,
    ]  # fmt: skip
    assert runs.telling(runs.choose(everything, ["state=finished", "seed=0"])) == [
        "run_id", "state", "scheduler", "optimizer.lr", "warmup", *ends,
    ]  # fmt: skip
    assert runs.telling(runs.choose(everything, ["state!=finished"])) == [
        "run_id", "state", "scheduler", "optimizer.lr", "optimizer", "clip",
    ]  # fmt: skip
    assert runs.telling(runs.choose(everything, ["seed=1"])) == ["run_id", "state", "title", *ends]
    assert runs.telling(runs.choose(everything, ["state=interrupted"])) == ["run_id", "state", "title"]


def test_many_differences_are_told_by_the_title():
    rows = [{"run_id": str(i), "title": "t", **{f"model.args.{c}": i for c in "abcdefg"}} for i in range(2)]
    assert runs.telling(rows) == ["run_id", "state", "title"]


# ---- The index.


def asked(results, watch=iter):
    """The rows of a store, its index kept."""
    store = Store(results)
    rows = store.index.rows(watch)
    store.index.keep()
    return rows


def rebuilt(results):
    """The rows of a store without an index, read in another place."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "results"
        shutil.copytree(results, copy, ignore=shutil.ignore_patterns("index.json"))
        return asked(copy)


def read_again(results):
    seen = []
    rows = asked(results, lambda names: seen.extend(names) or names)
    return rows, seen


def test_only_what_changed_is_read(make, store, results):
    rows, seen = read_again(results)
    assert sorted(seen) == [r["run_id"] for r in rows] == sorted(r.run_id for r in store.values())
    assert read_again(results) == (rows, [])
    store["running"].set_status("interrupted", 40, 64)
    again, seen = read_again(results)
    assert seen == [store["running"].run_id]
    assert next(r for r in again if r["run_id"] == seen[0])["update"] == 40
    put(results, make("seed=9"), test__accuracy=0.5)
    assert read_again(results)[1] == [run_id(make("seed=9"))]
    aside = store["onecycle"].set_aside("old")
    rows, seen = read_again(results)
    assert (len(rows), seen) == (5, [])
    assert json.loads((results / "runs" / "index.json").read_bytes().splitlines()[1]).keys() == {
        r["run_id"] for r in rows
    }
    assert aside.name not in str(rows)


def test_another_file_of_the_same_size_is_noticed(store, results):
    """By its time, or by its inode where two are written within one tick of the clock."""
    path = store["cosine 0"].folder / "summary.json"

    def loss():
        return next(r for r in asked(results) if r["run_id"] == store["cosine 0"].run_id)["test/loss"]

    assert loss() == 0.07
    before = path.stat()
    path.write_text(path.read_text().replace("0.07", "0.08"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert loss() == 0.08
    beside = path.with_name("beside")
    beside.write_text(path.read_text().replace("0.08", "0.09"))
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    beside.rename(path)
    assert path.stat().st_size == before.st_size
    assert loss() == 0.09


def broken(record, name):
    (record.folder / name).write_text("{[")


CHANGES = {
    "status": lambda r, n: (r.folder / "status.json").exists() and r.set_status("running", n, 64),
    "failed": lambda r, n: r.folder.exists() and r.set_status("failed", n, 64, f"RuntimeError: {n}"),
    "metric": lambda r, n: r.folder.exists() and put_metric(r, n),
    "gone": lambda r, n: shutil.rmtree(r.folder, ignore_errors=True),
    "aside": lambda r, n: r.folder.exists() and r.set_aside("old"),
    "no status": lambda r, n: (r.folder / "status.json").unlink(missing_ok=True),
    "no experiment": lambda r, n: (r.folder / "experiment.yaml").unlink(missing_ok=True),
    "bad summary": lambda r, n: r.folder.exists() and broken(r, "summary.json"),
    "bad status": lambda r, n: r.folder.exists() and broken(r, "status.json"),
    "bad experiment": lambda r, n: r.folder.exists() and broken(r, "experiment.yaml"),
    "index cut": lambda r, n: cut(r.folder.parent / "index.json", n),
    "index garbled": lambda r, n: garble(r.folder.parent / "index.json", n),
    "asked": lambda r, n: asked(r.folder.parents[1]),
}


def put_metric(record, n):
    from lrbench.store.files import write_json

    record.set_status("finished", 64, 64)
    write_json(record.folder / "summary.json", {"run_id": record.run_id, "test/loss": n / 8})


def cut(path, n):
    if path.exists():
        path.write_bytes(path.read_bytes()[: -n - 1])


def garble(path, n):
    if path.exists():
        content = path.read_bytes()
        at = n * len(content) // 64
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@given(st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 2), st.integers(0, 63)), max_size=10))
def test_the_index_equals_a_rebuild_after_any_changes(make, changes):
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        records = [put(results, make(f"seed={s}"), test__loss=s / 4) for s in range(3)]
        asked(results)
        for name, which, n in changes:
            CHANGES[name](records[which], n)
        expected = rebuilt(results)
        assert asked(results) == expected
        assert read_again(results) == (expected, [])


@pytest.mark.parametrize("damage", ["", "{", "[]\n{}", '{"version":0,"sha256":""}\n{}', "null\nnull"])
def test_a_damaged_index_is_made_again(store, results, damage):
    rows = asked(results)
    path = results / "runs" / "index.json"
    whole = path.read_bytes()
    path.write_text(damage)
    assert asked(results) == rows
    assert path.read_bytes() == whole


def test_an_index_of_another_version_is_made_again(store, results, monkeypatch):
    asked(results)
    monkeypatch.setattr(index, "VERSION", index.VERSION + 1)
    assert len(read_again(results)[1]) == 5
    assert read_again(results)[1] == []


def test_a_running_run_is_asked_for_its_lease_every_time(store, results):
    def state():
        return next(r for r in asked(results) if r["run_id"] == store["running"].run_id)["state"]

    assert state() == "interrupted"
    lease = Lease(store["running"].folder)
    assert lease.take()
    try:
        assert state() == "running"
        broken(store["running"], "status.json")
        assert state() == "running"  # somebody writes it
    finally:
        lease.release()
    assert state() == "corrupt"


def test_standings_are_those_of_the_record(store, results):
    (store["onecycle"].folder / "summary.json").unlink()
    path = store["cosine 1"].folder / "experiment.yaml"
    path.write_text(path.read_text().replace("seed: 1", "seed: 2"))
    for name in ("cosine 0", "diverged"):
        write_series(store[name], [[0.1]] * 64)
    rows = asked(results)
    assert sorted(r["state"] for r in rows) == ["corrupt", "corrupt", "diverged", "finished", "interrupted"]
    for row in rows:
        assert row["state"] == Record(results / "runs" / row["run_id"]).standing()


def test_a_folder_that_cannot_be_written(store, results, monkeypatch):
    def refused(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index, "write_bytes", refused)
    first = asked(results)
    assert asked(results) == first
    assert not (results / "runs" / "index.json").exists()


@pytest.fixture
def read_only(store, results):
    """The store on a file system that is mounted read-only; permissions do not bind root."""
    folder = results.parent / "fixed"
    folder.mkdir()
    mount = ["mount", "--bind", "-o", "ro", str(results), str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a folder can only be mounted by root")
    try:
        (folder / "probe").touch()
    except OSError:
        yield folder
        return
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    pytest.skip("a bind mount cannot be made read-only here")


def test_a_read_only_store(store, results, read_only):
    assert asked(read_only) == rebuilt(results)
    assert not (results / "runs" / "index.json").exists()


@pytest.mark.slow
def test_refreshes_at_the_same_time(make, results):
    put_many(results, make(), 60)
    script = (
        "import sys, json; from pathlib import Path; from lrbench.store.store import Store; "
        " sys.stdin.readline();"
        "store = Store(Path(sys.argv[1])); print(json.dumps(store.index.rows())); store.index.keep()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(results)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        said.append(process.communicate(timeout=300)[0])
        assert process.returncode == 0
    assert all(json.loads(s) == rebuilt(results) for s in said)
    assert read_again(results)[1] == []
    assert not list((results / "runs").glob(".index*"))


@pytest.mark.full
def test_ten_thousand_records(make, results):
    put_many(results, make(), 10_000)
    rows, seen = read_again(results)
    assert len(rows) == len(seen) == 10_000
    assert read_again(results) == (rows, [])
    frame = runs.frame(results, where=["test/accuracy>=0.9995"])
    assert sorted(frame["seed"]) == [9995, 9996, 9997, 9998, 9999]
    assert runs.frame(results)["seed"].nunique() == 10_000
    record = Record(results / "runs" / frame["run_id"][0])
    record.set_status("failed", 3, 64, "RuntimeError")
    assert read_again(results)[1] == [record.run_id]
    assert len(runs.frame(results, where=["state=failed"])) == 1
