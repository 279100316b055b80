"""JAN: features and predictions of source and target with one joint distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn

from phmbench.adaptation.domains import discrepancy, kernel, passed
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch

SIGMA = 1.68**0.5  # of the kernel on predictions, whose square is 1.68 in the authors' code


class JMMD(nn.Module):
    """Add the joint maximum mean discrepancy: the kernel is that of the features times that of the predictions.

    Paper: Long, Zhu, Wang & Jordan (2017), Deep transfer learning with joint adaptation networks, ICML, arXiv
        1605.06636, eq. 9; kernels and trade-off as in Zhao et al. (2021), DOI 10.1109/TIM.2021.3116309.
    Deviations: all pairs are used (biased), as in UDTL; without the adversarial variant; the trade-off rises over
        `over` batches, not over the training, whose length is not known before.
    Shapes: features (B, F); loss ().

    Args:
        weight: of the discrepancy, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        widths: kernels on the features, each twice as wide as the one before (UDTL: 5).
    """

    def __init__(self, *, weight: Weight = 1.0, over: Steps = 1000, widths: Annotated[int, Ge(1)] = 5) -> None:
        super().__init__()
        self.weight, self.rising, self.widths = weight, Rising(over=over), widths

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        both = passed(network, source, target)
        joint = kernel(both.features, widths=self.widths) * kernel(both.logits.softmax(1), widths=1, sigma=SIGMA)
        penalty = discrepancy(joint, both.source)
        loss = both.risk + self.weight * self.rising() * penalty
        return {"loss": loss, "risk": both.risk.detach(), "penalty": penalty.detach()}
