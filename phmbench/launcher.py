"""The launcher of a grid: all jobs are composed and checked before the first starts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

log = logging.getLogger("phmbench")


class ComposeFirstLauncher(Launcher):
    """Run jobs one after the other in this process, from configurations composed before the first of them.

    A YAML file that is edited while a grid runs changes none of its jobs, and a job that the check refuses stops the
    grid before anything has been computed. (Hydra's own launcher composes each job when its turn comes.)
    """

    before: ClassVar[Callable[[Sequence[DictConfig]], None] | None] = None  # the check, set by the command line

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        jobs = [self._compose(initial_job_idx + i, overrides) for i, overrides in enumerate(job_overrides)]
        before = type(self).before
        if before is not None:
            before(jobs)
        returns: list[JobReturn] = []
        for number, (job, overrides) in enumerate(zip(jobs, job_overrides, strict=True), 1):
            log.info("job %d of %d: %s", number, len(jobs), " ".join(filter_overrides(overrides)))
            returns.append(
                run_job(
                    hydra_context=self.hydra_context,
                    task_function=self.task_function,
                    config=job,
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
            )
        return returns

    def _compose(self, index: int, overrides: Sequence[str]) -> DictConfig:
        job: Any = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(job):
            job.hydra.job.id, job.hydra.job.num = str(index), index
        return job  # type: ignore[no-any-return]
