"""Network: the order of the parts, and who is given the context."""

import pytest
import torch
from torch import nn

from phmbench.network import Network
from phmbench.testing.examples import context_of


class AddRate(nn.Module):
    """Adds the sampling rate to every value."""

    reads = ("rate_hz",)

    def forward(self, signal, context):
        return signal + context.rate_hz[:, None]


def test_parts_are_passed_in_order_and_features_end_before_the_head():
    """(1, 2) flattened, 12 000 Hz added, then the head adds up: 12 001 + 12 002."""
    head = nn.Linear(2, 1, bias=False)
    nn.init.ones_(head.weight)
    network = Network(nn.Flatten(), AddRate(), head)
    signal = torch.tensor([[[1.0, 2.0]]])
    assert network.features(signal, context_of(1)).tolist() == [[12_001.0, 12_002.0]]
    assert network(signal, context_of(1)).item() == 24_003.0


def test_the_context_may_be_left_out_where_nothing_reads_it():
    assert Network(nn.Flatten())(torch.ones(3, 1, 4)).shape == (3, 4)


def test_a_part_that_reads_the_context_says_so():
    message = r"context: AddRate reads rate_hz; got no context; .* call network\(batch.signal, batch.context\)"
    with pytest.raises(ValueError, match=message):
        Network(AddRate())(torch.ones(3, 4))


def test_a_network_without_parts_says_what_to_do():
    with pytest.raises(ValueError, match=r"parts: .* got none; pass backbone and head"):
        Network()
