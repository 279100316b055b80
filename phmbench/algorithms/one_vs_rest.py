"""One detector a class: the mean binary cross-entropy of each class against all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

if TYPE_CHECKING:
    from phmbench.types import Batch


class OneVsRest(nn.Module):
    """Minimise the mean over windows and classes of the binary cross-entropy "this class, or not".

    The scores are log-odds, each class for itself: several faults may be found in one window, or none.

    Paper: Vieira, Bauler, Rosa & Silva (2026), Towards a more realistic evaluation of machine learning models for
        bearing fault diagnosis, MSSP 258:114640, arXiv 2509.22267: diagnosis as a task of several labels.
    Deviations: a recording has one label here; a class for healthy, where there is one, has a detector too.
    Shapes: what the network gives (B, K); label (B,); loss ().
    """

    independent = True  # scores are log-odds

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        return {"loss": self.criterion(network(batch.signal, batch.context), batch.label)}

    @staticmethod
    def criterion(logits: Tensor, label: Tensor) -> Tensor:
        """Mean binary cross-entropy, () from logits (N, K) and label (N,)."""
        target = one_hot(label, logits.shape[1]).to(logits.dtype)
        return binary_cross_entropy_with_logits(logits, target)
