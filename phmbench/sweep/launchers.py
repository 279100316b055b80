"""What runs the jobs of a sweep: which launchers may, and what each job gets of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict, read_write

IN_PROCESS = "phmbench.sweep.in_process.InProcessLauncher"


def prepared(config: DictConfig) -> Path:
    """The folder of the sweep, absolute, made known to launchers that compose jobs in other processes."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{folder}'")
    return folder


def threads(config: Mapping[str, Any]) -> int | None:
    """How many threads each job may use; None where one job runs at a time.

    The cores that this process may use are shared by the jobs that run beside each other on this machine.
    """
    beside = at_once(config)
    return None if beside == 1 else max(1, len(os.sched_getaffinity(0)) // beside)


def at_once(config: Mapping[str, Any]) -> int:
    """How many jobs the launcher runs beside each other on this machine."""
    launcher = config["hydra"]["launcher"]
    target = str(launcher["_target_"])
    if target.endswith(".JoblibLauncher"):
        count = int(launcher.get("n_jobs") or 1)
        return count if count > 0 else max(1, len(os.sched_getaffinity(0)) + 1 + count)
    return 1
