"""The launcher that needs none: jobs one after the other in this process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from phmbench import interrupt
from phmbench.sweep import jobs

log = logging.getLogger("phmbench")


class InProcessLauncher(Launcher):
    """Run jobs one after the other in this process: imports and the open store are shared.

    A job is read from its folder, where the sweeper has put it composed and checked; nothing is composed here.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.folder = Path(str(config.hydra.sweep.dir))

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        returns = []
        for words in job_overrides:
            one = JobReturn(overrides=list(words))
            try:
                jobs.run(self.folder / words[-1].partition("=")[2])
                one.status = JobStatus.COMPLETED
            except Exception as error:
                if interrupt.exit_code(error) is not None:  # a library has made an error of its own of the signal
                    raise
                one.status, one._return_value = JobStatus.FAILED, error
            returns.append(one)
        return returns
