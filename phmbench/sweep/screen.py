"""What of a job that runs beside others is shown."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phmbench.sweep import jobs


@contextmanager
def quiet() -> Iterator[None]:
    """What this process and those that it starts write on the screen goes nowhere: bars and tables of jobs that run
    beside each other would be mixed. The log of the record has it, and errors are still shown."""
    logger = logging.getLogger("phmbench")
    logger.propagate = False
    nowhere = logging.NullHandler()  # without any, logging itself writes warnings on the screen
    logger.addHandler(nowhere)
    sys.stdout.flush()
    screen, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(screen, 1)
        os.close(screen)
        os.close(null)
        logger.removeHandler(nowhere)


def pruned(folder: Path, objective: str) -> str:
    """` after epoch 3, val/macro_f1 0.51`."""
    told = json.loads((folder / jobs.PRUNED).read_text(encoding="utf-8"))
    return f" after {told['fit']} epoch {told['epoch']}, ".replace("  ", " ") + f"{objective} {told['value']:.4g}"


def ended(folder: Path) -> str:
    """A line: the job, how it stands, the value that its checkpoint was chosen by, and how long it took."""
    from phmbench.record.status import read_metrics

    how, job = jobs.standing(folder), jobs.read(folder)
    if how != "done":
        return f"{job['label']} · {how}"
    monitor, result = job["config"]["monitor"], read_metrics(folder)
    value = result["metrics"].get(monitor)
    said = "" if value is None else f", {monitor} {value:.4f}"
    return f"{job['label']} · done{said}, {sum(result['seconds'].values()):.0f} s"


def goes_on(folder: Path) -> str:
    """How a trial is run that was begun before."""
    return "goes on from its last checkpoint" if any(folder.rglob("last.ckpt")) else "once more from its beginning"
