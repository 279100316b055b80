"""The processes that work on a search, and which of its trials nobody runs any more."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from phmbench.errors import RecordError
from phmbench.record import lock
from phmbench.sweep import jobs
from phmbench.sweep.storage import GRACE

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from phmbench.sweep.jobs import Job

FOLDER = "workers"


class Worker(NamedTuple):
    """A process that works on a search.

    Attributes:
        name: of its machine and itself; no other process has it or had it, on whatever machine.
        stride: what its sampler's seed has that no other's has, or two of them would draw the same values.
    """

    name: str
    stride: int


@contextmanager
def worker(folder: Path, *, shared: bool = False) -> Iterator[Worker]:
    """A name for this process in the folder of a sweep, held by a lock that ends with it: so are dead trials known.

    No name is given twice: the trials of a process that was killed, or of another machine, must not look as if this
    one ran them.

    Args:
        folder: of the sweep.
        shared: the study lies in a database, where machines with folders of their own have workers too: then nothing
            that can be counted here tells the seeds apart.
    """
    one = uuid.uuid4()
    place = folder / FOLDER / f"{machine()}-{one.hex[:12]}"
    with alone(folder):
        number = sum(1 for _ in (folder / FOLDER).glob("*-*/"))
        place.mkdir()
    descriptor = lock.take(place)
    try:
        yield Worker(place.name, one.int if shared else 1000 * number)
    finally:
        lock.release(descriptor)


def machine() -> str:
    """The name of this one, in letters that a file may have."""
    return re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process of this folder at a time: to count the trials and ask for one more."""
    place = folder / FOLDER
    jobs.made(place)
    descriptor = lock.take(place, patience_s=600.0)
    try:
        yield
    finally:
        lock.release(descriptor)


def is_dead(trial: FrozenTrial, folder: Path, *, shared: bool = False) -> bool:
    """Whether a trial that the study calls running is run by nobody any more, as far as this file system tells.

    Args:
        trial: running, as the study says.
        folder: of the sweep; its lock (`alone`) is held.
        shared: the study lies in a database, which knows the dead of other machines by their signs of life.
    """
    who, run = trial.user_attrs.get("worker"), trial.user_attrs.get("folder")
    if who is None:  # whoever asked for it has died before it said so: both are done under the lock
        begun = trial.datetime_start or datetime.now()
        return not shared or (datetime.now() - begun).total_seconds() > GRACE
    place = folder / FOLDER / who
    if not place.is_dir() or (shared and who.rpartition("-")[0] != machine()):
        return False
    return lock.is_held(place) is False and not (run and lock.is_held(folder / run))


def is_taken(study: Study, job: Job) -> bool:
    """Whether another process runs the values of a trial, or is about to: its own trial with the same values.

    Args:
        study: of the trial.
        job: of the trial; its folder is named by the values, and `job.json` in it says whose it is.
    """
    standing = jobs.standing(job.folder)
    if standing == "running" or standing not in jobs.CUT_OFF or job.trial is None:
        return standing == "running"
    try:
        other = study._storage.get_trial(jobs.read(job.folder)["trial"]["id"])
    except (RecordError, KeyError):  # nobody's yet, or of a study that is gone
        return False
    shared = job.trial["storage"] is not None
    is_another = other._trial_id != job.trial["id"] and other.user_attrs.get("folder") == job.folder.name
    return is_another and other.state.name == "RUNNING" and not is_dead(other, job.folder.parent, shared=shared)


def is_left_behind(trial: FrozenTrial, folder: Path) -> bool:
    """Whether a trial still runs, and the search that asked for it, on this file system, does not."""
    who, run = trial.user_attrs.get("worker"), trial.user_attrs.get("folder")
    if who is None or run is None or not (folder / FOLDER / who).is_dir():
        return False
    return lock.is_held(folder / FOLDER / who) is False and lock.is_held(folder / run) is True
