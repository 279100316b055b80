"""Adapters: which weights of a trained network go on being trained on a few windows, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from phmbench.methods.episodes import features_with

if TYPE_CHECKING:
    from phmbench.types import Batch

Features = Callable[["Batch"], Tensor]
Head = Callable[[Tensor], Tensor]


class Adapter:
    """Trains in a copy, by Adam: the network is left as it was.

    Args:
        steps: on the whole support.
        rate: of Adam.
    """

    backbone: ClassVar[bool]
    """Whether the weights before the last layer are trained."""

    def __init__(self, *, steps: Annotated[int, Ge(1)], rate: Annotated[float, Gt(0)]) -> None:
        self.steps, self.rate = steps, rate

    def __call__(self, network: nn.Module, support: Batch, ways: int) -> tuple[Features, Head]:
        """What gives features and scores after training on the support; gradients must be on.

        Args:
            network: has `features`.
            support: S windows with labels 0 to N − 1.
            ways: N.
        """
        own = dict(network.named_parameters())
        start = {name: value.detach().clone().requires_grad_(self.backbone) for name, value in own.items()}
        features = features_with(network, start)
        with torch.no_grad():
            fixed = features(support)  # (S, F)
        weight = fixed.new_zeros(ways, fixed.shape[1]).requires_grad_()
        bias = fixed.new_zeros(ways).requires_grad_()
        trained = [weight, bias, *(start.values() if self.backbone else ())]
        optimizer = torch.optim.Adam(trained, lr=self.rate)
        for _ in range(self.steps):
            optimizer.zero_grad()
            given = features(support) if self.backbone else fixed
            cross_entropy(linear(given, weight, bias), support.label).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return features, lambda given: linear(given, weight, bias)


class LinearProbe(Adapter):
    """Trains a new last layer alone: the features stay those of training.

    Source: Alain & Bengio (2017), Understanding intermediate layers using linear classifier probes, ICLR workshop,
        arXiv 1610.01644.

    Args:
        steps: on the whole support.
        rate: of Adam.
    """

    backbone = False


class Full(Adapter):
    """Trains all weights, and a new last layer.

    Source: Yosinski et al. (2014), How transferable are features in deep neural networks?, NeurIPS, arXiv 1411.1792.

    Args:
        steps: on the whole support.
        rate: of Adam.
    """

    backbone = True
