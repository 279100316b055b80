"""How the trials of a search have ended, told to its study."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phmbench.errors import ConfigError, RecordError
from phmbench.overrides import near
from phmbench.sweep import jobs, screen, storage, workers
from phmbench.sweep import study as studies
from phmbench.sweep.jobs import Job
from phmbench.sweep.trials import said as shown

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("phmbench")


class Outcomes:
    """Tell the study what became of trials, from their records, and count those that fail one after the other.

    Args:
        study: of the trials.
        folder: of the sweep.
        objectives: names of the values that a trial is worth.
        keys: what is searched; where it is the recordings, trials may differ in them.
    """

    def __init__(self, study: optuna.Study, *, folder: Path, objectives: Sequence[str], keys: Sequence[str]) -> None:
        self.study, self.folder, self.objectives = study, folder, objectives
        self.on_same_data = not studies.searches_recordings(keys)
        self.failures, self.last_failure = 0, ""  # one after the other

    def tell(self, batch: Sequence[Job], errors: Mapping[Path, Exception]) -> None:
        """Tell how the jobs of a batch have ended.

        Args:
            batch: trials that were run.
            errors: by folder, what the launcher says.

        Raises:
            ConfigError: the recordings have changed, after all of the batch were told.
            RecordError: the disk is full.
        """
        changed: ConfigError | None = None
        for job in batch:
            try:
                self._tell(job, errors.get(job.folder))
            except ConfigError as error:
                changed = error
        if changed:
            raise changed

    def _tell(self, job: Job, error: Exception | None) -> None:
        from optuna.trial import TrialState

        from phmbench.record.status import read_metrics

        assert job.trial is not None
        number, standing, names = job.trial["number"], jobs.standing(job.folder), self.objectives
        result = read_metrics(job.folder) if standing == "done" else None
        values = None if result is None else studies.values_of(names, result)
        if standing == "pruned":
            self._ends(number, state=TrialState.PRUNED)
            log.info("trial %d: pruned%s", number, screen.pruned(job.folder, names[0]))
        elif result is not None and values is not None:
            self._require_same_data(number, str(result["data"]["hash"]))
            self._ends(number, state=TrialState.COMPLETE, values=values)
            log.info("trial %d: %s", number, ", ".join(f"{n} {shown(v)}" for n, v in zip(names, values, strict=True)))
        else:
            said = _undefined(names, result["metrics"]) if result is not None else jobs.failure(job.folder)
            said = str(error) if error is not None and standing in jobs.CUT_OFF else said
            if storage.is_of_disk(said):  # the trial stays as it is: the same command goes on with it
                raise RecordError(
                    f"trial {number}: {said}; the study is whole: the same command goes on, also with the sweep's "
                    "folder moved to another disk (hydra.sweep.dir=…)"
                )
            self.failed(self.study.get_trials(deepcopy=False)[number], said)
            return
        self.failures = 0

    def failed(self, trial: Any, said: str) -> None:
        """Tell that a trial has failed, and count it."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):  # another machine has taken it for dead, and told that
            self.study._storage.set_trial_user_attr(trial._trial_id, "error", said)
        self._ends(trial.number, state=TrialState.FAIL)
        log.info("trial %d: failed: %s", trial.number, said)
        self.failures, self.last_failure = self.failures + 1, said

    def _ends(self, number: int, **how: Any) -> None:
        """Tell how a trial has ended, unless the study has its end: a machine that slept was taken for dead."""
        from optuna.exceptions import UpdateFinishedTrialError

        told = None
        with suppress(UpdateFinishedTrialError):  # between its look and its word
            told = self.study.tell(number, skip_if_finished=True, **how)
        if told is None or told.state != how["state"]:
            log.warning(
                "trial %d: has ended, but had given no sign of life for %d s and was taken for dead by another "
                "machine; its result is not counted, and its values are tried again", number, storage.GRACE,
            )  # fmt: skip

    def _require_same_data(self, number: int, key: str) -> None:
        """A trial of other recordings fails, and ends the search; where data are searched, each has its own."""
        from optuna.trial import TrialState

        if not self.on_same_data:
            return
        try:
            with workers.alone(self.folder):  # of two that come first together one decides
                studies.require_same_data(self.study, key)
        except ConfigError:
            self._ends(number, state=TrialState.FAIL)
            raise


def _undefined(names: Sequence[str], metrics: Mapping[str, Any]) -> str:
    """Why a trial that has ended is worth nothing: a metric has no value, or the recordings have no such class."""
    absent = next((name for name in names if name not in metrics and not name.startswith("model/")), None)
    if absent is None:
        return f"{', '.join(names)}: undefined"
    known = [name for name in metrics if name.startswith("val/")]
    return f"{absent}: no such metric; {near(absent, known) or 'there are ' + ', '.join(known)}"
