"""DANN and CDANN: features from which nobody can tell the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Rising, Steps, Weight, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class Reversed(torch.autograd.Function):
    """The same forwards; backwards the gradient with the other sign, times a weight."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return -weight * gradient, None


class DANN(nn.Module):
    """A second network learns to tell the domain from the features; the features learn that it cannot.

    Paper: Ganin et al. (2016), Domain-adversarial training of neural networks, JMLR 17(59), arXiv 1505.07818: the
        gradient is reversed between the two, with a weight that rises; the discriminator as in DomainBed.
    Deviations: the weight rises over `over` batches, not over the whole training, whose length is not known before;
        source domains alone are told apart, as in DomainBed.
    Shapes: features (B, F); loss ().

    Args:
        domains: D.
        features: F.
        weight: of the reversed gradient, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        hidden: units of the discriminator's layer.

    Raises:
        ValueError: one domain.
    """

    def __init__(
        self, *, domains: Domains, features: Count, weight: Weight = 1.0, over: Steps = 1000, hidden: Count = 256
    ) -> None:
        require_several(domains, type(self).__name__)
        super().__init__()
        self.weight, self.rising = weight, Rising(over=over)
        layers = [nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        self.discriminator = nn.Sequential(*layers, nn.Linear(hidden, domains))

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `domain`, the discriminator's loss."""
        features = network.features(batch.signal, batch.context)  # (B, F)
        risk = cross_entropy(network.classify(features, batch.context).float(), batch.label)
        reversed_: Tensor = Reversed.apply(features, self.weight * self.rising())  # type: ignore[no-untyped-call]
        domain = self.domain_loss(reversed_, batch)
        return {"loss": risk + domain, "risk": risk.detach(), "domain": domain.detach()}

    def domain_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """How badly the domains are told apart, ()."""
        return cross_entropy(self.discriminator(features).float(), batch.domain)


class CDANN(DANN):
    """DANN within each class: the second network is told the class, and all classes count alike.

    Paper: Li, Gong, Tian, Liu & Tao (2018), Domain generalization via conditional invariant representations, AAAI, and
        Li et al. (2018), Deep domain generalization via conditional invariant adversarial networks, ECCV; in the form
        of DomainBed: an embedding of the class is added to the features, and each class has the same weight.
    Deviations: as DANN.
    Shapes: as DANN.

    Args:
        domains: D.
        features: F.
        classes: K.
        weight: of the reversed gradient, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        hidden: units of the discriminator's layer.

    Raises:
        ValueError: one domain.
    """

    def __init__(
        self,
        *,
        domains: Domains,
        features: Count,
        classes: Count,
        weight: Weight = 1.0,
        over: Steps = 1000,
        hidden: Count = 256,
    ) -> None:
        super().__init__(domains=domains, features=features, weight=weight, over=over, hidden=hidden)
        self.classes, self.of_class = classes, nn.Embedding(classes, features)

    def domain_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """Mean over the classes that are there of the mean loss of their windows, ()."""
        scores = self.discriminator(features + self.of_class(batch.label))
        each = cross_entropy(scores.float(), batch.domain, reduction="none")
        count = torch.zeros(self.classes, device=each.device).index_add(0, batch.label, torch.ones_like(each))
        return (each / count[batch.label]).sum() / (count > 0).sum()
