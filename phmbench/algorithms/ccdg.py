"""CCDG: windows of one class from different domains close to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from phmbench.algorithms.domains import Domains, Weight, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class CCDG(nn.Module):
    """Add a contrastive loss: near are windows of one class from different domains, far those of other classes.

    Paper: Ragab et al. (2022), Conditional contrastive domain generalization for fault diagnosis, IEEE Transactions on
        Instrumentation and Measurement 71, DOI 10.1109/TIM.2022.3154000; the loss over several positives as Khosla et
        al. (2020), Supervised contrastive learning, NeurIPS, arXiv 2004.11362, eq. 2.
    Deviations: all windows of the batch are compared, not one of each domain; a window whose class no other domain of
        the batch has, has no positives and does not count.
    Shapes: features (B, F); loss ().

    Args:
        domains: D.
        features: F.
        weight: of the contrastive loss.
        temperature: by which similarities are divided.
        hidden: units of the projection, in which windows are compared.

    Raises:
        ValueError: one domain.
    """

    def __init__(
        self,
        *,
        domains: Domains,
        features: Count,
        weight: Weight = 1.0,
        temperature: Annotated[float, Gt(0)] = 0.1,
        hidden: Count = 128,
    ) -> None:
        require_several(domains, "CCDG")
        super().__init__()
        self.weight, self.temperature = weight, temperature
        self.projection = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden))

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `contrast`."""
        features = network.features(batch.signal, batch.context)  # (B, F)
        risk = cross_entropy(network.classify(features, batch.context).float(), batch.label)
        contrast = self.contrast(self.projection(features).float(), batch.label, batch.domain)
        return {"loss": risk + self.weight * contrast, "risk": risk.detach(), "contrast": contrast.detach()}

    def contrast(self, projected: Tensor, label: Tensor, domain: Tensor) -> Tensor:
        """Mean over windows that have positives, () of (B, hidden), (B,) and (B,)."""
        unit = normalize(projected, dim=1)
        similar = unit @ unit.T / self.temperature  # (B, B)
        same = label[:, None] == label
        positive = (same & (domain[:, None] != domain)).to(similar.dtype)
        against = ((positive > 0) | ~same).to(similar.dtype)  # windows of its class and domain are neither
        exponent = similar - similar.amax(1, keepdim=True).detach()
        log_share = exponent - ((exponent.exp() * against).sum(1, keepdim=True) + torch.finfo(similar.dtype).tiny).log()
        count = positive.sum(1)
        each = -(log_share * positive).sum(1) / count.clamp_min(1)
        return each.sum() / (count > 0).sum().clamp_min(1)
