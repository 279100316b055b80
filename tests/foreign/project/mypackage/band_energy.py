"""A model: how strong the signal is in bands that are learned."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

Count = Annotated[int, Ge(1)]


class BandEnergy(nn.Module):
    """Log energies behind a bank of learned filters.

    Paper: none; the energy detector of every textbook.
    Shapes: signal (B, C, L) to feature (B, F).

    Args:
        channels: channels of the signal, C.
        window: samples of a window, L.
        width: filters, F.
        kernel: samples under a filter.

    Raises:
        ValueError: the window is shorter than a filter.
    """

    def __init__(self, *, channels: Count, window: Count, width: Count = 32, kernel: Count = 64) -> None:
        super().__init__()
        if window < kernel:
            raise ValueError(f"window: filters see {kernel} samples; got {window}; expected {kernel} or more")
        self.n_features = width
        self.filters = nn.Conv1d(channels, width, kernel, stride=4, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, signal: Tensor) -> Tensor:
        energy = self.filters(signal).square().mean(-1)  # (B, F)
        return self.norm(torch.log(energy + 1e-6))
