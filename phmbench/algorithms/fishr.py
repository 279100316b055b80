"""Fishr: the same variance of gradients on every domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from phmbench.algorithms.domains import Domains, Later, Steps, Weight, average, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class Fishr(nn.Module):
    """Add the distance between the domains' variances of the gradients that single windows give to the head.

    Paper: Ramé, Dancette & Cord (2022), Fishr: invariant gradient variances for out-of-distribution generalization,
        ICML, arXiv 2109.02934, eq. 4; weight, warm-up and moving average as their code in DomainBed.
    Deviations: gradients of a linear head are written out, (p − y) ⊗ (features, 1), not asked of a library; where the
        weight comes in, Adam is not begun anew.
    Shapes: features (B, F); loss ().

    Args:
        domains: D.
        features: F.
        classes: K.
        weight: of the penalty.
        after: batches with a weight of 0 first.
        kept: share of a variance that is kept from batch to batch.

    Raises:
        ValueError: one domain, or a head that is not linear.
    """

    variance: Tensor

    def __init__(
        self,
        *,
        domains: Domains,
        features: Count,
        classes: Count,
        weight: Weight = 1000.0,
        after: Steps = 1500,
        kept: Annotated[float, Ge(0), Lt(1)] = 0.95,
    ) -> None:
        require_several(domains, "Fishr")
        super().__init__()
        self.domains, self.classes, self.kept = domains, classes, kept
        self.later = Later(weight=weight, before=0.0, after=after)
        self.register_buffer("variance", torch.zeros(domains, classes * (features + 1)))  # moving average, of each

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `penalty`."""
        head = network.parts[-1]
        if not isinstance(getattr(head, "linear", None), nn.Linear):
            raise ValueError(
                f"task.head: Fishr writes out the gradients of a linear head; got {type(head).__name__}; choose "
                "task/head=linear, or another task/algorithm"
            )
        features = network.features(batch.signal, batch.context)  # (B, F)
        logits = network.classify(features, batch.context).float()
        risk = cross_entropy(logits, batch.label)
        gradient = self.gradients(features.float(), logits, batch.label)
        variance, there = self.variances(gradient, members(batch, self.domains))
        if self.training:
            self.variance.copy_(torch.where(there[:, None], variance.detach(), self.variance))
        variance = variance / (1 - self.kept)  # so that a batch's own share has the size that it would have alone
        centre = (variance * there[:, None]).sum(0) / there.sum().clamp_min(1)
        penalty = average((variance - centre).square().sum(1), there)
        return {"loss": risk + self.later() * penalty, "risk": risk.detach(), "penalty": penalty.detach()}

    def gradients(self, features: Tensor, logits: Tensor, label: Tensor) -> Tensor:
        """Of each window's loss, for weights and bias of the head, (B, K · (F + 1))."""
        wrong = logits.softmax(1) - one_hot(label, self.classes)  # (B, K)
        with_bias = torch.cat([features, torch.ones_like(features[:, :1])], 1)
        return (wrong[:, :, None] * with_bias[:, None]).flatten(1)

    def variances(self, gradient: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        """Moving average of the variance within each domain, (D, K · (F + 1)), and which have one now, (D,)."""
        centre, there = means(gradient, member)
        square, _ = means(gradient.square(), member)
        now = (square - centre.square()).clamp_min(0)
        return self.kept * self.variance + (1 - self.kept) * now, there
