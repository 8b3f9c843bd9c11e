"""A run stopped or killed at any moment and taken up again leaves the bits of an undisturbed one."""

import json
import os
import random
import signal
import time

import pytest
import torch

from lrbench.data.batches import Batches
from lrbench.engine import attempt, legs, loop
from lrbench.engine.attempt import Interrupted
from lrbench.engine.state import load, read_checkpoint
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.store import record as record_module
from lrbench.store import seal
from lrbench.store.record import Record

pytestmark = pytest.mark.usefixtures("without_picture")
CPU = torch.device("cpu")
RESNET = ("model=resnet8", "model.args.width=4", "scheduler=onecycle", "clip=2.0", "eval_every=11ba")
PLATEAU = (
    "model.args.dropout=0.3", "optimizer=adamw", "optimizer.lr=0.01", "scheduler=plateau", "eval_every=8ba",
    "scheduler.args.patience=1", "scheduler.args.threshold=0.2", "warmup=linear_10pct",
    "param_groups=no_decay_norm_bias", "weight_decay=cosine",
)  # fmt: skip
LOSS = ("scheduler=plateau", "scheduler.interval=batch", "monitor=train/loss", "scheduler.args.patience=6",
        "warmup=linear5",
        "warmup.length=1ep", "scheduler.args.threshold=0.1")  # fmt: skip
KINDS = {"resnet": RESNET, "plateau": PLATEAU, "loss": LOSS}


class Killed(BaseException):
    """As sudden as a kill, as far as the engine can tell: nothing catches it."""


def at_batch(monkeypatch, act):
    """Call `act(update)` before every batch."""
    batch = Batches.batch

    def acting(self, update, *parts):
        act(update)
        return batch(self, update, *parts)

    monkeypatch.setattr(Batches, "batch", acting)


def attempts(record: Record) -> list[int]:
    """The updates at which attempts began."""
    return [a["from_update"] for a in json.loads((record.folder / "provenance.json").read_text())]


# ---- Stopped by a signal.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_the_same_call_goes_on(make, run, tmp_path, monkeypatch, require_same_run, number):
    experiment = make(*PLATEAU)
    whole = run(experiment, results=tmp_path / "whole")
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        at_batch(patch, lambda update: os.kill(os.getpid(), number) if update == 21 else None)
        with pytest.raises(Interrupted, match=r"stopped at update 24 of 64; the same command goes on from there"):
            run(experiment, checkpoint_every=None)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    record = Record(tmp_path / "results" / "runs" / run_id(experiment))
    assert record.standing() == "interrupted"
    assert record.status() == {"state": "interrupted", "update": 24, "updates": 64, "error": None}
    assert len(record.series()) == 24
    assert not (record.folder / "lease.json").exists()
    require_same_run(run(experiment), whole)
    assert attempts(record) == [0, 24]
    assert any("resumed at update 24 of 64" in text for text in run.said)


def test_a_second_signal_does_not_wait(make, run, monkeypatch):
    def ask(update):
        if update in (3, 5):
            os.kill(os.getpid(), signal.SIGINT)

    at_batch(monkeypatch, ask)
    with pytest.raises(KeyboardInterrupt):
        run(make())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_in_the_last_updates_lets_the_run_finish(make, run, monkeypatch):
    at_batch(monkeypatch, lambda update: os.kill(os.getpid(), signal.SIGINT) if update == 63 else None)
    assert run(make()).standing() == "finished"


@pytest.mark.slow
def test_stopped_again_and_again(make, run, tmp_path, monkeypatch, require_same_run):
    experiment = make(*RESNET)
    whole = run(experiment, results=tmp_path / "whole")
    monkeypatch.setattr(loop, "PATIENCE", 0.0)  # a block is two updates
    stops = 0
    while True:
        with monkeypatch.context() as patch:
            calls = []

            def ask(update, calls=calls):
                calls.append(update)
                if len(calls) == 9:
                    os.kill(os.getpid(), signal.SIGTERM)

            at_batch(patch, ask)
            try:
                record = run(experiment)
                break
            except Interrupted:
                stops += 1
    assert stops >= 5
    require_same_run(record, whole)


# ---- Torn from anywhere, inside one process.


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_torn_off_at_random_updates(make, run, tmp_path, monkeypatch, require_same_run, kind):
    experiment = make(*KINDS[kind])
    whole = run(experiment, results=tmp_path / "whole")
    chance = random.Random(kind)

    def tear(update):
        if chance.random() < 0.06:
            raise Killed

    for _ in range(200):
        with monkeypatch.context() as patch:
            at_batch(patch, tear)
            try:
                record = run(experiment, checkpoint_every="7ba", log_every="3ba" if kind == "loss" else "0.1%")
                break
            except Killed:
                pass
    if kind == "loss":  # rows are means of several updates, also across a tear
        whole = run(experiment, results=tmp_path / "whole", log_every="3ba", force=True)
    assert len(attempts(record)) >= 3
    require_same_run(record, whole)


