"""Prototypical networks: the nearest mean of a few windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from phmbench.methods.episodes import embed, means, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class Prototypical(Method):
    """A class is the mean of its support features; a query belongs to the nearest, by squared Euclidean distance.

    Paper: Snell, Swersky & Zemel (2017), Prototypical networks for few-shot learning, NeurIPS, arXiv 1703.05175,
        equations 1 and 2.
    Deviations: none.
    Shapes: support of S windows, query of Q to scores (Q, N).
    """

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        taught, asked = embed(network, support, query)  # (S, F), (Q, F)
        prototypes = means(taught, support.label, ways(support))  # (N, F)
        return -(asked[:, None] - prototypes).square().sum(2)  # (Q, N)
