"""Group DRO: the worst domain counts most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Weight, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch


class GroupDRO(nn.Module):
    """Minimise a weighted mean of the domains' losses, in which a domain gains weight while its loss is high.

    Paper: Sagawa, Koh, Hashimoto & Liang (2020), Distributionally robust neural networks for group shifts, ICLR, arXiv
        1911.08731, algorithm 1; the rate as in DomainBed (Gulrajani & Lopez-Paz 2021, arXiv 2007.01434).
    Deviations: groups are domains; of a batch that lacks a domain, the weights of those there are brought to one.
    Shapes: what the network gives (B, K); loss ().

    Args:
        domains: D.
        rate: of the weights' exponential ascent.

    Raises:
        ValueError: one domain.
    """

    weights: Tensor

    def __init__(self, *, domains: Domains, rate: Weight = 0.01) -> None:
        require_several(domains, "GroupDRO")
        super().__init__()
        self.domains, self.rate = domains, rate
        self.register_buffer("weights", torch.full((domains,), 1 / domains))

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and `worst`, the highest loss of a domain."""
        each = cross_entropy(network(batch.signal, batch.context).float(), batch.label, reduction="none")
        loss, there = means(each, members(batch, self.domains))  # (D,)
        if self.training:
            risen = self.weights * torch.where(there, (self.rate * loss.detach()).exp(), 1.0)
            self.weights.copy_(risen / risen.sum())
        weight = self.weights * there
        return {"loss": (weight / weight.sum() * loss).sum(), "worst": loss.detach().max()}
