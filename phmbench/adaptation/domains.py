"""What methods of adaptation share: both domains in one pass, kernels of several widths, and an adversary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from phmbench.algorithms.dann import Reversed

if TYPE_CHECKING:
    from phmbench.types import Batch


class Passed(NamedTuple):
    """What a network makes of both batches, the source's B windows first, then the target's B'."""

    features: Tensor  # (B + B', F)
    logits: Tensor  # (B + B', K)
    source: Tensor  # (B + B',) bool: which windows are of the source
    risk: Tensor  # () mean cross-entropy over the source


def passed(network: Any, source: Batch, target: Batch) -> Passed:
    """Both batches in one pass, as in UDTL: normalisations see one mixture of the two."""
    context = type(source.context)(*(torch.cat(pair) for pair in zip(source.context, target.context, strict=True)))
    features = network.features(torch.cat([source.signal, target.signal]), context)  # (B + B', F)
    logits = network.classify(features, context).float()  # (B + B', K)
    number = len(source.label)
    of_source = torch.arange(len(features), device=features.device) < number
    return Passed(features.float(), logits, of_source, cross_entropy(logits[:number], source.label))


def kernel(values: Tensor, *, widths: int, sigma: float | None = None) -> Tensor:
    """Sum of Gaussian kernels exp(−d² / (σ² 2ⁱ)), i from −⌊widths / 2⌋, (N, N) of (N, F).

    σ² is the mean squared distance between two values, without gradient (Long et al. 2015, section 4.1), or `sigma`².
    """
    apart = (values[:, None] - values).square().sum(-1)  # (N, N)
    square = apart.detach().sum() / max(1, len(values) * (len(values) - 1)) if sigma is None else sigma**2
    steps = torch.arange(widths, device=values.device) - widths // 2
    scale = (square * 2.0**steps).clamp_min(1e-12) if isinstance(square, Tensor) else square * 2.0**steps
    return torch.exp(-apart / scale[:, None, None]).sum(0)


def discrepancy(kernel: Tensor, source: Tensor) -> Tensor:
    """Squared maximum mean discrepancy, biased (Gretton et al. 2012, eq. 5), () of (N, N) and (N,) bool."""
    sign = source.float() / source.sum() - (~source).float() / (~source).sum()  # (N,)
    return sign @ kernel @ sign


class Adversary(nn.Module):
    """Tells source from target; what it is given learns, through a reversed gradient, that nobody can.

    Args:
        inputs: numbers of a window.
        hidden: units of each of its two layers.
    """

    def __init__(self, *, inputs: int, hidden: int) -> None:
        super().__init__()
        layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, values: Tensor, source: Tensor, strength: Tensor, weight: Tensor | None = None) -> Tensor:
        """Mean loss, () of values (N, inputs) and source (N,) bool; weight (N,) of each window."""
        reversed_: Tensor = Reversed.apply(values, strength)  # type: ignore[no-untyped-call]
        scores = self.layers(reversed_).squeeze(1).float()
        each = binary_cross_entropy_with_logits(scores, source.float(), reduction="none")  # (N,)
        return (each if weight is None else weight * each).mean()
