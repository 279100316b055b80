"""ERM against hand arithmetic."""

import math

import pytest
import torch
from torch import nn

from phmbench.algorithms.erm import ERM
from phmbench.network import Network
from phmbench.testing import check_algorithm
from phmbench.testing.examples import context_of
from phmbench.types import Batch


def batch_of(logits, label):
    """The network only drops the last axis, so that the signal is the logits."""
    n = len(label)
    signal = torch.tensor(logits)[:, :, None]
    return Batch(signal, torch.tensor(label), torch.zeros(n, dtype=torch.long), torch.arange(n), context_of(n))


def test_loss_is_the_mean_cross_entropy():
    """Logits (0, ln 3): class 0 has probability 1/4, class 1 3/4. Labels 0 and 1: (ln 4 + ln 4/3) / 2."""
    out = ERM()(Network(nn.Flatten()), batch_of([[0.0, math.log(3)]] * 2, [0, 1]))
    assert list(out) == ["loss"]
    assert out["loss"].item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_smoothing_spreads_a_share_over_all_classes():
    """Label 1 and smoothing 0.2 over two classes: target (0.1, 0.9); loss 0.1 ln 4 + 0.9 ln 4/3."""
    out = ERM(label_smoothing=0.2)(Network(nn.Flatten()), batch_of([[0.0, math.log(3)]], [1]))
    assert out["loss"].item() == pytest.approx(0.1 * math.log(4) + 0.9 * math.log(4 / 3))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_says_what_to_do(share):
    with pytest.raises(ValueError, match=rf"label_smoothing: is a share; got {share}; expected 0 ≤ share < 1; try 0.1"):
        ERM(label_smoothing=share)


def test_contract():
    check_algorithm(ERM, paper=True)
    check_algorithm(ERM, label_smoothing=0.1)