@pytest.mark.parametrize(
    ("module", "place"),
    [
        (legs, "validate"),
        *((attempt, name) for name in ("save", "_finish", "summary", "audit")),
        (record_module, "write_bytes"),  # what a record is laid out of, its status, its summary
        (seal, "write_bytes"),
    ],
)
def test_torn_off_between_updates(make, run, tmp_path, monkeypatch, require_same_run, module, place):
    """At the first, second ... call of whatever stands between blocks."""
    experiment = make("scheduler=onecycle", "horizon=2ep")
    whole = run(experiment, results=tmp_path / "whole")
    for nth in range(1, 4 if module in (legs, attempt) else 13):
        with monkeypatch.context() as patch:
            calls, real = [], getattr(module, place)

            def torn(*args, calls=calls, real=real, nth=nth, **more):
                calls.append(1)
                if len(calls) == nth:
                    raise Killed
                return real(*args, **more)

            patch.setattr(module, place, torn)
            try:
                run(experiment, checkpoint_every="5ba")
            except Killed:
                continue
            break
    require_same_run(run(experiment, checkpoint_every="5ba"), whole)
    assert [p.name for p in (run.results / "runs").iterdir() if p.is_dir()] == [whole.run_id]  # nothing set aside


def test_a_checkpoint_is_the_state(make, run, monkeypatch):
    experiment: Experiment = make(*PLATEAU)
    at_batch(monkeypatch, lambda update: os.kill(os.getpid(), signal.SIGINT) if update == 41 else None)
    with pytest.raises(Interrupted):
        run(experiment)
    (record,) = (Record(p) for p in (run.results / "runs").iterdir())
    content = read_checkpoint(record.checkpoint(), CPU)
    state = load(experiment, CPU, record.checkpoint())
    assert state.update == content["update"] == 48
    assert state.feedback.metrics == content["metrics"] != []
    moments = state.optimizer.state_dict()["state"]
    assert all(torch.equal(moments[i]["exp_avg"], content["optimizer"]["state"][i]["exp_avg"]) for i in moments)


# ---- Really killed.


def killed_until_done(server, experiment, results, kills, chance, most, **job):
    """Let it die `kills` times, each at a random moment within 1 to `most` updates, then let it finish.

    Counted in updates and seconds of computing: on a slow machine every kill would come before the first checkpoint.
    """
    record = Record(results / "runs" / run_id(experiment))
    for _ in range(kills):
        begun = record.status()["update"] if record.standing() == "interrupted" else 0
        dies = {"die_at": begun + chance.randrange(most), "die_after": chance.uniform(1e-6, 0.003)}  # inside an update
        if server.start(experiment, results, **job, **dies).wait() == "end finished":
            break
        assert record.standing() == "interrupted"
    assert server.start(experiment, results, **job).wait() == "end finished"
    return record


@pytest.mark.slow
def test_killed_a_few_times(make, run, server, tmp_path, require_same_run):
    experiment = make(*PLATEAU)
    whole = run(experiment, results=tmp_path / "whole")
    job = {"settings": {"checkpoint_every": "7ba"}}
    record = killed_until_done(server, experiment, tmp_path, 3, random.Random(0), 20, **job)
    assert len(attempts(record)) == 4
    assert attempts(record)[-1] > 0
    require_same_run(record, whole)


@pytest.mark.parametrize(
    "chance",
    [pytest.param(0, marks=pytest.mark.slow), *(pytest.param(c, marks=pytest.mark.full) for c in (1, 2))],
)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_many_times(make, run, server, tmp_path, require_same_run, kind, chance):
    experiment = make(*KINDS[kind], "horizon=200ba")
    whole = run(experiment, results=tmp_path / "whole")
    job = {"settings": {"checkpoint_every": "7ba"}}
    record = killed_until_done(server, experiment, tmp_path, 15, random.Random(f"{kind}{chance}"), 20, **job)
    assert len(attempts(record)) >= 8
    assert len(set(attempts(record))) >= 4
    require_same_run(record, whole)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [(1,), (1, 3)])
@pytest.mark.parametrize("moment", ["half", "whole"])
def test_killed_while_a_checkpoint_is_written(make, run, server, tmp_path, require_same_run, moment, kills):
    experiment = make(*PLATEAU, "horizon=2ep")
    whole = run(experiment, results=tmp_path / "whole")
    record = Record(tmp_path / "runs" / run_id(experiment))
    for nth in kills:  # 1: there is no older checkpoint yet
        process = server.start(experiment, tmp_path, hold_save=[moment, nth], settings={"checkpoint_every": "7ba"})
        while process.events.count(moment) < nth:
            assert process.alive
            time.sleep(0.001)
        process.kill()
        assert record.standing() == "interrupted"
        assert list(record.checkpoint().parent.glob(".*"))  # it really was being written
        assert record.checkpoint().exists() == (nth > 1)
        if nth > 1:
            assert load(experiment, CPU, record.checkpoint()).update in (7, 14)
    done = run(experiment, results=tmp_path, checkpoint_every="7ba")
    assert (attempts(record)[-1] > 0) == (kills != (1,))
    assert not list(record.checkpoint().parent.glob(".*"))  # nothing half written stays behind
    require_same_run(done, whole)


