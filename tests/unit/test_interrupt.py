"""Signals that ask a run to end: in fresh processes, that are sent them for real."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from phmbench import interrupt
from phmbench.record import state

PROGRAM = """
import sys, time
from phmbench import interrupt
with interrupt.listened():
    try:
        print("ready", flush=True)
        while True:
            time.sleep(0.1)  # one long sleep may begin just after the signal, and be slept out
    except BaseException as error:
        print(type(error).__name__, interrupt.exit_code(error), flush=True)
        if "slow" in sys.argv:
            time.sleep(30)
"""


def begin(*words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_raised(number: signal.Signals):
    process = begin()
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == f"Stopped {128 + number}\n"


def test_the_second_signal_ends_the_process_at_once():
    process = begin("slow")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "Stopped 130\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143


EARLY = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "phmbench.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, signal.SIG_IGN if "ignored" in sys.argv else signal.default_int_handler)
sys.argv[1:] = ["--version"]
runpy.run_module("phmbench", run_name="__main__")
"""


@pytest.mark.parametrize(("word", "code", "said"), [("", 130, "interrupted\n"), ("ignored", 0, "")])
def test_ctrl_c_before_the_command_line_is_there(word: str, code: int, said: str):
    """While its modules are imported, of which the largest are the configuration's."""
    done = subprocess.run([sys.executable, "-c", EARLY, word], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, said)


def test_what_is_ignored_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupt.listened():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_as_before_after_the_block():
    before = [signal.getsignal(number) for number in interrupt.SIGNALS]
    with interrupt.listened():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in interrupt.SIGNALS] == before
    assert interrupt.exit_code(ValueError()) is None


def test_another_thread_is_left_alone():
    said = []

    def listen() -> None:
        with interrupt.listened():
            said.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert said == [signal.getsignal(signal.SIGINT)]


def test_an_error_that_a_signal_has_led_to_is_no_failure(tmp_path):
    """A loader's worker dies of the same Ctrl-C, and the error says that it died: the run was interrupted."""
    program = """
import os, signal, sys
from phmbench import interrupt
from phmbench.record import Record
with interrupt.listened(), Record.open(sys.argv[1], {}):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except interrupt.Stopped:
        raise RuntimeError("worker exited unexpectedly") from None
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "RuntimeError: worker exited unexpectedly" in done.stderr
    assert state(tmp_path) == "interrupted"
