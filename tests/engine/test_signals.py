"""Ctrl-C and SIGTERM, where a run is inside a sweep."""

import os
import signal
import threading

import pytest

from lrbench.engine.signals import until_signalled

BOTH = (signal.SIGINT, signal.SIGTERM)


def send(number=signal.SIGINT, times=1):
    for _ in range(times):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", BOTH)
def test_run_and_sweep_hear_a_signal_and_so_does_the_next_run(number):
    before = [signal.getsignal(s) for s in BOTH]
    with until_signalled() as sweep:
        with until_signalled() as run:
            assert (run.asked, sweep.asked) == (False, False)
            send(number)
            assert (run.asked, sweep.asked) == (True, True)
        with until_signalled() as next_run:
            assert next_run.asked
    assert [signal.getsignal(s) for s in BOTH] == before
    with until_signalled() as another:
        assert not another.asked


def test_a_second_one_ends_the_process():
    with pytest.raises(KeyboardInterrupt), until_signalled(), until_signalled():
        send(times=2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def in_three_runs():
    with until_signalled():
        for _ in range(3):
            with until_signalled():
                send()


def test_also_where_the_first_came_in_another_run():
    with pytest.raises(KeyboardInterrupt):
        in_three_runs()
    with until_signalled() as after:
        assert not after.asked


def test_a_strangers_handler_hears_the_second():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        with until_signalled() as run:
            send(signal.SIGTERM)
            assert (run.asked, heard) == (True, [])
            send(signal.SIGTERM)
            assert heard == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_a_thread_nothing_is_installed():
    before, stops = signal.getsignal(signal.SIGINT), []

    def work():
        with until_signalled() as stop:
            stops.append((stop.asked, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert stops == [(False, True)]
