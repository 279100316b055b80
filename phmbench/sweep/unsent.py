"""What a queue would be sent, before it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from phmbench.sweep import jobs
from phmbench.sweep.launchers import at_once

log = logging.getLogger("phmbench")

FILE = "sbatch.sh"
OF_EXECUTOR = ("submitit_folder", "max_num_timeout", "python", "_target_")  # the others are parameters of the job


def show(config: DictConfig, folder: Path, *, count: int) -> None:
    """Say how many jobs would start; for Slurm also write the script that sbatch would be given.

    Args:
        config: of the sweep, as composed.
        folder: of the sweep; the script goes there.
        count: jobs that would be handed to the launcher together.
    """
    at_once(config)  # refuses a number that would start none
    log.info("dry run: %d job%s would start", count, "" if count == 1 else "s")
    launcher: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    if not str(launcher["_target_"]).endswith(".SlurmLauncher") or not count:
        return
    from phmbench.record import atomic

    jobs.made(folder)
    atomic.write_text(folder / FILE, script(launcher, count=count))
    log.info("dry run: sbatch would be given %s", folder / FILE)


def script(launcher: Mapping[str, Any], *, count: int) -> str:
    """The script of an array of `count` jobs, by the code of submitit that writes the real one.

    Where Slurm is not installed submitit refuses to begin; to see a script no queue is needed.
    """
    from submitit.slurm.slurm import SlurmExecutor

    class Unsent(SlurmExecutor):  # type: ignore[misc, unused-ignore]
        @classmethod
        def affinity(cls) -> int:
            return 1

    executor = Unsent(launcher["submitit_folder"], python=launcher["python"])
    given = {key: value for key, value in launcher.items() if value is not None and key not in OF_EXECUTOR}
    executor._internal_update_parameters(**executor._convert_parameters(given))
    if count > 1:
        executor.parameters["map_count"] = count
    return str(executor._make_submission_file_text(executor._submitit_command_str, "dry_run"))
