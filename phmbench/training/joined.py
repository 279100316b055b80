"""Ranks that torchrun or srun has started: what one of them fails of becomes the failure of the run."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from phmbench import interrupt
from phmbench.errors import PhmbenchError, PrunedError
from phmbench.training import rank, ranks

if TYPE_CHECKING:
    from phmbench.record import Record


@contextmanager
def failures(record: Record | None = None) -> Iterator[None]:
    """Tell the others what ends this process, and say, where it ends since another did, what that one failed of.

    Args:
        record: of the run, which the first process holds: failed, although the launcher has told this process to end.

    Raises:
        PhmbenchError: what was raised, with its rank; or that of the process which failed first.
    """
    try:
        yield
    except (Exception, interrupt.Stopped) as error:
        if not ranks.joined() or isinstance(error, PrunedError):  # all of them have ended by it
            raise
        stopped, lost = interrupt.exit_code(error) is not None, ranks.lost(error)
        if lost and record is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the launcher has seen the same, and ends this process
        other = ranks.board().failure(seconds=rank.PATIENCE if lost else 0.0) if stopped or lost else None
        if stopped and other is None:
            raise
        failure = _named(error, lost=lost) if other is None else _heard(other)
        failure.__cause__ = error
        if other is None and not lost:
            _tell(error, failure)
        if record is not None:
            record.fail(failure)
        if other is not None:
            _outlive(*json.loads(other)[2:])
        raise failure from error


def _outlive(host: str, process: int) -> None:
    """Wait until the process that failed has ended, if it is on this machine: launchers name the first that ends."""
    end = time.monotonic() + rank.PATIENCE
    while host == socket.gethostname() and time.monotonic() < end:
        try:
            os.kill(process, 0)  # no signal: whether it is there, or has ended and the launcher has not seen it yet
        except OSError:
            return
        time.sleep(0.05)


def _heard(told: str) -> PhmbenchError:
    """What another rank has told; its traceback is for log.txt."""
    text, lines, *_ = json.loads(told)
    failure = PhmbenchError(text)
    failure.add_note(lines)
    return failure


def _named(error: BaseException, *, lost: bool) -> PhmbenchError:
    """An error with the rank it is of."""
    number = ranks.rank()
    if lost:
        return PhmbenchError(
            f"rank {number} ended: another process is gone; got {str(error).strip().splitlines()[0]}; expected all to "
            "run to their end; see what the launcher says of the others, then go on with phmbench resume"
        )
    if isinstance(error, PhmbenchError):
        return type(error)(f"rank {number} failed: {error}")
    return PhmbenchError(f"rank {number} failed: {type(error).__name__}: {error}; the traceback is in log.txt")


def _tell(error: BaseException, failure: PhmbenchError) -> None:
    """To the other ranks, and to torchrun, which shows the traceback."""
    with suppress(RuntimeError):  # the store has gone with the process that kept it
        lines = "".join(traceback.format_exception(error))
        ranks.board().failed(json.dumps([str(failure), lines, socket.gethostname(), os.getpid()]))
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file and isinstance(error, Exception):
        rank.tell(error, Path(file))
