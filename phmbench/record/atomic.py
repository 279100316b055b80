"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from phmbench.errors import RecordError

PART = ".part"
"""How temporary files end; one that is left was being written when its process was killed, and is never read."""


def write_bytes(path: Path, content: bytes | memoryview, *, mode: int = 0o666) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, also after a crash.

    The content goes to a temporary name in the same folder, is synced to the disk and renamed.

    Args:
        path: of the file.
        content: all of it.
        mode: who may read and write it, before the umask; 0o600 from the first byte on for what holds a password.

    Raises:
        RecordError: the disk is full, or the folder is not there or not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # the folder itself may be what is missing
            temporary.unlink()
        raise RecordError(
            f"{path}: cannot be written; got {error.strerror or error}; expected a writable folder with room for "
            f"{len(content)} bytes; free space or choose another place with paths.output=…, then run again or resume"
        ) from error


@contextlib.contextmanager
def faults_named(folder: Path) -> Iterator[None]:
    """Say what to do where a library could not write into a run directory.

    Raises:
        RecordError: the disk is full, at its quota, read-only or failing.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
            raise
        raise RecordError(
            f"{folder}: the run could not write; got {error.strerror}; expected a disk with room that can be written; "
            f"free space, then go on with: phmbench resume {folder}"
        ) from error


def write_text(path: Path, content: str, *, mode: int = 0o666) -> None:
    """`write_bytes` of the text in UTF-8."""
    write_bytes(path, content.encode("utf-8"), mode=mode)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last over a power failure; not every file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