@pytest.mark.slow
def test_killed_in_a_process_of_its_own_started_by_the_command_line(run, tmp_path, require_same_run, warm):
    import subprocess
    import sys

    from lrbench.config.experiments import experiment

    asked = ["model=mlp", "scheduler=onecycle", "horizon=200ep", "batch_size=64", "optimizer.lr=0.01"]
    whole = run(experiment("tracker=none", *asked), results=tmp_path / "whole")
    command = ["tracker=none", f"results={tmp_path}", "checkpoint_every=100ba", *asked]
    folder = tmp_path / "runs" / whole.run_id

    def saved() -> int:
        return Record(folder).status()["update"] if (folder / "status.json").exists() else 0

    for _ in range(3):
        began = saved()
        process = warm.start(*command, folder=tmp_path)
        while saved() == began:  # until this attempt has saved a checkpoint of its own
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
    done = subprocess.run([sys.executable, "-m", "lrbench", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(attempts(Record(folder))) == 4
    assert len(set(attempts(Record(folder)))) == 4  # each went on from further than the one before
    require_same_run(Record(folder), whole)


# ---- What cannot be resumed is refused.


@pytest.fixture
def interrupted(make, run, monkeypatch):
    """An interrupted run at update 32 and its experiment."""
    experiment = make()
    with monkeypatch.context() as patch:
        at_batch(patch, lambda update: os.kill(os.getpid(), signal.SIGINT) if update == 20 else None)
        with pytest.raises(Interrupted):
            run(experiment)
    (record,) = (Record(p) for p in (run.results / "runs").iterdir())
    return experiment, record


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "another model"])
def test_an_unreadable_checkpoint_is_refused(interrupted, run, damage, require_same_run, tmp_path):
    from lrbench.errors import ConfigError

    experiment, record = interrupted
    whole = record.checkpoint().read_bytes()
    content = {"empty": b"", "half": whole[: len(whole) // 2], "garbage": b"x" * len(whole), "another model": whole}
    record.checkpoint().write_bytes(content[damage])
    if damage == "another model":
        saved = torch.load(record.checkpoint())
        saved["model"].popitem()
        torch.save(saved, record.checkpoint())
    with pytest.raises(
        ConfigError, match=r"last.pt: the checkpoint cannot be read .*force=true keeps the record aside"
    ):
        run(experiment)
    assert record.standing() == "interrupted"  # nothing was lost
    new = run(experiment, force=True)
    assert [p for p in record.folder.parent.iterdir() if p.name.startswith(f"{record.run_id}.old-")]
    require_same_run(new, run(experiment, results=tmp_path / "whole"))


def test_a_record_shorter_than_its_checkpoint_is_refused(interrupted, run):
    from lrbench.errors import ConfigError

    experiment, record = interrupted
    path = record.folder / "series.npy"
    path.write_bytes(path.read_bytes()[:-48])
    with pytest.raises(ConfigError, match="checkpoint is at update 32 and its record ends at 30; force=true"):
        run(experiment)


def test_an_interrupted_run_without_a_checkpoint_begins_anew(interrupted, run, require_same_run, tmp_path):
    experiment, record = interrupted
    record.checkpoint().unlink()
    require_same_run(run(experiment), run(experiment, results=tmp_path / "whole"))


def test_how_a_run_is_carried_out_may_change_on_the_way(interrupted, run, require_same_run, tmp_path):
    experiment, _record = interrupted
    done = run(experiment, checkpoint_every="3ba", keep=("end",))
    require_same_run(done, run(experiment, results=tmp_path / "whole"))
    assert done.experiment() == experiment


@pytest.mark.parametrize(
    ("every", "apart", "saved"), [("30s", 10.0, [48, 64]), ("30s", 40.0, [16, 32, 48, 64]), ("1h", 1.0, [64])]
)
def test_a_checkpoint_may_wait_for_the_clock_on_the_wall(make, run, monkeypatch, every, apart, saved):
    """A look at the clock a leg, so many seconds apart, and one at each checkpoint; there is always one at the end."""
    looks, updates, real = iter(range(100)), [], attempt.save
    monkeypatch.setattr(attempt.time, "monotonic", lambda: next(looks) * apart)
    monkeypatch.setattr(
        attempt, "save", lambda state, path, log: (updates.append(state.update), real(state, path, log))
    )
    run(make(), checkpoint_every=every, keep=())
    assert updates == saved
