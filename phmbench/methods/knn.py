"""The nearest support windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from phmbench.methods.episodes import embed, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class KNN(Method):
    """The class that most of the nearest support windows have, by cosine; ties go to the most alike.

    Paper: Cover & Hart (1967), Nearest neighbor pattern classification, IEEE Trans. Information Theory 13(1), 21-27;
        on features of a network that was trained as a classifier.
    Deviations: cosines, as is usual for features of networks.
    Shapes: support of S windows, query of Q to scores (Q, N): votes, and for ties the mean cosine of the voters.

    Args:
        neighbours: that vote; at most as many as the support has.
    """

    learns_from = ("windows",)

    def __init__(self, *, neighbours: Annotated[int, Ge(1)] = 1) -> None:
        super().__init__()
        self.neighbours = neighbours

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        taught, asked = (normalize(part, dim=1) for part in embed(network, support, query))
        cosine, nearest = (asked @ taught.T).topk(min(self.neighbours, len(taught)), dim=1)  # (Q, k)
        voted = one_hot(support.label[nearest], ways(support)).to(cosine)  # (Q, k, N)
        tie = (voted * cosine[:, :, None]).sum(1) / voted.sum(1).clamp_min(1)  # (Q, N), within −1 to 1
        return voted.sum(1) + tie / 4  # a difference of one vote is more than any between cosines
