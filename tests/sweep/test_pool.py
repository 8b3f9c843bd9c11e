"""Worker processes: every run trained once, whatever dies, stops or fails on the way."""

import json
import os
import random
import re
import signal
import threading
import time
from dataclasses import replace

import pytest
from data_support import write_image_folder

from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.store.lease import Lease
from lrbench.store.record import Record
from lrbench.sweep import pool as module
from lrbench.sweep.display import Display
from lrbench.sweep.entry import Entry
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import make_plan
from lrbench.sweep.pool import Pool, start_server

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256", "scheduler=constant",
        "checkpoint_every=1ba")  # fmt: skip


def custom(name, *arguments):
    """The overrides that choose one of the test's models."""
    return (f"model._target_=sweep_models.{name}", "~model.args.hidden", "~model.args.dropout",
            *(f"+model.args.{a}" for a in arguments))  # fmt: skip


def images(root):
    """The overrides that choose a folder of images (40 to train on), and batches that fit it."""
    return ("data=image_folder", f"data.args.root={root}", "data.args.val_size=40", "data.args.size=8",
            "data.args.resize=8", "batch_size=8")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _server():
    start_server()


@pytest.fixture(scope="module")
def composed():
    with composer() as made:
        yield made


@pytest.fixture
def entries(composed, tmp_path):
    """One entry for every list of overrides."""

    def made(*jobs, folder="results"):
        plain = [composed([*TINY, f"results={tmp_path / folder}", *job]) for job in jobs]
        return [
            Entry(
                " ".join(job),
                experiment_from(p.plain),
                settings_from(p.plain),
                Origin(p.overrides, p.typed, p.hydra),
                i,
            )
            for i, (job, p) in enumerate(zip(jobs, plain, strict=True))
        ]

    return made


class Watch(Display):
    """The display, with every event kept, and acted upon: `act(kind, place, entry)`."""

    def __init__(self, plan, act=lambda *event: None):
        super().__init__()
        self.planned(plan)
        self.events, self.said, self.act = [], [], act

    def _happened(self, kind, place, entry):
        self.events.append((kind, entry.label))
        self.act(kind, place, entry)

    def began(self, place, entry):
        super().began(place, entry)
        self._happened("began", place, entry)

    def view(self, place, view):
        super().view(place, view)
        self._happened("view", place, self._running[place][0])

    def ended(self, place, entry, how, why):
        super().ended(place, entry, how, why)
        self._happened(how, place, entry)

    def gave_back(self, place, entry, why):
        super().gave_back(place, entry, why)
        self._happened("gave back", place, entry)

    def say(self, text):
        super().say(text)
        self.said.append(text)


def swept(entries, size=2, act=lambda pool: lambda *event: None):
    """Run a pool; the pool, its display, and what it returned."""
    plan = make_plan(entries)
    display = Watch(plan)
    pool = Pool(plan, size, display)
    display.act = act(pool)
    with display:
        outcome = pool.run()
    return pool, display, outcome


def attempts(entry):
    return [a["from_update"] for a in json.loads((entry.record.folder / "provenance.json").read_text())]


def seeds(n, *more):
    return [[f"seed={i}", *more] for i in range(n)]


# ---- Undisturbed.


def test_every_run_once_by_warm_workers(entries, tmp_path, require_same_run, capsys):
    log = tmp_path / "log"
    runs = entries(*seeds(6, *custom("telling", f"path={log}")))
    pool, _display, outcome = swept(runs)
    assert outcome == "done"
    assert pool.ended == {e.run_id: "finished" for e in runs}
    assert [attempts(e) for e in runs] == [[0]] * 6
    told = [line.split() for line in log.read_text().splitlines()]
    assert len(told) == 6 * 8
    assert 1 <= len({pid for pid, *_ in told}) <= 2  # the same processes, for all runs
    assert {tuple(threads) for _, *threads in told} == {("1", "1")}
    from lrbench.engine.train import train
    from lrbench.progress import silent

    for entry in runs[:2]:  # and the numbers are those of a run by itself
        alone = train(entry.experiment, replace(entry.settings, results=tmp_path / "alone"), show=silent)
        require_same_run(entry.record, alone)
    assert not runs[0].record.picture.exists()  # it waits until somebody looks
    lines = capsys.readouterr().err.splitlines()
    assert sum("finished  test/loss" in line for line in lines) == 6
    assert lines[-1].startswith("[6/6] ")


