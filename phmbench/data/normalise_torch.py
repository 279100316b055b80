"""The arithmetic of `normalise` as modules, for a model that is exported together with its normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from phmbench.data.normalise import CONSTANT, TrainStatistics


class PerWindowStandardise(nn.Module):
    """Take each window and channel to zero mean and unit variance; equal to `normalise.per_window`.

    Shapes: (B, C, L) to (B, C, L).
    """

    def forward(self, signal: Tensor) -> Tensor:
        mean = signal.mean(-1, keepdim=True)
        away = signal - mean
        return away * _inverse(away.square().mean(-1, keepdim=True).sqrt(), mean)


class Standardise(nn.Module):
    """Subtract the mean and divide by the deviation of each channel; equal to `normalise.TrainStatistics.apply`.

    Mean and deviation are buffers: they travel in the checkpoint.

    Shapes: (B, C, L) to (B, C, L).

    Args:
        statistics: fitted on training windows.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, statistics: TrainStatistics) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(statistics.mean.copy()))  # (C, 1)
        self.register_buffer("std", torch.from_numpy(statistics.std.copy()))  # (C, 1)

    def forward(self, signal: Tensor) -> Tensor:
        return (signal - self.mean) * _inverse(self.std, self.mean)


def _inverse(spread: Tensor, mean: Tensor) -> Tensor:
    constant = spread <= CONSTANT * mean.abs()
    return torch.where(constant, 0.0, 1.0 / torch.where(constant, 1.0, spread))
