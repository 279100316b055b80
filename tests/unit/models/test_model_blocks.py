"""What models share."""

import pytest
import torch
from torch import nn

from phmbench.models.blocks import he_normal, require_window


def test_a_short_window_says_what_to_do():
    message = "window: too short for X; got 7 samples; expected 8 or more; set data.window to at least 8, or sleep"
    with pytest.raises(ValueError, match=message):
        require_window("X", window=7, least=8, otherwise=", or sleep")


def test_the_shortest_window_is_accepted():
    assert require_window("X", window=8, least=8, otherwise="") is None


def test_he_normal_keeps_the_size_of_a_signal_behind_a_rectifier():
    """He et al., eq. 10: weights of variance 2 / inputs, here 2 / 500, so that a signal of mean square 1 before the
    rectifier (0.5 behind it) has mean square 1 again."""
    torch.manual_seed(0)
    layer = nn.Linear(500, 2000)
    layer.apply(he_normal)
    assert layer.weight.var().item() == pytest.approx(2 / 500, rel=0.02)
    assert not layer.bias.any()
    assert layer(torch.randn(50, 500).relu()).square().mean().item() == pytest.approx(1, rel=0.1)


def test_he_normal_takes_layers_without_bias_and_leaves_others():
    norm = nn.BatchNorm1d(3)
    nn.Sequential(nn.Conv1d(1, 3, 5, bias=False), norm).apply(he_normal)
    assert torch.equal(norm.weight, torch.ones(3))
