"""Which of its four states a run directory is in."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from phmbench.errors import RecordError
from phmbench.record import atomic, lock, schema

State = Literal["running", "done", "failed", "interrupted"]

STATUS = "status.json"
METRICS = "metrics.json"
CONFIG = "config.yaml"


def state(path: str | Path) -> State:
    """The one state of a run directory.

    `done`: `metrics.json` is there, whole and valid; nothing else makes a run done. `running`: a process holds the
    directory's lock. `failed`: the run ended with an error, or its result is damaged. `interrupted`: anything else that
    was begun: stopped by the user or the queue, killed, or cut off by a power failure.

    Raises:
        RecordError: the folder holds no record.
    """
    path = Path(path)
    damaged = False
    try:
        read_metrics(path)
        return "done"
    except RecordError:
        damaged = (path / METRICS).exists()
    status = read_status(path)
    said = status["state"]
    if said in ("running", "done") and _is_alive(path, status):
        return "running"  # also in the moment between the last two writes of `finish`
    if said == "failed" or damaged:
        return "failed"
    return "interrupted"


def read_metrics(path: str | Path) -> dict[str, Any]:
    """The result of a finished run, valid by the schema.

    Raises:
        RecordError: there is none, or it is damaged.
    """
    file = Path(path) / METRICS
    try:
        result = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise RecordError(
            f"{file}: not found; got a run without a result; expected a finished run; resume it with: "
            f"phmbench resume {path}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected whole JSON; the record is damaged, run it again"
        ) from error
    schema.require(result, name=str(file))
    return dict(result)


def read_status(path: str | Path) -> dict[str, Any]:
    """What `status.json` says, which is not yet the state.

    Where it is damaged or missing beside a configuration, the run is one that was cut off.

    Raises:
        RecordError: there is no record, or nothing whole of it.
    """
    try:
        return _said(path)
    except RecordError as error:
        if not (Path(path) / CONFIG).exists():
            raise
        return {"state": "running" if lock.is_held(Path(path)) else "interrupted", "damaged": str(error)}


def _said(path: str | Path) -> dict[str, Any]:
    file = Path(path) / STATUS
    try:
        status = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"{path}: not a run directory; got no {STATUS}; expected the folder of a run; phmbench writes them under "
            "paths.output"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{file}: cannot be read; got {error}; expected whole JSON; the record is damaged, run it again elsewhere"
        ) from error
    if not isinstance(status, dict) or status.get("state") not in ("running", "done", "failed", "interrupted"):
        raise RecordError(f"{file}: unknown state; got {status!r:.80}; expected an object with state; run it elsewhere")
    return status


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Write `status.json`.

    Raises:
        RecordError: it cannot be written.
    """
    atomic.write_text(path / STATUS, json.dumps(status, indent=1, ensure_ascii=False) + "\n")


def exists(path: str | Path) -> bool:
    """Whether the folder holds a record, in whatever state."""
    return (Path(path) / CONFIG).exists() or (Path(path) / STATUS).exists()


def _is_alive(path: Path, status: dict[str, Any]) -> bool:
    """The lock decides; where the file system has none, the process id on the same host, and elsewhere caution."""
    held = lock.is_held(path)
    if held is not None:
        return held
    if status.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(status["pid"]), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError, KeyError, TypeError, ValueError):
        return False
    return True
