"""`lrbench runs`: what it prints, writes and refuses."""

import csv
import io
import json
import math
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process
from made_records import put

from lrbench.commands import runs as command
from lrbench.config.experiments import experiment as compose
from lrbench.store.record import Record

experiment = cache(compose)


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def store(tmp_path: Path) -> list[Record]:
    results = tmp_path / "results"
    return [
        put(results, experiment(*TINY), test__accuracy=0.9125, test__loss=0.25, seconds=2.0),
        put(results, experiment(*TINY, "seed=1"), test__accuracy=0.95, test__loss=0.125, seconds=12345.6),
        put(results, experiment(*TINY, "optimizer.lr=1e30"), "diverged", train__loss=math.nan, seconds=1.0),
        put(results, experiment(*TINY, "seed=2", "scheduler.args.eta_min=0.01x"), "failed"),
    ]


def ids(store: list[Record]) -> list[str]:
    return [r.run_id[:8] for r in store]


def test_the_table(lrbench: Lrbench, store: list[Record]) -> None:
    said = lrbench("runs")
    a, b, c, d = ids(store)
    cos = "CosineAnnealingLR"
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "run_id    state     scheduler          optimizer.lr  scheduler.args.eta_min  seed  test/accuracy  test/loss"
        "  seconds\n"
        f"{a}  finished  {cos}           0.1  0.0                        0         91.25%       0.25        2\n"
        f"{b}  finished  {cos}           0.1  0.0                        1         95.00%      0.125    12346\n"
        f"{d}  failed    {cos}           0.1  0.01x                      2\n"
        f"{c}  diverged  {cos}         1e+30  0.0                        0                                  1\n"
    ).replace("  0.0 ", "  0   ")


def test_filters_sorting_limit_and_columns(lrbench: Lrbench, store: list[Record]) -> None:
    a, b, c, _ = ids(store)
    said = lrbench("runs", "state=finished,diverged", "--sort", "seconds", "--columns", "run_id, seconds")
    assert said.out.split() == ["run_id", "seconds", c, "1", a, "2", b, "12346"]
    said = lrbench("runs", "--sort", "test/accuracy", "optimizer.lr<1", "--reverse", "--limit", "1", "--columns=run_id")
    assert said.out.split() == ["run_id", b]
    assert lrbench("runs", "--limit", "1", "--columns", "run_id").out.split() == ["run_id", a]
    assert lrbench("runs", "--reverse", "--limit", "1", "--columns", "run_id").out.split() == ["run_id", c]


def test_nothing_found_says_what_there_is(lrbench: Lrbench, store: list[Record]) -> None:
    said = lrbench("runs", "scheduler=step")
    assert (said.code, said.out) == (0, "")
    assert said.err == (
        "lrbench: no run has scheduler=step (step is StepLR with step_size=30%): there is CosineAnnealingLR.\n"
    )
    said = lrbench("runs", "seed=1", "optimizer.lr>1", "--json")
    assert (said.code, said.out) == (0, "[]\n")
    assert said.err == "lrbench: no run has all of these at once.\n"


