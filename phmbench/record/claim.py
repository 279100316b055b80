"""Who may write into a run directory, and why somebody may not."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from phmbench.errors import RecordError
from phmbench.record import lock
from phmbench.record.status import METRICS, exists, read_status, state


def claim(path: Path) -> int | None:
    """Make the folder and hold it.

    Raises:
        RecordError: it is in use, or cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = lock.take(path)
    except lock.TakenError:
        refuse(path)
    except OSError as error:
        raise RecordError(
            f"{path}: the run directory cannot be made; got {error.strerror or error}; expected a writable place; "
            "choose another with paths.output=…"
        ) from error
    if descriptor is None and exists(path) and state(path) == "running":
        refuse(path)
    return descriptor


def refuse(path: Path) -> NoReturn:
    """Say why a folder cannot be used for a new run."""
    if not exists(path):
        what, then = "a metrics.json that no run of this version wrote", "choose another folder with hydra.run.dir=…"
        if not (path / METRICS).exists() and any(path.glob("checkpoints/*.ckpt")):
            what = "checkpoints of a run whose configuration is lost"
        elif not (path / METRICS).exists():
            what, then = "a folder that another process holds", "wait for it, or choose another with hydra.run.dir=…"
    else:
        status, now = read_status(path), state(path)
        who = f" by process {status.get('pid')} on {status.get('host')}"
        what = f"a run that is {now}" + (who if now == "running" else "")
        then = {
            "running": "wait for it, or choose another folder with hydra.run.dir=…",
            "done": "choose another folder with hydra.run.dir=…, or remove this one",
        }.get(now, f"go on with it: phmbench resume {path}; or choose another folder, or remove this one")
    raise RecordError(f"{path}: the run directory is taken; got {what}; expected a new or empty folder; {then}")
