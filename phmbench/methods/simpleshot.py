"""SimpleShot: the nearest mean of features that were centred and scaled to one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn.functional import normalize

from phmbench.methods.episodes import embed, means, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class SimpleShot(Method):
    """Features of a classifier, less their mean over training, scaled to length one; then the nearest class mean.

    Paper: Wang et al. (2019), SimpleShot: revisiting nearest-neighbor classification for few-shot learning, arXiv
        1911.04623, sections 3.2 and 3.3 (CL2N).
    Deviations: the mean is a running one over the steps of training (of the last hundred or so), where the paper takes
        that of all training windows once training is over.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        features: F.
    """

    learns_from = ("windows",)
    SHARE = 0.01  # of a batch in the running mean

    def __init__(self, *, features: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.mean: Tensor
        self.batches: Tensor

    def see(self, features: Tensor) -> None:
        """The first hundred batches count as a plain mean does."""
        self.batches += 1
        self.mean += (features.detach().mean(0) - self.mean) * (1 / self.batches).clamp_min(self.SHARE)

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        taught, asked = (normalize(part - self.mean, dim=1) for part in embed(network, support, query))
        prototypes = means(taught, support.label, ways(support))  # (N, F)
        return -(asked[:, None] - prototypes).square().sum(2)  # (Q, N)
