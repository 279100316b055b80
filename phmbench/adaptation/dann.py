"""DANN: features from which nobody can tell source from target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn

from phmbench.adaptation.domains import Adversary, passed
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class TargetDANN(nn.Module):
    """A second network learns to tell source from target by the features; the features learn that it cannot.

    Paper: Ganin et al. (2016), Domain-adversarial training of neural networks, JMLR 17(59), arXiv 1505.07818; in the
        form of Zhao et al. (2021), DOI 10.1109/TIM.2021.3116309.
    Deviations: the trade-off rises over `over` batches, not over the training, whose length is not known before; no
        dropout in the adversary.
    Shapes: features (B, F); loss ().

    Args:
        features: F.
        weight: of the reversed gradient, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        hidden: units of the adversary's layers.
    """

    def __init__(self, *, features: Count, weight: Weight = 1.0, over: Steps = 1000, hidden: Count = 256) -> None:
        super().__init__()
        self.weight, self.rising = weight, Rising(over=over)
        self.adversary = Adversary(inputs=features, hidden=hidden)

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `domain`, the adversary's loss."""
        both = passed(network, source, target)
        domain = self.adversary(both.features, both.source, self.weight * self.rising())
        return {"loss": both.risk + domain, "risk": both.risk.detach(), "domain": domain.detach()}
