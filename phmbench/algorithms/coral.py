"""CORAL: features of all domains with one mean and one covariance."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Weight, average, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch


class CORAL(nn.Module):
    """Add the distance between means and covariances of the features of each pair of domains.

    Paper: Sun & Saenko (2016), Deep CORAL: correlation alignment for deep domain adaptation, ECCV workshops, arXiv
        1607.01719; for several sources, with means, and the weight, as in DomainBed.
    Deviations: as DomainBed: mean squared differences, not divided by 4 d².
    Shapes: features (B, F); loss ().

    Args:
        domains: D.
        weight: of the distance.

    Raises:
        ValueError: one domain.
    """

    def __init__(self, *, domains: Domains, weight: Weight = 1.0) -> None:
        require_several(domains, "CORAL")
        super().__init__()
        self.domains, self.weight = domains, weight

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        features = network.features(batch.signal, batch.context)  # (B, F)
        risk = cross_entropy(network.classify(features, batch.context).float(), batch.label)
        penalty = self.distance(features.float(), members(batch, self.domains))
        return {"loss": risk + self.weight * penalty, "risk": risk.detach(), "penalty": penalty.detach()}

    @staticmethod
    def distance(features: Tensor, member: Tensor) -> Tensor:
        """Mean over pairs of domains that have two windows or more, () of (B, F) and (D, B)."""
        centre, _ = means(features, member)  # (D, F)
        count = member.sum(1)
        spread = []
        for mask, mean, number in zip(member, centre, count, strict=True):
            apart = (features - mean) * mask[:, None]
            spread.append(apart.T @ apart / (number - 1).clamp_min(1))
        pairs = list(combinations(range(len(member)), 2))
        apart = torch.stack(
            [(centre[i] - centre[j]).square().mean() + (spread[i] - spread[j]).square().mean() for i, j in pairs]
        )
        return average(apart, torch.stack([(count[i] > 1) & (count[j] > 1) for i, j in pairs]))
