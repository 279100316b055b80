"""Where a study lies: a journal in the folder of the sweep, or a database that several machines share."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from phmbench.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"
HEARTBEAT, GRACE = 30, 120  # seconds between two signs of life of a trial in a database; without one it counts as dead


def opened(url: str | None, folder: Path) -> BaseStorage:
    """The storage of a sweep.

    A journal, of lines that are only ever added: a process that is killed loses at most the line that it was writing,
    and ten thousand trials are read in a second, where SQLite takes ten.

    Args:
        url: None: the journal in the folder; else what SQLAlchemy or Redis takes (`postgresql://…`).
        folder: of the sweep; made here.

    Raises:
        ConfigError: it cannot be reached, or is none.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("optuna").propagate = False
    try:
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
            return journal(folder / JOURNAL)
        if url.startswith("redis"):
            from optuna.storages.journal import JournalRedisBackend

            return optuna.storages.JournalStorage(JournalRedisBackend(url))
        return optuna.storages.RDBStorage(
            url, heartbeat_interval=HEARTBEAT, grace_period=GRACE,
            failed_trial_callback=optuna.storages.RetryFailedTrialCallback(),
        )  # fmt: skip
    except ImportError as error:
        raise ConfigError(
            f"storage: {_hidden(url)}: {str(error).splitlines()[0]}; expected its driver; install it: "
            "pip install 'phmbench[postgresql]' (psycopg), or that of another database"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"storage: {_hidden(url) or folder / JOURNAL}: cannot be opened; got {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else ''}; expected a study's storage; start "
            "the server, correct the URL, or leave storage out: the study then lies in the folder of the sweep"
        ) from error


def journal(path: Path) -> BaseStorage:
    """An Optuna storage in a file, for processes on this machine and on those that share its file system."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    lock = FileLock(path)
    if path.exists():
        lock.acquire()
        try:
            _mend(path)
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


class FileLock:
    """Of a journal: it ends with the process that holds it, where Optuna's own, a file, stays and is waited for."""

    def __init__(self, path: Path) -> None:
        self.path, self.descriptor = Path(f"{path}.lock"), -1

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it back."""
        os.close(self.descriptor)


def _mend(path: Path) -> None:
    """Take away a last line that is not whole: on a full disk a part of it is written, and the next would follow it."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - 2**20)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)


def _hidden(url: str | None) -> str:
    """A URL without its password."""
    if url is None or "@" not in url:
        return url or ""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://…@{rest.rpartition('@')[2]}"
