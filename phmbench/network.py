"""What a task trains: parts in a row, from the signal to what the loss is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from phmbench.types import Context


class Network(nn.Module):
    """Front, backbone, head. A part that must know more than the signal names it in `reads`, and is given the context.

    Shapes: signal (B, C, L) to what the last part gives, (B, K) for a linear head; `features` gives (B, F).

    Args:
        parts: modules in the order in which the signal passes them; the last one is the head.
        front: what the signal passes before them; None: nothing. Its place is its own, so that weights of a backbone
            have the same names with any front.

    Raises:
        ValueError: there is no part, or a part reads the context and none is given.
    """

    def __init__(self, *parts: nn.Module, front: nn.Module | None = None) -> None:
        super().__init__()
        if not parts:
            raise ValueError("parts: a network needs a head at least; got none; pass backbone and head")
        self.front = front
        self.parts = nn.ModuleList(parts)

    def forward(self, signal: Tensor, context: Context | None = None) -> Tensor:
        """Everything up to and with the head: (B, C, L) to (B, K)."""
        return self._pass(self._row(), signal, context)

    def features(self, signal: Tensor, context: Context | None = None) -> Tensor:
        """Everything before the head: (B, C, L) to (B, F)."""
        return self._pass(self._row()[:-1], signal, context)

    def classify(self, features: Tensor, context: Context | None = None) -> Tensor:
        """The head alone: (B, F), as `features` gives them, to (B, K)."""
        return self._pass([self.parts[-1]], features, context)

    def _row(self) -> list[nn.Module]:
        return [*self.parts] if self.front is None else [self.front, *self.parts]

    def _pass(self, parts: Iterable[nn.Module], signal: Tensor, context: Context | None) -> Tensor:
        for part in parts:
            reads = tuple(getattr(part, "reads", ()))
            if reads and context is None:
                raise ValueError(
                    f"context: {type(part).__name__} reads {', '.join(reads)}; got no context; "
                    "expected the batch's; call network(batch.signal, batch.context)"
                )
            signal = part(signal, context) if reads else part(signal)
        return signal
