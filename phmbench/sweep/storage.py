"""Where a study lies: a journal in the folder of the sweep, or a database that several machines share."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError, RecordError
from phmbench.record.log import hidden

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"
HEARTBEAT, GRACE = 30, 120  # seconds between two signs of life of a trial in a database; without one it counts as dead

OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What ends a search, and is no trial's fault: the disk is full, at its quota, read-only or failing."""

_opened: dict[tuple[int, str | None, Path], BaseStorage] = {}


def opened(url: str | None, folder: Path) -> BaseStorage:
    """The storage of a sweep, opened once by each process: trials that run in it share what was read.

    A journal, of lines that are only ever added: a process that is killed loses at most the line that it was writing,
    and ten thousand trials are read in a second, where SQLite takes ten.

    Args:
        url: None: the journal in the folder; else what SQLAlchemy takes (`postgresql://…`).
        folder: of the sweep; made here.

    Raises:
        ConfigError: it cannot be reached, or is none.
    """
    key = (os.getpid(), url, folder)
    if key not in _opened:
        _opened[key] = _open(url, folder)
    return _opened[key]


def _open(url: str | None, folder: Path) -> BaseStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("optuna").propagate = False
    shown = hidden(url or "")
    if url is not None and url.startswith("redis"):
        raise ConfigError(
            f"storage: {shown}: Redis keeps no signs of life, by which the dead trials of other machines are known; "
            "expected a database; take postgresql://…"
        )
    try:
        if url is not None:
            return _database(url)
        folder.mkdir(parents=True, exist_ok=True)
        return journal(folder / JOURNAL)
    except ImportError as error:
        raise ConfigError(
            f"storage: {shown}: {str(error).splitlines()[0]}; expected its driver; install it: {_driver(url)}"
        ) from error
    except Exception as error:
        said = str(error).replace(url or str(folder), shown or str(folder)).strip().splitlines() or [""]
        raise ConfigError(
            f"storage: {shown or folder / JOURNAL}: cannot be opened; got {type(error).__name__}: {said[0]}; expected "
            "a study's storage; start the server, correct the URL, or leave storage out: the study then lies in the "
            "folder of the sweep"
        ) from error


def _database(url: str) -> BaseStorage:
    """A storage in a database. Two sweeps that begin at once make its tables at once: the second one tries again."""
    import optuna
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for left in reversed(range(5)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # experimental, Optuna says
                return optuna.storages.RDBStorage(
                    url.replace("postgresql://", "postgresql+psycopg://", 1),  # psycopg2 without, up to SQLAlchemy 2.0
                    heartbeat_interval=HEARTBEAT, grace_period=GRACE,
                    heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=5),
                )  # fmt: skip
        except (IntegrityError, ProgrammingError, OperationalError, optuna.exceptions.StorageInternalError) as error:
            if not left or (isinstance(error, OperationalError) and "already exists" not in str(error)):
                raise
            time.sleep(0.5)
    raise AssertionError


def journal(path: Path) -> BaseStorage:
    """An Optuna storage in a file, for processes on this machine and on those that share its file system."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    held: Any = FileLock(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=held))


class FileLock:
    """Of a journal: it ends with the process that holds it, where Optuna's own, a file, stays and is waited for."""

    def __init__(self, path: Path) -> None:
        self.path, self.descriptor = Path(f"{path}.lock"), -1

    def acquire(self) -> bool:
        """Wait for the lock and take it; whoever held it before may have left a part of a line."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.descriptor = descriptor
        mend(self.path.with_name(self.path.name.removesuffix(".lock")))
        return True

    def release(self) -> None:
        """Give it back."""
        os.close(self.descriptor)


def mend(path: Path) -> None:
    """Take away a last line that is not whole: on a full disk a part of it is written, and the next would follow it."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in (b"", b"\n"):
            return
        start = max(0, size - 2**20)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)


@contextmanager
def faults_named(place: str) -> Iterator[None]:
    """Say what to do where a study cannot be written.

    Raises:
        RecordError: the disk is full, at its quota, read-only or failing.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in OF_DISK:
            raise
        raise RecordError(
            f"{place}: the study cannot be written; got {error.strerror}; expected a disk with room that can be "
            "written; what was told before is whole; free space, then type the same command again"
        ) from error


def is_of_disk(said: str) -> bool:
    """Whether a trial says that it could not write, by the words of its error: it may come from another process."""
    return any(f"got {os.strerror(number)};" in said for number in OF_DISK)


@contextmanager
def signs_of_life(kept: Any, trials: Sequence[int]) -> Iterator[None]:
    """Within the block these trials do not count as dead; a database alone is told, a folder has locks.

    Args:
        kept: the storage.
        trials: their ids.
    """
    if not is_beating(kept):
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT):
            for trial in trials:
                with suppress(Exception):  # a server that is started anew: the next one reaches it
                    kept.record_heartbeat(trial)

    for trial in trials:
        kept.record_heartbeat(trial)
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def is_beating(kept: Any) -> bool:
    """Whether a storage takes signs of life."""
    asked = getattr(kept, "get_heartbeat_interval", None)
    return asked is not None and asked() is not None


def asked(study: optuna.Study) -> optuna.Trial:
    """A new trial, or one whose values wait to be run again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of signs of life, which `optimize` would give; `signs_of_life` does
        trial = study.ask()
    sign(study, trial._trial_id)  # from here on: were this process killed now, nobody would know the trial for dead
    return trial


def sign(study: optuna.Study, trial: int) -> None:
    """Of life, of a trial by its id, where the storage takes them."""
    if is_beating(study._storage):
        study._storage.record_heartbeat(trial)  # type: ignore[attr-defined]


def bury(study: optuna.Study) -> None:
    """Trials of a database that have given no sign of life fail, and their values wait to be run again."""
    import optuna

    if is_beating(study._storage):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental, Optuna says
            optuna.storages.fail_stale_trials(study)


def _driver(url: str | None) -> str:
    """The command that installs what a URL needs."""
    scheme = (url or "").partition(":")[0].partition("+")[0]
    if scheme == "postgresql":
        return "pip install 'phmbench[postgresql]'"
    return "the one that SQLAlchemy names for this database; or take postgresql://…"
