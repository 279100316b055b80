"""An algorithm: learn from the source domain that is hardest at the moment."""

from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from phmbench.types import Batch


class WorstDomain(nn.Module):
    """Minimise the largest of the domains' risks.

    Paper: Sagawa et al. (2020), Distributionally robust neural networks for group shifts, ICLR, arXiv 1911.08731.
    Deviations: the worst domain of the batch counts alone, where the paper moves weights between domains.

    Args:
        domains: source domains, D.
    """

    def __init__(self, *, domains: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.domains = domains

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        loss = cross_entropy(network(batch.signal, batch.context), batch.label, reduction="none")  # (B,)
        member = one_hot(batch.domain, self.domains).to(loss)  # (B, D)
        risks = loss @ member / member.sum(0).clamp(min=1)  # (D,), 0 where the batch lacks the domain
        return {"loss": risks.max(), "risk": loss.mean()}
