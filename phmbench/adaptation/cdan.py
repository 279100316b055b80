"""CDAN: features, together with what they are taken for, from which nobody can tell source from target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from phmbench.adaptation.domains import Adversary, passed
from phmbench.algorithms.dann import Reversed
from phmbench.algorithms.domains import Rising, Steps, Weight

if TYPE_CHECKING:
    from phmbench.types import Batch

Count = Annotated[int, Ge(1)]


class CDAN(nn.Module):
    """The adversary is given the outer product of features and predictions; windows that are sure weigh more.

    Paper: Long, Cao, Wang & Jordan (2018), Conditional adversarial domain adaptation, NeurIPS, arXiv 1705.10667:
        CDAN+E, eq. 6 and 9; trade-off as in Zhao et al. (2021), DOI 10.1109/TIM.2021.3116309.
    Deviations: the whole outer product, never a random projection of it; predictions have no gradient there, as in the
        authors' code; the trade-off rises over `over` batches, not over the training, whose length is not known before.
    Shapes: features (B, F); loss ().

    Args:
        features: F.
        classes: K.
        entropy: whether windows weigh 1 + exp(−entropy), else all the same.
        weight: of the reversed gradient, once it has risen.
        over: batches over which it rises; 0: it is there at once.
        hidden: units of the adversary's layers.
    """

    def __init__(
        self,
        *,
        features: Count,
        classes: Count,
        entropy: bool = True,
        weight: Weight = 1.0,
        over: Steps = 1000,
        hidden: Count = 256,
    ) -> None:
        super().__init__()
        self.entropy, self.weight, self.rising = entropy, weight, Rising(over=over)
        self.adversary = Adversary(inputs=features * classes, hidden=hidden)

    def forward(self, network: Any, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `domain`, the adversary's loss."""
        both = passed(network, source, target)
        strength = self.weight * self.rising()
        shares = both.logits.softmax(1)
        joint = (shares.detach()[:, :, None] * both.features[:, None]).flatten(1)  # (B + B', K · F)
        weight = self.sure(shares, both.source, strength) if self.entropy else None
        domain = self.adversary(joint, both.source, strength, weight)
        return {"loss": both.risk + domain, "risk": both.risk.detach(), "domain": domain.detach()}

    @staticmethod
    def sure(shares: Tensor, source: Tensor, strength: Tensor) -> Tensor:
        """1 + exp(−entropy) of each window, (N,) of (N, K): in each domain it adds up to N / 2, with the adversary's
        gradient reversed; what each domain's sum is, is without gradient, as in the authors' code."""
        entropy = -(shares * (shares + 1e-5).log()).sum(1)
        reversed_: Tensor = Reversed.apply(entropy, strength)  # type: ignore[no-untyped-call]
        weight = 1 + (-reversed_).exp()
        total = torch.where(source, weight[source].sum(), weight[~source].sum()).detach()
        return weight / total * len(weight) / 2
