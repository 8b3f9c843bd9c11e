"""A sweep in stages: the next is asked of a function of what is done, here, by another process, on another day."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from cli_support import TINY, in_process

from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.store.store import Store
from lrbench.sweep.carry_out import carry_out
from lrbench.sweep.entry import run_entry
from lrbench.sweep.freeze import freeze
from lrbench.sweep.observer import Observer
from lrbench.sweep.plan import Plan
from lrbench.sweep.slurm import drive, watch
from lrbench.sweep.slurm.jobs import Array, add_array, load_arrays
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.stages import Staged, carry_out_stages, staged
from lrbench.sweep.store import Sweep

DESIGN = {"base": [*TINY, "horizon=1ep", "scheduler=constant"], "rates": [0.001, 0.1, 0.01], "seeds": [1, 2]}
FIRST = ["first lr=0.001", "first lr=0.1", "first lr=0.01"]
SECOND = ["second lr=0.1 seed=1", "second lr=0.1 seed=2"]

pytestmark = pytest.mark.usefixtures("without_picture")


@pytest.fixture
def toy(tmp_path):
    return Staged("toy", "toy_stages.best_rate_again", DESIGN, Settings(results=tmp_path / "results", device="cpu"))


class Said(Observer):
    def __init__(self):
        self.said, self.began_ = [], []

    def say(self, text):
        self.said.append(text)

    def began(self, place, entry):
        self.began_.append(entry.label)


def labels(outcome):
    return [e.label for e in outcome.sweep.plan.entries]


def test_two_stages_here(toy):
    said = Said()
    outcome = carry_out_stages(toy, 1, said)
    assert outcome.end == "done"
    assert outcome.standings() == ["finished"] * 5
    assert labels(outcome) == said.began_ == [*FIRST, *SECOND]
    assert said.said == ["3 runs: 3 new", "5 runs: 3 done, 2 new"]
    assert [e.number for e in outcome.sweep.plan.entries] == [0, 1, 2, 3, 4]
    again = Said()
    assert carry_out_stages(toy, 1, again) == outcome  # the same answer, and nothing to do
    assert (again.said, again.began_) == ([], [])
    assert staged(toy.folder) == toy  # found again from its folder alone
    assert toy.plan() is None


@pytest.mark.slow
def test_by_workers_the_numbers_are_the_same(toy, tmp_path, require_same_run):
    here = carry_out_stages(replace(toy, settings=replace(toy.settings, results=tmp_path / "here")), 1)
    outcome = carry_out_stages(toy, 2)
    assert sorted(labels(outcome)) == sorted(labels(here))
    for ours, other in zip(outcome.sweep.plan.entries, here.sweep.plan.entries, strict=True):
        require_same_run(ours.record, other.record)


KILLED = """
import os, signal, sys
from pathlib import Path
from lrbench.sweep.observer import Observer
from lrbench.sweep.stages import carry_out_stages, staged

class Dying(Observer):
    def began(self, place, entry):
        if entry.label == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)

