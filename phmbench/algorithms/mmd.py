"""MMD: features of all domains with one distribution, as kernels see it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Weight, average, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch

RATES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # of exp(−rate · squared distance), as in DomainBed


class MMD(nn.Module):
    """Add the squared maximum mean discrepancy between the features of each pair of domains.

    Paper: Li, Pan, Wang & Kot (2018), Domain generalization with adversarial feature learning, CVPR; Gretton et al.
        (2012), A kernel two-sample test, JMLR 13, eq. 5 (biased); kernels and weight as in DomainBed.
    Deviations: without the adversarial autoencoder of Li et al., as in DomainBed.
    Shapes: features (B, F); loss ().

    Args:
        domains: D.
        weight: of the discrepancy.

    Raises:
        ValueError: one domain.
    """

    def __init__(self, *, domains: Domains, weight: Weight = 1.0) -> None:
        require_several(domains, "MMD")
        super().__init__()
        self.domains, self.weight = domains, weight

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        features = network.features(batch.signal, batch.context)  # (B, F)
        risk = cross_entropy(network.classify(features, batch.context).float(), batch.label)
        penalty = self.discrepancy(features.float(), members(batch, self.domains))
        return {"loss": risk + self.weight * penalty, "risk": risk.detach(), "penalty": penalty.detach()}

    @staticmethod
    def discrepancy(features: Tensor, member: Tensor) -> Tensor:
        """Mean over pairs of domains that are there, () of (B, F) and (D, B)."""
        squares = features.square().sum(1)
        apart = (squares[:, None] + squares - 2 * features @ features.T).clamp_min(1e-30)  # (B, B)
        kernel = torch.stack([(-rate * apart).exp() for rate in RATES]).sum(0)
        count = member.sum(1)
        share = member / count.clamp_min(1)[:, None]  # (D, B)
        between = share @ kernel @ share.T  # (D, D): mean kernel of windows of one domain and another
        pairs = list(combinations(range(len(member)), 2))
        found = torch.stack([between[i, i] + between[j, j] - 2 * between[i, j] for i, j in pairs])
        return average(found, torch.stack([(count[i] > 0) & (count[j] > 0) for i, j in pairs]))
