"""What every run's trainer does besides the callbacks of its configuration."""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class LossLog(Callback):
    """The mean loss of an epoch, and of the parts it is made of, as `train/…`, and the learning rate as `lr`.

    Sums stay on the device: a step pays an addition, not a synchronisation. A checkpoint from within an epoch has those
    of the first rank.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps, self.rate = 0, math.nan

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self.sums), "steps": self.steps, "rate": self.rate}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums, self.steps, self.rate = state_dict["sums"], state_dict["steps"], state_dict["rate"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.sums, self.steps = {}, 0
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else float("nan")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name, value in (outputs or {}).items():
            value = value.detach()
            if name == "loss" and trainer.accumulate_grad_batches > 1:  # by which Lightning has divided it, and no part
                value = value * trainer.accumulate_grad_batches
            self.sums[name] = self.sums[name].to(value) + value if name in self.sums else value.clone()
        self.steps += 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.steps:
            means = {f"train/{name}": total / self.steps for name, total in self.sums.items()}
            pl_module.log_dict(means, sync_dist=trainer.world_size > 1)
            pl_module.log("lr", self.rate)


class SeedEpoch(Callback):
    """Seeds torch, NumPy and Python anew at each epoch, and after each checkpoint within one, from seed, epoch, step
    and rank: ranks draw different numbers, and a resumed run draws what it would have drawn."""

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seed(trainer, trainer.global_step)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._seed(trainer, 0)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._seed(trainer, trainer.global_step)

    def _seed(self, trainer: Trainer, step: int) -> None:
        """For an epoch, or for what follows after a step in it."""
        seed = ((step * 10_007 + self.seed) * 100_003 + trainer.current_epoch) * 1_009 + trainer.global_rank
        seed %= 2**63
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  # what a user's own class may draw from
        random.seed(seed)


class KeepSignals(Callback):
    """Puts back the answer to SIGTERM that Lightning replaces when it starts: its own sends a message to all ranks from
    within the signal's handler, and waits forever where one of them is gone."""

    def __init__(self) -> None:
        self.before = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._put_back()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._put_back()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._put_back()

    def _put_back(self) -> None:
        if threading.current_thread() is threading.main_thread() and self.before is not None:
            signal.signal(signal.SIGTERM, self.before)


class KeepParts(Callback):
    """Puts the nodes of model and head into every checkpoint, so that it can be tested without naming them again; what
    validation said of these weights; and whether the fit was over, so that a resumed run does not train on."""

    def __init__(self, *, parts: dict[str, Any]) -> None:
        self.parts, self.stop = parts, False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["phmbench_parts"] = self.parts  # plain values: loads with weights only
        metrics = {str(k): float(v) for k, v in trainer.callback_metrics.items() if str(k).startswith("val/")}
        checkpoint["phmbench_metrics"] = metrics
        checkpoint["phmbench_stop"] = bool(trainer.should_stop)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.stop = bool(checkpoint.get("phmbench_stop"))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.stop


class Progress(Callback):
    """A bar on a terminal, refreshed by time; elsewhere a line every ten seconds.

    Args:
        monitor: the validation metric shown.
        label: what is trained, shown in front.
    """

    EVERY = 0.2  # seconds between two refreshes on a terminal
    LINE_EVERY = 10.0  # seconds between two lines elsewhere

    def __init__(self, *, monitor: str, label: str = "fit") -> None:
        from phmbench.record.screen import console

        self.monitor, self.label, self.console = monitor, label, console()
        self.bar: Any = None
        self.last = time.monotonic()
        self.note = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
                auto_refresh=False,
            )
            self.bar.start()
            batches = trainer.num_training_batches  # infinite where a loader has no length
            total = batches * trainer.max_epochs if trainer.max_epochs and math.isfinite(batches) else None
            self.line = self.bar.add_task(self.label, total=total, note="")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.bar is not None and time.monotonic() >= self.last + self.EVERY:
            self.last = time.monotonic()
            done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx + 1
            note = f"epoch {self._epoch(trainer)}  {self.note}"
            self.bar.update(self.line, completed=done, note=note, refresh=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        self.note = "" if value is None else f"{self.monitor} {float(value):.4f}"
        if self.bar is None and time.monotonic() >= self.last + self.LINE_EVERY:
            self.last = time.monotonic()
            self.console.print(f"{self.label}: epoch {self._epoch(trainer)}  {self.note}", highlight=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _epoch(self, trainer: Trainer) -> str:
        return f"{trainer.current_epoch + 1} of {trainer.max_epochs}"