carry_out_stages(staged(Path(sys.argv[1])), 1, Dying())
"""


ONCE = [(SECOND[0], 3), ("", 5)]
OFTEN = [(FIRST[1], 1), (SECOND[0], 3), (SECOND[1], 4), ("", 5)]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [ONCE, pytest.param(OFTEN, marks=pytest.mark.slow)], ids=len)
def test_killed_within_and_between_stages(toy, kills, tmp_path, require_same_run, warm):
    """Each process takes the sweep up from its folder: no other memory of it is left."""
    whole = carry_out_stages(replace(toy, settings=replace(toy.settings, results=tmp_path / "whole")), 1)
    toy.save()
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    for at, done in kills:
        ended = warm.run(str(toy.folder), at, code=KILLED, folder=tmp_path, env=env)
        assert ended.returncode == (-signal.SIGKILL if at else 0), ended.err
        entries = Sweep.load(toy.folder).plan.entries
        assert sum(e.record.standing() == "finished" for e in entries) == done
    for entry, other in zip(entries, whole.sweep.plan.entries, strict=True):
        require_same_run(entry.record, other.record)
        assert len(entry.record.attempts()) == 1


@pytest.mark.parametrize("retry", [False, True])
def test_a_stage_that_stays_undone_ends_it(toy, retry, monkeypatch):
    """A run that fails every time is tried once each time the sweep is asked for."""
    design = {**DESIGN, "base": [*DESIGN["base"], "model._target_=sweep_models.burning", "~model.args.hidden",
                                 "~model.args.dropout"], "rates": [0.1, 0.2]}  # fmt: skip
    failing = replace(toy, design=design, settings=replace(toy.settings, retry=retry))
    said = Said()
    outcome = carry_out_stages(failing, 1, said)
    assert (outcome.end, outcome.standings()) == ("done", ["failed"] * 2)
    assert said.began_ == ["first lr=0.1", "first lr=0.2"]
    assert len(carry_out_stages(failing, 1, said).sweep.plan.entries) == 2
    assert len(said.began_) == (4 if retry else 2)


def test_what_another_sweep_has_done_is_not_trained_again(toy):
    stage = toy.plan()
    carry_out(freeze(replace(e, settings=toy.settings) for e in stage.entries[:2]), 1)
    said = Said()
    assert labels(carry_out_stages(toy, 1, said)) == [*FIRST, *SECOND]
    assert said.began_ == [FIRST[2], *SECOND]


def test_a_sweep_without_runs(toy):
    outcome = carry_out_stages(replace(toy, target="toy_stages.nothing"), 1)
    assert (outcome.end, outcome.standings()) == ("done", [])


def test_stages_that_cannot_be(toy):
    with pytest.raises(ConfigError, match=r"stages._target_=toy_stages.no: cannot be imported"):
        carry_out_stages(replace(toy, target="toy_stages.no", name="no"))
    with pytest.raises(ConfigError, match=r"design: .* not JSON serializable; a design is kept as JSON"):
        carry_out_stages(replace(toy, design={"path": Path()}))
    with pytest.raises(ConfigError, match="force=true: a sweep in stages goes on from what is done"):
        carry_out_stages(replace(toy, settings=replace(toy.settings, force=True)))
    toy.save()
    toy.save()
    with pytest.raises(ConfigError, match="toy: another sweep in stages has this name"):
        carry_out_stages(replace(toy, design={**DESIGN, "rates": [1]}))
    (toy.folder / "stages.json").write_text('{"format": 0}')
    with pytest.raises(ConfigError, match="its format is 0 and this lrbench reads 1"):
        staged(toy.folder)
    assert not list(toy.settings.results.rglob("experiment.yaml"))


# ---- As jobs.


class Cluster:
    """In place of SLURM: jobs wait until they are `run`, all of them, in this process."""

    def __init__(self, monkeypatch):
        self.waiting, self.submitted, self.looks = {}, [], 0
        monkeypatch.setattr(drive, "submit", self.submit)
        for module in (drive, watch):
            monkeypatch.setattr(module, "ask", self.states)
            monkeypatch.setattr(module, "time", self)

    def submit(self, folder, entries, options, said):
        if not entries:
            return
        array = Array(str(len(self.submitted)), [[e.run_id] for e in entries], options=vars(options))
        add_array(folder, array)
        self.waiting[array.id] = [e.payload() for e in entries]
        self.submitted.append([e.label for e in entries])
        said(array)

    def states(self, jobs):
        return {job: "PENDING" if job.partition("_")[0] in self.waiting else "COMPLETED" for job in jobs}

    def run(self):
        waiting, self.waiting = self.waiting, {}
        for payloads in waiting.values():
            for payload in payloads:
                run_entry(payload, say=lambda text: None)

    def monotonic(self):
        """Every question to SLURM comes after a minute, and every state has lasted by then."""
        return 60.0 * self.looks

    def sleep(self, seconds):
        """Between two looks at the jobs."""
        self.looks += 1
        assert self.looks < 100, "it waits for what will never come"
        self.run()


@pytest.fixture
def cluster(monkeypatch):
    return Cluster(monkeypatch)


def test_detached_the_next_stage_is_submitted_when_asked_again(toy, cluster):
    detached, said = Slurm(detach=True), Said()
    assert carry_out_stages(toy, detached, said).end == "left"
    assert cluster.submitted == [FIRST]
    assert carry_out_stages(toy, detached, said).end == "left"  # still waiting
    assert cluster.submitted == [FIRST]
    assert any("3 of 3 runs are in jobs already" in text for text in said.said)
    cluster.run()
    assert carry_out_stages(toy, detached, said).end == "left"
    assert cluster.submitted == [FIRST, SECOND]
    cluster.run()
    outcome = carry_out_stages(toy, detached, said)
    assert (outcome.end, outcome.standings()) == ("done", ["finished"] * 5)
    assert labels(outcome) == [*FIRST, *SECOND]
    assert len(cluster.submitted) == 2


@pytest.mark.slow
def test_wait_submits_the_next_stage(toy, cluster, tmp_path, monkeypatch, capsys):
    """By the options of before, but for leaving."""
    lrbench = in_process(tmp_path, monkeypatch, capsys)
    assert carry_out_stages(toy, Slurm(detach=True, cpus=2)).end == "left"
    said = lrbench("wait", "toy", "--trust", "toy_stages")
    assert said.code == 0, said.err
    assert cluster.submitted == [FIRST, SECOND]
    assert [(a.options["cpus"], a.options["detach"]) for a in load_arrays(toy.folder)] == [(2, True), (2, False)]
    assert said.err.splitlines()[-1] == "compare  lrbench report toy"
    assert lrbench("wait", "toy", "--trust", "toy_stages").code == 0
    assert len(cluster.submitted) == 2
    assert json.loads(lrbench("status", "toy", "--json").out)["counts"] == {"finished": 5}


def test_wait_trains_nothing_itself(toy, tmp_path, monkeypatch, capsys):
    lrbench = in_process(tmp_path, monkeypatch, capsys)
    toy.save()
    carry_out(toy.plan(), 1, name="toy")  # the first stage, and its driver is gone
    said = lrbench("wait", "toy", "--trust", "toy_stages")
    assert said.code == 0
    assert "another stage follows; it is trained where the sweep is asked for again" in said.err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 3


def test_ranks_of_a_job_are_part_of_what_is_done(toy, cluster, monkeypatch):
    """A run of two processes is another run: what is done is looked up as it was trained."""
    lookups = []
    monkeypatch.setattr(Store, "done", lambda self, run_id: lookups.append(run_id))
    plan = toy.plan(Slurm(tasks=2))
    assert {e.experiment.ranks for e in plan.entries} == {2}
    assert set(lookups) <= {e.run_id for e in plan.entries}
    assert lookups


def test_a_sweeps_file_names_no_code(toy, tmp_path, monkeypatch):
    """In a folder that others can write, what was asked for before may be anything."""
    monkeypatch.chdir(tmp_path)
    (first, *_) = toy.plan().entries
    task = replace(first.experiment.task, target="os.system", args={"command": "touch ran"})
    evil = replace(first, experiment=replace(first.experiment, task=task))
    toy.save()
    Sweep(toy.folder, Plan((evil,), (evil.run_id,))).save()
    with pytest.raises(ConfigError, match=r"sweep=toy: what lies there names os.system as its code"):
        toy.plan()
    assert not (tmp_path / "ran").exists()