def test_csv(lrbench: Lrbench, store: list[Record]) -> None:
    said = lrbench("runs", "--csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [r["run_id"] for r in rows] == [store[i].run_id for i in (0, 1, 3, 2)]
    assert [r["test/accuracy"] for r in rows] == ["0.9125", "0.95", "", ""]
    assert {r["model.args.hidden"] for r in rows} == {"[8]"}
    frame = pd.read_csv(io.StringIO(said.out))
    assert frame["optimizer.lr"].tolist() == [0.1, 0.1, 0.1, 1e30]
    chosen = lrbench("runs", "--csv", "--columns", "seed,test/loss", "seed=0,1", "state=finished")
    assert chosen.out == "seed,test/loss\n0,0.25\n1,0.125\n"


def test_json(lrbench: Lrbench, store: list[Record]) -> None:
    said = lrbench("runs", "--json", "--columns", "seed,train/loss,scheduler.own_warmup", "seed=0")
    assert json.loads(said.out) == [
        {"seed": 0, "train/loss": None, "scheduler.own_warmup": False},
        {"seed": 0, "train/loss": None, "scheduler.own_warmup": False},
    ]
    assert "NaN" not in lrbench("runs", "--json").out


def test_parquet(lrbench: Lrbench, store: list[Record], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    said = lrbench("runs", "--parquet", "deep/all.parquet")
    assert (said.code, said.out, said.err) == (0, "", "4 runs in deep/all.parquet\n")
    frame = pd.read_parquet(tmp_path / "deep" / "all.parquet")
    assert frame["run_id"].tolist() == [store[i].run_id for i in (0, 1, 3, 2)]
    assert frame["test/loss"].tolist()[:2] == [0.25, 0.125]
    assert frame["scheduler.args.eta_min"].tolist() == ["0.0", "0.0", "0.01x", "0.0"]  # a column has one type
    assert frame["compile"].tolist() == [False] * 4
    assert_refused(lrbench("runs", "--parquet", "results"), "--parquet=results: cannot be written")


def test_parquet_without_pyarrow(lrbench: Lrbench, store: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = lrbench("runs", "--parquet", "all.parquet")
    assert_refused(said, "--parquet=all.parquet", "pip install 'lr-schedule-bench[parquet]'")
    assert not Path("all.parquet").exists()


def test_keys(lrbench: Lrbench, store: list[Record]) -> None:
    keys = lrbench("runs", "--keys").out.split("\n")
    assert {"run_id", "optimizer.lr", "scheduler", "test/accuracy", "arm", "model.args.hidden"} <= set(keys)


@pytest.mark.slow
def test_export(lrbench: Lrbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    lrbench("-m", *TINY, "seed=0,1,2")
    put(tmp_path / "results", experiment(*TINY, "seed=7"), "failed")
    path = "results/claims/seeds/runs.csv"
    said = lrbench("runs", "seed=0,1,7", "--export", path)
    assert (said.code, said.out) == (0, "")
    assert said.err == f"2 runs exported, {path} holds 2; 1 that are not done were left out\n"
    assert lrbench("runs", "seed=2", "--export", path).err == f"1 run exported, {path} holds 3\n"
    before = Path(path).read_bytes()
    assert_refused(
        lrbench("runs", "seed=7", "--export", path), "no record of a finished or diverged run is among the 1"
    )
    assert_refused(lrbench("runs", "seed=0", "--export", "all.csv"), "all.csv: evidence is found by its name, runs.csv")
    Path("file").touch()
    assert_refused(lrbench("runs", "seed=0", "--export", "file/runs.csv"), "--export=file/runs.csv: cannot be written")
    assert Path(path).read_bytes() == before
    accuracy = lrbench("runs", "--columns", "run_id,test/accuracy,test/loss", "state=finished", "--csv").out
    kept = lrbench("runs", "seed=1,2", "--json")
    shutil.rmtree("results/runs")
    assert_refused(lrbench("runs"), "there are no records here", "--committed")
    evidence = lrbench("runs", "seed=1,2", "state=finished", "--committed", "--json")
    found = json.loads(evidence.out)
    assert [(row.pop("evidence"), row.pop("committed")) for row in found] == [(path, False)] * 2
    assert found == json.loads(kept.out)
    assert_refused(lrbench("runs", "--committed", "--export", path), "no record of a finished or diverged run")
    lrbench(*TINY, "seed=1")
    table = lrbench("runs", "seed=1,2", "--committed").out
    assert table.split("\n")[0].endswith("  committed")
    assert [path in line for line in table.splitlines()[1:]] == [False, True]  # seed 1 has a record again
    trained = lrbench("-m", *TINY, "seed=0,1,2")
    assert trained.err.count("restored from results/claims/seeds/runs.csv, not trained") == 2
    again = lrbench("runs", "--columns", "run_id,test/accuracy,test/loss", "state=finished", "--csv")
    assert again.out == accuracy
    twin = Path("results/claims/twin/runs.csv")
    shutil.copytree("results/claims/seeds", twin.parent)
    twin.write_text(twin.read_text().replace("as planned", "well", 1))
    told = lrbench("runs", "--committed", "--columns", "run_id").err
    assert "line 2: says something else of " in told
    assert f"{twin}, line 2" in told
    assert lrbench("runs", f"restored_from={path}", "--json", "--columns=seed").out.count("seed") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("test/f1>0",), ("test/f1", "no run has", "--keys")),
        (("scheduler=cosin",), ("scheduler=cosin", "no level", "Did you mean 'cosine'")),
        (("--columns", "sede"), ("sede", "Did you mean 'seed'")),
        (("--sort", "acc"), ("acc: no run has",)),
        (("--limit", "-1"), ("--limit", "-1")),
        (("--limit", "few"), ("few is not a number of runs",)),
        (("--csv", "--json"), ("not allowed with",)),
        (("--colums", "seed"), ("--colums", "lrbench runs --help")),
        (("optimizer.lr",), ("a filter is KEY=VALUE", "quote it")),
        (("state=finished", "--results", "nowhere"), ("nowhere/runs", "no records here", "LRBENCH_RESULTS")),
    ],
)
def test_refused(lrbench: Lrbench, store: list[Record], arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    before = files(Path("."))
    assert_refused(lrbench("runs", *arguments), *words)
    assert files(Path(".")) == before


def test_the_examples_of_its_help_work(lrbench: Lrbench, store: list[Record], tmp_path: Path) -> None:
    import shlex

    said = lrbench("runs", "--help")
    assert said.code == 0
    examples = re.findall(r"^  lrbench (.*?)(?:   .*)?$", said.out, re.MULTILINE)
    assert len(examples) >= 6
    for example in examples:
        arguments = shlex.split(example.partition(" > ")[0])
        if "--export" not in arguments:  # its arm is another store's
            assert lrbench(*arguments).code == 0, example


def test_progress_is_told_where_much_has_to_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    for count, told in ((199, ""), (200, "reading 200 records\n")):
        names = [str(i) for i in range(count)]
        assert list(command._progress(names, "reading")) == names
        assert capsys.readouterr() == ("", told)


def test_a_terminal_gets_the_same_cells(lrbench: Lrbench, store: list[Record], tmp_path: Path) -> None:
    plain = lrbench("runs").out.split()
    script = (
        "import os, pty, sys\n"
        "os.environ.update(COLUMNS='200', TERM='dumb')\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, '-m', 'lrbench', 'runs'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout
    assert done.stdout.split() == plain


def test_a_narrow_terminal_leaves_the_last_numbers_out(lrbench: Lrbench, store: list[Record]) -> None:
    script = (
        "import os, pty, sys\n"
        "os.environ.update(COLUMNS='80', TERM='dumb')\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, '-m', 'lrbench', 'runs', 'seed=0,1'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = done.stdout.splitlines()
    assert lines[0] == "lrbench: no room for test/loss, seconds; --columns chooses."
    assert lines[1].split() == ["run_id", "state", "scheduler", "optimizer.lr", "seed", "test/accuracy"]
    assert all(len(line) <= 80 for line in lines)


def test_neither_pandas_nor_torch_is_imported(store: list[Record], tmp_path: Path) -> None:
    """But where a frame or Parquet is asked for."""
    script = (
        "import sys; from lrbench.cli.main import run\n"
        "assert run(['runs', 'state=finished']) == run(['runs', '--csv']) == run(['--help']) == 0\n"
        "assert not {'pandas', 'pyarrow', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_training_does_not_import_pandas(tmp_path: Path) -> None:
    script = (
        "import sys; from lrbench.cli.main import run\n"
        f"assert run({list(TINY)!r}) == 0\n"
        "assert 'pandas' not in sys.modules and 'torch' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
