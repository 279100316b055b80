"""last.ckpt is of the last epoch, and a fit that had ended is not gone on with."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from phmbench.training.last import KeepLast, keeping


class Worse(pl.LightningModule):
    """A loss on validation that rises by one each epoch, from the second on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        return self.layer(batch).sum()

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val/loss", float(self.current_epoch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(folder: Path, *, epochs: int, resume: Path | None = None, **early: int) -> pl.Trainer:
    best = ModelCheckpoint(dirpath=folder, monitor="val/loss", filename="best", save_last=True)
    stopping = [EarlyStopping("val/loss", **early)] if early else []
    callbacks = [*stopping, best, KeepLast(beside=best, folder=folder)]
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, callbacks=callbacks, logger=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, log_every_n_steps=1,
    )  # fmt: skip
    data = DataLoader(torch.ones(4, 1), batch_size=2)
    trainer.fit(Worse(), data, data, ckpt_path=resume, weights_only=True)
    return trainer


def test_the_last_epoch_is_kept_beside_the_best(tmp_path: Path):
    fitted(tmp_path, epochs=4)
    read = {name: torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("best", "last")}
    assert {name: one["epoch"] for name, one in read.items()} == {"best": 0, "last": 3}
    kept = next(state for name, state in read["last"]["callbacks"].items() if name.startswith("ModelCheckpoint"))
    assert Path(kept["best_model_path"]).name == "best.ckpt"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_what_early_stopping_had_ended_is_not_gone_on_with(tmp_path: Path):
    first = fitted(tmp_path, epochs=20, patience=2)
    again = fitted(tmp_path, epochs=20, resume=tmp_path / "last.ckpt", patience=2)
    assert first.current_epoch == again.current_epoch == 3


def test_a_fit_that_had_not_ended_is(tmp_path: Path):
    fitted(tmp_path, epochs=2, patience=5)
    assert fitted(tmp_path, epochs=20, resume=tmp_path / "last.ckpt", patience=5).current_epoch == 6


@pytest.mark.parametrize(("last", "expected"), [(True, True), (False, False), (None, False)])
def test_only_where_the_last_is_to_be_kept(last: bool | None, expected: bool, tmp_path: Path):
    one = ModelCheckpoint(dirpath=tmp_path, save_last=last)
    assert keeping([object(), one]) is (one if expected else None)
