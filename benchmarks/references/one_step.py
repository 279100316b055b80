"""One step of a linear model through Lightning; prints a line when it is done."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig
from torch import Tensor


class Linear(pl.LightningModule):
    """Made data, one layer, SGD."""

    def __init__(self, cfg: DictConfig) -> None:
        super().__init__()
        self.layer, self.rate = torch.nn.Linear(cfg.model.inputs, cfg.model.outputs), cfg.trainer.lr

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.rate)

    def on_train_batch_end(self, *_: Any) -> None:
        print("FIRST STEP DONE", flush=True)


def fit(cfg: DictConfig) -> None:
    """Fit for one step, with nothing besides."""
    torch.manual_seed(cfg.seed)
    batch = torch.randn(cfg.data.batch, cfg.data.features), torch.randint(cfg.data.classes, (cfg.data.batch,))
    trainer = pl.Trainer(
        max_steps=cfg.trainer.max_steps,
        accelerator=cfg.trainer.accelerator,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Linear(cfg), torch.utils.data.DataLoader([batch], batch_size=None))
