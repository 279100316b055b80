"""The checkpoint that a run goes on from: of the last epoch, whether or not it was the best."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint

FILE = "last.ckpt"


class KeepLast(Checkpoint):
    """Writes last.ckpt after an epoch for which `save_last` of Lightning's ModelCheckpoint writes none: that was not
    better. Without it a run that is resumed repeats the epochs since the best one, and what is tested as the last epoch
    is the best.

    Args:
        beside: the ModelCheckpoint, which comes before this among the callbacks.
        folder: of the checkpoints.
    """

    def __init__(self, *, beside: ModelCheckpoint, folder: Path) -> None:
        self.beside, self.folder = beside, folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once what early stopping had ended: a run killed after its last epoch would train on."""
        stopping = [one for one in trainer.callbacks if isinstance(one, EarlyStopping)]  # type: ignore[attr-defined]
        trainer.should_stop |= any(one.wait_count >= one.patience > 0 for one in stopping)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fast_dev_run or self.beside._last_global_step_saved == trainer.global_step:  # type: ignore[attr-defined]
            return
        path = self.folder / FILE
        self.beside.last_model_path = str(path)  # its next one takes the place of this one
        trainer.save_checkpoint(path)


def keeping(callbacks: list[object]) -> ModelCheckpoint | None:
    """The first ModelCheckpoint that is to keep the last weights."""
    return next((one for one in callbacks if isinstance(one, ModelCheckpoint) and one.save_last is True), None)
