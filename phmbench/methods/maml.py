"""MAML, first order: weights from which a few steps on the support lead far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from phmbench.methods.episodes import features_with, gradients, own, ways
from phmbench.methods.learning import Method

if TYPE_CHECKING:
    from phmbench.types import Batch


class MAML(Method):
    """Weights are trained so that a few steps of gradient descent on the support lead to a low loss on the query.

    Paper: Finn, Abbeel & Levine (2017), Model-agnostic meta-learning for fast adaptation of deep networks, ICML, arXiv
        1703.03400, algorithm 2, in its first-order form (section 5.2).
    Deviations: the last layer starts at zero in each episode, so that the order of classes means nothing (Ye & Chao
        2022, How to train your MAML to excel in few-shot classification, ICLR, arXiv 2106.16245); one episode a step.
    Shapes: support of S windows, query of Q to scores (Q, N).

    Args:
        steps: on the support, in training (paper, section A.1: 5).
        test_steps: on the support, in validation and test (paper, section A.1: 10).
        rate: of these steps, by plain gradient descent (paper, section A.1: 0.01).
    """

    learns_from = ("episodes",)

    def __init__(
        self,
        *,
        steps: Annotated[int, Ge(1)] = 5,
        test_steps: Annotated[int, Ge(1)] = 10,
        rate: Annotated[float, Gt(0)] = 0.01,
    ) -> None:
        super().__init__()
        self.steps, self.test_steps, self.rate = steps, test_steps, rate

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        keeps = torch.is_grad_enabled()
        with gradients():
            # a test's tensors are made where gradients are off, and take no part in them
            weights, last = self._adapted(network, support if keeps else own(support))
            scores = linear(features_with(network, weights)(query if keeps else own(query)), *last)  # (Q, N)
        return scores if keeps else scores.detach()

    def _adapted(self, network: nn.Module, support: Batch) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        """Weights after the steps: a first-order gradient goes through them to those that they began with."""
        weights: dict[str, Tensor] = {name: value for name, value in network.named_parameters() if value.requires_grad}
        count, last = ways(support), list[Tensor]()
        for _ in range(self.steps if self.training else self.test_steps):
            given = features_with(network, weights)(support)  # (S, F)
            last = last or [given.new_zeros(*shape).requires_grad_() for shape in ((count, given.shape[1]), (count,))]
            loss = cross_entropy(linear(given, *last), support.label)
            every = [*weights.values(), *last]
            slopes = torch.autograd.grad(loss, every, allow_unused=True)
            moved = [value if g is None else value - self.rate * g for value, g in zip(every, slopes, strict=True)]
            weights, last = dict(zip(weights, moved, strict=False)), moved[-2:]
        return weights, (last[0], last[1])
