"""Matching networks: labels of the support, weighted by how alike it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt
from torch import Tensor, nn
from torch.nn.functional import normalize

from phmbench.methods.episodes import embed, shares, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch

LEAST = 1e-9  # probability below which a class is not told apart from an impossible one


class Matching(Method):
    """A query's label is the mean of the support's labels, weighted by a softmax over cosines.

    Paper: Vinyals et al. (2016), Matching networks for one shot learning, NeurIPS, arXiv 1606.04080, equation 1 and
        section 2.1.1.
    Deviations: no full context embeddings (its section 2.1.2); a temperature, which is 1 in the paper, where a softmax
        over cosines can hardly be sure of anything. With classes of several sizes the attention of a class is the mean
        over its windows, not their sum.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        temperature: by which cosines are divided before the softmax.
    """

    def __init__(self, *, temperature: Annotated[float, Gt(0)] = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        taught, asked = (normalize(part, dim=1) for part in embed(network, support, query))
        attention = (asked @ taught.T / self.temperature).softmax(1)  # (Q, S)
        return _of_ways(attention, support.label, ways(support)).clamp_min(LEAST).log()  # (Q, N)


def _of_ways(attention: Tensor, label: Tensor, count: int) -> Tensor:
    """Attention of each way, of sum one: (Q, S) to (Q, N)."""
    mean = attention @ shares(label, count).to(attention).T
    return mean / mean.sum(1, keepdim=True)
