"""A lock on a folder that ends with the process that holds it, however that process ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

NAME = ".lock"
_held: set[int] = set()  # file descriptors of this process's locks


class TakenError(Exception):
    """Somebody else holds the lock."""


def take(folder: Path, *, patience_s: float = 0.5) -> int | None:
    """Take the folder's lock and return its file descriptor, or None where the file system has no locks.

    Args:
        folder: exists and is writable.
        patience_s: how long to try: somebody who only looks (`is_held`) holds the lock for a moment.

    Raises:
        TakenError: another process, or another record of this one, has it.
    """
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not _busy(error):
                os.close(descriptor)
                return None
            if time.monotonic() > end:
                os.close(descriptor)
                raise TakenError from None
            time.sleep(0.02)
        else:
            _held.add(descriptor)
            return descriptor


def release(descriptor: int | None) -> None:
    """Give the lock back; None and a second time do nothing."""
    if descriptor in _held:
        _held.discard(descriptor)
        os.close(descriptor)


def is_held(folder: Path) -> bool | None:
    """Whether somebody holds the folder's lock; None where that cannot be known."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if _busy(error) else None
    finally:
        os.close(descriptor)
    return False


def _busy(error: OSError) -> bool:
    return error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


def _forget() -> None:
    """In a forked child: a worker that outlives its parent must not keep the record running."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)
