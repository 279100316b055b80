"""MixStyle: feature maps with the mean and the deviation of another domain's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn.functional import cross_entropy

from phmbench.algorithms.domains import partners

if TYPE_CHECKING:
    from phmbench.types import Batch

EPSILON = 1e-6


class MixStyle(nn.Module):
    """In training, mix mean and deviation of a window's early feature maps with those of a window of another domain.

    Paper: Zhou, Yang, Qiao & Xiang (2021), Domain generalization with MixStyle, ICLR, arXiv 2104.02008, with domain
        labels.
    Deviations: whether a batch is mixed is drawn for each layer.
    Shapes: feature maps (B, C', L') of the model's `early()`; loss ().

    Args:
        alpha: of the Beta distribution from which shares are drawn.
        probability: that a layer mixes a batch.
    """

    needs = ("early",)  # of the model: modules whose feature maps still have a style

    def __init__(
        self, *, alpha: Annotated[float, Gt(0)] = 0.1, probability: Annotated[float, Ge(0), Le(1)] = 0.5
    ) -> None:
        super().__init__()
        self.alpha, self.probability = alpha, probability

    def forward(self, network: Any, batch: Batch) -> dict[str, Tensor]:
        """`loss`, with gradients to the network."""
        model = network.parts[0]
        if not hasattr(model, "early"):
            raise ValueError(
                f"model: MixStyle needs feature maps along time; got {type(model).__name__}, which names none; "
                "choose model=wdcnn, resnet1d or patch_transformer, or another task/algorithm"
            )

        def mixed(module: nn.Module, arguments: Any, maps: Tensor) -> Tensor:
            if not self.training or float(torch.rand(())) >= self.probability:
                return maps
            return self.mix(maps, partners(batch), self.shares(len(maps), maps.device))

        hooks = [module.register_forward_hook(mixed) for module in model.early()]
        try:
            logits = network(batch.signal, batch.context)
        finally:
            for hook in hooks:
                hook.remove()
        return {"loss": cross_entropy(logits.float(), batch.label)}

    def shares(self, count: int, device: torch.device) -> Tensor:
        """Share of each window's own style, (B,)."""
        return Beta(torch.tensor(self.alpha), torch.tensor(self.alpha)).sample((count,)).to(device)

    @staticmethod
    def mix(maps: Tensor, other: Tensor, share: Tensor) -> Tensor:
        """Maps with a style between their own and another window's; style has no gradient. (B, C', L')."""
        mean = maps.mean(-1, keepdim=True).detach()
        deviation = (maps.var(-1, keepdim=True).detach() + EPSILON).sqrt()
        own = share[:, None, None].to(maps.dtype)
        between = [own * one + (1 - own) * one[other] for one in (mean, deviation)]
        return (maps - mean) / deviation * between[1] + between[0]
