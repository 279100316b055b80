"""IRM: a head that is the best one on every domain at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Later, Steps, Weight, average, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch


class IRM(nn.Module):
    """Add to the mean loss how far each domain would move a scale of the logits that is 1: its squared gradient.

    Paper: Arjovsky, Bottou, Gulrajani & Lopez-Paz (2019), Invariant risk minimization, arXiv 1907.02893, IRMv1 (eq. 4)
        and appendix D (the square from two halves of a batch, which has no bias); weight and warm-up as in DomainBed.
    Deviations: the gradient of the scale is written out, Σ_k p_k z_k − z_y, and not differentiated; once the penalty
        has its weight, the sum is divided by it where it is above 1, as the authors' code does, so that the step
        stays as large, where DomainBed begins Adam anew.
    Shapes: what the network gives (B, K); loss ().

    Args:
        domains: D.
        weight: of the penalty.
        after: batches with a weight of 1 first.

    Raises:
        ValueError: one domain.
    """

    def __init__(self, *, domains: Domains, weight: Weight = 100.0, after: Steps = 500) -> None:
        require_several(domains, "IRM")
        super().__init__()
        self.domains, self.later = domains, Later(weight=weight, before=1.0, after=after)

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        logits = network(batch.signal, batch.context).float()  # (B, K)
        member = members(batch, self.domains)
        risks, there = means(cross_entropy(logits, batch.label, reduction="none"), member)
        penalties, twice = self.penalties(logits, batch.label, member)
        risk, penalty, weight = average(risks, there), average(penalties, twice), self.later()
        loss = (risk + weight * penalty) / weight.clamp_min(1.0)
        return {"loss": loss, "risk": risk.detach(), "penalty": penalty.detach()}

    @staticmethod
    def penalties(logits: Tensor, label: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        """Squared gradient of each domain, (D,), and which have two windows for it, (D,) bool."""
        own = logits.gather(1, label[:, None])[:, 0]
        gradient = (logits.softmax(1) * logits).sum(1) - own  # (B,) of a scale of the logits, at 1
        odd = (member.cumsum(1) % 2) * member  # every other window of a domain
        (first, one), (second, other) = means(gradient, odd), means(gradient, member - odd)
        return first * second, one & other
