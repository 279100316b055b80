"""Relation networks: how alike a query and a class are is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from phmbench.methods.episodes import embed, means, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class Relation(Method):
    """A small network scores each pair of a query and a class, whose support features are pooled.

    Paper: Sung et al. (2018), Learning to compare: relation network for few-shot learning, CVPR, arXiv 1711.06025,
        equations 1 to 3.
    Deviations: the relation module is two linear layers on feature vectors, where the paper's has convolutions on
        feature maps; a class is the mean of its support features and not their sum, so that it does not depend on k.
        Scores are the module's before its sigmoid.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        features: F.
        hidden: width of the relation module (paper, section 3.4: 8 after its convolutions).
    """

    learns_from = ("episodes",)

    def __init__(self, *, features: Annotated[int, Ge(1)], hidden: Annotated[int, Ge(1)] = 64) -> None:
        super().__init__()
        self.relation = nn.Sequential(nn.Linear(2 * features, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        taught, asked = embed(network, support, query)
        classes = means(taught, support.label, ways(support))  # (N, F)
        pairs = torch.cat(
            [classes.expand(len(asked), -1, -1), asked[:, None].expand(-1, len(classes), -1)], 2
        )  # (Q, N, 2F)
        scores: Tensor = self.relation(pairs).squeeze(2)  # (Q, N)
        return scores

    def losses(self, network: nn.Module, support: Batch, query: Batch) -> dict[str, Tensor]:
        """The squared difference of a relation from one for the query's class, from zero for the others."""
        relation = self(network, support, query).sigmoid()
        return {"loss": mse_loss(relation, one_hot(query.label, relation.shape[1]).to(relation))}
