"""Signals that ask a run to end: the first ends it in order, a second one at once.

Ctrl-C (SIGINT), a queue that takes the machine back (SIGTERM) and a terminal that closes (SIGHUP) mean the same: the
record is left so that `phmbench resume` goes on with it, and the process ends with the shell's code for that signal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal has asked the run to end; no KeyboardInterrupt, which libraries answer in ways of their own.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


_received: list[int] = []
_main = os.getpid()


def exit_code(error: BaseException | None) -> int | None:
    """The exit code of a process that a signal has asked to end; None where none has.

    What is raised after the signal is its consequence: a library may have turned `Stopped` into an error of its own.
    """
    if _received:
        return 128 + _received[0]
    return error.exit_code if isinstance(error, Stopped) else None


@contextmanager
def listened() -> Iterator[None]:
    """Within the block the first signal raises `Stopped`, and a second one ends the process there and then.

    A signal that the caller ignores (nohup, a job in the background) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _main
    _main = os.getpid()
    _received.clear()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _stop)
        yield
    finally:
        for number, previous in before.items():
            if not _received:  # else this process is ending, and a second signal ends it while it does
                signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _stop(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _main:  # a loader process, to which the terminal sends the signal too: it ends without a word
        raise KeyboardInterrupt
    if hasattr(signal, "SIGCHLD"):  # loaders' answer to a process of theirs that ends would cut off the record's end
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if _received:  # twice: the locks go with the process, and with them "running"
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # a progress bar has hidden the cursor
        os._exit(128 + number)
    _received.append(number)
    raise Stopped(number)
