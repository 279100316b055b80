"""What methods share: features of both sides of an episode, means of ways, and weights that are adapted in a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import one_hot

if TYPE_CHECKING:
    from phmbench.types import Batch


def embed(network: nn.Module, support: Batch, query: Batch) -> tuple[Tensor, Tensor]:
    """Features of both sides, (S, F) and (Q, F), in one pass: a normalisation in training sees them together."""
    signal = torch.cat([support.signal, query.signal])
    context = type(support.context)(*(torch.cat(pair) for pair in zip(support.context, query.context, strict=True)))
    features: Tensor = network.features(signal, context)  # type: ignore[operator]
    return features[: len(support.label)], features[len(support.label) :]


def ways(support: Batch) -> int:
    """Number of classes of the episode, N."""
    return int(support.label.max()) + 1


def shares(label: Tensor, count: int) -> Tensor:
    """(N, S): in each row the windows of a way, of sum one."""
    member = one_hot(label, count).T.to(torch.float32)
    return member / member.sum(1, keepdim=True)


def means(features: Tensor, label: Tensor, count: int) -> Tensor:
    """Mean feature of each way: (S, F) to (N, F)."""
    return shares(label, count).to(features) @ features


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients within a test too, where Lightning has switched them off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


class _Features(nn.Module):
    """A network as the function of its weights that gives features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Tensor:
        features: Tensor = self.network.features(batch.signal, batch.context)  # type: ignore[operator]
        return features


def features_with(network: nn.Module, weights: Mapping[str, Tensor]) -> Callable[[Batch], Tensor]:
    """Features (B, F) with these weights in the place of the network's own; normalisations keep their statistics, and
    in training move them.

    Args:
        network: has `features`.
        weights: by the network's own names; those that are not named are its own.
    """
    module = _Features(network)
    named = {f"network.{name}": value for name, value in weights.items()}

    def call(batch: Batch) -> Tensor:
        features: Tensor = functional_call(module, named, (batch,))
        return features

    return call


def own(batch: Batch) -> Batch:
    """The batch outside of inference mode, whose tensors take no part in gradients."""
    return batch._replace(signal=batch.signal.clone(), context=type(batch.context)(*(v.clone() for v in batch.context)),
                          label=batch.label.clone())  # fmt: skip
