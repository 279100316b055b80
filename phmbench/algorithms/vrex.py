"""V-REx: the same loss on every domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Later, Steps, Weight, average, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch


class VREx(nn.Module):
    """Add the variance of the domains' losses to their mean.

    Paper: Krueger et al. (2021), Out-of-distribution generalization via risk extrapolation (REx), ICML, arXiv
        2003.00688, eq. 8; weight and warm-up as in DomainBed.
    Deviations: once the penalty has its weight, the sum is divided by it where it is above 1, where DomainBed begins
        Adam anew.
    Shapes: what the network gives (B, K); loss ().

    Args:
        domains: D.
        weight: of the variance.
        after: batches with a weight of 1 first.

    Raises:
        ValueError: one domain.
    """

    def __init__(self, *, domains: Domains, weight: Weight = 10.0, after: Steps = 500) -> None:
        require_several(domains, "VREx")
        super().__init__()
        self.domains, self.later = domains, Later(weight=weight, before=1.0, after=after)

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        each = cross_entropy(network(batch.signal, batch.context).float(), batch.label, reduction="none")
        risks, there = means(each, members(batch, self.domains))
        risk, weight = average(risks, there), self.later()
        penalty = average((risks - risk).square(), there)
        loss = (risk + weight * penalty) / weight.clamp_min(1.0)
        return {"loss": loss, "risk": risk.detach(), "penalty": penalty.detach()}
