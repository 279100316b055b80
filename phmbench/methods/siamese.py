"""Siamese networks: whether two windows are of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from phmbench.methods.episodes import embed, shares, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class Siamese(Method):
    """A weighted distance between two features says whether they are of one class; a query takes the most alike class.

    Paper: Koch, Zemel & Salakhutdinov (2015), Siamese neural networks for one-shot image recognition, ICML deep
        learning workshop, section 3.1.
    Deviations: pairs are those of an episode, each support window with each query; with several support windows a
        class counts by their mean score; same and different pairs have the same weight altogether.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        features: F.
    """

    learns_from = ("episodes",)

    def __init__(self, *, features: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.alike = nn.Linear(features, 1)  # weights of the components of the distance

    def _pairs(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        """Log-odds that two are of one class, (Q, S)."""
        taught, asked = embed(network, support, query)
        odds: Tensor = self.alike((asked[:, None] - taught).abs()).squeeze(2)
        return odds

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        odds = self._pairs(network, support, query)  # (Q, S)
        return odds @ shares(support.label, ways(support)).to(odds).T  # (Q, N)

    def losses(self, network: nn.Module, support: Batch, query: Batch) -> dict[str, Tensor]:
        """The cross-entropy of same and different, which weigh the same."""
        odds = self._pairs(network, support, query)
        same = (query.label[:, None] == support.label).to(odds)  # (Q, S)
        weight = same / same.mean() + (1 - same) / (1 - same).mean()
        return {"loss": binary_cross_entropy_with_logits(odds, same, weight=weight / 2)}
