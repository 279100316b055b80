"""No adaptation: what the others are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from phmbench.types import Batch


class SourceOnly(nn.Module):
    """Minimise the mean loss over the source; the target's windows are left alone.

    Paper: Zhao et al. (2021), Applications of unsupervised deep transfer learning to intelligent fault diagnosis, IEEE
        Transactions on Instrumentation and Measurement 70, 3525828, "Basis".
    Deviations: none.
    Shapes: what the network gives (B, K); loss ().
    """

    adapts = False
    """Whether it looks at the target."""

    def forward(self, network: nn.Module, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        return {"loss": cross_entropy(network(source.signal, source.context), source.label)}
