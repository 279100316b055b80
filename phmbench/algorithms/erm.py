"""Empirical risk minimisation: the mean cross-entropy over all windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from phmbench.types import Batch


class ERM(nn.Module):
    """Minimise the mean loss over the training windows, whichever domain they come from.

    Paper: Vapnik (1991), Principles of risk minimization for learning theory, NIPS 4; label smoothing from Szegedy et
        al. (2016), Rethinking the Inception architecture, CVPR, arXiv 1512.00567, section 7.
    Deviations: none.
    Shapes: what the network gives (B, K); label (B,); loss ().

    Args:
        label_smoothing: share of the target that is spread evenly over all classes (Szegedy et al.: 0.1).

    Raises:
        ValueError: label_smoothing is not in [0, 1).
    """

    def __init__(self, *, label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: is a share; got {label_smoothing}; expected 0 ≤ share < 1; try 0.1")
        self.label_smoothing = label_smoothing

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        logits = network(batch.signal, batch.context)  # (B, K)
        return {"loss": cross_entropy(logits, batch.label, label_smoothing=self.label_smoothing)}
