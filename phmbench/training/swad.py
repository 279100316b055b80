"""SWAD: weights averaged over a valley of the validation loss; the mean is what is chosen and tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Ge, Gt
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from phmbench.training.averaging import NETWORK, require_whole_weights, weights_of
from phmbench.training.observed import observed

Weights = Mapping[str, Tensor]


class Segment(NamedTuple):
    """Mean of the weights over the steps between two validations, and the loss at its end."""

    mean: dict[str, Tensor]
    steps: int
    loss: float


class SWAD(Callback):
    """A dense mean of the weights, from where the validation loss stops falling to where it rises again.

    The valley begins with the first of `optimum` validations that none of the others is below; it ends when the
    lowest of the last `overfit` losses is above `1 + tolerance` times the mean of those `optimum`, and the fit with
    it. A fit that ends before a valley begins keeps the mean since its last validation but one. The mean is validated
    once, and takes the place of the checkpoint that validation has chosen: best.ckpt. Training itself is unchanged.

    Paper: Cha et al. (2021), SWAD: domain generalization by seeking flat minima, NeurIPS, arXiv 2102.08604, algorithm
        1 and appendix B.
    Deviations: losses are of the trainer's validations (each epoch, if nothing else is said), the paper's of each 50 to
        500 steps; running statistics of normalisations are averaged as weights are, where the paper leaves them as
        they were before training.

    Args:
        optimum: validations by which a minimum is known, N_s (paper: 3).
        overfit: validations by which its end is known, N_e (paper: 6).
        tolerance: share by which the loss may rise within the valley, r − 1 (paper: 0.3).

    Raises:
        ConfigError: the strategy spreads weights over processes.
    """

    def __init__(
        self,
        *,
        optimum: Annotated[int, Ge(1)] = 3,
        overfit: Annotated[int, Ge(1)] = 6,
        tolerance: Annotated[float, Gt(0)] = 0.3,
    ) -> None:
        self.optimum, self.overfit, self.tolerance = optimum, overfit, tolerance
        self.step, self.steps = 0, 0
        self.mean: dict[str, Tensor] = {}  # since the last validation
        self.waiting: list[Segment] = []  # at most max(optimum, overfit)
        self.valley: Segment | None = None  # what is averaged so far
        self.threshold: float | None = None  # once the valley has begun
        self.ended = False
        self.metrics: dict[str, float] | None = None  # of the mean's own validation

    # -- what a checkpoint carries -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "steps": self.steps,
            "mean": dict(self.mean),
            "waiting": [tuple(one) for one in self.waiting],
            "valley": None if self.valley is None else tuple(self.valley),
            "threshold": self.threshold,
            "ended": self.ended,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step, self.steps, self.mean = state_dict["step"], state_dict["steps"], dict(state_dict["mean"])
        self.waiting = [Segment(*one) for one in state_dict["waiting"]]
        self.valley = None if state_dict["valley"] is None else Segment(*state_dict["valley"])
        self.threshold, self.ended = state_dict["threshold"], state_dict["ended"]

    # -- during the fit ----------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        require_whole_weights(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put what a checkpoint has brought onto the device."""
        device = pl_module.device
        self.mean = _on(self.mean, device)
        self.waiting = [one._replace(mean=_on(one.mean, device)) for one in self.waiting]
        if self.valley is not None:
            self.valley = self.valley._replace(mean=_on(self.valley.mean, device))
        trainer.should_stop = trainer.should_stop or self.ended

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step or self.ended:  # gradients are still being added up
            return
        self.step, self.steps = trainer.global_step, self.steps + 1
        self.mean = _joined(self.mean, self.steps - 1, weights_of(pl_module), 1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or not self.steps or self.ended:
            return
        segment = Segment(self.mean, self.steps, float(trainer.callback_metrics["val/loss"]))
        self.mean, self.steps = {}, 0
        self.close(segment)
        trainer.should_stop = trainer.should_stop or self.ended

    def close(self, segment: Segment) -> None:
        """A segment has ended: begin the valley, go on with it, or end it."""
        self.waiting.append(segment)
        if self.threshold is None:
            self.waiting = self.waiting[-self.optimum :]
            losses = [one.loss for one in self.waiting]
            if len(losses) == self.optimum and min(losses) == losses[0]:
                self.threshold = (1 + self.tolerance) * sum(losses) / len(losses)
                self.valley, *self.waiting = self.waiting
            return
        while len(self.waiting) > self.overfit:
            self._take()
        if len(self.waiting) == self.overfit and min(one.loss for one in self.waiting) > self.threshold:
            self.ended, self.waiting = True, []  # they lie behind the valley

    def _take(self) -> None:
        """The segment that has waited longest is part of the valley."""
        first, *self.waiting = self.waiting
        assert self.valley is not None
        total = self.valley.steps + first.steps
        self.valley = Segment(_joined(self.valley.mean, self.valley.steps, first.mean, first.steps), total, first.loss)

    # -- at its end --------------------------------------------------------------------------------------------------

    def averaged(self) -> dict[str, Tensor] | None:
        """The mean over the valley as far as it is known; None: there was no validation."""
        if self.threshold is None:
            return self.waiting[-1].mean if self.waiting else None
        while self.waiting and min(one.loss for one in self.waiting) <= self.threshold:
            self._take()
        assert self.valley is not None
        return self.valley.mean

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the mean, and put it in the place of the chosen checkpoint."""
        path = getattr(trainer.checkpoint_callback, "best_model_path", "")
        held = self.waiting, self.valley
        mean = self.averaged()
        self.waiting, self.valley = held  # a checkpoint from here on is that of a fit that may go on
        if mean is None or not path:
            return
        raw = {name: value.clone() for name, value in weights_of(pl_module).items()}
        _load(pl_module, mean)
        self.metrics = observed(trainer, pl_module, "val")
        trainer.save_checkpoint(path)
        self.metrics = None
        _load(pl_module, raw)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self.metrics is not None:
            checkpoint["phmbench_metrics"] = self.metrics
            checkpoint["epoch"] = max(0, trainer.current_epoch - 1)  # the fit is over: the last one


def _joined(one: Weights, steps: int, other: Weights, more: int) -> dict[str, Tensor]:
    """Mean of two means over so many steps; what is counted, and not weighed, is the latest."""
    if not steps:
        return {name: value.detach().clone() for name, value in other.items()}
    share = more / (steps + more)
    return {
        name: torch.lerp(one[name], value, share) if value.is_floating_point() else value.clone()
        for name, value in other.items()
    }


def _on(weights: Weights, device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in weights.items()}


def _load(module: LightningModule, weights: Weights) -> None:
    module.load_state_dict({NETWORK + name: value for name, value in weights.items()}, strict=False)
