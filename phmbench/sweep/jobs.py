"""Jobs: runs that the process the user started has composed and checked, and that any launcher runs from a file.

Hydra's launchers compose a job where it runs: under a parallel one an edited YAML file would leak in, and a job that
the check refuses would be found late. Here the folder of each job holds `job.json`, the whole checked configuration,
before the first job starts; what a launcher runs, in whatever process, reads that file. How a job has ended is read
from its record, not from what the launcher says: a launcher may end before its jobs do.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phmbench import trust
from phmbench.config import Config
from phmbench.errors import ConfigError, PhmbenchError, PrunedError, RecordError

log = logging.getLogger("phmbench")

FILE = "job.json"
PRUNED = "pruned.json"
SCREEN = "screen.txt"
TRIAL = "PHMBENCH_TRIAL"
"""Variable with the folder of the trial that this process, and the ranks it starts, run; a run that is resumed by hand
has none, and reports to nobody."""
CUT_OFF = ("new", "interrupted")
"""How a job stands that is to be begun, or gone on with."""


@dataclass(frozen=True)
class Job:
    """One run of many.

    Attributes:
        words: what was chosen for this job, as typed.
        config: checked and filled.
        folder: its run directory, inside that of the sweep.
        trial: for a search: `study`, `storage`, `number`, …, what reports to the study need; None in a grid.
        label: what is said on the screen when it starts.
        aside: whether what the run itself shows goes into its folder: a search says a line.
    """

    words: tuple[str, ...]
    config: Config
    folder: Path
    trial: Mapping[str, Any] | None = None
    label: str = ""
    aside: bool = False


def made(folder: Path) -> Path:
    """The folder, made if it was not there.

    Raises:
        RecordError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise  # a full disk is said by name
        raise RecordError(
            f"{folder}: the folder of the sweep cannot be made; got {error.strerror or error}; expected a writable "
            "place; choose another with hydra.sweep.dir=… or paths.output=…"
        ) from error
    return folder


def write(job: Job, *, threads: int | None) -> None:
    """Put the job into its folder, whole or not at all.

    Args:
        job: the job.
        threads: of this job's process; None: as many as it takes.
    """
    from phmbench.record import atomic

    made(job.folder)
    said = {
        "config": job.config,
        "trusted": trust.of_environment(),
        "threads": threads,
        "trial": job.trial,
        "label": job.label,
        "aside": job.aside,
    }
    secret = job.trial is not None and job.trial["storage"] is not None  # its URL may hold a password
    atomic.write_text(job.folder / FILE, json.dumps(said), mode=0o600 if secret else 0o666)


