"""The base of methods: what they learn from, and the loss where a method has none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from phmbench.types import Batch


class Method(nn.Module):
    """How an episode is classified. Nothing is kept from one episode to the next.

    A method writes `forward(network, support, query)`, which gives one score a way, and says in `learns_from` what its
    network can be trained by: "episodes", or "windows" as any classifier is; first what it was published with.
    """

    learns_from: ClassVar[tuple[str, ...]] = ("episodes", "windows")

    def forward(self, network: nn.Module, support: Batch, query: Batch) -> Tensor:
        """Scores (Q, N), log-probabilities up to a constant of each row."""
        raise NotImplementedError

    def losses(self, network: nn.Module, support: Batch, query: Batch) -> dict[str, Tensor]:
        """What an episode of training minimises: the cross-entropy of its queries."""
        return {"loss": cross_entropy(self(network, support, query), query.label)}

    def see(self, features: Tensor) -> None:
        """Features (B, F) of training windows, where training is by windows: for what a method must know of them."""
