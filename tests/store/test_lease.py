"""Leases: one process writes a run's folder, and another takes over when it is gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lrbench.engine import legs
from lrbench.engine.attempt import RunFailed
from lrbench.experiment.identity import run_id
from lrbench.store import lease as lease_module
from lrbench.store.lease import RENEW, STALE, Lease, LeaseLost, holder
from lrbench.store.record import Record

pytestmark = pytest.mark.usefixtures("without_picture")


def write(folder: Path, age: float = 0.0, **changes: object) -> Path:
    """A lease file as another process leaves it."""
    folder.mkdir(exist_ok=True)
    born = lease_module._born(os.getpid())
    path = folder / "lease.json"
    path.write_text(
        json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "born": born, "token": "theirs", **changes})
    )
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_taken_held_and_released(tmp_path):
    lease = Lease(tmp_path)
    assert holder(tmp_path) is None
    assert lease.take()
    held = holder(tmp_path)
    assert (held["host"], held["pid"]) == (socket.gethostname(), os.getpid())
    lease.check()
    assert not Lease(tmp_path).take()
    lease.release()
    assert holder(tmp_path) is None
    assert not (tmp_path / "lease.json").exists()
    assert Lease(tmp_path).take()


def test_a_folder_that_is_not_there_is_held_by_nobody(tmp_path):
    assert holder(tmp_path / "none") is None
    (tmp_path / "file").write_text("")
    assert holder(tmp_path / "file") is None


@pytest.mark.parametrize(
    ("age", "changes", "held"),
    [
        (0, {}, True),
        (STALE - 5, {}, True),
        (STALE + 5, {}, False),  # not renewed: the machine hangs, or the process is stopped
        (0, {"pid": "dead"}, False),
        (0, {"born": "1"}, False),  # the pid was given to another process since
        (0, {"host": "elsewhere", "pid": "dead"}, True),  # nobody can tell from here
        (STALE - 5, {"host": "elsewhere", "pid": "dead"}, True),
        (STALE + 5, {"host": "elsewhere"}, False),
    ],
)
def test_when_a_lease_is_stale(tmp_path, age, changes, held):
    if changes.get("pid") == "dead":
        changes = {**changes, "pid": dead_pid()}
    path = write(tmp_path, age, **changes)
    assert (holder(tmp_path) is not None) == held
    lease = Lease(tmp_path)
    assert lease.take() == (not held)
    lease.release()
    assert path.exists() == held


@pytest.mark.parametrize("how", ["stopped", "the clock jumped"])
def test_a_process_that_lives_on_this_host_keeps_its_lease(tmp_path, how):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = lease_module._born(process.pid)
    if how == "stopped":
        process.send_signal(signal.SIGSTOP)
    write(tmp_path, age=100 * STALE, pid=process.pid, born=born)
    assert holder(tmp_path) is not None
    assert not Lease(tmp_path).take()
    process.kill()
    process.communicate()
    assert holder(tmp_path) is None
    assert Lease(tmp_path).take()


def test_a_zombie_holds_nothing(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    write(tmp_path, pid=process.pid, born=lease_module._born(process.pid))
    assert holder(tmp_path) is not None
    process.kill()
    until = time.monotonic() + 60
    while holder(tmp_path) is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert holder(tmp_path) is None  # though nobody has waited for it yet
    process.communicate()


@pytest.mark.parametrize("text", ["", '{"host": "a', "{}", "[]", "null", '{"host": 1, "pid": null}'])
def test_a_torn_lease_holds_until_it_is_old(tmp_path, text):
    path = tmp_path / "lease.json"
    path.write_text(text)
    assert holder(tmp_path) is not None
    assert not Lease(tmp_path).take()
    os.utime(path, (time.time() - STALE - 1,) * 2)
    assert holder(tmp_path) is None
    assert Lease(tmp_path).take()


def test_it_renews_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW", 0.01)
    lease = Lease(tmp_path)
    assert lease.take()
    path = tmp_path / "lease.json"
    os.utime(path, (time.time() - 2 * STALE,) * 2)
    until = time.monotonic() + 60
    while time.time() - path.stat().st_mtime > STALE and time.monotonic() < until:
        time.sleep(0.01)
    assert holder(tmp_path) is not None
    lease.release()
    assert RENEW < STALE / 3  # a renewal or two may be late


def test_a_lost_lease_is_not_renewed_and_not_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW", 0.01)
    lease = Lease(tmp_path)
    assert lease.take()
    path = write(tmp_path, age=30)
    with pytest.raises(LeaseLost, match="another process took this run over"):
        lease.check()
    lease._thread.join(60)  # it gives up at its next renewal
    assert not lease._thread.is_alive()
    assert time.time() - path.stat().st_mtime > 25
    lease.release()
    assert json.loads(path.read_text())["token"] == "theirs"


def test_a_lease_whose_file_is_gone_is_lost(tmp_path):
    lease = Lease(tmp_path)
    assert lease.take()
    (tmp_path / "lease.json").unlink()
    with pytest.raises(LeaseLost):
        lease.check()
    lease.release()


def test_a_lease_that_cannot_be_written_locks_nobody_out(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lease_module.json, "dumps", full)
        with pytest.raises(OSError, match="No space"):
            Lease(tmp_path).take()
    assert holder(tmp_path) is None
    assert Lease(tmp_path).take()


@pytest.mark.parametrize(("stale", "rounds"), [(True, 8), pytest.param(True, 30, marks=pytest.mark.slow), (False, 4)])
def test_of_many_processes_one_gets_it(tmp_path, server, make, stale, rounds):
    for i in range(rounds):
        folder = tmp_path / str(i)
        folder.mkdir()
        if stale:
            write(folder, pid=1, born="long ago")
        moment = time.time() + 0.04
        racers = [server.start(make(), folder, race_at=moment, hold=60) for _ in range(4)]  # until killed
        taken = [racer.wait_for("end") for racer in racers]
        assert sorted(taken) == ["end False", "end False", "end False", "end True"], i
        assert json.loads((folder / "lease.json").read_text())["pid"] == racers[taken.index("end True")].pid
        for racer in racers:
            racer.kill()


def test_of_many_threads_one_gets_it(tmp_path):
    for i in range(50):
        folder = tmp_path / str(i)
        write(folder, pid=1, born="long ago")
        barrier, taken = threading.Barrier(4), []
        leases = [Lease(folder) for _ in range(4)]

        def race(lease, barrier=barrier, taken=taken):
            barrier.wait()
            if lease.take():
                taken.append(lease)

        threads = [threading.Thread(target=race, args=(lease,)) for lease in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = taken
        winner.check()
        winner.release()


# ---- Two processes, one run.


@pytest.fixture
def between_looks(monkeypatch):
    """What happens between two looks of this process at what the other one does, in place of waiting."""
    from lrbench.engine import train

    sleep = train.time.sleep

    def happens(act):
        def acting(seconds):
            act()
            sleep(0.001)

        monkeypatch.setattr(
            train.time, "sleep", lambda seconds: acting(seconds) if seconds == train.FOLLOW else sleep(seconds)
        )

    return happens


def test_the_second_follows_the_first_and_returns_its_record(
    make, run, server, require_same_run, monkeypatch, between_looks
):
    experiment = make("scheduler=onecycle")
    whole = run(experiment, results=run.results / "whole")
    run.shown.clear()
    first = server.start(experiment, run.results, hold_at=[5, 20, 40])
    first.wait_for("update 5")
    held = iter(["update 20", "update 40", "end"])  # where it stands at the next look

    def step():
        first.go_on()
        first.wait_for(next(held, "end"))

    between_looks(step)
    monkeypatch.setattr(legs, "advance", None)  # this process computes nothing
    record = run(experiment)
    assert first.wait() == "end finished"
    require_same_run(record, whole)
    assert {view.note for view in run.shown} == {"(another process trains it)"}
    updates = [view.update for view in run.shown]
    assert updates == sorted(updates)
    assert len(set(updates)) >= 3
    (origin,) = json.loads((record.folder / "provenance.json").read_text())
    assert origin["from_update"] == 0


def test_the_second_takes_over_when_the_first_is_killed(make, run, server, require_same_run, between_looks):
    experiment = make("scheduler=onecycle")
    whole = run(experiment, results=run.results / "whole")
    first = server.start(experiment, run.results, hold_at=[20])
    first.wait_for("update 20")
    looks = []

    def kill_at_the_third():
        looks.append(first.alive)
        if len(looks) == 3:
            first.kill()

    between_looks(kill_at_the_third)
    record = run(experiment)
    require_same_run(record, whole)
    origins = json.loads((record.folder / "provenance.json").read_text())
    first_began, second_began = (o["from_update"] for o in origins)
    assert first_began == 0
    assert second_began >= 16
    assert any("resumed at update" in text for text in run.said)
    assert any(view.note for view in run.shown)


def test_three_processes_started_together_train_once(make, run, server, require_same_run):
    experiment = make("scheduler=onecycle")
    processes = [server.start(experiment, run.results) for _ in range(3)]
    assert [p.wait() for p in processes] == ["end finished"] * 3
    record = Record(run.results / "runs" / run_id(experiment))
    assert len(json.loads((record.folder / "provenance.json").read_text())) == 1
    require_same_run(record, run(experiment, results=run.results / "whole"))


def test_three_processes_that_meet_a_damaged_record_keep_one_copy_and_train_once(make, run, server):
    experiment = make()
    record = run(experiment)
    (record.folder / "status.json").write_text("{")
    processes = [server.start(experiment, run.results) for _ in range(3)]
    assert [p.wait() for p in processes] == ["end finished"] * 3
    assert len(json.loads((record.folder / "provenance.json").read_text())) == 1
    (aside,) = [p for p in record.folder.parent.iterdir() if ".corrupt-" in p.name]
    assert (aside / "status.json").read_text() == "{"


def test_a_run_that_is_stopped_from_outside_waits_to_be_resumed(make, run, server, require_same_run):
    experiment = make("scheduler=onecycle")
    process = server.start(experiment, run.results, hold_at=[20])
    process.wait_for("update 20")
    process.kill(signal.SIGTERM)
    process.go_on()
    assert process.wait().startswith("raised Interrupted: stopped at update 32 of 64")
    record = Record(run.results / "runs" / run_id(experiment))
    assert record.standing() == "interrupted"
    require_same_run(run(experiment), run(experiment, results=run.results / "whole"))


# ---- A lease that is lost while its run goes on.


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        p.relative_to(folder).as_posix(): (p.stat().st_ino, p.read_bytes()) for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("at", [16, 32, 48])
def test_after_its_lease_is_lost_a_process_writes_nothing(make, run, monkeypatch, at):
    """Another process takes over in the middle of a block: from then on not a byte changes."""
    experiment, frozen = make(), {}
    record = Record(run.results / "runs" / run_id(experiment))
    real = legs.advance

    def overtaken(setup, state, until):
        block = real(setup, state, until)
        if state.update == at:
            write(record.folder, pid=1, born="x", host="elsewhere")
            frozen.update(files(record.folder))
        return block

    monkeypatch.setattr(legs, "advance", overtaken)
    monkeypatch.setattr(lease_module, "STALE", 60.0)

    class Followed(Exception):
        pass

    def followed(record, show):
        raise Followed

    from lrbench.engine import train

    monkeypatch.setattr(train, "_follow", followed)
    with pytest.raises(Followed):  # it goes on as a follower
        run(experiment)
    assert files(record.folder) == frozen
    assert record.status()["state"] == "running"
    assert any("another process took this run over" in text for text in run.said)


def test_a_run_whose_folder_is_taken_away_ends(make, run, monkeypatch):
    experiment = make()
    record = Record(run.results / "runs" / run_id(experiment))
    real = legs.advance

    def moved(setup, state, until):
        block = real(setup, state, until)
        if state.update == 32:
            record.folder.rename(record.folder.with_name("elsewhere"))
        return block

    monkeypatch.setattr(legs, "advance", moved)
    with pytest.raises(RunFailed, match="another process took this run over"):
        run(experiment)
    assert not record.folder.exists()


def test_a_failure_after_the_lease_is_lost_is_not_written(make, run, monkeypatch):
    experiment = make()
    record = Record(run.results / "runs" / run_id(experiment))
    real = legs.advance

    def broken(setup, state, until):
        if state.update == 32:
            (record.folder / "lease.json").unlink()
            raise RuntimeError("broken")
        return real(setup, state, until)

    monkeypatch.setattr(legs, "advance", broken)
    with pytest.raises(RunFailed):
        run(experiment)
    assert record.standing() == "interrupted"  # not failed: that was not ours to say


def test_a_run_that_another_process_ends_at_the_same_moment_is_not_trained_again(make, run, monkeypatch):
    """Between the look at an interrupted run and its lease, another process takes it up and finishes it."""
    experiment = make()
    record = run(experiment)
    record.set_status("interrupted", 32, 64)
    take = Lease.take

    def late(lease):
        record.set_status("finished", 64, 64)
        return take(lease)

    monkeypatch.setattr(Lease, "take", late)
    monkeypatch.setattr(legs, "advance", None)
    assert run(experiment).standing() == "finished"
    assert not (record.folder / "lease.json").exists()


def test_a_record_that_another_process_replaces_at_the_same_moment_is_not_set_aside(make, run, monkeypatch):
    """Between the look at a damaged record and its move, another process has moved it and trained anew."""
    experiment = make()
    record = run(experiment)
    status = (record.folder / "status.json").read_text()
    (record.folder / "status.json").write_text("{")
    from lrbench.engine import train

    alone = train.alone

    def late(folder):
        (record.folder / "status.json").write_text(status)
        return alone(folder)

    monkeypatch.setattr(train, "alone", late)
    monkeypatch.setattr(legs, "advance", None)
    assert run(experiment).standing() == "finished"
    assert [p.name for p in record.folder.parent.iterdir() if p.is_dir()] == [record.folder.name]
