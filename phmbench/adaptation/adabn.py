"""AdaBN: batch normalisation with the statistics of the target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from phmbench.types import Batch


class AdaBN(nn.Module):
    """Train on the source alone; before a test, normalisations take the statistics of the target's windows.

    Paper: Li, Wang, Shi, Liu & Hou (2016), Revisiting batch normalization for practical domain adaptation, arXiv
        1603.04779.
    Deviations: the mean over batches of each batch's mean and variance, each of them the same weight. Checkpoints hold
        the source's statistics: what is chosen on the source's validation is chosen with these.
    Shapes: what the network gives (B, K); loss ().
    """

    @staticmethod
    def require(network: nn.Module) -> None:
        """See that there is something to adapt.

        Raises:
            ValueError: no normalisation with running statistics.
        """
        if not normalisations(network):
            raise ValueError(
                "adaptation: AdaBN replaces running statistics of batch normalisation; got a network without; choose "
                "another model, such as model=wdcnn, or another task/adaptation"
            )

    def forward(self, network: nn.Module, source: Batch, target: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        return {"loss": cross_entropy(network(source.signal, source.context), source.label)}

    @staticmethod
    @torch.no_grad()
    def meet(network: nn.Module, target: Iterable[Batch]) -> None:
        """Replace the running statistics by those of these batches; nothing else changes."""
        modes = [(module, module.training) for module in network.modules()]
        found = normalisations(network)
        before = [one.momentum for one in found]
        network.eval()
        for one in found:
            one.reset_running_stats()
            one.momentum = None  # the plain mean over batches
            one.train()
        for batch in target:
            network(batch.signal, batch.context)
        for one, momentum in zip(found, before, strict=True):
            one.momentum = momentum
        for module, mode in modes:
            module.training = mode


def normalisations(network: nn.Module) -> list[_BatchNorm]:
    """Those that keep running statistics."""
    return [one for one in network.modules() if isinstance(one, _BatchNorm) and one.running_mean is not None]
