"""Signals, and standard output that takes no more: what all command lines answer alike."""

import ctypes
import os
import signal
import sys
import time

import pytest

from vqaudio.cli import common

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def handlers():
    """As in a terminal, wherever these tests run; and what a command changes is put back."""
    fresh = {signal.SIGINT: signal.default_int_handler}
    before = {
        number: signal.signal(number, fresh.get(number, signal.SIG_DFL)) for number in STATUSES
    }
    hook = sys.unraisablehook
    yield
    assert sys.unraisablehook is hook
    found = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert found[signal.SIGTERM] == signal.SIG_DFL
    assert found[signal.SIGHUP] in (signal.SIG_DFL, signal.SIG_IGN)


def status_of(work) -> int:
    try:
        return common.guarded("tool", work)
    except SystemExit as stop:
        return stop.code


def wait() -> int:
    for _ in range(2000):
        time.sleep(0.001)
    return 0


@pytest.mark.parametrize("number", STATUSES)
def test_what_has_been_begun_is_cleaned_away(number):
    cleaned = []

    def work() -> int:
        try:
            os.kill(os.getpid(), number)
            return wait()
        finally:
            if number != signal.SIGINT:
                os.kill(os.getpid(), number)  # impatience
            cleaned.append(True)

    assert status_of(work) == STATUSES[number]
    assert cleaned == [True]


@pytest.mark.parametrize("number", STATUSES)
def test_a_signal_is_not_lost_in_a_callback(number, capfd):
    """Of a C library, such as the one that reads sound files: exceptions do not get through."""

    @ctypes.CFUNCTYPE(None)
    def callback():
        os.kill(os.getpid(), number)

    def work() -> int:
        callback()
        return wait()

    def work_that_fails_for_it() -> int:
        callback()
        common.complain("tool", "a.wav", "no samples")
        return 1

    assert status_of(work) == STATUSES[number]
    assert status_of(work_that_fails_for_it) == STATUSES[number]
    assert capfd.readouterr().err == ""


def test_other_things_lost_are_still_told(capfd, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))

    @ctypes.CFUNCTYPE(None)
    def callback():
        raise KeyError

    assert status_of(lambda: callback() or 0) == 0
    assert told == [KeyError]


def test_nohup_is_respected():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert status_of(lambda: os.kill(os.getpid(), signal.SIGHUP) or 0) == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_output_that_takes_no_more(monkeypatch, capsys):
    for error, said in ((OSError(28, "No space left on device"), True), (BrokenPipeError(), False)):

        def fail(error=error) -> int:
            raise error

        assert status_of(fail) == 1
        line = "tool: standard output: No space left on device\n" if said else ""
        assert capsys.readouterr().err == line


def test_no_standard_output_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert status_of(lambda: 0) == 0


def test_names_are_shown_on_one_line():
    assert common.printable("a\nb\x1b[0mc\udcffé") == "a?b?[0mc?é"
