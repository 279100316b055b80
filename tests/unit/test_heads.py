"""Heads against hand arithmetic and a loop."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from phmbench.heads import Linear, PerRigLinear
from phmbench.testing.examples import context_of


def context(rigs):
    return context_of(len(rigs))._replace(rig=torch.tensor(rigs))


@pytest.mark.parametrize("features", [8, 512])
def test_the_first_loss_is_that_of_a_guess(features):
    """Features of size one give logits of spread 0.1: ln K and about 0.1² / 2 above it."""
    torch.manual_seed(0)
    label = torch.arange(400) % 5
    for head in (Linear(features=features, classes=5), PerRigLinear(features=features, classes=5, rigs=3)):
        feature = torch.randn(400, features)
        given = head(feature, context([0] * 400)) if getattr(head, "reads", ()) else head(feature)
        assert cross_entropy(given, label).item() == pytest.approx(math.log(5), abs=0.03)


def test_each_window_gets_the_head_of_its_rig():
    """Weights of rig 0: class 0 takes the feature, class 1 twice it; of rig 1: three and four times. Feature 1."""
    head = PerRigLinear(features=1, classes=2, rigs=2)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    assert head(torch.ones(3, 1), context([1, 0, 1])).tolist() == [[3, 4], [1, 2], [3, 4]]


def test_a_head_learns_from_the_windows_of_its_rig_alone():
    head = PerRigLinear(features=4, classes=2, rigs=3)
    head(torch.ones(5, 4), context([0, 2, 2, 0, 2])).sum().backward()
    assert head.linear.weight.grad.view(3, 2, 4)[:, 0, 0].tolist() == [2, 0, 3]


@pytest.mark.parametrize("rig", [-1, 2])
def test_a_rig_that_training_has_not_seen_says_what_to_choose(rig):
    head = PerRigLinear(features=4, classes=2, rigs=2)
    message = (
        r"head: PerRigLinear .* got windows of another rig; expected rigs 0 to 1; take task/head=linear, or a split"
    )
    with pytest.raises(ValueError, match=message):
        head(torch.ones(2, 4), context([0, rig]))
