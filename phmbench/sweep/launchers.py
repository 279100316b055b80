"""What runs the jobs of a sweep: which launchers may, and what each job gets of the machine."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from phmbench.errors import ConfigError

T = TypeVar("T")


def prepared(config: DictConfig) -> Path:
    """The folder of the sweep, absolute, made known to launchers that compose jobs in other processes."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{folder}'")
    return folder


def launcher(config: DictConfig, *, context: HydraContext, task_function: TaskFunction) -> Launcher:
    """The launcher of a sweep, which does not get to know the URL of the study: it may hold a password.

    Launchers of clusters keep what they are given in files of their own, or send it around, and with it what Hydra
    knows of the sweep. Jobs have the URL from `job.json`, which nobody else may read.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.plugins import Plugins

    if config.get("storage") is not None:
        config = without_storage(config)
        HydraConfig.instance().set_config(config)
        loader: Any = context.config_loader
        loader._active_repository = None  # has what was composed; Hydra reads options anew where it is asked for them
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task_function, config=config)


def without_storage(config: DictConfig) -> DictConfig:
    """A copy of the configuration of a sweep in which nothing says where its study lies."""
    given = copy.deepcopy(config)
    with read_write(given), read_write(given.hydra), open_dict(given.hydra):
        given.storage = None
        words = [str(word) for word in given.hydra.overrides.task]
        given.hydra.overrides.task = [word for word in words if word.lstrip("+").partition("=")[0] != "storage"]
        given.hydra.job.override_dirname = ""
    return given


def threads(config: Mapping[str, Any]) -> int | None:
    """How many threads each job may use; None where one job runs at a time.

    The cores that this process may use are shared by the jobs that run beside each other on this machine.
    """
    count = at_once(config) if beside(config) else 1
    return None if count == 1 else max(1, len(os.sched_getaffinity(0)) // count)


def threads_alone(config: Mapping[str, Any]) -> int | None:
    """The same of a job that runs by itself, maybe in a process in which one ran that had a share of the cores."""
    return None if threads(config) is None else len(os.sched_getaffinity(0))


def at_once(config: Mapping[str, Any]) -> int:
    """How many jobs are handed to the launcher at a time, and run beside each other where they share this machine.

    A search asks for as many trials at once as `hydra.sweeper.n_jobs` says; where it says nothing, joblib's own number
    counts. submitit's local executor starts all that it is given: it is given a job a core.
    """
    hydra = config["hydra"]
    launcher, own = hydra["launcher"], hydra["sweeper"].get("n_jobs")
    target, cores = str(launcher["_target_"]), len(os.sched_getaffinity(0))
    if target.endswith(".JoblibLauncher"):
        count = 1 if launcher.get("n_jobs") is None else int(launcher["n_jobs"])
        if not count:
            raise ConfigError(
                "hydra.launcher.n_jobs: no job would ever run; got 0; expected how many run at once, or -1, one a core"
            )
        return count if count > 0 else max(1, cores + 1 + count)
    if target.endswith(".LocalLauncher"):
        return int(own or cores)
    return int(own or 1)


def beside(config: Mapping[str, Any]) -> bool:
    """Whether the jobs that run at once share this machine."""
    return str(config["hydra"]["launcher"]["_target_"]).endswith((".JoblibLauncher", ".LocalLauncher"))


def in_queue(config: Mapping[str, Any]) -> bool:
    """Whether jobs run on a cluster, which may end one from outside."""
    return str(config["hydra"]["launcher"]["_target_"]).endswith((".SlurmLauncher", ".RayLauncher"))


def queued(launcher: Any) -> dict[str, str]:
    """The jobs that submitit has ever given to Slurm for this sweep: number → folder, `%j` in it; else none."""
    if type(launcher).__name__ != "SlurmLauncher":
        return {}
    place = str(launcher.params["submitit_folder"])
    return {file.parent.name: place for file in Path(place).parent.glob("*/*_submitted.pkl")}


def await_queued(launcher: Any, *, but: Mapping[str, str]) -> None:
    """Wait until Slurm has none of the jobs any more that were not there before.

    submitit's launcher hands on that one job of an array is lost while others still wait for a machine.
    """
    for number, place in queued(launcher).items():
        if number not in but:
            from submitit.slurm.slurm import SlurmJob

            SlurmJob(folder=place, job_id=number).wait()


def shares_screen(launcher: Mapping[str, Any]) -> bool:
    """Whether jobs write on the screen of the command while others do: those of submitit have files of their own."""
    return str(launcher["_target_"]).endswith((".JoblibLauncher", ".RayLauncher"))


def parts(jobs: Sequence[T], config: Mapping[str, Any]) -> list[Sequence[T]]:
    """The jobs of a grid as they are handed to the launcher: all, but for one that would start all of them at once."""
    local = str(config["hydra"]["launcher"]["_target_"]).endswith(".LocalLauncher")
    size = at_once(config) if local else max(1, len(jobs))
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]
