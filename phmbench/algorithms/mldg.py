"""MLDG: a step on some domains that helps on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import Domains, Weight, average, means, members, require_several

if TYPE_CHECKING:
    from phmbench.types import Batch


class MLDG(nn.Module):
    """Add to the loss on some domains the loss on another one, after a step of gradient descent on the first.

    Paper: Li, Yang, Song & Hospedales (2018), Learning to generalize: meta-learning for domain generalization, AAAI,
        arXiv 1710.03463, algorithm 1; its weight as in DomainBed.
    Deviations: one domain of each batch is held out, drawn at random, where DomainBed goes through pairs; by default
        the step's own derivative is left out (first order), as in DomainBed.
    Shapes: what the network gives (B, K); loss ().

    Args:
        domains: D.
        rate: of the step.
        weight: of the loss after it.
        second_order: with the derivative of the step itself: twice as slow.

    Raises:
        ValueError: one domain.
    """

    def __init__(
        self,
        *,
        domains: Domains,
        rate: Annotated[float, Gt(0)] = 0.01,
        weight: Weight = 1.0,
        second_order: bool = False,
    ) -> None:
        require_several(domains, "MLDG")
        super().__init__()
        self.domains, self.rate, self.weight, self.second_order = domains, rate, weight, second_order

    def forward(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`loss`, and what it is made of: `risk` and `held_out`."""
        member = members(batch, self.domains)
        there = member.sum(1) > 0
        held = torch.rand(self.domains, device=there.device).masked_fill(~there, -1.0).argmax()
        apart = torch.arange(self.domains, device=there.device) == held
        each = cross_entropy(network(batch.signal, batch.context).float(), batch.label, reduction="none")
        risk = average(means(each, member)[0], there & ~apart)
        if not risk.requires_grad:  # pragma: no cover  # a network without weights has no step
            return {"loss": risk}
        weights = {name: value for name, value in network.named_parameters() if value.requires_grad}
        gradients = torch.autograd.grad(
            risk, list(weights.values()), create_graph=self.second_order, retain_graph=True, allow_unused=True
        )
        moved = {
            name: value if gradient is None else value - self.rate * gradient
            for (name, value), gradient in zip(weights.items(), gradients, strict=True)
        }
        buffers = {name: value.clone() for name, value in network.named_buffers()}  # counted once a batch
        logits = functional_call(network, {**moved, **buffers}, (batch.signal, batch.context))
        after = cross_entropy(logits.float(), batch.label, reduction="none")
        held_out = average(means(after, member)[0], there & apart)
        return {"loss": risk + self.weight * held_out, "risk": risk.detach(), "held_out": held_out.detach()}
