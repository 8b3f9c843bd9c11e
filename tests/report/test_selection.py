"""Which records a comparison is of."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import COSINE, experiment, record

from lrbench.errors import ConfigError
from lrbench.experiment import Settings, Start
from lrbench.experiment.identity import run_id
from lrbench.report.selection import records_of
from lrbench.store.record import Record
from lrbench.store.store import Store
from lrbench.sweep.entry import Entry
from lrbench.sweep.plan import make_plan
from lrbench.sweep.store import Sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Constant then cosine, of two rates and two seeds; begun in this order, one a second."""
    made = [experiment(n, s, lr) for n in ("ConstantLR", COSINE) for lr in (0.1, 0.3) for s in (0, 1)]
    for i, one in enumerate(made):
        record(tmp_path, one, 0.9, provenance={"started": f"2026-01-01T00:00:0{i}+0000"})
    return tmp_path


def told(records: list[Record]) -> list[tuple[str, float, int]]:
    made = [r.experiment() for r in records]
    return [(e.scheduler.target.rpartition(".")[2], e.optimizer.lr, e.seed) for e in made]


def test_all_in_the_order_in_which_they_were_begun(results: Path) -> None:
    everything = told(records_of(Store(results), []))
    assert everything == [(n, lr, s) for n in ("ConstantLR", COSINE) for lr in (0.1, 0.3) for s in (0, 1)]
    (results / "runs" / "0123.aside-1").mkdir()  # set aside
    assert told(records_of(Store(results), [])) == everything


def test_begun_in_one_second_or_unknown(tmp_path: Path) -> None:
    made = [record(tmp_path, experiment(seed=s), 0.9) for s in range(6)]
    for i, one in enumerate(made):
        os.utime(one.folder / "experiment.yaml", ns=(i, i))
    assert [seed for _, _, seed in told(records_of(Store(tmp_path), []))] == list(range(6))
    (made[3].folder / "provenance.json").write_text("{")
    assert len(records_of(Store(tmp_path), [])) == 6


def test_by_id_by_folder_and_by_results_folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two, *_ = records_of(Store(results), [])
    assert records_of(Store(results), [two.run_id[:8], one.run_id]) == [two, one]
    assert [r.run_id for r in records_of(Store(results), [str(one.folder)])] == [one.run_id]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert len(records_of(Store(elsewhere), [str(results)])) == 8
    with pytest.raises(ConfigError, match="no record under"):
        records_of(Store(results), ["zzzz"])
    with pytest.raises(ConfigError, match="there is no record under"):
        records_of(Store(elsewhere), [])


@pytest.mark.parametrize(
    ("where", "n"),
    [
        (["scheduler=ConstantLR"], 4),
        (["scheduler.target=torch.optim.lr_scheduler.ConstantLR"], 4),
        (["optimizer.lr=0.3"], 4),
        (["optimizer.lr=0.3", "seed=1"], 2),
        (["model.args.hidden=[8]"], 8),
        (["horizon=4ep"], 8),
        (["optimizer.lr>0.2", "test/accuracy>=0.5"], 4),
    ],
)
def test_where(results: Path, where: list[str], n: int) -> None:
    assert len(records_of(Store(results), [], where)) == n


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("scheduler", ("a filter is KEY=VALUE",)),
        ("schedular=StepLR", ("schedular: no run has", "Did you mean 'scheduler'")),
        ("scheduler=StepLR", ("--where=scheduler=StepLR: no run has", "there are ConstantLR, CosineAnnealingLR.")),
        ("optimizer.lr=0.2", ("there are 0.1, 0.3.",)),
    ],
)
def test_where_refused(results: Path, where: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        records_of(Store(results), [], [where])
    assert all(w in str(refused.value) for w in words), refused.value


def test_where_passes_over_what_cannot_be_read(results: Path) -> None:
    broken = records_of(Store(results), [])[0]
    (broken.folder / "experiment.yaml").write_text("{")
    assert len(records_of(Store(results), [], ["scheduler=ConstantLR"])) == 3


def test_a_fork_is_found_by_its_parent(tmp_path: Path) -> None:
    parent = experiment()
    fork = replace(parent, start=Start(of=parent, at="end"))
    record(tmp_path, parent, 0.9)
    made = record(tmp_path, fork, 0.9)
    assert [r.run_id for r in records_of(Store(tmp_path), [], ["start.at=end"])] == [made.run_id]


def test_a_sweep_by_its_name(results: Path) -> None:
    """The runs that it asked for and that have a record, in the order of its plan; no parents."""
    parent, *others = [r.experiment() for r in records_of(Store(results), [])]
    fork = replace(others[0], start=Start(of=parent, at="end"))
    record(results, fork, 0.9)
    missing = replace(parent, seed=99)
    entries = [
        Entry(f"run {i}", e, Settings(results=results), number=i) for i, e in enumerate([others[2], fork, missing])
    ]
    Sweep(results / "sweeps" / "mine", make_plan(entries)).save()
    made = [run_id(others[2]), run_id(fork)]
    for name in ("mine", "m", str(results / "sweeps" / "mine")):
        assert [r.run_id for r in records_of(Store(results), [name])] == made


def test_the_beginning_of_a_sweeps_name(results: Path) -> None:
    """Only one that is meant: not of two sweeps, and a run's id goes before it."""
    one, two, *_ = records_of(Store(results), [])
    entries = [Entry("run", r.experiment(), Settings(results=results), number=i) for i, r in enumerate((one, two))]
    for name in ("mine", "min", f"{one.run_id}0"):
        Sweep(results / "sweeps" / name, make_plan(entries)).save()
    assert records_of(Store(results), ["min"]) == [one, two]  # the whole name of one
    assert records_of(Store(results), [one.run_id[:12]]) == [one]
    with pytest.raises(ConfigError, match=r"mi: no record under .* Did you mean 'min'"):
        records_of(Store(results), ["mi"])


def test_a_results_folder_that_was_copied(results: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The records of a sweep are those beside it."""
    one = records_of(Store(results), [])[0]
    entry = Entry("run", one.experiment(), Settings(results=results), number=0)
    Sweep(results / "sweeps" / "mine", make_plan([entry])).save()
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(results, home, dirs_exist_ok=True)
    assert [r.folder.parents[1] for r in records_of(Store(home), ["mine"])] == [home]
