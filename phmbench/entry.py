"""Where commands begin: Ctrl-C while the command line itself is still being imported ends it with one line, too."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """The console command `phmbench`."""
    _begin()
    from phmbench import cli

    cli.main()


def train() -> None:
    """`python train.py`."""
    _begin()
    from phmbench import cli

    cli.train()


def sweep() -> None:
    """`python sweep.py`."""
    _begin()
    from phmbench import cli

    cli.sweep()


def _begin() -> None:
    """Packages that the user trusts are found in the current folder, behind all that is installed, however a run is
    begun: `python -m phmbench` would find them. Without trust nothing of that folder may be imported."""
    _answer_ctrl_c()
    trusts = any(word.startswith("--trust") for word in sys.argv) or os.environ.get("PHMBENCH_TRUST")
    with contextlib.suppress(OSError):  # the folder may have been removed
        if trusts and not {"", os.getcwd()} & set(sys.path):
            sys.path.append(os.getcwd())


def _answer_ctrl_c() -> None:
    """Until the command listens itself (`phmbench.interrupt`); one that is ignored stays ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(128 + number)  # nothing has been begun
