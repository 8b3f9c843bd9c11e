"""A results folder without locks, or whose locks end at a machine, is told."""

import errno

import pytest
from cli_support import TINY, in_process

from lrbench.errors import ConfigError
from lrbench.store import locks


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    assert locks.check_locks(tmp_path / "new") is None

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    with pytest.raises(ConfigError, match=r"this file system keeps no locks \(No locks available\)"):
        locks.check_locks(tmp_path)


def test_locks_that_hold_within_one_machine_are_seen():
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "mds:/scratch /my\\040scratch lustre rw,localflock 0 0\nnas:/x /home/x nfs4 rw,local_lock=none 0 0\n"
        "tmp /home nfs rw,nolock 0 0\nover / overlay rw 0 0\n"
    )
    assert locks.local_lock("/home/me/results", mounts) == "nolock"
    assert locks.local_lock("/my scratch/results", mounts) == "localflock"
    assert locks.local_lock("/home/x/results", mounts) is None
    assert locks.local_lock("/var/results", mounts) is None
    assert locks.local_lock("/homework", mounts) is None


@pytest.mark.parametrize("command", [TINY, ("-m", *TINY, "seed=0,1")])
def test_nothing_is_trained_without_locks(command, tmp_path, monkeypatch, capsys):
    lrbench = in_process(tmp_path, monkeypatch, capsys)

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    said = lrbench(*command)
    assert said.code == 2
    assert "results=results: this file system keeps no locks (No locks available)" in said.err
    assert not list((tmp_path / "results" / "runs").iterdir())
