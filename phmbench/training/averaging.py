"""Weights averaged over the steps of a fit: they are validated, tested and kept, and training goes on with its own."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from annotated_types import Gt, Lt
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from phmbench.errors import ConfigError

RAW, NETWORK = "phmbench_raw", "network."


def require_whole_weights(trainer: Trainer) -> None:
    """Refuse strategies under which no process has all weights.

    Raises:
        ConfigError: it is one of these.
    """
    if isinstance(trainer.strategy, FSDPStrategy):
        raise ConfigError(
            "task.averaging: weights lie spread over processes; got a strategy fsdp; expected one that keeps them "
            "whole; choose task/averaging=none or trainer=ddp"
        )


def weights_of(module: LightningModule) -> dict[str, Tensor]:
    """The network's weights and buffers, not copied."""
    weights: dict[str, Tensor] = module.network.state_dict()  # type: ignore[union-attr]
    return weights


class EMA(Callback):
    """An exponential mean of the network's weights after each step, with any algorithm.

    Validation, and so the choice of the checkpoint, sees the mean; a checkpoint holds it as the network, and beside it
    the weights that training goes on from.

    Paper: Tarvainen & Valpola (2017), Mean teachers are better role models, NeurIPS, arXiv 1703.01780, section 2; for
        generalisation to unseen domains Arpit et al. (2022), Ensemble of averages, NeurIPS, arXiv 2110.10832.
    Deviations: the first steps count as a plain mean does, by (1 + n) / (10 + n) after n of them, so that a short fit
        is not the mean of where it began; running statistics of normalisations are averaged as weights are.

    Args:
        decay: share of the mean so far in the next one (Tarvainen & Valpola, section 3.1: 0.999 at last).

    Raises:
        ValueError: decay is not between 0 and 1.
        ConfigError: the strategy spreads weights over processes.
    """

    def __init__(self, *, decay: Annotated[float, Gt(0), Lt(1)] = 0.999) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay: is the share of earlier steps; got {decay}; expected between 0 and 1; try 0.999")
        self.decay, self.updates, self.step = decay, 0, 0
        self.mean: dict[str, Tensor] | None = None
        self.raw: dict[str, Tensor] | None = None  # while the mean stands in their place

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.updates, self.step = state_dict["updates"], state_dict["step"]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_whole_weights(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = weights_of(pl_module)
        before = self.mean or now
        self.mean = {name: before[name].detach().to(value.device, copy=True) for name, value in now.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.mean is None or trainer.global_step == self.step:  # gradients are still being added up
            return
        self.step = trainer.global_step
        share = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in weights_of(pl_module).items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - share)
            else:
                self.mean[name].copy_(value)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.mean is not None and not trainer.sanity_checking:
            self.raw = {name: value.clone() for name, value in weights_of(pl_module).items()}
            pl_module.network.load_state_dict(self.mean)  # type: ignore[union-attr]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.raw is not None:
            pl_module.network.load_state_dict(self.raw)  # type: ignore[union-attr]
            self.raw = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.mean is None:
            return
        raw = self.raw or weights_of(pl_module)
        checkpoint[RAW] = {name: value.clone() for name, value in raw.items()}
        checkpoint["state_dict"].update({NETWORK + name: value.clone() for name, value in self.mean.items()})

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if RAW not in checkpoint:
            return
        state = checkpoint["state_dict"]
        self.mean = {name: state[NETWORK + name].clone() for name in checkpoint[RAW]}
        pl_module.network.load_state_dict(checkpoint[RAW])  # type: ignore[union-attr]
