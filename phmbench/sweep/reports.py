"""What a trial tells its study while it runs, and the end of one that is not worth going on with."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer

from phmbench.errors import PrunedError, RecordError
from phmbench.record import atomic
from phmbench.record.status import METRICS, read_metrics
from phmbench.sweep import jobs
from phmbench.training import ranks

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("phmbench")


def of_trial(folder: Path, record: Path) -> list[Callback]:
    """What the trainer of a trial does besides: nothing where it has several objectives, of which none alone decides.

    Args:
        folder: of the trial.
        record: in it, of this seed or fold; or the folder itself.
    """
    folder, record = folder.resolve(), record.resolve()  # one of the two may go through a link
    trial = jobs.read(folder)["trial"]
    return [Reports(trial, folder=folder, record=record)] if len(trial["objectives"]) == 1 else []


class Done(NamedTuple):
    """A seed or fold of a trial that has ended; its value is None where the objective is undefined for it."""

    value: float | None
    epochs: int


class Reports(Callback):
    """Report the objective after each epoch, and end the trial, on all ranks, where the study's pruner says so.

    With several seeds or folds the value is the mean of those that are done and of the present one so far. Steps go on
    over them: epoch e (from 0) of fit k is step k·(max_epochs + 1) + e, however many epochs those before it had, so
    that trials are compared at the same epoch of the same seed. The step after the last epoch is left for the chosen
    checkpoint, and reported when the next fit begins: all trials have it, however early their seeds have stopped.
    Without max_epochs steps are counted on.

    Without a pruner values are reported too: a line in the journal each, and a study that is given a pruner later has
    something to compare with.

    Args:
        trial: of `job.json`.
        folder: of the trial.
        record: in it, of this seed or fold; or the folder itself.
    """

    def __init__(self, trial: Mapping[str, Any], *, folder: Path, record: Path) -> None:
        self.trial, self.folder, self.record = trial, folder, record
        (self.objective,) = trial["objectives"]
        self.seen: float | None = None
        self.study: optuna.Study | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.before = done_before(self.folder, self.record, self.objective)
        self.first = first_step(self.before, trainer.max_epochs)
        self.values = [one.value for one in self.before if one.value is not None]
        if self.values:
            self._report(trainer, self.first - 1, sum(self.values) / len(self.values), 0)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.objective)
        self.seen = None if value is None or trainer.sanity_checking else float(value)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Not sooner: by now the checkpoint of this epoch is written, and the run can be resumed by hand."""
        if self.seen is None:  # an epoch without validation
            return
        values = [*self.values, self.seen]
        self.seen = None
        epoch = trainer.current_epoch
        whole = epoch + 1 == trainer.max_epochs and self.record == self.folder  # nothing is left to be saved
        self._report(trainer, self.first + epoch, sum(values) / len(values), epoch + 1, whole=whole)

    def _report(self, trainer: Trainer, step: int, value: float, epoch: int, *, whole: bool = False) -> None:
        ends = (self._told(step, value) and not whole) if ranks.rank() == 0 else False
        if trainer.world_size > 1:
            ends = trainer.strategy.broadcast(ends, 0)
        if not ends:
            return
        name = "" if self.record == self.folder else str(self.record.relative_to(self.folder))
        if ranks.rank() == 0:
            said = {"fit": name, "epoch": epoch, "step": step, "value": value}
            atomic.write_text(self.folder / jobs.PRUNED, json.dumps(said) + "\n")
        where = f"{name} epoch {epoch}".strip()
        raise PrunedError(f"pruned after {where}: {self.objective} {value:.4g}; others were better by then")

    def _told(self, step: int, value: float) -> bool:
        """Tell the study; whether it ends the trial. One that cannot be reached does not end a fit that is well."""
        try:
            return self._asked(step, value)
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            log.warning("trial %d: its study cannot be told a value: %s", self.trial["number"], said)
            return False

    def _asked(self, step: int, value: float) -> bool:
        self.study = self.study or _study(self.trial)
        kept, number = self.study._storage, self.trial["id"]
        own = kept.get_trial(number)
        if own.state.is_finished():  # by somebody who took this process for dead
            return False
        if step not in own.intermediate_values:  # else reported before the run was cut off
            kept.set_trial_intermediate_value(number, step, value)
        return bool(self.study.pruner.prune(self.study, kept.get_trial(number)))


def _study(trial: Mapping[str, Any]) -> optuna.Study:
    import optuna

    from phmbench.sweep import samplers, storage

    kept = storage.opened(trial["storage"], Path(trial["sweep"]))
    pruner = samplers.pruner(trial["pruner"]) or optuna.pruners.NopPruner()
    return optuna.load_study(study_name=trial["study"], storage=kept, pruner=pruner)


def done_before(folder: Path, record: Path, objective: str) -> list[Done]:
    """The seeds and folds of a trial that are done, beside the present one.

    Args:
        folder: of the trial.
        record: in it, of this seed or fold; or the folder itself.
        objective: whose value is asked for.
    """
    parts = record.relative_to(folder).parts
    if not parts:
        return []
    found = []
    for file in sorted(folder.glob("/".join([*(f"{part.partition('-')[0]}-*" for part in parts), METRICS]))):
        with suppress(RecordError):  # cut off while it was written
            metrics = read_metrics(file.parent)["metrics"]
            value = metrics.get(objective)
            found.append(Done(None if value is None else float(value), int(metrics["epochs"])))
    return found


def first_step(before: list[Done], max_epochs: int | None) -> int:
    """Of the fit after these."""
    if max_epochs is not None and max_epochs > 0:
        return len(before) * (max_epochs + 1)
    return sum(one.epochs + 1 for one in before)