def test_what_is_done_is_not_given_out(entries):
    runs = entries(*seeds(3))
    swept(runs[:2])
    _, display, outcome = swept(runs)
    assert outcome == "done"
    assert [*dict.fromkeys(display.events)] == [  # a slow machine shows a run more than once
        ("began", "seed=2"), ("view", "seed=2"), ("finished", "seed=2")]  # fmt: skip


def test_a_failing_and_a_diverging_run_do_not_stop_the_rest(entries, capsys):
    runs = entries(custom("burning"), ["seed=1"], ["optimizer.lr=1e30"], ["seed=2"])
    pool, _display, outcome = swept(runs)
    assert outcome == "done"
    assert [pool.ended[e.run_id] for e in runs] == ["failed", "finished", "diverged", "finished"]
    assert [e.record.standing() for e in runs] == ["failed", "finished", "diverged", "finished"]
    err = capsys.readouterr().err
    assert re.search(r"failed: .*RuntimeError: the device caught fire", err)
    assert runs[0].run_id[:8] in err
    assert make_plan(runs).headline() == "4 runs: 2 done, 1 diverged, 1 failed"


def test_parents_are_trained_before_children(entries):
    fork = 'start.of=["model=mlp","model.args.hidden=[8]","horizon=2ep","batch_size=256","scheduler=constant","seed=9"]'
    runs = entries([fork, "start.at=1ep"], [fork, "optimizer.lr=0.01"], ["seed=1"])
    pool, display, outcome = swept(runs)
    assert outcome == "done"
    parent = display.events.index(("finished", make_plan(runs).entries[0].label))
    for child in runs[:2]:
        assert display.events.index(("began", child.label)) > parent
    assert len(pool.ended) == 4


@pytest.mark.slow
def test_images_that_a_run_reads_by_processes_of_its_own(entries, tmp_path, require_same_run):
    """With the defaults, each of two workers has two readers; the numbers are those of a run that reads by itself."""
    root = write_image_folder(tmp_path / "images")
    runs = entries(*seeds(3, *images(root)))
    _pool, _display, outcome = swept(runs)
    assert outcome == "done"
    assert {e.settings.workers for e in runs} == {2}
    assert [e.record.standing() for e in runs] == ["finished"] * 3
    from lrbench.engine.train import train

    alone = replace(runs[0].settings, results=tmp_path / "alone", workers=0)
    require_same_run(runs[0].record, train(runs[0].experiment, alone))


# ---- Killed.


class Killer:
    """Kills workers at random events, a random moment later; no run so often that it would count as failed."""

    def __init__(self, kills, seed, odds):
        self.left, self.chance, self.odds, self.hit = kills, random.Random(seed), odds, []

    def __call__(self, pool):
        def act(kind, place, entry):
            spared = not self.left or self.hit.count(entry.run_id) == module.DEATHS - 1
            if kind in ("began", "view") and not spared and self.chance.random() < self.odds:
                time.sleep(self.chance.uniform(0, 0.06))  # anywhere inside a run: set up, updates, picture
                worker = next(w for w in pool._workers if w.place == place)
                try:
                    os.kill(worker.process.pid, signal.SIGKILL)
                except ProcessLookupError:  # killed before, and this event was still on its way
                    return
                self.left -= 1
                self.hit.append(entry.run_id)

        return act


def require_equal_sweeps(runs, undisturbed, killer, require_same_run):
    assert killer.left == 0
    for entry, other in zip(runs, undisturbed, strict=True):
        assert entry.record.standing() == "finished"
        require_same_run(entry.record, other.record)
        assert len(attempts(entry)) <= 1 + killer.hit.count(entry.run_id)  # nothing was trained again but after a kill
        assert attempts(entry) == sorted(attempts(entry))
    folders = {p.name for p in (runs[0].settings.results / "runs").iterdir()}
    assert folders == {e.run_id for e in runs}  # nothing was set aside


@pytest.mark.slow
def test_workers_killed_at_random(entries, require_same_run):
    jobs = seeds(6, *custom("slow", "pause=0.01"))
    undisturbed = entries(*jobs, folder="undisturbed")
    swept(undisturbed)
    runs = entries(*jobs)
    killer = Killer(4, seed=1, odds=0.5)
    _pool, display, outcome = swept(runs, act=killer)
    assert outcome == "done"
    assert display.events.count(("gave back", "seed=0")) <= 4
    assert sum(kind == "gave back" for kind, _ in display.events) >= 2
    require_equal_sweeps(runs, undisturbed, killer, require_same_run)


