"""The time of a forward pass."""

from __future__ import annotations

import torch
from torch import nn

from phmbench.training.latency import PASSES, WARM_UP, latency_s
from phmbench.types import Batch, Context


class Counts(nn.Module):
    """Says how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[bool, bool, tuple[int, ...]]] = []

    def forward(self, signal: torch.Tensor, context: Context) -> torch.Tensor:
        self.calls.append((self.training, torch.is_grad_enabled(), tuple(signal.shape)))
        return signal


def test_passes_are_made_as_in_a_test_and_the_network_is_left_as_it_was():
    zeros = torch.zeros(3)
    batch = Batch(torch.zeros(3, 1, 8), zeros, zeros, zeros, Context(zeros, zeros, torch.zeros(3, 4), zeros))
    network = Counts().train()
    found = latency_s(network, batch, torch.device("cpu"))
    assert found > 0
    assert network.calls == [(False, False, (3, 1, 8))] * (WARM_UP + PASSES)
    assert network.training
