"""Deep CORAL: features of source and target with one mean and one covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from phmbench.adaptation.domains import passed
from phmbench.algorithms.coral import CORAL
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch


class DeepCORAL(nn.Module):
    """Add the distance between means and covariances of the features of source and target.

    Paper: Sun & Saenko (2016), Deep CORAL: correlation alignment for deep domain adaptation, ECCV workshops, arXiv
        1607.01719; the rising trade-off as in Zhao et al. (2021), DOI 10.1109/TIM.2021.3116309.
    Deviations: mean squared differences, and means too, as `phmbench.algorithms.coral`; of the features alone. The
        trade-off rises over `over` batches, not over the training, whose length is not known before.
    Shapes: features (B, F); loss ().

    Args:
        weight: of the distance, once it has risen.
        over: batches over which it rises; 0: it is there at once.
    """

    def __init__(self, *, weight: Weight = 1.0, over: Steps = 1000) -> None:
        super().__init__()
        self.weight, self.rising = weight, Rising(over=over)

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        both = passed(network, source, target)
        member = torch.stack([both.source, ~both.source]).float()  # (2, B + B')
        penalty = CORAL.distance(both.features, member)
        loss = both.risk + self.weight * self.rising() * penalty
        return {"loss": loss, "risk": both.risk.detach(), "penalty": penalty.detach()}
