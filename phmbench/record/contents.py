"""What a run directory consists of, and how it is emptied without touching anything else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from phmbench.errors import RecordError
from phmbench.record import lock
from phmbench.record.atomic import PART
from phmbench.record.status import CONFIG, METRICS, STATUS, exists, state

FILES = (METRICS, "split.csv", "episodes.csv", "predictions.h5", "log.txt", "report.html", "environment.txt",
         "profile.json", "trace.json", "screen.txt", STATUS, CONFIG)  # fmt: skip
FOLDERS = ("checkpoints", "csv", "figures", "failure")


def folder_name(name: str) -> str:
    """A name as a folder's: what a file system or a shell stumbles over becomes "-" (`target-hit_sm-spectraquest`)."""
    return re.sub(r"[^\w.@=+-]+", "-", name).strip(".") or "-"


def children(path: Path) -> list[Path]:
    """Records of folds, seeds and other splits inside this one, in the order of their numbers or names."""
    found = [p for pattern in ("target-*", "seed-*", "split-*") for p in path.glob(pattern) if exists(p)]
    return sorted(found, key=lambda p: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", p.name)])


def clear(path: Path) -> None:
    """Remove the record in a folder: metrics.json first, so that nothing half removed looks done.

    Raises:
        RecordError: a fold or seed inside it is running.
    """
    inside = children(path)
    for child in inside:
        if state(child) == "running":
            raise RecordError(
                f"{child}: in the way of a new run; got one that is running; expected none; wait for it or end it"
            )
    (path / METRICS).unlink(missing_ok=True)
    for child in inside:
        clear(child)
        (child / lock.NAME).unlink(missing_ok=True)
        if not any(child.iterdir()):
            child.rmdir()
    for name in FOLDERS:
        if (path / name).is_symlink():
            (path / name).unlink()
        elif (path / name).is_dir():
            shutil.rmtree(path / name)
    for name in FILES:
        (path / name).unlink(missing_ok=True)
    clear_parts(path)


def clear_parts(path: Path) -> None:
    """Remove temporary files of a process that was killed while it wrote."""
    for folder in (path, *(path / name for name in FOLDERS)):
        for part in folder.glob(f".*{PART}"):
            part.unlink(missing_ok=True)
