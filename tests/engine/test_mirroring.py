"""The tracker of an attempt hears the whole record and is closed however the attempt ends."""

import os
import signal

import pytest

from lrbench.engine import attempt, legs
from lrbench.engine.attempt import Interrupted
from lrbench.experiment import Component

pytestmark = pytest.mark.usefixtures("without_picture")
HERE = Component(target=f"{__name__}.Heard")


class Heard:
    """A tracker that keeps what it is told."""

    sessions: list["Heard"] = []  # noqa: RUF012

    def __init__(self):
        self.rows, self.summary = [], None

    def open(self, run, say):
        self.sessions.append(self)

    def log(self, row):
        self.rows.append(row)

    def finish(self, summary):
        self.summary = summary

    def abandon(self): ...


@pytest.fixture(autouse=True)
def sessions(monkeypatch):
    monkeypatch.setattr(Heard, "sessions", [])
    monkeypatch.setattr("lrbench.trackers.PAUSE", 0.001)
    return Heard


def updates(session):
    return [row["update"] for row in session.rows]


def test_a_stopped_run_closes_its_mirror_and_the_resumed_one_has_the_whole_record(make, run, monkeypatch):
    real = legs.validate

    def stop_at_the_second(setup, state):
        if state.update == 32:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(setup, state)

    monkeypatch.setattr(legs, "validate", stop_at_the_second)
    with pytest.raises(Interrupted):
        run(make(), tracker=HERE, log_every="1ep")
    (stopped,) = Heard.sessions
    assert stopped.summary == {"state": "stopped"}
    assert updates(stopped) == [16, 16, 32, 32]
    monkeypatch.undo()
    monkeypatch.setattr(Heard, "sessions", [stopped])
    record = run(make(), tracker=HERE, log_every="1ep")
    resumed = Heard.sessions[1]
    assert updates(resumed) == [row["update"] for row in record.rows()] == [16, 16, 32, 32, 48, 48, 64, 64]
    assert resumed.summary["state"] == "finished"


def test_a_failed_run_closes_its_mirror(make, run, monkeypatch):
    def fails(*_):
        raise ValueError("no")

    monkeypatch.setattr(attempt, "audit", fails)
    with pytest.raises(ValueError, match="no"):
        run(make(), tracker=HERE, log_every="1ep")
    (session,) = Heard.sessions
    assert session.summary == {"state": "stopped"}
    assert updates(session)[-1] == 64


def test_a_run_killed_while_it_finished_is_mirrored_when_it_is_taken_up_again(make, run, monkeypatch):
    class Killed(BaseException): ...

    def die(*_):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(attempt, "_finish", die)
        with pytest.raises(Killed):
            run(make(), log_every="1ep")
    record = run(make(), tracker=HERE, log_every="1ep")
    (session,) = Heard.sessions
    assert updates(session) == [row["update"] for row in record.rows()]
    assert session.summary["state"] == "finished"