@pytest.mark.full
def test_two_hundred_runs_and_twenty_kills(entries, require_same_run):
    jobs = [
        [f"seed={seed}", f"scheduler={scheduler}", f"optimizer.lr={lr}"]
        for seed in range(25) for scheduler in ("constant", "cosine") for lr in (0.01, 0.02, 0.05, 0.1)
    ]  # fmt: skip
    undisturbed = entries(*jobs, folder="undisturbed")
    _, _, outcome = swept(undisturbed)
    assert outcome == "done"
    runs = entries(*jobs)
    killer = Killer(20, seed=2, odds=0.12)
    _, _, outcome = swept(runs, act=killer)
    assert outcome == "done"
    assert sum(len(attempts(e)) > 1 for e in runs) >= 5  # kills that hit runs under way
    require_equal_sweeps(runs, undisturbed, killer, require_same_run)


@pytest.mark.slow
def test_a_killed_worker_is_missed_though_its_readers_live_on(entries, tmp_path):
    """They hold its end of the pipe open for some seconds."""
    root = write_image_folder(tmp_path / "images")
    runs = entries(*seeds(2, *images(root), *custom("slow", "pause=0.05"), "horizon=6ep"))
    killer = Killer(2, seed=3, odds=0.5)
    _pool, display, outcome = swept(runs, act=killer)
    assert outcome == "done"
    assert killer.left == 0
    assert [kind for kind, _ in display.events].count("gave back") == 2
    assert [e.record.standing() for e in runs] == ["finished"] * 2


def test_a_run_that_kills_its_workers_counts_as_failed(entries, capsys):
    runs = entries(custom("deadly"), *seeds(2))
    pool, display, outcome = swept(runs)
    assert outcome == "done"
    assert [pool.ended[e.run_id] for e in runs] == ["failed", "finished", "finished"]
    assert [kind for kind, label in display.events if "deadly" in label].count("began") == module.DEATHS
    status = runs[0].record.status()
    assert status["state"] == "failed"
    assert "3 workers in a row ended by SIGKILL at update 0" in status["error"]
    assert not (runs[0].record.folder / "lease.json").exists()
    assert "3 workers in a row ended by SIGKILL" in capsys.readouterr().err


def test_a_run_that_gets_on_between_deaths_is_finished(entries):
    """Each worker lives for two updates: even three deaths with progress are no failure."""
    (run,) = entries(custom("deadly", "after=2"))
    pool, _display, outcome = swept([run])
    assert outcome == "done"
    assert pool.ended == {run.run_id: "finished"}
    assert attempts(run) == [0, 2, 4, 6]


def test_a_forced_run_goes_on_after_a_death(entries):
    runs = entries(custom("deadly", "after=3"))
    swept(runs)
    (forced,) = entries([*custom("deadly", "after=3"), "force=true"])
    _pool, _, outcome = swept([forced])
    assert outcome == "done"
    assert attempts(forced) == [0, 3, 6]
    assert len(list((forced.settings.results / "runs").iterdir())) == 2  # the old one, set aside once


def test_workers_that_cannot_start(entries, monkeypatch):
    monkeypatch.setattr(module, "work", os._exit)  # called with the connection: a TypeError at once
    with pytest.raises(RuntimeError, match=r"workers end with exit code 1 as they start; hydra.launcher.workers=1"):
        swept(entries(*seeds(2)))


# ---- Stopped.


@pytest.mark.slow
def test_a_signal_stops_every_run_at_an_update(entries, tmp_path, require_same_run):
    jobs = seeds(4, *custom("slow", "pause=0.1"))
    runs, sent = entries(*jobs), []

    def interrupting(pool):
        def act(kind, place, entry):
            if kind == "view" and not sent:
                sent.append(entry)
                os.kill(os.getpid(), signal.SIGINT)

        return act

    before = signal.getsignal(signal.SIGINT)
    pool, display, outcome = swept(runs, act=interrupting)
    assert outcome == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    assert any("stopping" in text for text in display.said)
    assert "stopped" in pool.ended.values()
    assert {e.record.standing() for e in runs} <= {"interrupted", "new", "finished"}
    assert not list((tmp_path / "results").rglob("lease.json"))
    under_way = [e for e in runs if e.record.standing() == "interrupted"]
    assert under_way
    _, _, outcome = swept(runs)
    assert outcome == "done"
    for entry in under_way:
        assert len(attempts(entry)) == 2
        assert attempts(entry)[1] > 0
    undisturbed = entries(*jobs, folder="undisturbed")
    swept(undisturbed)
    for entry, other in zip(runs, undisturbed, strict=True):
        require_same_run(entry.record, other.record)


