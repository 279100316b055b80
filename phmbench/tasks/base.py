"""What all tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from phmbench.errors import ConfigError
from phmbench.types import Batch

MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
MakeScheduler = Callable[[torch.optim.Optimizer], Any]


class Task(LightningModule):
    """What is computed on a batch. A task writes `losses`, `observe` and `report`.

    Args:
        network: signal (B, C, L) and context to what `losses` and `observe` need.
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate from the optimizer, stepped once an epoch; None: a constant rate.
    """

    def __init__(self, *, network: nn.Module, optimizer: MakeOptimizer, scheduler: MakeScheduler | None) -> None:
        super().__init__()
        self.network, self.optimizer, self.scheduler = network, optimizer, scheduler

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`loss`, which is minimised, and the parts it is made of."""
        raise NotImplementedError

    def observe(self, stage: str, batch: Batch) -> None:
        """Keep what the metrics of `stage` ("val", "test") need of a batch."""
        raise NotImplementedError

    def report(self, stage: str) -> dict[str, float]:
        """The metrics of an epoch, named without the stage; forgets what was kept."""
        raise NotImplementedError

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        return self.losses(batch)  # kept by a callback: logging each step costs more than the step

    def validation_step(self, batch: Batch, index: int) -> None:
        self.observe("val", batch)

    def test_step(self, batch: Batch, index: int) -> None:
        self.observe("test", batch)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """To the device; batches are made on the CPU, where Lightning would walk through their tensors for nothing."""
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    def __setattr__(self, name: str, value: Tensor | nn.Module) -> None:
        """Forty times a step Lightning sets a name; torch would look each time whether it is one of a parameter."""
        if (value is None or isinstance(value, str)) and name in self.__dict__:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def on_validation_epoch_end(self) -> None:
        self._log("val")

    def on_test_epoch_end(self) -> None:
        self._log("test")

    def _log(self, stage: str) -> None:
        metrics = self.report(stage)  # also after a sanity check, whose scores must be forgotten
        if not self.trainer.sanity_checking:
            self.log_dict({f"{stage}/{name}": value for name, value in metrics.items()})

    def configure_optimizers(self) -> Any:
        try:
            optimizer = self.optimizer(self.parameters())  # an algorithm's own parameters are among them
        except (ValueError, TypeError, RuntimeError) as error:
            raise ConfigError(f"task.optimizer: {error}") from error
        if self.scheduler is None:
            return optimizer
        try:
            scheduler = self.scheduler(optimizer)
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"task.scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
