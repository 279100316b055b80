"""A search: trials whose values Optuna chooses, until so many are finished."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from phmbench import interrupt
from phmbench.config import Config
from phmbench.errors import ConfigError
from phmbench.record.log import hidden
from phmbench.sweep import identity, jobs, screen, unsent, workers
from phmbench.sweep import study as studies
from phmbench.sweep.composing import Check, Composer
from phmbench.sweep.jobs import Job
from phmbench.sweep.launchers import at_once, in_queue, launcher, prepared, threads
from phmbench.sweep.one_split import on_one_split
from phmbench.sweep.outcomes import Outcomes
from phmbench.sweep.points import Points

if TYPE_CHECKING:
    import optuna

    from phmbench.sweep.settings import Settings
    from phmbench.sweep.space import Space

log = logging.getLogger("phmbench")


class SearchSweeper(Sweeper):
    """Ask for values, run a trial with them, tell what it was worth; the same command again goes on.

    The study says which trials there are; what became of one is read from its run directory. So nothing is lost where
    this process is killed: a trial that ended meanwhile is told when the search is typed again, and one that died is
    run again, in its own folder, from its own last checkpoint.

    Args:
        sampler: a node of `hydra/sweeper/sampler`, as of hydra-optuna-sweeper.
        params: ranges by key in that plugin's syntax.
        n_jobs: trials at once; None: as many as the launcher says, or one (`launchers.at_once`).

    Attributes:
        check: set before `sweep`: the plain configuration of a composed job, or ConfigError.
        dry_run: compose and check, write what a queue would be sent, and start nothing.
    """

    check: Check
    config: DictConfig
    dry_run: bool = False

    def __init__(self, *, sampler: Any, params: Mapping[str, str] | None, n_jobs: int | None) -> None:
        self.sampler, self.params = sampler, dict(params or {})
        if n_jobs is not None and n_jobs < 1:
            raise ConfigError(f"hydra.sweeper.n_jobs: got {n_jobs}; expected trials at once, 1 or more; choose 1")

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> int:
        """Run the search; the exit code.

        Raises:
            ConfigError: what is wrong with the settings, the space, or the study that is there.
        """
        from phmbench.sweep import end, samplers, settings, storage
        from phmbench.training import ranks

        if ranks.joined():
            raise ConfigError(
                "sweep: got several processes of torchrun or srun; expected one, which asks for the trials; start "
                "sweep.py alone with trainer=ddp or ddp_cpu, whose ranks it starts itself; or a grid: train.py -m"
            )

        self.folder = prepared(self.config)
        self.settings: Settings = settings.read(self.config)
        self.space = self._space(arguments)
        self.composer = Composer(context=self.context, config=self.config, check=self.check)
        base = self.composer.first_of(self.space)
        settings.require_objectives(self.settings, base)
        pruner = samplers.resolved(self.settings.pruner, base, self.space.parameters)
        self.settings = replace(self.settings, pruner=pruner)
        self.launcher = launcher(self.config, context=self.context, task_function=self.task_function)
        if self.settings.storage is not None:
            storage.opened(self.settings.storage, self.folder)  # refused before anything is written
        if self.dry_run:
            unsent.show(self.config, self.folder, count=min(at_once(self.config), self.settings.n_trials))
            return 0
        studies.require_data(base, self.space.parameters)
        with workers.worker(self.folder, shared=self.settings.storage is not None) as self.worker:
            study = self._study(base)
            self._write_status(study)
            with self._told(study), storage.faults_named(hidden(self.settings.storage or str(self.folder))):
                failures = self._run(study)
            return end.finish(
                self.folder, study, settings=self.settings, space=self.space, composer=self.composer,
                launcher=self.launcher, failures=failures,
            )  # fmt: skip

    def _space(self, arguments: Sequence[str]) -> Space:
        from phmbench.sweep import space

        own = [f"{key}={value}" for key, value in self.params.items()]
        chosen = {str(group): option for group, option in self.config.hydra.runtime.choices.items()}
        found = space.read(self.settings.search, self.settings.places, [*own, *arguments], composed=chosen)
        for note in found.notes:
            log.info("search: %s", note)
        return found

    def _write_status(self, study: optuna.Study) -> None:
        """What the folder says of the search besides the study: a space may have fewer points than were asked for."""
        from phmbench.sweep import status

        with workers.alone(self.folder):
            wanted = min(self.settings.n_trials, self._ended(study) + self._left(study))
            status.write(
                self.folder, name=study.study_name, storage=self.settings.storage, n_trials=int(wanted),
                at_once=at_once(self.config),
            )  # fmt: skip

    def _study(self, base: Config) -> optuna.Study:
        from phmbench.sweep import samplers, status, storage

        kept = storage.opened(self.settings.storage, self.folder)
        name = status.name_of_study(self.folder, kept, self.settings.sweep_name, url=self.settings.storage)
        keys = [parameter.key for parameter in self.space.parameters]
        identity = {
            "space": {parameter.key: parameter.plain() for parameter in self.space.parameters},
            "fixed": studies.fixed(base, keys),
            "objectives": self.settings.objectives,
        }
        node: Any = (
            OmegaConf.to_container(self.sampler, resolve=True) if OmegaConf.is_config(self.sampler) else self.sampler
        )
        study = studies.opened(
            kept, name=name, objectives=self.settings.objectives, identity=identity,
            sampler=None, pruner=samplers.pruner(self.settings.pruner),
        )  # fmt: skip
        first, seed = len(study.get_trials(deepcopy=False)), int(self.config.seed)
        study.sampler = samplers.sampler(
            node, self.space.parameters, seed=seed + first + self.worker.stride, first=first
        )
        self.points = getattr(study.sampler, "points", None) or Points.few(
            self.space.parameters, most=self.settings.n_trials
        )
        self.outcomes = Outcomes(study, folder=self.folder, objectives=self.settings.objectives, keys=keys)
        return study

    def _run(self, study: optuna.Study) -> int:
        """Trials until there are as many as asked for; how many failed one after the other at the end."""
        from phmbench.sweep import storage

        first, most, there = 0, self.settings.max_failures, self._ended(study)
        if there > self.settings.n_trials:
            log.info("search: the study has %d trials already, n_trials asks for %d", there, self.settings.n_trials)
        while self.outcomes.failures < most and ((batch := self._batch(study)) or self._goes_on_elsewhere(study)):
            with storage.signs_of_life(study._storage, [job.trial["id"] for job in batch if job.trial]):
                errors = self._launch(study, batch, first)
            first += len(batch)
            self.outcomes.tell(batch, errors)
        if self.outcomes.failures >= most:
            said = "search: %d trials failed one after the other (max_failures); the last one: %s"
            log.error(said, self.outcomes.failures, self.outcomes.last_failure)
        if self.points is not None and not self._left(study):
            more = (
                f"; n_trials asks for {self.settings.n_trials}" if self._ended(study) < self.settings.n_trials else ""
            )
            log.info("search: all points of the space were tried, %d%s", len(self.points.all), more)
            self._write_status(study)
        return self.outcomes.failures

    def _launch(self, study: optuna.Study, batch: Sequence[Job], first: int) -> dict[Path, Exception]:
        """Run what is not run yet; the same values may have been drawn before, or be running elsewhere."""
        left = {job.folder: job for job in batch if jobs.standing(job.folder) not in ("done", "pruned")}
        with workers.alone(self.folder):  # of two that have drawn the same values one is the first
            free = {folder: job for folder, job in left.items() if not workers.is_taken(study, job)}
            for job in free.values():
                jobs.write(job, threads=threads(self.config))
        errors = jobs.launch(list(free.values()), self.launcher, first=first)
        for job in left.values():
            while workers.is_taken(study, job):
                time.sleep(0.2)
        begun = [job for job in left.values() if jobs.standing(job.folder) in jobs.CUT_OFF]
        cut_off = [job for job in begun if job.folder not in free or self._is_lost(study, job, errors)]
        return {**errors, **self._launch(study, cut_off, first)} if cut_off else errors

    def _is_lost(self, study: optuna.Study, job: Job, errors: Mapping[Path, Exception]) -> bool:
        """Whether a cluster has ended the process of a trial (a machine that died, scancel), which then goes on."""
        if not in_queue(self.config) or job.folder not in errors or job.trial is None:
            return False
        with workers.alone(self.folder):
            return not studies.dies_again(study, study.get_trials(deepcopy=False)[job.trial["number"]], self.folder)

    def _goes_on_elsewhere(self, study: optuna.Study) -> bool:
        """Whether a trial is run by what a search that was killed has left (processes of joblib): it ends soon, and
        then somebody must tell what it was worth."""
        found = any(workers.is_left_behind(trial, self.folder) for trial in studies.states(study)["running"])
        if found:
            time.sleep(0.2)
        return found

    def _batch(self, study: optuna.Study) -> list[Job]:
        """The next trials: those that died first, then new ones; none where there are enough."""
        from optuna.exceptions import UpdateFinishedTrialError

        from phmbench.sweep import storage

        with workers.alone(self.folder):
            storage.bury(study)
            taken = [job for trial in self._dead(study) if (job := self._again(study, trial))]
            left = min(self.settings.n_trials - self._ended(study), self._left(study))
            while (
                len(taken) < at_once(self.config) and left > 0 and self.outcomes.failures < self.settings.max_failures
            ):
                with suppress(UpdateFinishedTrialError):  # this machine slept, and another has taken it
                    if job := self._job(study, storage.asked(study)):
                        taken.append(job)
                        left -= 1
                left = min(left, self._left(study))
        return taken

    def _ended(self, study: optuna.Study) -> int:
        """Trials that count: complete, pruned, or running."""
        states = studies.states(study)
        return sum(len(states[name]) for name in ("complete", "pruned", "running"))

    def _left(self, study: optuna.Study) -> float:
        """Points that are still to be tried, where they can be counted."""
        return math.inf if self.points is None else self.points.left(study.get_trials(deepcopy=False))

    def _dead(self, study: optuna.Study) -> list[Any]:
        running, shared = studies.states(study)["running"], self.settings.storage is not None
        return [trial for trial in running if workers.is_dead(trial, self.folder, shared=shared)][
            : at_once(self.config)
        ]

    def _again(self, study: optuna.Study, dead: Any) -> Job | None:
        import optuna

        from phmbench.sweep import storage

        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another machine has taken it, and runs its values
            storage.sign(study, dead._trial_id)
            if studies.dies_again(study, dead, self.folder):
                times = f"{studies.MOST_DEATHS} times without a further checkpoint"
                self.outcomes.failed(dead, f"its process died {times}; was the memory used up?")
                return None
            study.sampler.before_trial(study, dead)  # a grid says there which point it is; it may have died before
            job = self._job(study, optuna.trial.Trial(study, dead._trial_id))  # has its values already
            return job and replace(job, label=f"{job.label}, {screen.goes_on(job.folder)}")
        return None

    def _job(self, study: optuna.Study, trial: Any) -> Job | None:
        """None where the check refuses the values together: then the trial has failed."""
        from phmbench.sweep import space

        words = space.words(chosen := space.suggest(trial, self.space.parameters))
        try:
            config = on_one_split(self.composer.job([*self.space.fixed, *words]), seed=int(self.composer.config.seed))
        except ConfigError as error:
            self.outcomes.failed(trial, str(error))
            return None
        folder = identity.named(config, self.folder)
        trial.set_user_attr("worker", self.worker.name)
        trial.set_user_attr("folder", folder.name)
        reporting = {
            "storage": self.settings.storage,
            "sweep": str(self.folder),
            "study": study.study_name,
            "number": trial.number,
            "id": trial._trial_id,
            "objectives": self.settings.objectives,
            "pruner": self.settings.pruner,
        }
        short = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in chosen.items()}
        label = f"trial {trial.number}: {' '.join(f'{key}={value}' for key, value in short.items())}"
        return Job(tuple(words), config, folder, reporting, label, aside=True)

    @contextmanager
    def _told(self, study: optuna.Study) -> Iterator[None]:
        """Where a signal ends the search, its running trials are marked, and the user is told how to go on."""
        try:
            yield
        except BaseException as error:
            if interrupt.exit_code(error) is not None:
                for trial in studies.states(study)["running"]:
                    if trial.user_attrs.get("worker") == self.worker.name:
                        with suppress(Exception):
                            study._storage.set_trial_user_attr(trial._trial_id, "interrupted", True)
                error.add_note(f"the study is in {self.folder}; go on with it: type the same command again")
            raise