def test_a_signal_while_a_run_is_being_set_up_stops_it(entries):
    runs, sent = entries(*seeds(3, *custom("slow", "pause=0.05"), "horizon=60ep")), []

    def interrupting(pool):
        def act(kind, place, entry):
            if kind == "began" and not sent:
                sent.append(entry)
                os.kill(os.getpid(), signal.SIGINT)

        return act

    pool, _, outcome = swept(runs, act=interrupting)
    assert outcome == "interrupted"
    assert set(pool.ended.values()) == {"stopped"}
    assert {e.record.standing() for e in runs} <= {"interrupted", "new"}


def test_a_second_signal_ends_at_once(entries):
    runs = entries(*seeds(2, *custom("slow", "pause=3600")))  # nobody waits for an update of these
    workers = []

    def interrupting(pool):
        def act(kind, place, entry):
            if kind == "began" and len(pool._busy()) == 2:
                workers.extend(w.process for w in pool._workers)
                os.kill(os.getpid(), signal.SIGINT)
                while not pool._signal.asked:  # two that come at once are one to the kernel
                    time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGINT)

        return act

    plan = make_plan(runs)
    display = Watch(plan)
    pool = Pool(plan, 2, display)
    display.act = interrupting(pool)
    with pytest.raises(KeyboardInterrupt), display:
        pool.run()
    assert not pool._workers
    assert [process.exitcode for process in workers] == [-signal.SIGKILL] * 2
    assert {e.record.glance().standing for e in runs} <= {"new", "interrupted"}


def test_workers_end_with_their_driver(entries):
    """The pipe to a driver that is gone stops a worker at its next update."""
    (run,) = entries(custom("slow", "pause=0.05"))
    ours, theirs = module.multiprocessing.Pipe()
    process = module._context().Process(target=module.work, args=(theirs,))
    process.start()
    theirs.close()
    assert ours.recv() == ("ready",)
    ours.send((run.payload(), None))
    assert ours.recv()[0] == "view"
    ours.close()
    process.join(120)
    assert process.exitcode is not None
    assert run.record.standing() in ("interrupted", "finished")


def test_a_worker_that_is_stopped_alone_gives_its_run_back(entries):
    runs, sent = entries(*seeds(2, *custom("slow", "pause=0.05"))), []

    def stopping(pool):
        def act(kind, place, entry):
            if kind == "view" and not sent:
                sent.append(entry)
                next(w for w in pool._workers if w.place == place).process.terminate()

        return act

    pool, display, outcome = swept(runs, act=stopping)
    assert outcome == "done"
    assert pool.ended == {e.run_id: "finished" for e in runs}
    assert ("gave back", sent[0].label) in display.events
    assert len(attempts(sent[0])) == 2
    assert attempts(sent[0])[1] > 0


# ---- Beside others.


@pytest.mark.slow
def test_two_drivers_share_a_sweep(entries):
    runs = entries(*seeds(8, *custom("slow", "pause=0.03")))
    displays = [Watch(make_plan(runs)) for _ in range(2)]
    pools = [Pool(d_plan, 1, d) for d, d_plan in zip(displays, (make_plan(runs), make_plan(runs)), strict=True)]
    outcomes = []
    threads = [threading.Thread(target=lambda p=p: outcomes.append(p.run())) for p in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["done", "done"]
    for pool in pools:
        assert pool.ended == {e.run_id: "finished" for e in runs}
    assert [attempts(e) for e in runs] == [[0]] * 8  # each trained by one of the two


def test_a_run_held_elsewhere_is_left_to_the_last(entries):
    runs = entries(*seeds(3))
    lease = Lease(runs[0].record.folder)
    assert lease.take()

    def releasing(pool):
        return lambda kind, place, entry: lease.release() if (kind, entry.label) == ("finished", "seed=2") else None

    _pool, display, outcome = swept(runs, size=1, act=releasing)
    assert outcome == "done"
    assert [label for kind, label in display.events if kind == "began"] == ["seed=1", "seed=2", "seed=0"]


def test_a_full_disk_stops_the_sweep(entries, tmp_path, tiny_disk):
    (tmp_path / "results").symlink_to(tiny_disk)
    size = os.statvfs(tiny_disk)
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * (size.f_bavail * size.f_frsize - 40_000))
    runs = entries(*seeds(5))
    pool, display, outcome = swept(runs, size=1)
    assert outcome == "disk full"
    assert any("the disk is full, so the sweep stops" in text for text in display.said)
    assert len(pool.ended) < 5
    filler.unlink()
    assert swept(runs, size=1)[2] == "done"
    assert {Record(e.record.folder).standing() for e in runs} == {"finished"}
