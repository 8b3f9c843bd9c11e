"""A sweep from Python: frozen, carried out and told without a command, and with nothing printed."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_support import TINY

from lrbench.config.arms import SweepArm
from lrbench.config.entries import entries
from lrbench.config.experiments import experiment
from lrbench.config.grid import expanded
from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.progress import View
from lrbench.store.record import Record
from lrbench.sweep.carry_out import carry_out
from lrbench.sweep.entry import Entry
from lrbench.sweep.freeze import freeze
from lrbench.sweep.observer import Observer
from lrbench.sweep.plan import Refused
from lrbench.sweep.store import Sweep

QUICK = (*TINY, "horizon=1ep", "scheduler=constant")

SCRIPT = """
import sys
from lrbench.config.entries import entries
from lrbench.config.grid import expanded
from lrbench.sweep.carry_out import carry_out
from lrbench.sweep.freeze import freeze
from lrbench.sweep.words import text

if __name__ == "__main__":
    plan = freeze(entries(expanded(sys.argv[3:])))
    outcome = carry_out(plan, workers=int(sys.argv[2]), name="mine")
    with open(sys.argv[1], "w") as file:
        file.write("\\n".join([plan.headline(), outcome.end, *outcome.standings(), text(outcome)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_in_a_fresh_process_nothing_is_printed(workers: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", "told", str(workers), *QUICK, "seed=0,1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = (tmp_path / "told").read_text().splitlines()
    assert told[:4] == ["2 runs: 2 new", "done", "finished", "finished"]
    assert told[4].split() == ["run", "state", "test/accuracy", "test/loss", "val/loss", "s"]
    assert [line.split()[1:3] for line in told[5:7]] == [["seed=0", "finished"], ["seed=1", "finished"]]
    assert told[7:] == ["sweep    results/sweeps/mine", "compare  lrbench report mine"]


def made(folder: Path, *seeds: int) -> list[Entry]:
    """Experiments of one's own, without overrides or anything of Hydra's."""
    settings = Settings(results=folder)
    return [Entry(f"run {seed}", experiment(*QUICK, f"seed={seed}"), settings) for seed in seeds]


def test_experiments_of_ones_own(tmp_path: Path) -> None:
    plan = freeze(made(tmp_path, 0, 1, 0))
    assert plan.headline() == "2 runs: 2 new (of 3 jobs; equal ones are one run)"
    assert [e.number for e in plan.entries] == [0, 1]
    assert plan.jobs == (plan.entries[0].run_id, plan.entries[1].run_id, plan.entries[0].run_id)
    outcome = carry_out(plan, workers=1)
    assert (outcome.end, outcome.standings()) == ("done", ["finished", "finished"])
    assert Sweep.load(outcome.sweep.folder) == outcome.sweep
    assert not list(tmp_path.rglob(".hydra"))
    assert freeze(made(tmp_path, 0, 1)).to_do == ()


class Noted(Observer):
    """Every event, as its name and what it is about."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def planned(self, plan: object) -> None:
        self.events.append(("planned", ""))

    def began(self, place: int, entry: Entry) -> None:
        self.events.append(("began", entry.label))

    def view(self, place: int, view: View) -> None:
        self.events.append(("view", view.update))

    def ended(self, place: int, entry: Entry, how: str, why: str) -> None:
        self.events.append((how, entry.label))


@pytest.mark.usefixtures("without_picture")
def test_an_observer_hears_it_all(tmp_path: Path) -> None:
    noted = Noted()
    carry_out(freeze(made(tmp_path, 0, 1)), workers=1, observer=noted)
    one, two = ([("began", f"run {i}"), ("view", 4), ("finished", f"run {i}")] for i in (0, 1))
    assert noted.events == [("planned", ""), *one, *two]


def test_what_cannot_be_is_refused_or_left_out(tmp_path: Path) -> None:
    bad = made(tmp_path, 0)[0]
    bad = Entry("bad", bad.experiment, Settings(results=tmp_path, device="cuda:77"))
    with pytest.raises(ConfigError, match=r"^in the run 'bad': device=cuda:77: .*--skip-invalid") as refusal:
        freeze([*made(tmp_path, 0), bad])
    assert isinstance(refusal.value.__cause__, ConfigError)
    with pytest.raises(ConfigError, match=r"^device=cuda:77: "):  # of the only run nobody asks which
        freeze([bad])
    plan = freeze([bad, *made(tmp_path, 0)], skip_invalid=True)
    assert [r.label for r in plan.refused] == ["bad"]
    assert plan.jobs == (None, plan.entries[0].run_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers_that_is_none(workers: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra.launcher.workers={workers}: give a number"):
        carry_out(freeze(made(tmp_path, 0, 1)), workers=workers)
    assert list(tmp_path.iterdir()) == []


# ---- Arms.

WARM = SweepArm("warm", ("scheduler=cosine", "warmup=linear_10pct"))
PLATEAU = SweepArm("plateau", ("scheduler=plateau", "scheduler.args.patience=3ep"))
SHARED = [*TINY, "horizon=10ep"]


@pytest.mark.slow
def test_arms_times_a_grid(tmp_path: Path) -> None:
    plan = freeze(entries(expanded([*SHARED, f"results={tmp_path}", "seed=0,1"]), [WARM, PLATEAU]))
    assert [(e.label, e.arm, e.number) for e in plan.entries] == [
        ("warm seed=0", "warm", 0), ("warm seed=1", "warm", 1),
        ("plateau seed=0", "plateau", 2), ("plateau seed=1", "plateau", 3),
    ]  # fmt: skip
    for entry, arm in zip(plan.entries, (WARM, WARM, PLATEAU, PLATEAU), strict=True):
        assert entry.experiment == experiment(*SHARED, f"seed={entry.experiment.seed}", *arm.overrides)
    assert [e.label for e in freeze(entries([SHARED], [WARM])).entries] == ["warm"]


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (SweepArm("a", ("scheduler=cosin",)), r"in the run 'a seed=0': scheduler=cosin: there is no such level"),
        (SweepArm("a", ("sede=1",)), r"in the run 'a seed=0': sede=1: there is no option 'sede'"),
        (SweepArm("a", ("x=[",)), r"arm a: 'x=\[' cannot be read as key=value or group=level"),
        (SweepArm("a", ("optimizer.lr=1,2",)), r"arm a: 'optimizer.lr=1,2' has several values"),
        (SweepArm("a", ("seed=7",)), r"arm a: 'seed=7' and 'seed=1' set one option"),
        (
            SweepArm("a", ("optimizer.lr=1", "optimizer.lr=2")),
            r"arm a: 'optimizer.lr=2' and 'optimizer.lr=1' set one option",
        ),
    ],
)
def test_a_bad_arm_is_named(arm: SweepArm, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{words}"):
        freeze(entries(expanded([*SHARED, "seed=0,1"]), [arm]))


def test_refused_jobs_of_one_arm_are_left_out(tmp_path: Path) -> None:
    """A warmup before a scheduler that warms up by itself."""
    arms = [WARM, SweepArm("both", ("scheduler=onecycle", "warmup=linear_10pct"))]
    jobs = expanded([*SHARED, f"results={tmp_path}", "seed=0,1"])
    assert [type(e) for e in entries(jobs, arms)] == [Entry, Entry, Refused, Refused]
    plan = freeze(entries(jobs, arms), skip_invalid=True)
    assert [r.label for r in plan.refused] == ["both seed=0", "both seed=1"]
    assert {Record(e.record.folder).standing() for e in plan.entries} == {"new"}
