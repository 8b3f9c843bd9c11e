"""The plan: every run once, parents first, how each stands, what it costs; and the sweep on disk."""

import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_records import write_series

from lrbench.commands import sweep
from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.engine import numerics
from lrbench.engine.outcome import device_here
from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.experiment.identity import run_id
from lrbench.store.record import DONE, Record
from lrbench.store.seal import entry_of
from lrbench.sweep.entry import Entry, from_payload, run_entry
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import Refused, duration, make_plan
from lrbench.sweep.store import Sweep, sweep_of

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256", "scheduler=constant")


@pytest.fixture(scope="module")
def composed():
    with composer() as made:
        yield made


@pytest.fixture
def entry(composed, tmp_path):
    """An entry for overrides beyond TINY, its records under tmp_path."""

    def made(*overrides, **settings):
        job = composed([*TINY, f"results={tmp_path}", *overrides])
        how = replace(settings_from(job.plain), **settings)
        return Entry(
            " ".join(overrides), experiment_from(job.plain), how, Origin(job.overrides, job.typed, job.hydra), 0
        )

    return made


HERE = device_here(torch.device("cpu"))


def stands(entry, state, update=3, seconds=2.0, cpu=HERE, device="cpu"):
    """Lay a record out as if it had come so far."""
    record = entry.record
    record.create(entry.experiment, {}, [{"device": device, "cpu": cpu}])
    write_series(record, [[0.0]] * update)
    (record.folder / "metrics.jsonl").write_text("")
    if state in DONE:
        log = {name: entry_of((record.folder / name).read_bytes()) for name in ("series.npy", "metrics.jsonl")}
        record.finish(state, {"seconds": seconds, "updates": update, "test/loss": 0.1}, 8, log)
    else:
        record.set_status(state, update, 8)


def test_equal_jobs_are_one_run(entry):
    plan = make_plan([entry("seed=1"), entry("seed=2"), entry("seed=1", "monitor=val/accuracy")])
    assert [e.label for e in plan.entries] == ["seed=1", "seed=2"]
    assert plan.headline() == "2 runs: 2 new (of 3 jobs; equal ones are one run)"


def test_how_each_stands(entry):
    states = ("finished", "diverged", "interrupted", "failed")
    runs = [entry(f"seed={i}") for i in range(6)]
    for run, state in zip(runs, states, strict=False):
        stands(run, state)
    (runs[5].record.folder).mkdir(parents=True)
    plan = make_plan(runs)
    assert plan.headline() == "6 runs: 1 done, 1 diverged, 1 resumable, 1 failed, 2 new"
    assert [e.label for e in plan.to_do] == ["seed=2", "seed=4", "seed=5"]
    assert list(plan.listing())[:2] == ["done (1)", f"  {runs[0].run_id[:8]}  seed=0"]
    assert list(plan.remarks()) == ["failed   1 of these runs; retry=true goes on from their last checkpoints"]
    retried = make_plan([replace(r, settings=replace(r.settings, retry=True)) for r in runs])
    assert [e.label for e in retried.to_do] == ["seed=2", "seed=3", "seed=4", "seed=5"]
    forced = make_plan([replace(r, settings=replace(r.settings, force=True)) for r in runs])
    assert len(forced.to_do) == 6
    assert "3 to be trained again" in forced.headline()


def test_a_run_that_another_process_holds(entry):
    from lrbench.store.lease import Lease

    run = entry("seed=1")
    stands(run, "running")
    lease = Lease(run.record.folder)
    assert lease.take()
    plan = make_plan([run])
    assert plan.headline() == "1 run: 1 running elsewhere"
    assert list(plan.remarks()) == ["beside   another process trains 1 of these runs; they are followed at the end"]
    lease.release()
    plan = make_plan([run])
    assert plan.headline() == "1 run: 1 resumable"
    assert list(plan.remarks()) == []


def test_a_damaged_record_is_seen_where_it_claims_to_be_done(entry):
    run = entry("seed=1")
    stands(run, "finished")
    (run.record.folder / "status.json").write_text("{")
    assert make_plan([run]).headline() == "1 run: 1 damaged, to be trained anew"
    stands(run, "finished")
    (run.record.folder / "summary.json").unlink()
    assert make_plan([run]).headline() == "1 run: 1 damaged, to be trained anew"
    for name, torn in {"metrics.jsonl": "{\n", "series.npy": "", "experiment.yaml": "seed: 7\n"}.items():
        stands(run, "finished")
        (run.record.folder / name).write_text(torn)
        plan = make_plan([run])
        assert plan.headline() == "1 run: 1 damaged, to be trained anew", name
        assert plan.to_do == (run,)
        run.record.set_aside("tried")


