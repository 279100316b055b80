"""MCD: two classifiers that agree on the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.adaptation.domains import passed
from phmbench.algorithms.dann import Reversed
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class MCD(nn.Module):
    """A second classifier seeks windows of the target on which it differs from the head; features learn to leave none.

    Paper: Saito, Watanabe, Ushiku & Harada (2018), Maximum classifier discrepancy for unsupervised domain adaptation,
        CVPR, arXiv 1712.02560, eq. 7 to 9; in one step, with a reversed gradient, which the authors' code has too.
    Deviations: one step with a reversed gradient in the place of three alternating ones; the head alone answers in
        validation and test; the trade-off rises over `over` batches, as that of Zhao et al. (2021).
    Shapes: features (B, F); loss ().

    Args:
        features: F.
        classes: K.
        weight: of the reversed gradient, once it has risen.
        over: batches over which it rises; 0: it is there at once.
    """

    def __init__(self, *, features: Count, classes: Count, weight: Weight = 1.0, over: Steps = 1000) -> None:
        super().__init__()
        self.weight, self.rising = weight, Rising(over=over)
        self.second = nn.Linear(features, classes)

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` of both classifiers, and `apart`, how far they differ."""
        both = passed(network, source, target)
        risk = both.risk + cross_entropy(self.second(both.features[both.source]).float(), source.label)
        strength = self.weight * self.rising()
        hidden: Tensor = Reversed.apply(both.features[~both.source], strength)  # type: ignore[no-untyped-call]
        first = network.classify(hidden, target.context).float().softmax(1)  # (B', K)
        apart = (first - self.second(hidden).float().softmax(1)).abs().mean()
        return {"loss": risk - apart, "risk": risk.detach(), "apart": apart.detach()}
