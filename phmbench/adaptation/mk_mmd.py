"""DAN: features of source and target with one distribution, as kernels of several widths see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from torch import Tensor, nn

from phmbench.adaptation.domains import discrepancy, kernel, passed
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch


class MKMMD(nn.Module):
    """Add the squared maximum mean discrepancy between the features of source and target.

    Paper: Long, Cao, Wang & Jordan (2015), Learning transferable features with deep adaptation networks, ICML, arXiv
        1502.02791; kernels and trade-off as in Zhao et al. (2021), DOI 10.1109/TIM.2021.3116309.
    Deviations: of the features alone, all kernels weigh the same, and all pairs are used (biased), as in UDTL; the
        trade-off rises over `over` batches, not over the training, whose length is not known before.
    Shapes: features (B, F); loss ().

    Args:
        weight: of the discrepancy, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        widths: kernels, each twice as wide as the one before (UDTL: 5).
    """

    def __init__(self, *, weight: Weight = 1.0, over: Steps = 1000, widths: Annotated[int, Ge(1)] = 5) -> None:
        super().__init__()
        self.weight, self.rising, self.widths = weight, Rising(over=over), widths

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        both = passed(network, source, target)
        penalty = discrepancy(kernel(both.features, widths=self.widths), both.source)
        loss = both.risk + self.weight * self.rising() * penalty
        return {"loss": loss, "risk": both.risk.detach(), "penalty": penalty.detach()}
