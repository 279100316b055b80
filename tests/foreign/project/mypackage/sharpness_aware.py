"""A task with a training loop of its own."""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn

from phmbench.tasks.base import MakeOptimizer, MakeScheduler
from phmbench.tasks.classification import Classification
from phmbench.types import Batch


class SharpnessAware(Classification):
    """Classification whose every step goes along the gradient of the worst neighbour.

    Paper: Foret et al. (2021), Sharpness-aware minimization, ICLR, arXiv 2010.01412, algorithm 1.

    Args:
        network: signal (B, C, L) and context to logits (B, K).
        algorithm: `(network, batch)` to `{"loss": …}`.
        optimizer: makes an optimizer from parameters.
        scheduler: makes a schedule of the rate; None: a constant rate.
        class_names: K names, in the order of the logits.
        radius: distance to the neighbour (paper: 0.05).
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        algorithm: nn.Module,
        optimizer: MakeOptimizer,
        scheduler: MakeScheduler | None,
        class_names: Sequence[str],
        radius: Annotated[float, Gt(0)] = 0.05,
    ) -> None:
        super().__init__(
            network=network, algorithm=algorithm, optimizer=optimizer, scheduler=scheduler, class_names=class_names
        )
        self.radius = radius
        self.automatic_optimization = False  # Lightning leaves backward and step to training_step

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        optimizer = self.optimizers()
        losses = self.losses(batch)
        optimizer.zero_grad()
        self.manual_backward(losses["loss"])
        way = self._to_worst_neighbour()
        self._move(way, 1)
        optimizer.zero_grad()
        self.manual_backward(self.losses(batch)["loss"])
        self._move(way, -1)
        optimizer.step()
        return losses

    def _to_worst_neighbour(self) -> list[tuple[nn.Parameter, Tensor]]:
        """The steps of length `radius`, in all, along the gradient (paper, eq. 2)."""
        moved = [(each, each.grad) for each in self.parameters() if each.grad is not None]
        norm = torch.stack([gradient.norm() for _, gradient in moved]).norm() + 1e-12
        return [(each, gradient * (self.radius / norm)) for each, gradient in moved]

    @torch.no_grad()
    def _move(self, way: list[tuple[nn.Parameter, Tensor]], factor: int) -> None:
        for parameter, step in way:
            parameter.add_(step, alpha=factor)

    def on_train_epoch_end(self) -> None:
        if self.scheduler is not None:  # Lightning leaves this to the task as well
            self.lr_schedulers().step()