def read(folder: Path) -> dict[str, Any]:
    """What `write` has put there.

    Raises:
        RecordError: there is none, or it is damaged.
    """
    try:
        return dict(json.loads((folder / FILE).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(
            f"{folder / FILE}: cannot be read; got {error}; expected the job of a sweep; type the sweep's command again"
        ) from error


def run_composed(_: Any) -> None:
    """What a launcher of Hydra's calls in its own process, wherever that is: the job of this output directory."""
    from hydra.core.hydra_config import HydraConfig

    from phmbench import interrupt, messages
    from phmbench.sweep import launchers, screen

    folder = Path(HydraConfig.get().runtime.output_dir)
    with interrupt.listened():
        if not launchers.shares_screen(HydraConfig.get().launcher):
            messages.to_screen()
            return run(folder)
        with screen.quiet():
            run(folder)
        sys.stdout.write(f"{screen.ended(folder)}\n")  # in one piece: others write too
        sys.stdout.flush()
    return None


def run(folder: Path) -> None:
    """Run the job of a folder, or go on with it; the outcome is in its record.

    Raises:
        PhmbenchError: what the run says; the record says failed.
    """
    from phmbench.run import execute
    from phmbench.training import ranks

    job = read(folder)
    os.environ[trust.VARIABLE] = ",".join(job["trusted"])
    if not ranks.rank():
        log.info("%s", job["label"])
    if job["threads"]:
        devices = (job["config"].get("trainer") or {}).get("devices")
        share_cores(job["threads"], ranks=devices if isinstance(devices, int) else 1)
    try:
        with _as_trial(folder) if job["trial"] else nullcontext(), _aside(folder) if job["aside"] else nullcontext():
            execute(job["config"], folder, go_on=True, pages=False)
    except PrunedError:
        return
    except PhmbenchError as error:
        print(f"job {folder.name} failed: {error}", file=sys.stderr)
        if ranks.joined():  # the others would wait for this one, or go on with the next job by themselves
            raise SystemExit(error.exit_code) from error
        raise


@contextmanager
def _as_trial(folder: Path) -> Iterator[None]:
    """Fits within the block report to the study."""
    (folder / PRUNED).unlink(missing_ok=True)
    os.environ[TRIAL] = str(folder)
    try:
        yield
    finally:
        del os.environ[TRIAL]


@contextmanager
def _aside(folder: Path) -> Iterator[None]:
    """What the run shows goes into its folder."""
    with (folder / SCREEN).open("a", encoding="utf-8") as file, redirect_stdout(file):
        yield


def trial() -> Path | None:
    """The folder of the trial that this process or its launcher runs; None: it runs none."""
    found = os.environ.get(TRIAL)
    return Path(found) if found else None


def share_cores(threads: int, *, ranks: int = 1) -> None:
    """Let this process, or the ranks that it starts together, use so many threads, so that jobs beside each other, and
    ranks beside each other, do not slow each other."""
    import torch

    os.environ["OMP_NUM_THREADS"] = str(max(1, threads // max(1, ranks)))
    torch.set_num_threads(threads)


def standing(folder: Path) -> str:
    """`new` where no run was begun there, `pruned` where a search has given it up, else the state of the record."""
    from phmbench.record.status import state

    try:
        found = state(folder)
    except RecordError:
        return "new"
    return "pruned" if found in ("interrupted", "failed") and (folder / PRUNED).exists() else found


def failure(folder: Path) -> str:
    """In a line why a job that is not done has ended, from its record."""
    from phmbench.record.status import read_status

    try:
        return str(read_status(folder).get("error") or "its process has ended without a word; was it killed?")
    except PhmbenchError as error:
        return str(error)


def launch(jobs: Sequence[Job], launcher: Any, *, first: int = 0) -> dict[Path, Exception]:
    """Hand jobs to a launcher of Hydra's; the errors of those that failed.

    Joblib ends all its processes where one of them dies. Then those that had begun go on, each by itself, so that the
    one to blame fails alone; the others are run as they would have been.

    Raises:
        ConfigError: the launcher cannot start.
    """
    if not jobs:
        return {}
    from phmbench.sweep import launchers

    before, earlier = {job.folder: standing(job.folder) for job in jobs}, launchers.queued(launcher)
    try:
        returns = launcher.launch([[f"hydra.sweep.subdir={job.folder.name}"] for job in jobs], initial_job_idx=first)
    except Exception as error:
        launchers.await_queued(launcher, but=earlier)
        now = _settled(jobs, patience_s=10.0 if _lost_process(error) else 0.0)
        begun = [job for job in jobs if now[job.folder] != "new"]
        if not begun or (now == before and not _lost_process(error)):
            raise ConfigError(
                f"hydra.launcher: {type(error).__name__}: {_line(error)}; expected the jobs to start; correct its "
                "settings, or choose hydra/launcher=in_process"
            ) from error
        if not _lost_process(error):  # of a cluster: the other jobs go on there
            return {job.folder: _gone(job, error) for job in jobs if now[job.folder] not in ("done", "pruned")}
        errors: dict[Path, Exception] = {
            job.folder: PhmbenchError(failure(job.folder)) for job in begun if now[job.folder] == "failed"
        }
        cut_off = [job for job in begun if now[job.folder] == "interrupted"]
        if len(jobs) == 1:
            return errors or {job.folder: _gone(job, error) for job in cut_off}
        for job in cut_off:
            log.warning("job %s: its process ended, and goes on in another", job.folder.name)
            errors.update(launch([job], launcher, first=first))
        return {**errors, **launch([job for job in jobs if job not in begun], launcher, first=first)}
    return _failed(jobs, returns)


def _failed(jobs: Sequence[Job], returns: Sequence[Any]) -> dict[Path, Exception]:
    from hydra.core.utils import JobStatus

    return {
        job.folder: one._return_value
        for job, one in zip(jobs, returns, strict=True)
        if one.status == JobStatus.FAILED and isinstance(one._return_value, Exception)
    }


def _settled(jobs: Sequence[Job], *, patience_s: float) -> dict[Path, str]:
    """How jobs stand, once those whose process is being ended have ended, or that time has passed."""
    end = time.monotonic() + patience_s
    while True:
        now = {job.folder: standing(job.folder) for job in jobs}
        if "running" not in now.values() or time.monotonic() >= end:
            return now
        time.sleep(0.1)


def _lost_process(error: Exception) -> bool:
    """Whether joblib says that one of its processes is gone."""
    return any(kind.__name__ == "BrokenProcessPool" for kind in type(error).__mro__)


def _gone(job: Job, error: Exception) -> PhmbenchError:
    return PhmbenchError(
        f"job {job.folder.name}: {type(error).__name__}: {_line(error)}; got no result; expected its process to run to "
        "its end; see whether the memory was used up, and the logs of the launcher; type the same command again to go "
        "on with it"
    )


def _line(error: Exception) -> str:
    """The first line that an error says."""
    said = str(error).strip()
    return said.splitlines()[0] if said else "without a word"
