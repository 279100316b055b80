"""Mixup: windows between two windows of different domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import partners

if TYPE_CHECKING:
    from phmbench.types import Batch


class Mixup(nn.Module):
    """Train on weighted sums of two windows and of their labels, the other one from another domain.

    Paper: Zhang, Cisse, Dauphin & Lopez-Paz (2018), mixup: beyond empirical risk minimization, ICLR, arXiv 1710.09412;
        between domains, and alpha, as in DomainBed (after Yan et al. 2020, arXiv 2001.00677).
    Deviations: each window has its own share, and at least half of it is its own, so that speed and rate, which are
        not mixed, stay those of the larger part.
    Shapes: signal (B, C, L); loss ().

    Args:
        alpha: of the Beta distribution from which shares are drawn.
    """

    def __init__(self, *, alpha: Annotated[float, Gt(0)] = 0.2) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        other = partners(batch)
        share = self.shares(len(other), batch.signal.device)
        mixed = share[:, None, None] * batch.signal + (1 - share)[:, None, None] * batch.signal[other]
        logits = network(mixed.to(batch.signal.dtype), batch.context).float()
        own, others = (cross_entropy(logits, label, reduction="none") for label in (batch.label, batch.label[other]))
        return {"loss": (share * own + (1 - share) * others).mean()}

    def shares(self, count: int, device: torch.device) -> Tensor:
        """Share of each window's own, (B,), at least a half."""
        drawn = Beta(torch.tensor(self.alpha), torch.tensor(self.alpha)).sample((count,))
        return torch.maximum(drawn, 1 - drawn).to(device)