def test_a_sweep_that_is_done_looks_at_each_record_once(entry, tmp_path, monkeypatch):
    """By a command from end to end: the plan, its cost, the table, the exit code and what Hydra is told."""
    jobs = [[*TINY, f"results={tmp_path}", f"seed={s}"] for s in range(3)]
    for s in range(3):
        stands(entry(f"seed={s}"), "finished", 8)
    read, whole, files = Counter(), Path.read_bytes, ("status.json", "seal.json", "summary.json")
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.update([path] * (path.name in files)) or whole(path))
    assert sweep.run(jobs, sweep.SweepRequest(("seed=range(3)",), workers=1), False) == (0, ["finished"] * 3)
    assert Counter(path.name for path in read) == dict.fromkeys(files, 3)
    assert {*read.values()} == {1}
    (first, *_) = (path for path in read if path.name == "summary.json")
    first.write_text(first.read_text().replace("0.1", "0.2"))
    plan = make_plan([entry(f"seed={s}") for s in range(3)])
    assert sorted(plan.standings.values()) == ["corrupt", "finished", "finished"]
    assert plan.looks[first.parent.name].why == "summary.json is not as it was written"


def test_parents_stand_before_children(entry):
    fork = ('start.of=["model=mlp","model.args.hidden=[8]","horizon=2ep","batch_size=256","scheduler=constant"]',)
    child = entry(*fork, "start.at=1ep", "optimizer.lr=0.01")
    other = entry(*fork, "start.at=end", "optimizer.lr=0.02")
    plan = make_plan([child, other])
    parent = child.experiment.start.of
    assert [e.run_id for e in plan.entries] == [run_id(parent), child.run_id, other.run_id]
    assert plan.entries[0].label.startswith("parent mlp Digits")
    assert plan.entries[0].settings.keep == ("end", "1ep")  # what either child needs
    typed = entry("seed=0")  # the parent itself, asked for after its children
    assert typed.run_id == run_id(parent)
    plan = make_plan([child, other, typed])
    assert plan.entries[0].label == "seed=0"
    assert plan.entries[0].settings.keep == ("end", "1ep")
    assert plan.entries[0].origin == typed.origin


def test_an_empty_sweep_and_one_over_two_stores_are_refused(entry, tmp_path):
    with pytest.raises(ConfigError, match="the sweep is empty; give at least one job"):
        make_plan([])
    with pytest.raises(ConfigError, match=r"the sweep is empty; the first of 1 refused jobs is 'a=1': too bad"):
        make_plan([Refused("a=1", "too bad")])
    with pytest.raises(ConfigError, match="records of a sweep lie in one folder"):
        make_plan([entry("seed=1"), entry("seed=2", results=tmp_path / "other")])


def test_the_cost_is_that_of_its_like(entry, tmp_path):
    done, half, new = entry("seed=1"), entry("seed=2"), entry("seed=3", "scheduler=cosine")
    other = entry("seed=4", "model.args.hidden=[9]")
    unknown = "cost     unknown: no record and no row has the same model, data and batch size"
    assert make_plan([new, other]).cost_line(1) == unknown
    stands(done, "finished", update=8, seconds=80.0)  # 10 s an update
    stands(half, "interrupted", update=6)
    plan = make_plan([done, half, new, other])
    assert plan.cost == (2 * 10.0 + 8 * 10.0, 2, 1, ())
    assert plan.cost_line(2) == ("cost     about 2 min of training, 50 s with 2 workers; unknown for 1 more")
    assert make_plan([new]).cost == (80.0, 1, 0, ())  # known from a record outside the sweep
    assert make_plan([done]).cost_line(2) == ""


def test_the_cost_is_that_of_the_device_that_will_train(entry, monkeypatch):
    monkeypatch.setattr("lrbench.sweep.plan.choose_device", lambda name: torch.device("cpu"))
    there, gpu, new = entry("seed=1"), entry("seed=2"), entry("seed=3")
    stands(there, "finished", update=8, seconds=8.0, cpu="Z80")
    stands(gpu, "finished", update=8, seconds=0.8, device="T4")
    plan = make_plan([there, gpu, new])
    assert plan.cost == (8 * 0.55, 1, 0, ("T4", "Z80"))  # the median of both
    assert plan.cost_line(1) == "cost     about 4 s of training; timed on T4, Z80"
    here = entry("seed=4")
    stands(here, "finished", update=8, seconds=40.0)
    assert make_plan([there, gpu, new]).cost == (40.0, 1, 0, ())  # found beside the sweep's own
    assert make_plan([there, gpu, new, here]).cost_line(1) == "cost     about 40 s of training"


def test_where_jobs_of_a_cluster_were_timed_is_always_said(entry):
    done, new = entry("seed=1"), entry("seed=2")
    stands(done, "finished", update=8, seconds=80.0)
    assert make_plan([done, new], here=False).cost_line(1) == f"cost     about 80 s of training; timed on {HERE}"


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "1.5 h")])
def test_durations(seconds, said):
    assert duration(seconds) == said


# ---- Frozen.


