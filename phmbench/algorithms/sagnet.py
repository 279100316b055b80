"""SagNet: what is seen counts, how it looks does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Weight

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]
EPSILON = 1e-5


class SagNet(nn.Module):
    """Classify features whose style, which is their mean and deviation, is another window's.

    A second head sees the style with another window's content, and the features learn that it cannot classify.

    Paper: Nam, Lee, Park, Yoon & Yoo (2021), Reducing domain gap by reducing style bias, CVPR, arXiv 1910.11645; on the
        vector of features, and with the weight of the adversary, as in DomainBed.
    Deviations: the three losses of DomainBed, each with an optimizer of its own, are one: the style head learns from
        features that it does not move, and the features from a style head that they do not move.
    Shapes: features (B, F); loss ().

    Args:
        features: F.
        classes: K.
        weight: of the adversarial loss.
    """

    def __init__(self, *, features: Count, classes: Count, weight: Weight = 0.1) -> None:
        super().__init__()
        self.weight, self.style = weight, nn.Linear(features, classes)

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk`, `style` and `adversary`."""
        features = network.features(batch.signal, batch.context)  # (B, F)
        share = torch.rand(len(features), 1, device=features.device)
        other = torch.randperm(len(features), device=features.device)
        risk = cross_entropy(network.classify(restyled(features, other, share), batch.context).float(), batch.label)
        told = cross_entropy(self.style(_recontented(features.detach(), other)).float(), batch.label)
        frozen = {name: value.detach() for name, value in self.style.named_parameters()}
        scores = functional_call(self.style, frozen, (_recontented(features, other),))
        adversary = -scores.float().log_softmax(1).mean()  # cross-entropy with a target that is even over classes
        loss = risk + told + self.weight * adversary
        return {"loss": loss, "risk": risk.detach(), "style": told.detach(), "adversary": adversary.detach()}


def restyled(features: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Features with a mean and a deviation between their own and another window's, (B, F)."""
    content, mean, deviation = _parts(features)
    between = [share * one + (1 - share) * one[other] for one in (mean, deviation)]
    return content * between[1] + between[0]


def _recontented(features: Tensor, other: Tensor) -> Tensor:
    """Another window's features with one's own mean and deviation, which alone still tell of oneself, (B, F)."""
    content, mean, deviation = _parts(features)
    return content[other].detach() * deviation + mean


def _parts(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean = features.mean(1, keepdim=True)
    deviation = (features.var(1, keepdim=True) + EPSILON).sqrt()
    return (features - mean) / deviation, mean, deviation
