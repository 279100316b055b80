"""Fine-tuning on the support of each episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from phmbench.methods.episodes import gradients, own, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.adapters import Adapter
    from phmbench.types import Batch


class FineTune(Method):
    """A classifier is trained further on the support of each episode, with a new last layer, and forgotten after it.

    Paper: Chen et al. (2019), A closer look at few-shot classification, ICLR, arXiv 1904.04232, section 3.2 (Baseline,
        which trains the new layer alone).
    Deviations: steps are on the whole support, not on batches of four; the new layer starts at zero, so that nothing is
        drawn. Normalisations keep the statistics of training.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        adapter: which weights are trained, by how many steps and at which rate.
    """

    learns_from = ("windows",)

    def __init__(self, *, adapter: Adapter) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        with gradients():
            features, head = self.adapter(network, own(support), ways(support))
        with torch.no_grad():
            return head(features(query))  # (Q, N)