def test_a_payload_is_plain_data_and_trains_anywhere(entry, tmp_path):
    made = entry("seed=3", "checkpoint_every=null", "keep=[1ep,end]", "tracker=tensorboard", "scheduler=cosine")
    made = replace(made, settings=replace(made.settings, tracker=None))
    payload = json.loads(json.dumps(made.payload()))
    assert from_payload(payload) == from_payload(pickle.loads(pickle.dumps(made.payload())))
    assert from_payload(payload) == made
    assert from_payload(payload).settings.checkpoint_every is None
    shown = []
    assert run_entry(payload, shown.append) == "finished"
    assert shown[-1].update == 8
    record = Record(tmp_path / "runs" / made.run_id)
    assert record.experiment() == made.experiment
    import yaml

    config, hydra, typed = (
        yaml.safe_load((record.folder / ".hydra" / name).read_text())
        for name in ("config.yaml", "hydra.yaml", "overrides.yaml")
    )
    assert typed == list(made.origin.overrides)
    assert config["scheduler"]["_target_"].endswith("CosineAnnealingLR")
    assert hydra["hydra"]["overrides"]["task"] == typed
    assert hydra["hydra"]["runtime"]["choices"]["scheduler"] == "cosine"
    assert hydra["hydra"]["job"]["num"] == 0


def test_a_tracker_survives(entry):
    made = entry("tracker=wandb")
    assert from_payload(json.loads(json.dumps(made.payload()))).settings.tracker == made.settings.tracker


def test_code_that_changed_after_planning_is_refused(entry, monkeypatch, tmp_path):
    payload = entry("seed=3").payload()
    monkeypatch.setattr("lrbench.models.mlp.NUMERICS", 99)
    monkeypatch.setattr(numerics.batches, "NUMERICS", 99)
    with pytest.raises(ConfigError, match=r"the code of model, batches has changed since this run was planned"):
        run_entry(payload)
    assert not (tmp_path / "runs").exists()


# ---- On disk.


def test_a_sweep_is_read_as_it_was_written(entry, tmp_path):
    entries = [entry("seed=1"), entry("seed=2"), entry("scheduler=cosine")]
    sweep = sweep_of(make_plan([*entries, Refused("a", "b")]), None, ("seed=1,2",))
    assert sweep.folder.parent == tmp_path / "sweeps"
    sweep.save()
    again = Sweep.load(sweep.folder)
    assert again == sweep
    assert sweep_of(make_plan(entries[::-1]), None, ()).name != ""
    assert sweep_of(make_plan(entries), "tour", ()).folder == tmp_path / "sweeps" / "tour"
    nodes = json.loads((sweep.folder / "sweep.json").read_text())["hydra"]
    assert len(nodes) == 2  # one a choice of groups
    before = (sweep.folder / "sweep.json").stat().st_mtime_ns
    sweep_of(make_plan(entries), None, ("another", "day")).save()
    assert (sweep.folder / "sweep.json").stat().st_mtime_ns == before  # the same runs: nothing to write


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(format=0), "its format is 0 and this lrbench reads 2"),
        (lambda s: s["entries"][0]["experiment"].update(batch_size=128), "would have the identity"),
        (lambda s: s["entries"][0]["experiment"].update(colour="red"), "cannot be read"),
        (lambda s: s["entries"][0].pop("settings"), "cannot be read"),
        (lambda s: s.pop("entries"), "cannot be read"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_refused(entry, change, words):
    sweep = sweep_of(make_plan([entry("seed=1")]), None, ())
    sweep.save()
    path = sweep.folder / "sweep.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match="give its command again") as refusal:
        Sweep.load(sweep.folder)
    assert words in str(refusal.value)
    path.write_text("{")
    with pytest.raises(ConfigError, match="this sweep cannot be read"):
        Sweep.load(sweep.folder)
    sweep.save()  # a damaged one is written anew
    assert Sweep.load(sweep.folder).plan == sweep.plan
    path.unlink()
    with pytest.raises(ConfigError, match="there is no sweep here"):
        Sweep.load(sweep.folder)


def test_settings_without_hydras_files(entry):
    plan = make_plan([entry("seed=1")])
    assert plan.entries[0].settings == replace(Settings(), results=plan.entries[0].settings.results)


def test_a_run_that_is_done_may_be_asked_for_its_test(entry):
    """It is told and done, and counts as no training."""
    (one, asked) = entry("seed=1", "test=false"), entry("seed=1")
    stands(one, "finished", update=8)
    one.record.add_to_summary({"seconds": 2.0, "updates": 8})
    assert make_plan([one]).to_do == ()
    plan = make_plan([asked])
    assert plan.headline() == "1 run: 1 done, to be tested"
    assert plan.to_do == (asked,)
    assert plan.cost.known + plan.cost.unknown == 0
    one.record.add_to_summary({"seconds": 2.0, "updates": 8, "test/loss": 0.1})
    assert make_plan([asked]).to_do == ()
