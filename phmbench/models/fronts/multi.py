"""Several fronts, one above the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from phmbench.models.blocks import Count
from phmbench.models.fronts.front import Front, Refusal

if TYPE_CHECKING:
    from phmbench.types import Context


class Multi(nn.Module):
    """What several fronts make of the same window, stacked as channels.

    Paper: none; each front names its own.
    Shapes: signal (B, C, L) to (B, sum of C', L').
    Size: no parameters of its own.

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L.
        fronts: name to a front that is still to be made (`_partial_: true`); all of one length.

    Raises:
        ValueError: none, or their lengths differ.
    """

    def __init__(self, *, channels: Count, window: Count, fronts: Mapping[str, Callable[..., Front]]) -> None:
        made = {name: make(channels=channels, window=window) for name, make in fronts.items()}
        lengths = {name: front.out_window for name, front in made.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                "fronts: what is stacked must be of one length; got "
                f"{', '.join(f'{name} {length}' for name, length in lengths.items()) or 'none'}; expected at least one "
                "front, and all equally long; set the length of each"
            )
        super().__init__()
        self.out_channels, self.out_window = sum(front.out_channels for front in made.values()), lengths.popitem()[1]
        self.fronts = nn.ModuleDict(made)  # type: ignore[arg-type]
        self.reads = tuple(dict.fromkeys(name for front in made.values() for name in front.reads))

    def forward(self, signal: Tensor, context: Context | None = None) -> Tensor:
        every = [front(signal, context) if front.reads else front(signal) for front in self.fronts.values()]
        return torch.cat(every, 1)

    def refusals(self, context: Context) -> list[Refusal]:
        """What one of them cannot read of recordings."""
        found = []
        for name, front in self.fronts.items():
            refusals: list[Refusal] = front.refusals(context) if hasattr(front, "refusals") else []  # type: ignore[operator]
            said = ((one, one.instead.replace("model.front.", f"model.front.fronts.{name}.")) for one in refusals)
            found += [one._replace(instead=instead) for one, instead in said]
        return found
